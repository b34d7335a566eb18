"""The table of all that a family is scored by: each statistic with its prior weight, its cap and its words.

To add a statistic, write a file in `evidence/statistics/` and a row here; nothing else has to know of it. Homes whose
stored families were scored without it give it the weight of its row. With a weight of 0 it is measured, and waits for
labels to say what it is worth.

The weights are set by hand on development data and on simulated traffic; analysts' labels move them (`weights`).
What a pool looks like (D-055: pool, overlap, concentration, evenness, alike, agent, returning) adds up to less than a flag
asks for: an honest tool with several templates has such a pool, too. One customer's job does all that campaigns do,
but from few accounts or under one payment hash. People have topics and hours of their own, and schedulers keep the
clock: that speaks against a campaign.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from fingerprint.domain.vocabulary import ASKS_FOR, INTENT
from fingerprint.evidence.null_models import Trait
from fingerprint.evidence.observations import Observations, Statistic
from fingerprint.evidence.statistics import (
    account_sizes,
    concentration,
    copied_prompts,
    evenness,
    growth,
    harvest,
    intent,
    load_balance,
    one_customer,
    own_hours,
    own_topics,
    pool_overlap,
    pool_size,
    request_settings,
    returning,
    schedule,
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
    words: the sentence for people, with {value}, {expected} and {name} to fill in. weight: log-odds for each unit of evidence,
    below 0 where it speaks against a campaign. cap: most evidence that counts. is_test: evidence is corrected for the
    many tests of a night; not so where it is a share from 0 to 1. phrase: what the accounts do, for a verdict's sentence.
    """

    name: str
    statistic: Statistic
    words: str
    weight: float
    cap: float
    is_test: bool = True
    phrase: str = ""


Features: TypeAlias = tuple[Feature, ...]
"""Rows in the order in which a score is summed."""


def base_rate(data: Observations) -> Trait:
    """Say the same of every family: how likely a campaign is before anything is known."""
    unknown = np.full(data.families, np.nan)
    return Trait(unknown, unknown, np.ones(data.families))


PRIOR, RETURNING, CUSTOMER = "prior", "returning", "customer"
"""Features that verdicts, names and the fit of weights ask for by name."""

SCORE_FEATURES: Features = (
    Feature(PRIOR, base_rate, "most templates are honest", weight=-3.0, cap=1.0, is_test=False),
    Feature(
        "synchrony",
        synchrony.synchrony,
        "{value} pairs of conversations that different accounts began within minutes; chance gives {expected}",
        weight=0.33,
        cap=12.0,
        phrase="act within minutes of one another",
    ),
    Feature(
        "pool",
        pool_size.small_pool,
        "sent by {value} accounts; as many random conversations would come from {expected}",
        weight=0.03,
        cap=10.0,
    ),
    Feature(
        "overlap",
        pool_overlap.overlap,
        "shares {value} accounts with another family; chance gives {expected}",
        weight=0.19,
        cap=8.0,
        phrase="send other families together, too",
    ),
    Feature(
        "concentration",
        concentration.concentration,
        "a mean {value} of each account's conversations are in it; chance gives {expected}",
        weight=0.06,
        cap=10.0,
    ),
    Feature(
        "evenness",
        evenness.evenness,
        "its accounts send evenly: variance over mean {value}; {expected} if it followed their other traffic",
        weight=0.01,
        cap=10.0,
    ),
    Feature(
        "balance",
        load_balance.balance,
        "its accounts share the load as if dealt in turn: variance over mean {value}; people's use gives over {expected}",
        weight=0.7,
        cap=5.0,
        phrase="share the load as if dealt in turn",
    ),
    Feature(
        "alike",
        account_sizes.size_spread,
        "its accounts are alike in size: log-volumes deviate by {value}; of random accounts by {expected}",
        weight=0.06,
        cap=5.0,
    ),
    Feature(
        "payment",
        shared_metadata.payment,
        "a share of {value} of its accounts pays as another of them does; chance gives {expected}",
        weight=0.4,
        cap=10.0,
        phrase="share payment hashes",
    ),
    Feature(
        "address",
        shared_metadata.address,
        "a share of {value} of its accounts shares its address block with another; chance gives {expected}",
        weight=0.15,
        cap=10.0,
        phrase="share address blocks",
    ),
    Feature(
        "agent",
        shared_metadata.agent,
        "a share of {value} of its accounts has the user agent of another; chance gives {expected}",
        weight=0.02,
        cap=5.0,
    ),
    Feature(
        "settings",
        request_settings.one_way_of_asking,
        "a share of {value} of its accounts asks with one set of parameters, which a share of {expected} of all use, and works through one list",
        weight=0.06,
        cap=5.0,
    ),
    Feature(
        RETURNING,
        returning.returning,
        "{value} accounts are back from earlier nights; chance gives {expected}",
        weight=0.04,
        cap=10.0,
        phrase="are back from earlier nights",
    ),
    Feature(
        "newcomers",
        turnover.newcomers,
        "{value} of its accounts are new; of accounts of their volume {expected} are",
        weight=0.12,
        cap=5.0,
        phrase="are new",
    ),
    Feature(
        "turnover",
        turnover.turnover,
        "{value} accounts replaced ones that went silent; chance gives {expected}",
        weight=0.16,
        cap=5.0,
        phrase="replace others that fell silent",
    ),
    # a weight of 0 waits for labels: honest jobs run round the clock and grow as well
    Feature(
        "growth",
        growth.growth,
        "{value} conversations tonight; {expected} by its earlier share of traffic",
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
        "a share of {value} of its conversations came word for word from several accounts; {expected} is usual",
        weight=-0.21,
        cap=10.0,
        phrase="copy texts from one another",
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
        weight=0.08,
        cap=5.0,
    ),
    Feature(
        "uneven",
        load_balance.uneven,
        "some of its accounts send far more than others, as people do: variance over mean {value}; dealt loads have {expected}",
        weight=-0.025,
        cap=6.0,
        phrase="use it unevenly, as people do",
    ),
    Feature(
        "strangers",
        shared_metadata.strangers,
        "only {value} pairs of its accounts share an address block, as by chance ({expected})",
        weight=-1.0,
        cap=1.0,
        is_test=False,
        phrase="connect from anywhere, as strangers do",
    ),
    Feature(
        "few",
        pool_size.few_accounts,
        "sent by {value} accounts only, as one customer's own job or a benchmark would be",
        weight=-4.0,
        cap=1.0,
        is_test=False,
        phrase="are few",
    ),
    Feature(
        "dealt",
        own_topics.dealt_fillings,
        "its accounts work through one list: fillings of one account are no more alike than of several (excess {value})",
        weight=3.32,
        cap=1.3,
        is_test=False,
        phrase="work through one list",
    ),
    Feature(
        "topics",
        own_topics.own_topics,
        "its accounts have topics of their own: fillings of one account are more alike by {value}",
        weight=-1.38,
        cap=4.0,
        is_test=False,
        phrase="have topics of their own",
    ),
    Feature(
        "one_clock",
        own_hours.common_clock,
        "its accounts keep one clock: hours of one account are no more alike than of several (excess {value})",
        weight=0.4,
        cap=1.3,
        is_test=False,
        phrase="keep one clock",
    ),
    Feature(
        "hours",
        own_hours.own_hours,
        "its accounts have hours of their own: those of one account are more alike by {value}",
        weight=-1.5,
        cap=4.0,
        is_test=False,
        phrase="keep hours of their own",
    ),
    Feature(
        "schedule",
        schedule.on_schedule,
        "a share of {value} of its conversations begins on the quarter of an hour, as schedulers send; {expected} elsewhere",
        weight=-0.47,
        cap=10.0,
        phrase="send on the clock, as schedulers do",
    ),
    Feature(
        "once",
        harvest.once_each,
        "{value} sittings an account: nobody comes back for more",
        weight=-2.5,
        cap=1.0,
        is_test=False,
        phrase="come once and not again",
    ),
    Feature(
        "little",
        harvest.short_fillings,
        "little is asked: half of the fillings have {value} words or fewer",
        weight=-0.2,
        cap=1.0,
        is_test=False,
        phrase="ask for a few words",
    ),
    Feature(
        INTENT,
        intent.intent,
        ASKS_FOR,
        weight=1.0,
        cap=1.0,
        is_test=False,
    ),
    Feature(
        CUSTOMER,
        one_customer.one_customer,
        "a share of {value} of its accounts has one payment hash or address block: one customer, who sends from {expected} address blocks",
        weight=-12.0,
        cap=1.0,
        is_test=False,
        phrase="belong to one customer",
    ),
)
