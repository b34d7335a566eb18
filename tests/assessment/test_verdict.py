from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest
from support.observed import observed

from fingerprint.assessment.earlier_evidence import Since
from fingerprint.assessment.family_statistics import FamilyStatistics, family_statistics
from fingerprint.assessment.features import (
    PRIOR,
    RETURNING,
    SCORE_FEATURES,
    Feature,
)
from fingerprint.assessment.flagging import flag_threshold
from fingerprint.assessment.verdict import verdict
from fingerprint.assessment.weights import prior_weights
from fingerprint.domain.signature import Reason
from fingerprint.evidence.coactivity import Behaviour
from fingerprint.evidence.null_models import Trait
from fingerprint.evidence.statistics.shared_metadata import strangers_trait

FLAGGED = flag_threshold(0.95)
SITTINGS, OTHERS = 4, 2_000
NOTHING = Trait(np.array([np.nan]), np.array([np.nan]), np.array([0.0]))

CAMPAIGN = {
    "requests": 500,
    "accounts": 40,
    "expected_accounts": 350.0,
    "pairs": 9000,
    "expected_pairs": 400.0,
    "p_pool": 1e-60,
    "p_synchrony": 1e-20,
    "p_value": 1e-80,
}
HARNESS = {"pairs": 390, "p_synchrony": 0.5}
"""What nobody does together."""


def trait(evidence: float, value: float = 50.0, expected: float = 2.0) -> Trait:
    return Trait(np.array([value]), np.array([expected]), np.array([evidence]))


def of_one_family(
    changes: dict[str, float] | None = None,
    more: dict[str, Trait] | None = None,
    *,
    customer: float | None = None,
    company: float | None = None,
    circle: int | None = None,
) -> FamilyStatistics:
    """Statistics of one family: of its behaviour and its accounts' metadata measured, others as told or unknown.

    customer, company: share of its accounts that have one payment hash, and one address block, too.
    circle: its accounts, where they are not those that its behaviour tells.
    """
    facts: dict[str, Any] = {**CAMPAIGN, **(changes or {})}
    act = Behaviour(**{name: np.array([value]) for name, value in facts.items()})
    accounts = int(facts["accounts"] if circle is None else circle)
    shares = {"payment_hash": customer, "ip_prefix": company}
    metadata: list[str | None] = [
        orjson.dumps(
            {
                field: "one" if number < share * accounts else f"{number}"
                for field, share in shares.items()
                if share is not None
            }
        ).decode()
        for number in range(accounts)
    ]
    every = np.arange(accounts)
    account, second = np.tile(every, SITTINGS), np.repeat(np.arange(SITTINGS) * 4 * 3600.0, accounts)
    data = observed(
        np.concatenate([account, accounts + np.arange(OTHERS) % 200]),
        np.concatenate([second, np.linspace(0, SITTINGS * 4 * 3600.0, OTHERS)]),
        [np.arange(len(account))],
        metadata=[*(metadata * SITTINGS), *[None] * OTHERS],
        behaviour=act,
    )
    measured = (PRIOR, "synchrony", "pool", "few", "customer")
    traits = {f.name: f.statistic(data) if f.name in measured else NOTHING for f in SCORE_FEATURES}
    told = more or {}
    strangers = {"strangers": strangers_trait(told["address"])} if "address" in told else {}
    return family_statistics({**traits, **told, **strangers}, act.requests)


def judge(
    changes: dict[str, float] | None = None, more: dict[str, Trait] | None = None, **accounts: Any
) -> tuple[float, dict[str, tuple[float, str]]]:
    """Return the score, and contribution and words by name."""
    score, reasons = verdict(of_one_family(changes, more, **accounts), 0, prior_weights())
    return score, {r.name: (r.contribution, r.words) for r in reasons}


def test_a_pool_that_acts_together_is_flagged_without_any_metadata() -> None:
    assert judge(None, {"overlap": trait(20)})[0] > FLAGGED
    assert judge(None, {"concentration": trait(20), "evenness": trait(20)})[0] > FLAGGED


def test_everybody_at_any_time_is_not() -> None:
    assert judge({**HARNESS, "accounts": 345, "p_pool": 0.4})[0] < 0.1


def test_the_shape_of_a_pool_alone_is_never_flagged() -> None:
    # an honest tool with several templates has the same users for all of them
    names = ("overlap", "concentration", "evenness", "alike", "agent", "returning")
    shape = {name: trait(1e3) for name in names}
    score, _ = judge(HARNESS, shape)
    assert 0.5 < score < FLAGGED


def test_several_templates_dealt_in_turn_over_a_pool_are_flagged_and_uneven_use_is_not() -> None:
    shape = {name: trait(20) for name in ("overlap", "concentration", "evenness", "alike")}
    assert judge(HARNESS, {**shape, "balance": trait(4)})[0] > FLAGGED
    assert judge(HARNESS, {**shape, "uneven": trait(20)})[0] < 0.5
    assert judge(None, {**shape, "uneven": trait(20)})[0] > FLAGGED


def test_strangers_are_told_from_a_pool_by_their_addresses() -> None:
    score, reasons = judge(HARNESS, {"address": trait(0.1, value=7, expected=20)})
    assert score < 0.1
    assert reasons["strangers"] == (
        -1.0,
        "only 7 pairs of its accounts share an address block, as by chance (20)",
    )
    assert judge(HARNESS, {"address": trait(0, value=0, expected=0.2)})[1].keys() == judge(HARNESS)[1].keys()


def test_shared_payment_flags_what_never_acts_together() -> None:
    pool = {"overlap": trait(20), "payment": trait(50)}
    assert judge(HARNESS, pool)[0] > FLAGGED


def test_one_customers_own_job_is_not_flagged() -> None:
    shared = {"payment": trait(30), "address": trait(30)}
    assert judge({"accounts": 1, "pairs": 0, "p_synchrony": 1.0})[0] < 0.1
    assert judge({"accounts": 4})[0] < FLAGGED
    assert judge({"accounts": 8}, shared, customer=1.0)[0] < FLAGGED
    for accounts in (40, 80):  # one payment hash over a whole pool is one customer, whatever its size
        assert judge({"accounts": accounts}, shared, customer=1.0)[0] < FLAGGED
        assert judge({"accounts": accounts}, shared, customer=0.7)[0] > FLAGGED
    assert judge({"accounts": 40}, shared, customer=0.7, company=0.7)[0] < FLAGGED
    assert judge({"accounts": 80}, shared, customer=0.7, company=0.7)[0] > FLAGGED


def test_few_accounts_of_a_larger_pool_are_not_few() -> None:
    few, alone = {"accounts": 5, "p_pool": 0.1, "p_synchrony": 1e-7}, {"overlap": trait(8)}
    assert judge(few, alone, circle=5)[0] < 0.5 < judge(few, alone, circle=40)[0]


def test_copied_prompts_speak_against_a_campaign() -> None:
    assert judge(HARNESS, {"copied": trait(30, 0.9, 0.1)})[0] < judge(HARNESS)[0]


def test_few_pairs_beyond_chance_are_no_synchrony_however_sure() -> None:
    assert judge({"pairs": 590, "p_synchrony": 1e-30})[0] < judge()[0]


@pytest.mark.parametrize("name", ["p_pool", "p_synchrony"])
def test_less_likely_by_chance_is_a_higher_score(name: str) -> None:
    scores = [judge({name: p})[0] for p in (1.0, 1e-2, 1e-5, 1e-10, 0.0)]
    assert scores == sorted(scores)
    assert scores[0] < scores[-1]


@pytest.mark.parametrize("feature", [f for f in SCORE_FEATURES if f.is_test], ids=lambda f: f.name)
def test_evidence_moves_the_score_in_one_direction_up_to_its_cap(feature: Feature) -> None:
    scores = [judge(HARNESS, {feature.name: trait(e)})[0] for e in (0, 1, 3, 10, 1e3, np.inf)]
    assert scores == sorted(scores, reverse=feature.weight < 0)
    assert (scores[0] == scores[-1]) == (feature.weight == 0)
    assert scores[-1] == scores[-2]


def test_the_reasons_make_up_the_score() -> None:
    score, reasons = judge(None, {"overlap": trait(6, 31, 2.71)})
    total = sum(contribution for contribution, _ in reasons.values())
    assert score == pytest.approx(1 / (1 + np.exp(-total)))
    sizes = [abs(contribution) for contribution, _ in reasons.values()]
    assert sizes == sorted(sizes, reverse=True)
    assert reasons["pool"][1] == "sent by 40 accounts; as many random conversations would come from 350"
    assert reasons["overlap"][1] == "shares 31 accounts with another family; chance gives 2.7"
    assert reasons["synchrony"][1].startswith("9000 pairs")
    assert reasons[PRIOR] == (-3.0, "most templates are honest")


def test_an_analysts_word_decides() -> None:
    found, weights = of_one_family(customer=1.0, circle=2), prior_weights()
    assert verdict(found, 0, weights)[0] < FLAGGED < verdict(found, 0, weights, label="campaign")[0]
    for label in ("benign", "relay"):
        assert verdict(found, 0, weights, label=label)[0] < 0.01
    assert verdict(found, 0, weights, label="to be looked at") == verdict(found, 0, weights)


@pytest.mark.parametrize(
    ("requests", "returning", "low", "high"), [(6, 5.0, 0.95, 1.0), (6, 0.5, 0.3, 0.7), (60, 5.0, 0.0, 0.1)]
)
def test_few_requests_hardly_lower_a_score_and_not_at_all_from_the_same_pool(
    requests: int, returning: float, low: float, high: float
) -> None:
    changes = {**HARNESS, "p_pool": 0.5, "requests": requests}
    found, weights = of_one_family(changes, {RETURNING: trait(returning)}), prior_weights()
    earlier = (Reason("synchrony", 12.0, 4.0, "last night"),)
    score, reasons = verdict(found, 0, weights, earlier=earlier)
    assert low <= score <= high
    assert score == pytest.approx(1 / (1 + np.exp(-sum(r.contribution for r in reasons))))
    assert verdict(found, 0, weights, earlier=earlier, label="benign")[0] < 0.01
    taken_back = (*earlier, Reason("label", 1.0, 20.0, "last night"))
    assert verdict(found, 0, weights, earlier=taken_back)[0] == score
    lower = (Reason("prior", 1.0, -9.0, "last night"),)
    assert verdict(found, 0, weights, earlier=lower) == verdict(found, 0, weights)


@pytest.mark.parametrize("returning", [5.0, 0.5])
def test_a_night_that_is_worked_again_keeps_of_earlier_nights_just_what_it_kept(returning: float) -> None:
    changes = {**HARNESS, "p_pool": 0.5, "requests": 6}
    found, weights = of_one_family(changes, {RETURNING: trait(returning)}), prior_weights()
    earlier = (Reason("synchrony", 12.0, 4.0, "last night"),)
    once = verdict(found, 0, weights, earlier=earlier)
    assert "earlier" in [reason.name for reason in once[1]]
    assert verdict(found, 0, weights, earlier=once[1], since=Since.SAME) == once


def test_numbers_that_are_zero() -> None:
    zero: dict[str, float] = dict.fromkeys(CAMPAIGN, 0)
    score, _ = judge({**zero, "expected_pairs": 0.05, "p_pool": 1, "p_synchrony": 1})
    assert 0 <= score < 0.1
