"""How many accounts send a family: fewer than chance gives are a pool, very few one customer."""

from __future__ import annotations

import numpy as np

from fingerprint.evidence.null_models import Trait, p_value_evidence
from fingerprint.evidence.observations import Observations
from fingerprint.evidence.statistics.pool_overlap import pool_overlaps

FEW_ACCOUNTS = 4
"""So many accounts are few; up to twice as many are so in part."""

MIN_POOL = 5
"""More accounts than this are a pool that can be small for what it sends."""


def small_pool(data: Observations) -> Trait:
    """Distinct accounts, against random senders; null and test as in `coactivity.behaviour`."""
    act = data.behaviour
    evidence = np.where(act.accounts > MIN_POOL, p_value_evidence(act.p_pool), 0.0)
    return Trait(act.accounts.astype(np.float64), act.expected_accounts, evidence)


def few_accounts(data: Observations) -> Trait:
    """Accounts of the family, or of the wider one that they belong to; no test: 1 up to FEW_ACCOUNTS, 0 from twice that."""
    accounts = pool_overlaps(data).wider_accounts
    return Trait(accounts, np.full(data.families, np.nan), np.clip(2 - accounts / FEW_ACCOUNTS, 0, 1))
