"""Whether each account sends the template at hours of its own, as people do, or all keep one clock.

The similarity of two requests is the cosine of the difference of their times of day. The null and its moments are
those of `evidence.permutation`; the likelihood ratio is that of `own_topics`.
"""

from __future__ import annotations

import numpy as np

from fingerprint.evidence.null_models import Trait
from fingerprint.evidence.observations import Observations, once
from fingerprint.evidence.permutation import Likeness, likeness
from fingerprint.evidence.statistics.own_topics import likeness_trait

TYPICAL_EXCESS = 0.4
"""Mean excess of the cosine of two times of day of one person."""

DAY_SECONDS = 86_400.0


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
    sample = data.sample
    if sample is None or not len(sample.request):
        return likeness_trait([Likeness(0.0, np.inf, 0)] * data.families, TYPICAL_EXCESS)
    angle = data.second[sample.request] * (2 * np.pi / DAY_SECONDS)
    clock = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    account = data.account[sample.request]
    bounds = np.searchsorted(sample.family, np.arange(data.families + 1))
    likenesses = []
    for family in range(data.families):
        rows = slice(bounds[family], bounds[family + 1])
        vectors = clock[rows]
        likenesses.append(
            likeness(vectors - vectors.mean(axis=0) if len(vectors) else vectors, account[rows])
        )
    return likeness_trait(likenesses, TYPICAL_EXCESS)
