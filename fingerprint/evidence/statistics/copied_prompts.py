"""Whether several accounts send the very same prompts, or ask the same things: who harvests answers gives each account others.

Two people who fill a template with the same date, or with the same number, have copied nothing: what is drawn from a short
list comes again (the birthday problem). Where a template's fillings are nothing else, only a family most of whose requests
came several times is one that is passed on (D-251).

Accounts that ask the same things have neither topics of their own nor a list that is dealt to them, and what comes to all
of them at once, as news does, they ask at once. So `asked_alone` is what moments and a common list count by (D-310).
"""

from __future__ import annotations

import numpy as np

from fingerprint.base.types import Bools, Doubles
from fingerprint.evidence.null_models import Trait, counting_share, upper_tail_trait
from fingerprint.evidence.observations import Observations, once
from fingerprint.evidence.statistics.harvest import MOSTLY_UNREAD, unread_share

PASSED_ON = 0.5
"""Share of requests that came several times, from which on chance does not explain them, whatever the fillings are."""


def copied(data: Observations) -> Trait:
    """Share of a family's requests whose very prompt several accounts sent; a high one speaks against a campaign.

    Null: as often as in the whole batch; binomial, normal tail.
    """
    is_copied = _is_copied(data)
    requests = np.maximum(data.requests, 1)
    typical = float(is_copied.mean()) if len(is_copied) else 0.0
    deviation = np.sqrt((typical * (1 - typical) + 1 / requests) / requests)
    value = _share(data, is_copied)
    known = (data.requests > 0) & ~_by_chance(data, value)
    return upper_tail_trait(value, np.full_like(value, typical), deviation, known)


@once
def asked_alone(data: Observations) -> Doubles:
    """How far each family's accounts ask what no other one of them asks, (f,), 1 to 0.

    The share that several ask is that of prompts sent word for word, or of the runs of words of the sampled fillings
    (`FillingSample.common`), whichever is larger.
    """
    copies = _share(data, _is_copied(data))
    several = np.where(_by_chance(data, copies), 0.0, copies)
    if data.sample is not None and data.sample.common is not None:
        sampled = np.bincount(data.sample.family, minlength=data.families)
        common = np.bincount(data.sample.family, np.nan_to_num(data.sample.common), data.families)
        several = np.maximum(several, common / np.maximum(sampled, 1))
    return np.asarray(1 - counting_share(several))


@once
def _is_copied(data: Observations) -> Doubles:
    """Tell which requests (r,) are of a prompt that several accounts sent, 1 or 0."""
    accounts = int(data.account.max(initial=0)) + 1
    pairs = np.sort(data.prompt.astype(np.int64) * accounts + data.account)
    senders = np.bincount(pairs[np.diff(pairs, prepend=-1) != 0] // accounts)
    return (senders > 1)[data.prompt].astype(np.float64)


def _share(data: Observations, is_copied: Doubles) -> Doubles:
    return np.asarray(data.rows @ is_copied).ravel() / np.maximum(data.requests, 1)


def _by_chance(data: Observations, value: Doubles) -> Bools:
    """Tell of which families (f,) a share of copies is what draws from a list give: what fills them is masked."""
    return np.asarray((unread_share(data) >= MOSTLY_UNREAD) & (value < PASSED_ON))
