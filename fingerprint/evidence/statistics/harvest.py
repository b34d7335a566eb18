"""How much is being asked for: whether the pool's accounts come again and again, with something new each time.

No tests: what honest traffic gives differs from home to home, so the values themselves count, from 0 to 1.
"""

from __future__ import annotations

import numpy as np

from fingerprint.base.sparse import sum_of
from fingerprint.base.types import Doubles
from fingerprint.evidence.null_models import Trait
from fingerprint.evidence.observations import Observations, once
from fingerprint.evidence.statistics.pool_overlap import pool_overlaps

LONG_TOKENS = 40
"""Tokens of a filling from which on it is a task of its own and no few words."""


def once_each(data: Observations) -> Trait:
    """Mean requests of an account of the pool; evidence 1 where each sent one, 0 from two on: a viral text or an assignment."""
    load = _load(data)
    nan = np.full(data.families, np.nan)
    return Trait(load, nan, np.where(data.requests > 0, np.clip(2.0 - load, 0.0, 1.0), 0.0))


def short_fillings(data: Observations) -> Trait:
    """Median tokens of a filling; evidence 1 where there are none, falling to 0 at LONG_TOKENS."""
    length = _median_length(data)
    evidence = 1 - np.log1p(np.minimum(np.nan_to_num(length), LONG_TOKENS)) / np.log1p(LONG_TOKENS)
    return Trait(length, np.full(data.families, np.nan), np.where(np.isnan(length), 0.0, evidence))


def _load(data: Observations) -> Doubles:
    """Mean requests of an account, of the family and those of its pool, (f,)."""
    related = pool_overlaps(data).related
    pool = (related @ data.pool + data.pool).multiply(data.pool.sign()).tocsr()
    return np.asarray(sum_of(pool, pool.data) / np.maximum(data.accounts, 1), dtype=np.float64)


@once
def _median_length(data: Observations) -> Doubles:
    out = np.full(data.families, np.nan)
    if data.sample is None:
        return out
    bounds = np.searchsorted(data.sample.family, np.arange(data.families + 1))
    for family in range(data.families):
        length = data.sample.length[bounds[family] : bounds[family + 1]]
        if len(length):
            out[family] = np.median(length)
    return out
