"""Whether a family's accounts are new, and whether some went silent as others came: banned accounts are replaced.

Null: an account that sent so much tonight is new with the share that all accounts of like volume are, and one that
sent so much before is silent tonight with theirs. Counts are overdispersed (`sharing.log_tail`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from fingerprint.base.sparse import family_of, sum_of
from fingerprint.base.types import Bools, Doubles, IntArray
from fingerprint.evidence.null_models import Trait, log_tail

RECENT = timedelta(days=7)
"""Accounts that were last seen longer ago have not gone silent tonight."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Which of tonight's a accounts are new (a,), and how many earlier accounts of f families went silent (f,).

    expected: (f,) how many of the silent ones chance gives.
    """

    new: Bools
    silent: Doubles
    expected: Doubles


def comings(spread: pa.Table, sent: pa.Table, family: IntArray, accounts: pa.Array) -> Arrivals | None:
    """Compare tonight's accounts with those of earlier nights; None without any.

    spread: earlier account_id by family, family: its (rows,) numbers, -1 = none; sent: account_id, requests and
    last_day of all earlier traffic.
    """
    if not len(sent):
        return None
    last = sent.column("last_day")
    sent = sent.filter(pc.greater_equal(last, pa.scalar(pc.max(last).as_py() - RECENT, pa.date32())))
    before = sent.column("account_id").combine_chunks()
    gone = ~pc.is_in(before, accounts).to_numpy(zero_copy_only=False)
    usual = _usual(gone, sent.column("requests").to_numpy().astype(np.float64))
    at = pc.index_in(spread.column("account_id"), before).fill_null(-1).to_numpy()
    mine = (family >= 0) & (at >= 0)
    count = int(family.max(initial=-1)) + 1
    silent = np.bincount(family[mine], gone[at[mine]].astype(np.float64), count)
    expected = np.bincount(family[mine], usual[at[mine]], count)
    new = ~pc.is_in(accounts, before).to_numpy(zero_copy_only=False)
    return Arrivals(new, silent.astype(np.float64), expected.astype(np.float64))


def _usual(what: Bools, volume: Doubles) -> Doubles:
    """Return for each account the share of those of like volume (a power of two) that `what` is true of."""
    group = np.log2(np.maximum(volume, 1.0)).astype(np.int64)
    share = np.bincount(group, what) / np.maximum(np.bincount(group), 1)
    return np.asarray(share[group], dtype=np.float64)


def turnover(pool: sparse.csr_matrix, volume: Doubles, found: Arrivals | None) -> tuple[Trait, Trait]:
    """Return the traits of new accounts, and of replaced ones: as many as are both new and silent.

    Replacement takes both beyond chance, so its p-value is the larger of the two (intersection-union; Berger 1982).
    """
    unknown = np.full(pool.shape[0], np.nan)
    if found is None:
        nothing = Trait(unknown, unknown, np.zeros(pool.shape[0]))
        return nothing, nothing
    entry = pool.indices
    new = sum_of(pool, found.new[entry].astype(np.float64))
    expected = sum_of(pool, _usual(found.new, volume)[entry])
    silent, usual = (np.pad(x, (0, pool.shape[0] - len(x))) for x in (found.silent, found.expected))
    fresh = -log_tail(new, expected) / np.log(10)
    gone = -log_tail(silent, usual) / np.log(10)
    has = np.bincount(family_of(pool), minlength=pool.shape[0]) > 0
    nan = np.where(has, 0.0, np.nan)
    both = np.minimum(np.where(has, fresh, 0), np.where(has, gone, 0))
    return (
        Trait(new + nan, expected + nan, np.where(has, fresh, 0.0)),
        Trait(np.minimum(new, silent) + nan, np.minimum(expected, usual) + nan, both),
    )
