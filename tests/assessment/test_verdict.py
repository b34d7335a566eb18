from __future__ import annotations

import numpy as np
import pytest

from fingerprint.assessment.features import NAMES, PRIOR, SCORE_FEATURES, corrected, findings
from fingerprint.assessment.verdict import FLAGGED, verdict
from fingerprint.domain.signature import Reason
from fingerprint.evidence.coactivity import Behaviour
from fingerprint.evidence.null_models import Trait
from fingerprint.evidence.pool_statistics import Traits

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


def judge(
    changes: dict[str, float] | None = None,
    more: dict[str, Trait] | None = None,
    *,
    customer: float = np.nan,
    company: float = np.nan,
    circle: float | None = None,
) -> tuple[float, dict[str, tuple[float, str]]]:
    """Return the score, and contribution and words by name."""
    facts = {**CAMPAIGN, **(changes or {})}
    act = Behaviour(**{name: np.array([value]) for name, value in facts.items()})
    known = {
        name: (more or {}).get(name, NOTHING)
        for name in Traits.__slots__
        if name not in ("customer", "company", "circle")
    }
    wide = float(facts["accounts"] if circle is None else circle)
    traits = Traits(
        **known, customer=np.array([customer]), company=np.array([company]), circle=np.array([wide])
    )
    score, reasons = verdict(findings(act, traits), 0)
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


def test_one_small_p_value_among_many_tests_counts_for_less() -> None:
    alone = corrected(np.array([3.0]))
    among = corrected(np.array([3.0, *[0.1] * 99]))
    assert alone[0] == 3
    assert among[0] == pytest.approx(1.0, abs=0.01)
    assert (corrected(np.array([3.0] * 100)) == pytest.approx(3.0)) is True
    assert corrected(np.array([np.inf, 400.0]))[0] <= 300
    assert len(corrected(np.empty(0))) == 0


def test_strangers_are_told_from_a_pool_by_their_addresses() -> None:
    score, reasons = judge(HARNESS, {"address": trait(0.1, value=7, expected=20)})
    assert score < 0.1
    assert reasons["strangers"] == (
        -1.5,
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
    assert judge({"accounts": 40}, shared, customer=1.0)[0] > FLAGGED
    assert judge({"accounts": 40}, shared, customer=1.0, company=0.9)[0] < FLAGGED
    assert judge({"accounts": 80}, shared, customer=1.0, company=0.9)[0] > FLAGGED


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


@pytest.mark.parametrize(
    "name", [n for n in NAMES if hasattr(Traits, n) and n not in ("customer", "company", "circle")]
)
def test_evidence_moves_the_score_in_one_direction_up_to_its_cap(name: str) -> None:
    scores = [judge(HARNESS, {name: trait(e)})[0] for e in (0, 1, 3, 10, 1e3, np.inf)]
    weight = SCORE_FEATURES[name].weight
    assert scores == sorted(scores, reverse=weight < 0)
    assert (scores[0] == scores[-1]) == (weight == 0)
    assert scores[-1] == scores[-2]


def test_the_reasons_make_up_the_score() -> None:
    score, reasons = judge(None, {"overlap": trait(6, 31, 2.71)})
    total = sum(contribution for contribution, _ in reasons.values())
    assert score == pytest.approx(1 / (1 + np.exp(-total)))
    sizes = [abs(contribution) for contribution, _ in reasons.values()]
    assert sizes == sorted(sizes, reverse=True)
    assert reasons["pool"][1] == "sent by 40 accounts; as many random requests would be by 350"
    assert reasons["overlap"][1] == "shares 31 accounts with another family; chance gives 2.7"
    assert reasons["synchrony"][1].startswith("9000 pairs")
    assert reasons[PRIOR] == (-3.4, "most templates are honest")


def test_an_analysts_word_decides() -> None:
    act = Behaviour(**{name: np.array([value]) for name, value in CAMPAIGN.items()})
    few = {name: NOTHING for name in Traits.__slots__ if name not in ("customer", "company", "circle")}
    found = findings(
        act, Traits(**few, customer=np.array([1.0]), company=np.array([np.nan]), circle=np.array([2.0]))
    )
    assert verdict(found, 0)[0] < FLAGGED < verdict(found, 0, label="campaign")[0]
    assert verdict(found, 0, label="benign")[0] < 0.01
    assert verdict(found, 0, label="to be looked at") == verdict(found, 0)


@pytest.mark.parametrize(
    ("requests", "returning", "low", "high"), [(6, 5.0, 0.95, 1.0), (6, 0.5, 0.3, 0.7), (60, 5.0, 0.0, 0.1)]
)
def test_few_requests_hardly_lower_a_score_and_not_at_all_from_the_same_pool(
    requests: int, returning: float, low: float, high: float
) -> None:
    facts = {**CAMPAIGN, **HARNESS, "p_pool": 0.5, "requests": requests}
    act = Behaviour(**{name: np.array([value]) for name, value in facts.items()})
    known = {name: NOTHING for name in Traits.__slots__ if name not in ("customer", "company", "circle")}
    known["returning"] = trait(returning)
    found = findings(
        act, Traits(**known, customer=np.array([np.nan]), company=np.array([np.nan]), circle=np.array([40.0]))
    )
    before = (Reason("synchrony", 12.0, 4.0, "last night"),)
    score, reasons = verdict(found, 0, before=before)
    assert low <= score <= high
    assert score == pytest.approx(1 / (1 + np.exp(-sum(r.contribution for r in reasons))))
    assert verdict(found, 0, before=before, label="benign")[0] < 0.01
    taken_back = (*before, Reason("label", 1.0, 20.0, "last night"))
    assert verdict(found, 0, before=taken_back)[0] == score
    lower = (Reason("prior", 1.0, -9.0, "last night"),)
    assert verdict(found, 0, before=lower) == verdict(found, 0)


def test_numbers_that_are_zero() -> None:
    zero: dict[str, float] = dict.fromkeys(CAMPAIGN, 0)
    score, _ = judge({**zero, "expected_pairs": 0.05, "p_pool": 1, "p_synchrony": 1})
    assert 0 <= score < 0.1
