"""How likely a family is an extraction campaign: a sum of named contributions in log-odds.

Every contribution is a weight times a capped feature (`features`), so no single statistic decides alone (D-054).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fingerprint.assessment.earlier_evidence import Since
from fingerprint.assessment.family_statistics import FamilyStatistics, same_pool
from fingerprint.assessment.features import PRIOR
from fingerprint.base.types import Doubles
from fingerprint.domain.signature import Reason
from fingerprint.domain.vocabulary import CAMPAIGN, LABELS

TELLING_REQUESTS = 20
"""From fewer conversations than this a night lowers a family's score by half only; not at all if its pool is the same (D-057)."""

LABEL_LOG_ODDS = 20.0
"""What an analyst's own word on the family adds or takes away: it decides."""

LABEL, EARLIER = "label", "earlier"
"""Reasons that are no features: what an analyst said, and what a score of earlier nights still counts."""


def verdict(
    statistics: FamilyStatistics,
    family: int,
    weights: Doubles,
    *,
    label: str | None = None,
    earlier: Sequence[Reason] = (),
    since: Since = Since.BEFORE,
) -> tuple[float, tuple[Reason, ...]]:
    """Score family number `family`: probability 0 to 1, and what it is made of, strongest first.

    weights: (k,) log-odds for each feature's evidence. A reason's value is the evidence, its contribution that times
    the weight. label: what an analyst said. earlier: the reasons of the family's last score. since: what these are of.
    """
    reasons = _feature_reasons(statistics, family, weights)
    if label in LABELS:
        side = 1.0 if label == CAMPAIGN else -1.0
        reasons.append(Reason(LABEL, side, LABEL_LOG_ODDS * side, f"an analyst said: {label}"))
    elif since is Since.SAME:
        reasons += [reason for reason in earlier if reason.name == EARLIER]
    elif earlier:
        drop = _log_odds([r for r in earlier if r.name != LABEL]) - _log_odds(reasons)
        share = _share_kept(statistics, family)
        if drop > 0 and share:
            words = "so few conversations tonight say little; its score of earlier nights counts"
            reasons.append(Reason(EARLIER, share, share * drop, words))
    score = 1 / (1 + np.exp(-_log_odds(reasons)))
    return float(score), tuple(sorted(reasons, key=lambda r: (-abs(r.contribution), r.name)))


def _feature_reasons(statistics: FamilyStatistics, family: int, weights: Doubles) -> list[Reason]:
    """Return a reason for the prior and for each feature with evidence, in the table's order."""
    return [
        Reason(
            feature.name,
            float(evidence),
            float(weight * evidence),
            feature.words.format(
                value=_number(value),
                expected=_number(expected),
                name=statistics.names[feature.name][family] if feature.name in statistics.names else "",
            ),
            feature.phrase,
        )
        for feature, evidence, weight, value, expected in zip(
            statistics.features,
            statistics.evidence[family],
            weights,
            statistics.value[family],
            statistics.expected[family],
            strict=True,
        )
        if evidence or feature.name == PRIOR
    ]


def _log_odds(reasons: Sequence[Reason]) -> float:
    return sum(r.contribution for r in reasons)


def _share_kept(statistics: FamilyStatistics, family: int) -> float:
    """How much of a drop in score is made good, 0 to 1: few conversations settle little, and nothing if the pool is the same."""
    if statistics.requests[family] >= TELLING_REQUESTS:
        return 0.0
    return 1.0 if same_pool(statistics)[family] else 0.5


def _number(value: float) -> str:
    if np.isnan(value):
        return "unknown"
    return f"{value:.0f}" if abs(value) >= 100 or value == round(value) else f"{value:.2g}"
