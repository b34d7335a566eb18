"""From which score on a family is flagged, by the precision that is aimed at.

A score is the probability that a family is a campaign's, at a base rate of one family in twenty. Families far above the
threshold are nearly sure, so flags as a whole are right more often than the least sure of them. The table says from which
score on the families of held-out worlds are expected to give half of the false flags that the precision allows; the other
half is kept for kinds of traffic that no labelled world holds (`benchmarks/quality/fit_score.py`, D-170).
"""

from __future__ import annotations

import numpy as np

from fingerprint.domain.errors import UsageError
from fingerprint.domain.settings import PRECISION_RANGE

THRESHOLDS = ((0.9, 0.56), (0.95, 0.68), (0.98, 0.88), (0.99, 0.95))
"""Precision of all flags, and the score from which on a family is flagged."""


def flag_threshold(precision: float) -> float:
    """Return the score from which on a family is flagged; UsageError for a precision outside PRECISION_RANGE."""
    least, most = PRECISION_RANGE
    if not least <= precision <= most:
        raise UsageError(f"precision: a number from {least} to {most} expected, {precision:g} found")
    precisions, scores = np.array(THRESHOLDS).T
    return float(np.interp(precision, precisions, scores))
