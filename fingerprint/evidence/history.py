"""What earlier nights knew of a family's accounts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from fingerprint.base import stats
from fingerprint.base.sparse import family_of, sum_of
from fingerprint.base.types import Doubles
from fingerprint.evidence.null_models import SMOOTHING, Trait, log_tail, unknown
from fingerprint.evidence.turnover import Arrivals, comings


@dataclass(frozen=True, slots=True)
class History:
    """What earlier nights hold of f families and tonight's a accounts.

    members: (f, a) CSR of requests. requests: (f,) of all accounts. whole: requests in any family or none.
    comings: which accounts are new and which went silent; None without earlier nights.
    """

    members: sparse.csr_matrix
    requests: Doubles
    whole: float
    comings: Arrivals | None = None


def past(spread: pa.Table, sent: pa.Table, families: Sequence[str], accounts: pa.Array) -> History:
    """Arrange earlier nights for tonight's families and accounts.

    spread: family_id, account_id and requests; sent: account_id, requests and last_day of all traffic of those nights.
    """
    place = {family: number for number, family in enumerate(families)}
    coded = spread.column("family_id").combine_chunks().dictionary_encode()
    known = np.array([place.get(name, -1) for name in coded.dictionary.to_pylist()], dtype=np.int64)
    row = known[coded.indices.to_numpy()]
    column = pc.index_in(spread.column("account_id"), accounts).fill_null(-1).to_numpy().astype(np.int64)
    requests = spread.column("requests").to_numpy().astype(np.float64)
    mine = row >= 0
    both = mine & (column >= 0)
    shape = (len(families), len(accounts))
    members = sparse.csr_matrix((requests[both], (row[both], column[both])), shape=shape)
    before = np.bincount(row[mine], requests[mine], len(families)).astype(np.float64)
    whole = float(pc.sum(sent.column("requests")).as_py() or 0)
    return History(members, before, whole, comings(spread, sent, row, accounts))


def returning(pool: sparse.csr_matrix, history: History | None, volume: Doubles) -> Trait:
    """Accounts of tonight's pool that sent the family on an earlier night, against random senders of tonight.

    Null: each earlier member that is active tonight is drawn in one of m requests (Poisson-binomial).
    """
    if history is None:
        return unknown(pool.shape[0])
    requests = sum_of(pool, pool.data)
    before = history.members
    share = (volume + SMOOTHING) / (volume + SMOOTHING).sum()
    drawn = -np.expm1(-requests[family_of(before)] * share[before.indices])
    seen = np.asarray(pool.sign().multiply(before.sign()).sum(axis=1)).ravel()
    known = np.diff(before.indptr) > 0
    expected = sum_of(before, drawn)
    nan = np.where(known, 0.0, np.nan)
    return Trait(seen + nan, expected + nan, np.where(known, -log_tail(seen, expected) / np.log(10), 0.0))


def growth(pool: sparse.csr_matrix, history: History | None, volume: Doubles) -> Trait:
    """Compare tonight's requests with the earlier share of all traffic (Poisson rates; Przyborowski & Wilenski 1940)."""
    if history is None or not history.whole:
        return unknown(pool.shape[0])
    requests = sum_of(pool, pool.data)
    tonight = float(volume.sum())
    known = history.requests > 0
    expected = history.requests * tonight / history.whole
    both = requests + history.requests
    with np.errstate(divide="ignore"):
        tail = np.log(stats.binomial(requests, both, tonight / (tonight + history.whole)))
    nan = np.where(known, 0.0, np.nan)
    return Trait(requests + nan, expected + nan, np.where(known, -tail / np.log(10), 0.0))
