"""What a statistic may look at, and the one signature that all statistics have.

A statistic is a function `(data: Observations) -> Trait` in a file of `evidence/statistics/`; a row of
`assessment/features.py` makes it count. Nothing else has to know of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, wraps
from typing import TypeAlias, TypeVar, cast

import numpy as np
import pyarrow as pa
from scipy import sparse

from fingerprint.base.sparse import family_of, sum_of
from fingerprint.base.types import Bools, Doubles, Ids, IntArray
from fingerprint.evidence.coactivity import Behaviour, Ranks, sender_matrix, time_ranks
from fingerprint.evidence.filling_sample import FillingSample
from fingerprint.evidence.history import History
from fingerprint.evidence.intents import IntentLikeness
from fingerprint.evidence.null_models import SMOOTHING, Trait
from fingerprint.evidence.request_facts import RequestFacts
from fingerprint.evidence.slot_fillings import Fillings

Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class Observations:
    """A batch of r requests by a accounts, f families that hold some of them, and what earlier nights knew.

    Of each request: account (r,) int32, who sent it, 0 to a - 1. second (r,) float64, when, in Unix time. prompt (r,)
    int32, which of n distinct prompts it is, 0 to n - 1. metadata (r,) strings, a JSON object or null.

    Of each family: rows (f, r) CSR of ones, the requests it holds. shares_text (f,) bool, False where its prompts share
    a meaning only. behaviour (f,) each, its distinct accounts and the pairs of its requests that are close in time.

    history: what earlier nights hold of these families and accounts; None: nobody looked. fillings: what stands in the
    slots of each distinct prompt (n,); None: nobody looked. sample: what some requests of each family are filled with, as
    vectors; None: nobody looked. intents: how near each template is to what campaigns ask for; None: nobody looked.
    facts: what each request asks for beside its text, (r,); None: nobody looked. carrier: (f,) the family in whose text each
    stands, -1 = none; None: nobody looked.

    What many statistics need is a property here, computed when it is first asked for. What only the statistics of one
    file share is a function there, decorated with `once`.
    """

    account: Ids
    second: Doubles
    prompt: Ids
    metadata: pa.ChunkedArray
    rows: sparse.csr_matrix
    shares_text: Bools
    behaviour: Behaviour
    history: History | None = None
    fillings: Fillings | None = None
    sample: FillingSample | None = None
    intents: IntentLikeness | None = None
    facts: RequestFacts | None = None
    carrier: Ids | None = None
    _results: dict[object, object] = field(default_factory=dict, init=False, repr=False)

    @property
    def families(self) -> int:
        """How many families there are, f."""
        return int(self.rows.shape[0])

    @cached_property
    def pool(self) -> sparse.csr_matrix:
        """Requests of each family by account, (f, a) CSR of float64: the pool of accounts that sends it."""
        pool = (self.rows @ sender_matrix(self.account)).tocsr()
        pool.sort_indices()
        return pool

    @cached_property
    def requests(self) -> Doubles:
        """Requests of each family, (f,)."""
        return sum_of(self.pool, self.pool.data)

    @cached_property
    def accounts(self) -> IntArray:
        """Accounts of each family, (f,)."""
        return np.asarray(np.diff(self.pool.indptr), dtype=np.int64)

    @cached_property
    def volume(self) -> Doubles:
        """All requests of each account, in families or in none, (a,)."""
        return np.bincount(self.account, minlength=self.pool.shape[1]).astype(np.float64)

    @cached_property
    def expected_loads(self) -> Doubles:
        """Requests of the family that each of its accounts would send by chance, one for each stored entry of pool.

        Null: each of the family's requests is sent by an account drawn in proportion to its other traffic.
        """
        other = np.maximum(self.volume[self.pool.indices] - self.pool.data, 0) + SMOOTHING
        total = np.maximum(self.volume.sum() - self.requests + SMOOTHING * len(self.volume), 1.0)
        family = family_of(self.pool)
        return np.asarray(self.requests[family] * other / total[family])

    @cached_property
    def ranks(self) -> Ranks:
        """Place of each request in the order of time, (r,): the batch's daily rhythm cancels in it."""
        return time_ranks(self.second)


Statistic: TypeAlias = Callable[[Observations], Trait]


def once(compute: Callable[[Observations], Result]) -> Callable[[Observations], Result]:
    """Decorate a function of observations that several statistics call, so that it is computed once for each."""

    @wraps(compute)
    def computed(data: Observations) -> Result:
        if compute not in data._results:
            data._results[compute] = compute(data)
        return cast(Result, data._results[compute])

    return computed
