"""Whether a family's accounts send at the same moments: `evidence.coactivity` counts, and tells what chance gives.

A crowd meets once: a class, a talk, a post that goes round, a benchmark. So moments count as far as accounts come back
(`harvest.come_back`).
"""

from __future__ import annotations

import numpy as np

from fingerprint.evidence.null_models import Trait, p_value_evidence
from fingerprint.evidence.observations import Observations
from fingerprint.evidence.statistics.harvest import come_back

EXCESS = 1.5
"""Pairs that are fewer than so many times what chance gives are no synchrony, however sure the test is of them."""


def synchrony(data: Observations) -> Trait:
    """Pairs of requests by different accounts within minutes; null and test as in `coactivity.behaviour`."""
    act = data.behaviour
    evidence = np.where(act.pairs >= EXCESS * act.expected_pairs, p_value_evidence(act.p_synchrony), 0.0)
    evidence = evidence * come_back(data)
    return Trait(act.pairs.astype(np.float64), act.expected_pairs, evidence)
