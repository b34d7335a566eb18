"""Whether a family's requests come at the full minute of an hour's quarter, as schedulers fire.

Null: as often as all requests of the batch outside the family do, binomial.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fingerprint.base.sparse import sum_of
from fingerprint.evidence.null_models import Trait, upper_tail_trait
from fingerprint.evidence.observations import Observations

QUARTER_SECONDS, FIRST_SECONDS = 900.0, 60.0
"""Requests in the first minute of a quarter of an hour are on time."""

MIN_REQUESTS = 10

MIXED_SHARE, PURE_SHARE = 0.5, 0.9
"""A scheduler's requests are nearly all on time: up to the first share the evidence counts for nothing."""


def on_schedule(data: Observations) -> Trait:
    """Share of the family's requests in the first minute of a quarter of an hour, 0 to 1."""
    on_time = (np.mod(data.second, QUARTER_SECONDS) < FIRST_SECONDS).astype(np.float64)
    requests = np.maximum(data.requests, 1.0)
    count = sum_of(data.rows, on_time[data.rows.indices])
    others = np.maximum(len(on_time) - requests, 1.0)
    chance = np.clip((on_time.sum() - count) / others, FIRST_SECONDS / QUARTER_SECONDS, 1.0)
    deviation = np.sqrt(chance * (1 - chance) / requests)
    trait = upper_tail_trait(count / requests, chance, deviation, data.requests >= MIN_REQUESTS)
    pure = np.clip((count / requests - MIXED_SHARE) / (PURE_SHARE - MIXED_SHARE), 0.0, 1.0)
    return replace(trait, evidence=trait.evidence * pure)
