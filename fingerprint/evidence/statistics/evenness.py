"""Whether a family's accounts send it equally often, or as often as they send other things."""

from __future__ import annotations

import numpy as np

from fingerprint.base.sparse import family_of, sum_of
from fingerprint.evidence.null_models import (
    MIN_POOL,
    Trait,
    rates_summing_to,
    trait_where,
    truncated_log_likelihood,
    truncated_moments,
)
from fingerprint.evidence.observations import Observations

UNEVEN_DISPERSION = 2.0
"""From this index of dispersion on loads are not even, whatever the other traffic says: both models are wrong there."""


def evenness(data: Observations) -> Trait:
    """Index of dispersion of the loads (variance / mean; Fisher 1950), against loads that follow the other traffic.

    The evidence is a log10 likelihood ratio of equal rates to rates in proportion to other traffic, zero-truncated
    Poisson both, each scaled to the family's requests.
    """
    pool, accounts = data.pool, data.accounts
    equal = rates_summing_to(data.requests, pool, np.ones_like(data.expected_loads))
    proportional = rates_summing_to(data.requests, pool, data.expected_loads)
    gain = truncated_log_likelihood(pool.data, equal) - truncated_log_likelihood(pool.data, proportional)
    ratio = sum_of(pool, gain) / np.log(10)
    load = (data.requests / np.maximum(accounts, 1))[family_of(pool)]
    mean, variance = truncated_moments(proportional)
    degrees = np.maximum(accounts - 1, 1)
    value = sum_of(pool, (pool.data - load) ** 2 / load) / degrees
    expected = sum_of(pool, (variance + (mean - load) ** 2) / load) / degrees
    return trait_where(accounts >= MIN_POOL, value, expected, np.where(value < UNEVEN_DISPERSION, ratio, 0.0))
