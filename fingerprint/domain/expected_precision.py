"""How sure a score is, told so that it means something near 1: the share of families scored alike that are campaigns'.

A score is the probability of its log-odds, and near 1 these are too sure of themselves: on worlds that the weights were not
fitted to, the truth follows log-odds by a slope of about SLOPE (Cox 1958; `benchmarks/quality/fit_score.py`). So what goes
beyond KNOWN counts by that slope (D-196). Scores and what is flagged stay as they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

SLOPE = 0.55
"""Of the truth's log-odds over a score's."""

KNOWN = 0.75
"""Log-odds up to which a score is taken at its word: about where flags begin."""

_MOST = 1 - 1e-15


def expected_precision(score: float) -> float:
    """Return the expected share of campaigns' families among those of a score (0 to 1), 0 to 1, rising with it."""
    if score <= 0.5:
        return score
    log_odds = math.log(min(score, _MOST)) - math.log1p(-min(score, _MOST))
    return 1 / (1 + math.exp(-(min(log_odds, KNOWN) + SLOPE * max(log_odds - KNOWN, 0.0))))


def expected_false_flags(scores: Iterable[float]) -> float:
    """Return how many of the families flagged, by their scores, are expected not to be a campaign's."""
    return float(sum(1.0 - expected_precision(score) for score in scores))


def precision_words(precision: float) -> str:
    """Say a precision for people, cut and never rounded up: 87 %, 99.4 %, over 99.9 %."""
    if precision > 0.999:
        return "over 99.9 %"
    if precision >= 0.99:
        return f"{math.floor(precision * 1000 + 1e-9) / 10:.1f} %"
    return f"{math.floor(precision * 100 + 1e-9)} %"
