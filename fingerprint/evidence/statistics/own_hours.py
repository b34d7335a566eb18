"""Whether each account sends the template at hours of its own, as people do, or all keep one clock.

The similarity of two requests is the cosine of the difference of their times of day. The null and its moments are
those of `evidence.permutation`; the likelihood ratio is that of `own_topics`.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from fingerprint.base.times import DAY_SECONDS
from fingerprint.evidence.filling_sample import chosen_requests
from fingerprint.evidence.null_models import Trait
from fingerprint.evidence.observations import Observations, once
from fingerprint.evidence.permutation import likeness
from fingerprint.evidence.statistics.own_topics import gamma_weights, likeness_trait

OWN_HOURS = gamma_weights(1.0, 0.4)
"""Excess of the cosine of two times of day of one person: from hardly any to 1."""

MAX_REQUESTS = 3_000
"""Requests of a family whose hours are compared."""


def common_clock(data: Observations) -> Trait:
    """Excess of the likeness of hours within accounts; the evidence is that all accounts keep one clock."""
    trait = _hours(data)
    return Trait(trait.value, trait.expected, np.maximum(trait.evidence, 0.0))


def own_hours(data: Observations) -> Trait:
    """Excess of the likeness of hours within accounts; the evidence is that accounts have hours of their own, which speaks against a campaign."""
    trait = _hours(data)
    return Trait(trait.value, trait.expected, np.maximum(-trait.evidence, 0.0))


@once
def _hours(data: Observations) -> Trait:
    family, request = chosen_requests(data.rows, data.account, MAX_REQUESTS)
    angle = data.second[request] * (2 * np.pi / DAY_SECONDS)
    clock = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    account = data.account[request]
    bounds = np.searchsorted(family, np.arange(data.families + 1))
    likenesses = []
    for begin, end in pairwise(bounds):
        vectors = clock[begin:end]
        likenesses.append(
            likeness(vectors - vectors.mean(axis=0) if len(vectors) else vectors, account[begin:end])
        )
    return likeness_trait(likenesses, OWN_HOURS)
