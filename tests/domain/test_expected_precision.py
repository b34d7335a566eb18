from __future__ import annotations

import math

import pytest

from fingerprint.domain.expected_precision import (
    KNOWN,
    SLOPE,
    expected_false_flags,
    expected_precision,
    precision_words,
)


def score_at(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds))


def test_low_scores_are_taken_at_their_word() -> None:
    for score in (0.0, 0.2, 0.5, 0.6, score_at(KNOWN)):
        assert expected_precision(score) == pytest.approx(score)


def test_log_odds_beyond_count_by_the_slope() -> None:
    for log_odds in (1.0, 3.0, 8.0, 16.0):
        wanted = score_at(KNOWN + SLOPE * (log_odds - KNOWN))
        assert expected_precision(score_at(log_odds)) == pytest.approx(wanted, rel=1e-6)


def test_it_rises_with_the_score_and_is_never_sure() -> None:
    scores = [score_at(x / 4) for x in range(-40, 120)]
    precisions = [expected_precision(score) for score in scores]
    assert precisions == sorted(precisions)
    assert len({precision_words(p) for p in precisions}) > 40
    assert all(p <= s + 1e-12 for p, s in zip(precisions, scores, strict=True))
    assert expected_precision(1.0) < 1.0


def test_false_flags_are_what_precisions_leave() -> None:
    assert expected_false_flags([]) == 0
    assert expected_false_flags([0.6, 0.68]) == pytest.approx(0.4 + 0.32, abs=0.01)
    assert 0 < expected_false_flags([1.0] * 40) < 1e-3


def test_words_are_cut_and_not_rounded_up() -> None:
    assert [precision_words(p) for p in (0.0, 0.879, 0.98999, 0.9949, 0.999, 0.9991, 1.0)] == [
        "0 %",
        "87 %",
        "98 %",
        "99.4 %",
        "99.9 %",
        "over 99.9 %",
        "over 99.9 %",
    ]
