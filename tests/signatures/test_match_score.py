from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprint.signatures import match_score
from fingerprint.signatures.match_score import meaning, rarity, score_of, score_of_meaning, shifted


def test_a_campaign_is_preferred_to_a_relay_and_a_relay_to_what_is_honest() -> None:
    campaign, relay, benign = (
        match_score.preference(label, 0.7) for label in ("campaign", "relay", "benign")
    )
    assert campaign > relay > benign == 0


@given(st.floats(0, 50), st.floats(0, 50), st.floats(0.1, 100))
def test_more_held_is_a_higher_score(a: float, b: float, total: float) -> None:
    less, more = sorted(np.float32([a, b]))
    scores = score_of(np.array([less, more]), np.float32([total, total]))
    assert scores[0] <= scores[1]
    assert (scores >= 0).all()
    assert (scores <= 1).all()


@given(st.floats(0.1, 50), st.floats(1, 5), st.floats(1, 5))
def test_a_larger_share_of_the_template_is_a_higher_score(held: float, a: float, b: float) -> None:
    less, more = sorted([a, b])
    scores = score_of(np.float32([held, held]), np.float32([held * more, held * less]))
    assert scores[0] <= scores[1]


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=20), st.integers(0, 1000))
def test_rarity_is_between_none_and_all(outside: list[int], more: int) -> None:
    weights = rarity(np.array(outside), max(outside) + more)
    assert ((weights >= -1e-6) & (weights <= 1)).all()
    order = np.argsort(outside, kind="stable")
    assert (np.diff(weights[order]) <= 0).all()
    assert rarity(np.array([0]), 5)[0] == 1
    assert rarity(np.array([5]), 5)[0] == pytest.approx(0, abs=1e-6)


def test_meaning_counts_only_beyond_what_others_reach() -> None:
    least, usual = np.full(4, 0.6, np.float32), np.full(4, 0.2, np.float32)
    beyond = meaning(np.array([0.2, 0.6, 0.8, 1.0], np.float32), least, usual)
    np.testing.assert_allclose(beyond, [0, 0, 0.5, 1], atol=1e-6)
    scores = score_of_meaning(beyond)
    assert scores[0] == scores[1] == 0
    assert 0.5 < scores[2] < scores[3]
    assert scores[3] > match_score.SURE
    never = meaning(np.ones(1, np.float32), np.ones(1, np.float32), np.zeros(1, np.float32))
    assert score_of_meaning(never)[0] == 0


def test_a_meaning_that_all_say_alike_is_not_blown_up() -> None:
    beyond = meaning(np.array([0.51], np.float32), np.array([0.5], np.float32), np.array([0.5], np.float32))
    np.testing.assert_allclose(beyond, [0.01 / match_score.NARROW], rtol=1e-3)


def test_standing_is_the_odds_of_requests_in_step() -> None:
    assert match_score.reliability(0, 0) == 0
    assert match_score.reliability(99, 0) == pytest.approx(0)
    assert match_score.reliability(999, 0) == pytest.approx(match_score.RELIABILITY * np.log(10))
    assert match_score.reliability(99, 9) == pytest.approx(-match_score.RELIABILITY * np.log(10))


@given(st.floats(0, 1), st.floats(-9, 9))
def test_scores_are_shifted_in_log_odds(score: float, step: float) -> None:
    there = shifted(np.array([score]), np.array([step]))
    assert 0 <= there[0] <= 1
    if 1e-6 < score < 1 - 1e-6:
        assert shifted(there, np.array([-step]))[0] == pytest.approx(score, abs=1e-9)


def test_the_least_that_reaches_a_score_is_found_to_its_rounding() -> None:
    most, threshold = np.full(3, 2.0), np.array([0.25, 1.0, 9.0])
    least = match_score.least_reaching(lambda x: x**2, most, threshold)
    np.testing.assert_allclose(least, [0.5, 1.0, 2.0], rtol=1e-9)
    single = match_score.least_reaching(lambda x: x.astype(np.float64) ** 2, most.astype(np.float32), 0.25)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, 0.5, rtol=1e-6)
