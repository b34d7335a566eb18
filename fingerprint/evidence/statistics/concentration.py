"""How much of its accounts' traffic a family is: accounts of a campaign send little else."""

from __future__ import annotations

import numpy as np

from fingerprint.base.sparse import sum_of
from fingerprint.evidence.null_models import MIN_POOL, Trait, truncated_moments, upper_tail_trait
from fingerprint.evidence.observations import Observations

LOAD_VARIANCE = 0.25
"""Variance added to each load: accounts that sent two requests in all are half of one family whatever they do."""


def concentration(data: Observations) -> Trait:
    """Mean over the pool of the share of an account's traffic that is in the family, 0 to 1.

    Null: loads of random senders (zero-truncated Poisson); a mean over accounts, normal tail.
    """
    pool, accounts = data.pool, np.maximum(data.accounts, 1)
    volume = data.volume[pool.indices]
    mean, variance = truncated_moments(data.expected_loads)
    value = sum_of(pool, pool.data / volume) / accounts
    expected = sum_of(pool, np.minimum(mean / volume, 1.0)) / accounts
    deviation = np.sqrt(sum_of(pool, (variance + LOAD_VARIANCE) / volume**2)) / accounts
    return upper_tail_trait(value, expected, deviation, accounts >= MIN_POOL)
