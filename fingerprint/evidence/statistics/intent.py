"""What the template asks for, by meaning (`evidence.intents`). No test, and never enough for a flag by itself."""

from __future__ import annotations

import numpy as np

from fingerprint.evidence.null_models import Trait, unknown_trait
from fingerprint.evidence.observations import Observations

ORDINARY_COSINE, SURE_COSINE = 0.45, 0.75
"""Likeness that sentences of honest templates reach, and that of a wording of the same request (D-129)."""


def intent(data: Observations) -> Trait:
    """Largest cosine of a sentence of the template with a wording of the catalogue; evidence from 0 to 1, with its name."""
    likeness = data.intents
    if likeness is None or not likeness.similarity.size:
        return unknown_trait(data.families)
    best = likeness.similarity.argmax(axis=1)
    value = likeness.similarity.max(axis=1).astype(np.float64)
    evidence = np.clip((value - ORDINARY_COSINE) / (SURE_COSINE - ORDINARY_COSINE), 0.0, 1.0)
    names = tuple(likeness.names[k] for k in best.tolist())
    return Trait(value, np.full(data.families, ORDINARY_COSINE), evidence, names)
