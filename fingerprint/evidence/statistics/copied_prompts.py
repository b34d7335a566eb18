"""Whether several accounts send the very same prompts: one that harvests answers gives each account other ones.

Two people who fill a template with the same date, or with the same number, have copied nothing: what is drawn from a short
list comes again (the birthday problem). Where a template's fillings are nothing else, only a family most of whose requests
came several times is one that is passed on (D-251).
"""

from __future__ import annotations

import numpy as np

from fingerprint.evidence.null_models import Trait, upper_tail_trait
from fingerprint.evidence.observations import Observations
from fingerprint.evidence.statistics.harvest import MOSTLY_UNREAD, unread_share

PASSED_ON = 0.5
"""Share of requests that came several times, from which on chance does not explain them, whatever the fillings are."""


def copied(data: Observations) -> Trait:
    """Share of a family's requests whose very prompt several accounts sent; a high one speaks against a campaign.

    Null: as often as in the whole batch; binomial, normal tail.
    """
    accounts = int(data.account.max(initial=0)) + 1
    pairs = np.unique(data.prompt.astype(np.int64) * accounts + data.account)
    is_copied = (np.bincount(pairs // accounts) > 1)[data.prompt].astype(np.float64)
    requests = np.maximum(data.requests, 1)
    typical = float(is_copied.mean()) if len(is_copied) else 0.0
    deviation = np.sqrt((typical * (1 - typical) + 1 / requests) / requests)
    value = np.asarray(data.rows @ is_copied).ravel() / requests
    by_chance = (unread_share(data) >= MOSTLY_UNREAD) & (value < PASSED_ON)
    return upper_tail_trait(value, np.full_like(value, typical), deviation, (data.requests > 0) & ~by_chance)
