"""Moves the verdict's prior weights towards what analysts' labels say.

Logistic regression with a normal prior centred on the weights set by hand (MAP estimate; Bishop 2006, section
4.5.1), so no label leaves them as they are and a few move them little. A weight never changes sign: what is
evidence for a campaign stays evidence for it, or counts nothing. The same labels always give the same weights (D-056).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fingerprint.assessment.features import NAMES, PRIOR, PRIOR_WEIGHTS, SCORE_FEATURES
from fingerprint.base.types import Bools, Doubles
from fingerprint.domain.signature import Signature

DEVIATION = 1.0
"""Standard deviation of the prior of a feature's largest contribution, in log-odds."""

PRIOR_DEVIATION = 0.5
"""... of the base rate: analysts label what looks suspicious, not a sample (King & Zeng 2001)."""


def fitted_weights(signatures: Sequence[Signature]) -> Doubles:
    """Fit the weights, in the order of features.NAMES, to the labelled families and their last reasons."""
    told = [s for s in signatures if s.label in ("campaign", "benign") and s.reasons]
    values = np.zeros((len(told), len(NAMES)))
    place = {name: number for number, name in enumerate(NAMES)}
    for row, signature in enumerate(told):
        for reason in signature.reasons:
            if reason.name in place:
                values[row, place[reason.name]] = reason.value
    return fit(values, np.array([s.label == "campaign" for s in told], dtype=np.bool_))


def fit(values: Doubles, campaign: Bools) -> Doubles:
    """Fit the weights to families' features (n, len(NAMES)) and labels (n,)."""
    if not len(campaign):
        return PRIOR_WEIGHTS.copy()
    from scipy import optimize, special

    caps = np.array([SCORE_FEATURES[name].cap for name in NAMES])
    scaled = values / caps
    start = PRIOR_WEIGHTS * caps
    precision = np.full(len(NAMES), DEVIATION**-2)
    precision[NAMES.index(PRIOR)] = PRIOR_DEVIATION**-2
    side = np.where(campaign, 1.0, -1.0)

    def loss(w: Doubles) -> tuple[float, Doubles]:
        margin = side * (scaled @ w)
        away = w - start
        value = np.logaddexp(0, -margin).sum() + (precision * away**2).sum() / 2
        return float(value), precision * away - scaled.T @ (side * special.expit(-margin))

    # a prior weight of 0 belongs to statistics that only ever speak for a campaign
    bounds = [(None, 0.0) if SCORE_FEATURES[name].weight < 0 else (0.0, None) for name in NAMES]
    best = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return np.asarray(best.x / caps, dtype=np.float64)
