"""How likely a family is an extraction campaign: a sum of named contributions in log-odds.

The weights are priors set by hand on development data, not learned; every contribution is capped, so no
single statistic decides alone. Honest templates come from many unrelated senders at any time, or from
one company; a campaign's pool is small for its volume and acts together.
"""

from __future__ import annotations

import numpy as np

from fingerprint.columns import Behaviour
from fingerprint.records import Reason

PRIOR = -4.0
FLAGGED = 0.9
"""A family of at least this score is flagged."""

FEW_ACCOUNTS = 5


def verdict(act: Behaviour, family: int) -> tuple[float, tuple[Reason, ...]]:
    """Score family number `family`: probability 0 to 1, and what it is made of, strongest first."""
    accounts, requests = int(act.accounts[family]), int(act.requests[family])
    pairs, usual = int(act.pairs[family]), float(act.expected_pairs[family])
    together = min(-np.log10(max(act.p_synchrony[family], 1e-300)), 12.0) if pairs >= 1.5 * usual else 0.0
    pool = min(-np.log10(max(act.p_pool[family], 1e-300)), 10.0) if accounts >= FEW_ACCOUNTS else 0.0
    spread = -4.0 if accounts < FEW_ACCOUNTS else 1.0
    reasons = [
        Reason(
            "synchrony",
            pairs / usual,
            0.5 * together,
            f"{pairs} pairs of requests by different accounts within minutes; chance gives {usual:.1f}",
        ),
        Reason(
            "pool",
            float(act.expected_accounts[family]),
            0.3 * pool,
            f"{requests} requests from {accounts} accounts; random senders would be {act.expected_accounts[family]:.0f}",
        ),
        Reason(
            "spread",
            accounts,
            spread,
            f"sent by {accounts} accounts" + ("" if spread > 0 else ", as one customer's own job would be"),
        ),
        Reason("prior", PRIOR, PRIOR, "most templates are honest"),
    ]
    score = 1 / (1 + np.exp(-sum(r.contribution for r in reasons)))
    return float(score), tuple(sorted(reasons, key=lambda r: (-abs(r.contribution), r.name)))
