"""What is known of a family as features: statistics, capped, with a prior weight and plain words each.

The weights are set by hand on development data and on simulated traffic; analysts' labels move them (`learn`).
What a pool looks like (D-055: pool, overlap, concentration, evenness, alike, agent, returning) adds up to less than a flag
asks for: an honest tool with several templates has such a pool, too. A flag takes accounts that act together in
time, that share addresses or payment, or that several templates' load is dealt over in turn. One customer's job does
all that, but from few accounts.

Many families are judged at once for many things, so small p-values come about by chance: what counts is -log10 of the
q-value over all tests of the night that speak for the same side (D-061).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fingerprint.base import stats
from fingerprint.base.types import Doubles, IntArray
from fingerprint.evidence.coactivity import Behaviour
from fingerprint.evidence.null_models import Trait
from fingerprint.evidence.pool_statistics import Traits

FEW_ACCOUNTS = 5
"""So many accounts are few; up to twice as many are so in part."""

CUSTOMER_ACCOUNTS = 10
"""Fewer accounts than this with one payment hash or address block between them are one customer's."""

COMPANY_ACCOUNTS = 50
"""... and fewer than this where most have both in common: a pool that hides has many addresses."""

ONE_COMPANY = 0.6
"""Most: at least this share."""

ONE_CUSTOMER = 0.8
"""... if at least this share of the accounts has it."""


@dataclass(frozen=True, slots=True)
class Feature:
    """What a statistic may contribute: log-odds per unit, its largest value, and words with numbers to fill in."""

    weight: float
    cap: float
    words: str


PRIOR = "prior"
SCORE_FEATURES: dict[str, Feature] = {
    PRIOR: Feature(-3.4, 1.0, "most templates are honest"),
    "synchrony": Feature(
        0.5, 12.0, "{seen} pairs of requests by different accounts within minutes; chance gives {expected}"
    ),
    "pool": Feature(0.12, 10.0, "sent by {seen} accounts; as many random requests would be by {expected}"),
    "overlap": Feature(0.3, 8.0, "shares {seen} accounts with another family; chance gives {expected}"),
    "concentration": Feature(
        0.04, 10.0, "a mean {seen} of each account's requests are in it; chance gives {expected}"
    ),
    "evenness": Feature(
        0.04,
        10.0,
        "its accounts send evenly: variance over mean {seen}; {expected} if it followed their other traffic",
    ),
    "balance": Feature(
        1.3,
        5.0,
        "its accounts share the load as if dealt in turn: variance over mean {seen}; people's use gives over {expected}",
    ),
    "alike": Feature(
        0.08,
        5.0,
        "its accounts are alike in size: log-volumes deviate by {seen}; of random accounts by {expected}",
    ),
    "payment": Feature(
        0.4, 10.0, "{seen} pairs of its accounts share a payment hash; chance gives {expected}"
    ),
    "address": Feature(
        0.35, 10.0, "{seen} pairs of its accounts share an address block; chance gives {expected}"
    ),
    "agent": Feature(0.06, 5.0, "{seen} pairs of its accounts share a user agent; chance gives {expected}"),
    "returning": Feature(0.04, 10.0, "{seen} accounts are back from earlier nights; chance gives {expected}"),
    "newcomers": Feature(
        0.1, 5.0, "{seen} of its accounts are new; of accounts of their volume {expected} are"
    ),
    "turnover": Feature(0.2, 5.0, "{seen} accounts replaced ones that went silent; chance gives {expected}"),
    "growth": Feature(0.0, 10.0, "{seen} requests tonight; {expected} by its earlier share of traffic"),
    "clock": Feature(0.0, 5.0, "round the clock: hours have an entropy of {seen}; chance gives {expected}"),
    "regularity": Feature(
        0.0, 10.0, "evenly paced: squared gaps are {seen} of those of chance, where {expected} is usual"
    ),
    "copied": Feature(
        -0.15, 10.0, "a share of {seen} of its requests is copied by several accounts; {expected} is usual"
    ),
    "repeats": Feature(
        0.0, 5.0, "its fillings come back {seen} times; those of other families would {expected} times"
    ),
    "coverage": Feature(
        0.1, 5.0, "a list is worked through evenly: variance {seen} of that of random choice, {expected}"
    ),
    "uneven": Feature(
        -0.4,
        6.0,
        "some of its accounts send far more than others, as people do: variance over mean {seen}; dealt loads have {expected}",
    ),
    "strangers": Feature(
        -1.5, 1.0, "only {seen} pairs of its accounts share an address block, as by chance ({expected})"
    ),
    "few": Feature(
        -5.0, 1.0, "sent by {seen} accounts only, as one customer's own job or a benchmark would be"
    ),
    "customer": Feature(
        -12.0, 1.0, "a share of {seen} of its few accounts has one payment or address: one customer"
    ),
}
"""Features and prior weights; a weight of 0 waits for labels: honest jobs run round the clock and grow as well."""

STATED = (PRIOR, "strangers", "few", "customer")
"""Features that are no tests."""

NAMES = tuple(SCORE_FEATURES)
PRIOR_WEIGHTS: Doubles = np.array([f.weight for f in SCORE_FEATURES.values()])


@dataclass(frozen=True, slots=True)
class FamilyStatistics:
    """The features of f families.

    values: (f, len(NAMES)), capped, 0 where nothing is known. seen, expected: the numbers to tell, NaN for none.
    requests: (f,) how many they were told from.
    """

    values: Doubles
    seen: Doubles
    expected: Doubles
    requests: IntArray


def findings(act: Behaviour, more: Traits) -> FamilyStatistics:
    """Turn statistics of f families into features."""
    count = len(act.requests)
    blank = np.full(count, np.nan)
    one = np.ones(count)
    few = np.clip(2 - more.circle / FEW_ACCOUNTS, 0, 1)
    together = np.where(act.pairs >= 1.5 * act.expected_pairs, _log10(act.p_synchrony), 0.0)
    address = more.address
    known = np.nan_to_num(address.expected)
    strangers = (known >= 3) & (np.nan_to_num(address.value) < 1.5 * known)
    one_of_both = (np.nan_to_num(more.customer) >= ONE_CUSTOMER) & (more.circle < CUSTOMER_ACCOUNTS)
    both = (np.nan_to_num(more.company) >= ONE_COMPANY) & (more.circle < COMPANY_ACCOUNTS)
    customer = one_of_both | both
    facts: dict[str, Trait] = {
        PRIOR: Trait(blank, blank, one),
        "synchrony": Trait(act.pairs.astype(float), act.expected_pairs, together),
        "pool": Trait(
            act.accounts.astype(float),
            act.expected_accounts,
            np.where(act.accounts > FEW_ACCOUNTS, _log10(act.p_pool), 0.0),
        ),
        **{name: getattr(more, name) for name in NAMES if hasattr(more, name) and name != "customer"},
        "strangers": Trait(address.value, address.expected, strangers.astype(float)),
        "few": Trait(more.circle, blank, few),
        "customer": Trait(more.customer, blank, customer.astype(float)),
    }
    caps = np.array([f.cap for f in SCORE_FEATURES.values()])
    evidence = np.stack([facts[name].evidence for name in NAMES], axis=1)
    evidence = np.nan_to_num(evidence, posinf=300.0)
    seen = np.stack([facts[name].value for name in NAMES], axis=1)
    expected = np.stack([facts[name].expected for name in NAMES], axis=1)
    some = ~np.isnan(seen) & (act.requests > 0)[:, None]
    for against in (False, True):
        side = [name not in STATED and (SCORE_FEATURES[name].weight < 0) == against for name in NAMES]
        tested = some & np.array(side)
        evidence[tested] = corrected(evidence[tested])
    return FamilyStatistics(np.clip(evidence, 0, caps), seen, expected, act.requests)


def corrected(evidence: Doubles) -> Doubles:
    """Turn -log10 of the p-values of a night's tests for one side (n,) into -log10 of their q-values (Benjamini & Hochberg 1995).

    A likelihood ratio counts as a p-value of 1 / ratio, which it is by Markov's inequality (Vovk & Wang 2021).
    """
    if not len(evidence):
        return evidence
    q_value = stats.false_discovery(10.0 ** -np.clip(evidence, 0, 300))
    return np.asarray(np.maximum(-np.log10(np.maximum(q_value, 1e-300)), 0.0))


def _log10(p_value: Doubles) -> Doubles:
    return np.asarray(-np.log10(np.maximum(p_value, 1e-300)))
