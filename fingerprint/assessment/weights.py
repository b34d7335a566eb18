"""Moves the prior weights of features towards what analysts' labels say.

Logistic regression with a normal prior centred on the weights set by hand (MAP estimate; Bishop 2006, section
4.5.1), so no label leaves them as they are and a few move them little. A weight never changes sign: what is
evidence for a campaign stays evidence for it, or counts nothing. The same labels always give the same weights (D-056).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fingerprint.assessment.features import PRIOR, SCORE_FEATURES, Features
from fingerprint.base.types import Bools, Doubles
from fingerprint.domain.signature import Signature
from fingerprint.domain.vocabulary import BENIGN, CAMPAIGN

DEVIATION = 1.0
"""Standard deviation of the prior of a feature's largest contribution, in log-odds."""

PRIOR_DEVIATION = 0.5
"""... of the base rate: analysts label what looks suspicious, not a sample (King & Zeng 2001)."""


def prior_weights(features: Features = SCORE_FEATURES) -> Doubles:
    """Return the weights set by hand, (k,), one for each feature."""
    return np.array([feature.weight for feature in features])


def fitted_weights(signatures: Sequence[Signature], features: Features = SCORE_FEATURES) -> Doubles:
    """Fit the weights (k,) to the families labelled campaign or benign and their last reasons.

    A relay teaches nothing: it deals requests over a pool as a campaign does, and is none.

    What a family was scored by before a feature was added, or after one was removed, differs from the table: features
    that its reasons lack count as without evidence, and reasons that are no features are passed over.
    """
    labelled = [s for s in signatures if s.label in (CAMPAIGN, BENIGN) and s.reasons]
    evidence = np.zeros((len(labelled), len(features)))
    column = {feature.name: number for number, feature in enumerate(features)}
    for row, signature in enumerate(labelled):
        for reason in signature.reasons:
            if reason.name in column:
                evidence[row, column[reason.name]] = reason.value
    campaign = np.array([s.label == CAMPAIGN for s in labelled], dtype=np.bool_)
    return fit_weights(evidence, campaign, features)


def fit_weights(evidence: Doubles, campaign: Bools, features: Features = SCORE_FEATURES) -> Doubles:
    """Fit the weights (k,) to the capped evidence (n, k) of families, of which some are campaigns, (n,)."""
    if not len(campaign):
        return prior_weights(features)
    from scipy import optimize, special

    caps = np.array([feature.cap for feature in features])
    share = evidence / caps
    start = prior_weights(features) * caps
    precision = np.array(
        [(PRIOR_DEVIATION if feature.name == PRIOR else DEVIATION) ** -2 for feature in features]
    )
    side = np.where(campaign, 1.0, -1.0)

    def loss(w: Doubles) -> tuple[float, Doubles]:
        margin = side * (share @ w)
        away = w - start
        value = np.logaddexp(0, -margin).sum() + (precision * away**2).sum() / 2
        return float(value), precision * away - share.T @ (side * special.expit(-margin))

    # a prior weight of 0 belongs to statistics that only ever speak for a campaign
    bounds = [(None, 0.0) if feature.weight < 0 else (0.0, None) for feature in features]
    best = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return np.asarray(best.x / caps, dtype=np.float64)
