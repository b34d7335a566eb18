"""Whether a family is a larger part of the traffic than it was."""

from __future__ import annotations

import numpy as np

from fingerprint.base import stats
from fingerprint.evidence.null_models import Trait, trait_where, unknown_trait
from fingerprint.evidence.observations import Observations


def growth(data: Observations) -> Trait:
    """Compare tonight's requests with the family's earlier share of all traffic (Przyborowski & Wilenski 1940).

    Null: both are Poisson counts of one rate, so that tonight's are a binomial part of them.
    """
    history = data.history
    if history is None or not history.total:
        return unknown_trait(data.families)
    tonight = float(data.volume.sum())
    share = tonight / (tonight + history.total)
    with np.errstate(divide="ignore"):
        log_p = np.log(stats.binomial(data.requests, data.requests + history.requests, share))
    expected = history.requests * tonight / history.total
    return trait_where(history.requests > 0, data.requests, expected, -log_p / np.log(10))
