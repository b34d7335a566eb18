"""How likely a family is an extraction campaign: a sum of named contributions in log-odds.

Every contribution is a weight times a capped feature (`features`), so no single statistic decides alone (D-054).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fingerprint.assessment.features import NAMES, PRIOR, PRIOR_WEIGHTS, SCORE_FEATURES, FamilyStatistics
from fingerprint.base.types import Doubles
from fingerprint.domain.signature import Reason

FLAGGED = 0.9
"""The precision aimed at: a family is flagged from this probability of being a campaign on."""

ENOUGH = 20
"""From fewer requests than this a night lowers a family's score by half only; not at all if its pool is the same (D-057)."""

SAME_POOL_EVIDENCE = 2.0
"""A pool is the same if more accounts came back than chance gives, p below 1e-2."""

LABEL = 20.0
"""What an analyst's own word on the family adds or takes away: it decides."""


def verdict(
    found: FamilyStatistics,
    family: int,
    weights: Doubles = PRIOR_WEIGHTS,
    *,
    label: str | None = None,
    before: Sequence[Reason] = (),
) -> tuple[float, tuple[Reason, ...]]:
    """Score family number `family`: probability 0 to 1, and what it is made of, strongest first.

    A reason's value is the feature, its contribution that times the weight. label: what an analyst said.
    before: the reasons of the family's last score.
    """
    reasons = [
        Reason(
            name,
            float(value),
            float(weights[number] * value),
            _words(SCORE_FEATURES[name].words, found.seen[family, number], found.expected[family, number]),
        )
        for number, (name, value) in enumerate(zip(NAMES, found.values[family], strict=True))
        if value or name == PRIOR
    ]
    if label in ("campaign", "benign"):
        side = 1.0 if label == "campaign" else -1.0
        reasons.append(Reason("label", side, LABEL * side, f"an analyst said: {label}"))
    elif before:
        lost = _total([r for r in before if r.name != "label"]) - _total(reasons)
        if lost > 0 and (leaning := _leaning(found, family)):
            words = "so few requests tonight say little; its score of earlier nights counts"
            reasons.append(Reason("earlier", leaning, leaning * lost, words))
    score = 1 / (1 + np.exp(-_total(reasons)))
    return float(score), tuple(sorted(reasons, key=lambda r: (-abs(r.contribution), r.name)))


def _total(reasons: Sequence[Reason]) -> float:
    return sum(r.contribution for r in reasons)


def _leaning(found: FamilyStatistics, family: int) -> float:
    """How far a score stays where it was, 0 to 1: few requests settle little, and nothing if the pool is the same."""
    if found.requests[family] >= ENOUGH:
        return 0.0
    return 1.0 if found.values[family, NAMES.index("returning")] >= SAME_POOL_EVIDENCE else 0.5


def _words(pattern: str, seen: float, expected: float) -> str:
    return pattern.format(seen=_number(seen), expected=_number(expected))


def _number(value: float) -> str:
    if np.isnan(value):
        return "unknown"
    return f"{value:.0f}" if abs(value) >= 100 or value == round(value) else f"{value:.2g}"
