"""Whether a family's accounts are of one size: those that one hand opened and deals to have like volumes."""

from __future__ import annotations

import numpy as np

from fingerprint.base.sparse import family_of, sum_of
from fingerprint.evidence.null_models import MIN_POOL, Trait, upper_tail_trait
from fingerprint.evidence.observations import Observations


def size_spread(data: Observations) -> Trait:
    """Measure the standard deviation of the log of all requests of the pool's accounts; small is campaign-like.

    Null: accounts are in the pool with the probability that random senders give them; the variance of a sample of A
    has the variance (m4 - s^4) / A; normal tail.
    """
    pool, accounts = data.pool, data.accounts
    level, count = np.unique(data.volume, return_counts=True)
    drawn = count * -np.expm1(-np.outer(data.requests / max(data.volume.sum(), 1.0), level))
    share = drawn / np.maximum(drawn.sum(axis=1, keepdims=True), 1e-300)
    size = np.log(np.maximum(level, 1.0))
    away = size[None, :] - (share @ size)[:, None]
    second, fourth = (share * away**2).sum(axis=1), (share * away**4).sum(axis=1)
    own = np.log(np.maximum(data.volume[pool.indices], 1.0))
    centre = sum_of(pool, own) / np.maximum(accounts, 1)
    variance = sum_of(pool, (own - centre[family_of(pool)]) ** 2) / np.maximum(accounts - 1, 1)
    deviation = np.sqrt(np.maximum(fourth - second**2, 0) / np.maximum(accounts, 1))
    known = (accounts >= MIN_POOL) & (deviation > 0)
    trait = upper_tail_trait(-variance, -second, deviation, known)
    return Trait(np.sqrt(-trait.value), np.sqrt(-trait.expected), trait.evidence)
