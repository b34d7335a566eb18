from __future__ import annotations

import numpy as np
import pytest

from benchmarks.common.calibration import curve, exact_rate, mapped, platt


def test_exact_intervals_of_the_textbook() -> None:
    # Clopper & Pearson 1934: none of 10, and 3 of 10
    assert exact_rate(0, 10).high == pytest.approx(0.3085, abs=1e-4)
    found = exact_rate(3, 10)
    assert (found.rate, found.low, found.high) == pytest.approx((0.3, 0.0667, 0.6525), abs=1e-4)
    assert exact_rate(10, 10).high == 1.0


def test_a_curve_by_hand() -> None:
    score = np.array([0.01, 0.01, 0.99, 0.99])
    found = curve(score, np.array([False, True, True, True]))
    assert [(b.observed.happened, b.observed.trials) for b in found.bins] == [(1, 2), (2, 2)]
    assert found.brier == pytest.approx((0.01**2 * 3 + 0.99**2) / 4)
    assert found.error == pytest.approx(0.5 * 0.49 + 0.5 * 0.01)
    assert found.log_loss == pytest.approx(-(3 * np.log(0.99) + np.log(0.01)) / 4)


def test_a_map_mends_what_is_too_sure() -> None:
    chance = np.random.default_rng(1)
    truth = chance.random(4_000) < 0.5
    margin = np.where(truth, 1.0, -1.0) + chance.normal(size=4_000)  # so log-odds are twice this
    score = 1 / (1 + np.exp(-6 * margin))
    a, b = platt(score, truth)
    assert a == pytest.approx(1 / 3, abs=0.03)
    assert b == pytest.approx(0, abs=0.15)
    assert curve(mapped(score, a, b), truth).error < 0.03 < curve(score, truth).error


def test_a_curve_at_another_base_rate() -> None:
    # half of the families are campaigns, and a tenth would be: each campaign stands for 0.2, each other for 1.8
    score = np.array([0.01, 0.01, 0.99, 0.99])
    found = curve(score, np.array([False, True, False, True]), 0.1)
    assert [b.share for b in found.bins] == pytest.approx([0.1, 0.1])
    assert [b.observed.rate for b in found.bins] == [0.5, 0.5]
    assert found.bins[0].high == pytest.approx(0.1 * 0.987421 / (0.1 * 0.987421 + 0.9 * 0.012579), abs=1e-4)
    assert found.brier == pytest.approx((1.8 * (0.01**2 + 0.99**2) + 0.2 * (0.99**2 + 0.01**2)) / 4)
