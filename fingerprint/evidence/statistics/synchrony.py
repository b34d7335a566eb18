"""Whether a family's accounts send at the same moments: `evidence.coactivity` counts, and tells what chance gives.

A crowd meets once: a class, a talk, a post that goes round, a benchmark. So moments count as far as accounts come back
(`harvest.come_back`). And a few accounts that act together in sending what many others send say nothing of these, so
moments count by the share of the pool that takes part (`null_models.counting_share`). And what comes to all at once is asked
at once: they count as far as accounts ask different things (`copied_prompts.asked_alone`).
"""

from __future__ import annotations

import numpy as np

from fingerprint.base.sparse import sum_of
from fingerprint.base.types import Doubles
from fingerprint.evidence.coactivity import close_to_others
from fingerprint.evidence.null_models import Trait, counting_share, p_value_evidence
from fingerprint.evidence.observations import Observations
from fingerprint.evidence.statistics.copied_prompts import asked_alone
from fingerprint.evidence.statistics.harvest import come_back

EXCESS = 1.5
"""Pairs that are fewer than so many times what chance gives are no synchrony, however sure the test is of them."""


def synchrony(data: Observations) -> Trait:
    """Pairs of requests by different accounts within minutes; null and test as in `coactivity.behaviour`."""
    act = data.behaviour
    evidence = np.where(act.pairs >= EXCESS * act.expected_pairs, p_value_evidence(act.p_synchrony), 0.0)
    evidence = evidence * come_back(data) * asked_alone(data) * counting_share(_taking_part(data))
    return Trait(act.pairs.astype(np.float64), act.expected_pairs, evidence)


def _taking_part(data: Observations) -> Doubles:
    """Share of each pool's accounts that have more pairs with others than chance gives, (f,), 0 to 1."""
    pairs, expected = close_to_others(data.rows, data.account, data.ranks, data.pool)
    together = (pairs >= EXCESS * expected) & (pairs > 0)
    return np.asarray(sum_of(data.pool, together.astype(np.float64)) / np.maximum(data.accounts, 1))
