"""The table of all that a family is scored by: each statistic with its prior weight, its cap and its words.

To add a statistic, write a file in `evidence/statistics/` and a row here. Its weight may be 0 until labels move it
(`weights`), or a large one that judgement tells; that of a new row is its prior weight in homes that have labels, too.

The weights are set by hand on development data and on simulated traffic; analysts' labels move them.
What a pool looks like (D-055: pool, overlap, concentration, evenness, alike, agent, returning) adds up to less than a flag
asks for: an honest tool with several templates has such a pool, too. A flag takes accounts that act together in
time, that share addresses or payment, or that several templates' load is dealt over in turn. One customer's job does
all that, but from few accounts.

Many families are judged at once for many things, so small p-values come about by chance: what counts is -log10 of the
q-value over all tests of the night that speak for the same side (D-061).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from fingerprint.base import stats
from fingerprint.base.types import Doubles, IntArray
from fingerprint.evidence.null_models import Trait, p_value_evidence
from fingerprint.evidence.observations import Observations, Statistic
from fingerprint.evidence.statistics import (
    account_sizes,
    concentration,
    copied_prompts,
    evenness,
    growth,
    load_balance,
    one_customer,
    pool_overlap,
    pool_size,
    returning,
    shared_metadata,
    slot_values,
    synchrony,
    time_patterns,
    turnover,
)


@dataclass(frozen=True, slots=True)
class Feature:
    """One row of the table: what a statistic may contribute to a family's score.

    name: of the reasons that are stored and shown; it never changes. statistic: gives value, expected and evidence.
    words: the sentence for people, with {value} and {expected} to fill in. weight: log-odds for each unit of evidence,
    below 0 where it speaks against a campaign. cap: most evidence that counts. is_test: evidence is corrected for the
    many tests of a night; not so where it is a share from 0 to 1.
    """

    name: str
    statistic: Statistic
    words: str
    weight: float
    cap: float
    is_test: bool = True


Features: TypeAlias = tuple[Feature, ...]

Traits: TypeAlias = Mapping[str, Trait]
"""Statistics of f families by the names of their features."""


def base_rate(data: Observations) -> Trait:
    """Say the same of every family: how likely a campaign is before anything is known."""
    unknown = np.full(data.families, np.nan)
    return Trait(unknown, unknown, np.ones(data.families))


PRIOR, RETURNING = "prior", "returning"

SCORE_FEATURES: Features = (
    Feature(PRIOR, base_rate, "most templates are honest", weight=-3.4, cap=1.0, is_test=False),
    Feature(
        "synchrony",
        synchrony.synchrony,
        "{value} pairs of requests by different accounts within minutes; chance gives {expected}",
        weight=0.5,
        cap=12.0,
    ),
    Feature(
        "pool",
        pool_size.small_pool,
        "sent by {value} accounts; as many random requests would be by {expected}",
        weight=0.12,
        cap=10.0,
    ),
    Feature(
        "overlap",
        pool_overlap.overlap,
        "shares {value} accounts with another family; chance gives {expected}",
        weight=0.3,
        cap=8.0,
    ),
    Feature(
        "concentration",
        concentration.concentration,
        "a mean {value} of each account's requests are in it; chance gives {expected}",
        weight=0.04,
        cap=10.0,
    ),
    Feature(
        "evenness",
        evenness.evenness,
        "its accounts send evenly: variance over mean {value}; {expected} if it followed their other traffic",
        weight=0.04,
        cap=10.0,
    ),
    Feature(
        "balance",
        load_balance.balance,
        "its accounts share the load as if dealt in turn: variance over mean {value}; people's use gives over {expected}",
        weight=1.3,
        cap=5.0,
    ),
    Feature(
        "alike",
        account_sizes.size_spread,
        "its accounts are alike in size: log-volumes deviate by {value}; of random accounts by {expected}",
        weight=0.08,
        cap=5.0,
    ),
    Feature(
        "payment",
        shared_metadata.payment,
        "{value} pairs of its accounts share a payment hash; chance gives {expected}",
        weight=0.4,
        cap=10.0,
    ),
    Feature(
        "address",
        shared_metadata.address,
        "{value} pairs of its accounts share an address block; chance gives {expected}",
        weight=0.35,
        cap=10.0,
    ),
    Feature(
        "agent",
        shared_metadata.agent,
        "{value} pairs of its accounts share a user agent; chance gives {expected}",
        weight=0.06,
        cap=5.0,
    ),
    Feature(
        RETURNING,
        returning.returning,
        "{value} accounts are back from earlier nights; chance gives {expected}",
        weight=0.04,
        cap=10.0,
    ),
    Feature(
        "newcomers",
        turnover.newcomers,
        "{value} of its accounts are new; of accounts of their volume {expected} are",
        weight=0.1,
        cap=5.0,
    ),
    Feature(
        "turnover",
        turnover.turnover,
        "{value} accounts replaced ones that went silent; chance gives {expected}",
        weight=0.2,
        cap=5.0,
    ),
    # a weight of 0 waits for labels: honest jobs run round the clock and grow as well
    Feature(
        "growth",
        growth.growth,
        "{value} requests tonight; {expected} by its earlier share of traffic",
        weight=0.0,
        cap=10.0,
    ),
    Feature(
        "clock",
        time_patterns.clock,
        "round the clock: hours have an entropy of {value}; chance gives {expected}",
        weight=0.0,
        cap=5.0,
    ),
    Feature(
        "regularity",
        time_patterns.regularity,
        "evenly paced: squared gaps are {value} of those of chance, where {expected} is usual",
        weight=0.0,
        cap=10.0,
    ),
    Feature(
        "copied",
        copied_prompts.copied,
        "a share of {value} of its requests is copied by several accounts; {expected} is usual",
        weight=-0.15,
        cap=10.0,
    ),
    Feature(
        "repeats",
        slot_values.repeats,
        "its fillings come back {value} times; those of other families would {expected} times",
        weight=0.0,
        cap=5.0,
    ),
    Feature(
        "coverage",
        slot_values.coverage,
        "a list is worked through evenly: variance {value} of that of random choice, {expected}",
        weight=0.1,
        cap=5.0,
    ),
    Feature(
        "uneven",
        load_balance.uneven,
        "some of its accounts send far more than others, as people do: variance over mean {value}; dealt loads have {expected}",
        weight=-0.4,
        cap=6.0,
    ),
    Feature(
        "strangers",
        shared_metadata.strangers,
        "only {value} pairs of its accounts share an address block, as by chance ({expected})",
        weight=-1.5,
        cap=1.0,
        is_test=False,
    ),
    Feature(
        "few",
        pool_size.few_accounts,
        "sent by {value} accounts only, as one customer's own job or a benchmark would be",
        weight=-5.0,
        cap=1.0,
        is_test=False,
    ),
    Feature(
        "customer",
        one_customer.one_customer,
        "a share of {value} of its few accounts has one payment or address: one customer",
        weight=-12.0,
        cap=1.0,
        is_test=False,
    ),
)


@dataclass(frozen=True, slots=True)
class FamilyStatistics:
    """The features of f families, k each.

    features: the k rows of the table that the columns stand for. evidence: (f, k), from 0 to the feature's cap, 0 where
    nothing is known. value, expected: (f, k) the numbers to tell, NaN for none. requests: (f,) how many it is all from.
    """

    features: Features
    evidence: Doubles
    value: Doubles
    expected: Doubles
    requests: IntArray

    def evidence_of(self, name: str, family: int) -> float:
        """Return a feature's evidence of one family, 0 where the table has no such row."""
        names = [feature.name for feature in self.features]
        return float(self.evidence[family, names.index(name)]) if name in names else 0.0


def measure(data: Observations, features: Features = SCORE_FEATURES) -> FamilyStatistics:
    """Measure all statistics of f families."""
    traits = {feature.name: feature.statistic(data) for feature in features}
    return family_statistics(traits, data.behaviour.requests, features)


def family_statistics(
    traits: Traits, requests: IntArray, features: Features = SCORE_FEATURES
) -> FamilyStatistics:
    """Make features of statistics: correct tests for their number, and cap.

    traits: of f families, one for each feature. requests: (f,); families without any have no tests.
    """
    rows = [traits[feature.name] for feature in features]
    evidence = np.nan_to_num(np.stack([trait.evidence for trait in rows], axis=1), posinf=300.0)
    value = np.stack([trait.value for trait in rows], axis=1)
    expected = np.stack([trait.expected for trait in rows], axis=1)
    known = ~np.isnan(value) & (requests > 0)[:, None]
    for against in (False, True):
        side = [feature.is_test and (feature.weight < 0) == against for feature in features]
        tests = known & np.array(side)
        evidence[tests] = corrected(evidence[tests])
    caps = np.array([feature.cap for feature in features])
    return FamilyStatistics(features, np.clip(evidence, 0, caps), value, expected, requests)


def corrected(evidence: Doubles) -> Doubles:
    """Turn -log10 of the p-values of a night's tests for one side (n,) into -log10 of their q-values (Benjamini & Hochberg 1995).

    A likelihood ratio counts as a p-value of 1 / ratio, which it is by Markov's inequality (Vovk & Wang 2021).
    """
    if not len(evidence):
        return evidence
    q_value = stats.false_discovery(10.0 ** -np.clip(evidence, 0, 300))
    return np.asarray(np.maximum(p_value_evidence(q_value), 0.0))
