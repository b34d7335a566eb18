from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fingerprint.columns import Behaviour
from fingerprint.verdict import FLAGGED, verdict

CAMPAIGN = Behaviour(
    requests=np.array([500]),
    accounts=np.array([40]),
    expected_accounts=np.array([350.0]),
    pairs=np.array([9000]),
    expected_pairs=np.array([400.0]),
    p_pool=np.array([1e-60]),
    p_synchrony=np.array([1e-20]),
    p_value=np.array([1e-80]),
)


def score(**changes: float) -> float:
    act = replace(CAMPAIGN, **{name: np.array([value]) for name, value in changes.items()})
    return verdict(act, 0)[0]


def test_a_pool_that_acts_together_is_flagged() -> None:
    assert score() > FLAGGED


def test_everybody_at_any_time_is_not() -> None:
    assert score(accounts=345, pairs=390, p_pool=0.4, p_synchrony=0.5) < 0.1


def test_one_customers_own_job_is_not() -> None:
    assert score(accounts=1, pairs=0, p_pool=0.0, p_synchrony=1.0) < 0.1
    assert score(accounts=4, pairs=9000, p_pool=0.0) < FLAGGED


def test_few_pairs_beyond_chance_are_no_synchrony_however_sure() -> None:
    assert score(pairs=590, p_synchrony=1e-30) < score()


@pytest.mark.parametrize("name", ["p_pool", "p_synchrony"])
def test_less_likely_by_chance_is_a_higher_score(name: str) -> None:
    scores = [score(**{name: p}) for p in (1.0, 1e-2, 1e-5, 1e-10, 0.0)]
    assert scores == sorted(scores)
    assert scores[0] < scores[-1]


def test_the_reasons_make_up_the_score() -> None:
    total, reasons = verdict(CAMPAIGN, 0)
    assert total == pytest.approx(1 / (1 + np.exp(-sum(r.contribution for r in reasons))))
    sizes = [abs(r.contribution) for r in reasons]
    assert sizes == sorted(sizes, reverse=True)
    assert len({r.name for r in reasons}) == len(reasons)
    words = " ".join(r.words for r in reasons)
    assert "500 requests from 40 accounts" in words
    assert "350" in words
    assert "9000 pairs" in words


def test_numbers_that_are_zero() -> None:
    nothing = score(
        requests=0, accounts=0, expected_accounts=0, pairs=0, expected_pairs=0.05, p_pool=1, p_synchrony=1
    )
    assert 0 <= nothing < 0.1
    assert np.isfinite(nothing)
