"""How much is being asked for: whether the pool's accounts come again and again, with something new each time.

No tests: what honest traffic gives differs from home to home, so the values themselves count, from 0 to 1.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from fingerprint.base.sparse import family_of, sum_of
from fingerprint.base.types import Doubles, Ids
from fingerprint.evidence.filling_sample import UNREAD
from fingerprint.evidence.null_models import Trait
from fingerprint.evidence.observations import Observations, once
from fingerprint.evidence.statistics.pool_overlap import pool_overlaps

SITTING_SECONDS = 2 * 3600.0
"""Requests of one account that are further apart belong to two sittings."""

FEW_REQUESTS = 3.0
"""Up to so many requests of a sitting are one errand."""

COMING_BACK = 0.4
"""Of a pool that comes back some accounts were seen once only: mean sittings beyond the first that say so in full."""

MOSTLY_UNREAD = 0.5
"""Share of a family's fillings from which on what can be read of the others says nothing of it."""

LONG_TOKENS = 40
"""Tokens of a filling from which on it is a task of its own and no few words."""


def once_each(data: Observations) -> Trait:
    """Mean sittings of an account of the pool; evidence 1 where each had one, as with a viral text, a class or a benchmark.

    Tonight's only: the users of an honest tool come back another day.
    """
    once_only = np.where(data.requests > 0, 1 - _more_tonight(data), 0.0)
    nan = np.full(data.families, np.nan)
    return Trait(np.where(data.requests > 0, _sittings(data), np.nan), nan, once_only)


@once
def come_back(data: Observations) -> Doubles:
    """How far each pool's accounts come back, (f,), 0 to 1: tonight, or after earlier nights on which they sent the family."""
    again = np.zeros(data.families)
    if data.history is not None:
        both = data.pool.sign().multiply(data.history.members.sign()).tocsr()
        again = sum_of(both, both.data) / np.maximum(data.accounts, 1) / COMING_BACK
    return np.clip(np.maximum(_more_tonight(data), again), 0.0, 1.0)


def _more_tonight(data: Observations) -> Doubles:
    """How far accounts come back for more tonight, (f,), 0 to 1: by a second sitting, or by many requests in one."""
    more = _sittings(data) - 1 + np.maximum(_load(data) - FEW_REQUESTS, 0.0) / (2 * FEW_REQUESTS)
    return np.clip(more / COMING_BACK, 0.0, 1.0)


def short_fillings(data: Observations) -> Trait:
    """Median tokens of a filling; evidence 1 where there are none, falling to 0 at LONG_TOKENS."""
    length = median_length(data)
    evidence = 1 - np.log1p(np.minimum(np.nan_to_num(length), LONG_TOKENS)) / np.log1p(LONG_TOKENS)
    return Trait(length, np.full(data.families, np.nan), np.where(np.isnan(length), 0.0, evidence))


@once
def _sittings(data: Observations) -> Doubles:
    """Mean sittings of an account tonight, with the templates of the pool, (f,)."""
    related = pool_overlaps(data).related
    rows = (related @ data.rows + data.rows).sign().tocsr()
    family, request = family_of(rows), rows.indices
    account, second = data.account[request].astype(np.int64), data.second[request]
    order = np.lexsort((second, account, family))
    family, account, second = family[order], account[order], second[order]
    begins = np.ones(len(order), dtype=np.bool_)
    begins[1:] = (np.diff(family) != 0) | (np.diff(account) != 0) | (np.diff(second) > SITTING_SECONDS)
    shape = (data.families, data.pool.shape[1])
    sittings = sparse.csr_matrix(
        (begins[begins].astype(np.float64), (family[begins], account[begins])), shape=shape
    )
    own = sittings.multiply(data.pool.sign()).tocsr()
    return np.asarray(sum_of(own, own.data) / np.maximum(data.accounts, 1), dtype=np.float64)


def _load(data: Observations) -> Doubles:
    """Mean requests of an account, of the family and those of its pool, (f,)."""
    related = pool_overlaps(data).related
    pool = (related @ data.pool + data.pool).multiply(data.pool.sign()).tocsr()
    return np.asarray(sum_of(pool, pool.data) / np.maximum(data.accounts, 1), dtype=np.float64)


@once
def median_length(data: Observations) -> Doubles:
    """Median tokens of each family's fillings, (f,), NaN where none was read, or most are pictures and the like."""
    out, masked = np.full(data.families, np.nan), unread_share(data)
    for family in np.flatnonzero(masked < MOSTLY_UNREAD):
        length = _lengths(data, int(family))
        out[family] = np.median(length[length != UNREAD])
    return out


def unread_share(data: Observations) -> Doubles:
    """Share of each family's fillings that are nothing but pictures, dates, numbers and the like, (f,), NaN where none was read."""
    lengths = [_lengths(data, family) for family in range(data.families)]
    return np.array([(n == UNREAD).mean() if len(n) else np.nan for n in lengths], dtype=np.float64)


def _lengths(data: Observations, family: int) -> Ids:
    """Return the lengths of a family's sampled fillings, in tokens or UNREAD."""
    if data.sample is None:
        return np.empty(0, dtype=np.int32)
    begin, end = np.searchsorted(data.sample.family, [family, family + 1])
    return data.sample.length[begin:end]
