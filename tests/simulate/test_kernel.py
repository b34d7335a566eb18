"""The simulator's random numbers keep their bounds and laws, and what it writes reads as what it is."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprint.simulate.grammar import CLOCK, DATE, DIGITS, HEX, INTEGER
from fingerprint.simulate.kernel import (
    article,
    below,
    calendar,
    digits,
    draw,
    figure,
    fraction,
    mix,
    run_length,
    scaled,
    shuffled,
    unit,
    zeta,
)

bits64 = st.integers(0, 2**64 - 1).map(np.uint64)
BITS = np.random.default_rng(1).integers(0, 2**64, 20_000, dtype=np.uint64)


def written(end: int, out: np.ndarray) -> str:
    return out[:end].tobytes().decode()


@given(value=st.integers(0, 10**12), width=st.integers(1, 6))
def test_numbers_are_padded_to_their_width(value: int, width: int) -> None:
    out = np.zeros(20, np.uint8)
    assert written(digits(out, 0, value, width), out) == f"{value:0{width}d}"


@given(day=st.integers(-700_000, 2_900_000))
def test_days_are_those_of_the_calendar(day: int) -> None:
    out = np.zeros(16, np.uint8)
    expected = datetime(1970, 1, 1, tzinfo=UTC).date() + timedelta(days=day)
    assert written(calendar(out, 0, day), out) == expected.isoformat()


@given(bits=bits64, low=st.integers(0, 50), more=st.integers(0, 50))
def test_draws_keep_their_bounds(bits: np.uint64, low: int, more: int) -> None:
    assert 0 < fraction(bits) <= 1
    assert 0 <= scaled(bits, more + 1) <= more
    assert low <= run_length(bits, low, low + more) <= low + more
    assert 1 <= zeta(bits, 140, 50) <= 1e12 + 1


def test_mixing_is_a_bijection_and_generators_follow_splitmix64() -> None:
    assert len({int(mix(np.uint64(n))) for n in range(10_000)}) == 10_000
    rng = np.zeros(1, np.uint64)
    # the first outputs of SplitMix64 from seed 0, as published with it
    assert [int(draw(rng)) for _ in range(3)] == [
        0xE220A8397B1DCDAF,
        0x6E789E6AA1B965F4,
        0x06C45D188009454F,
    ]
    assert {below(rng, 3) for _ in range(100)} == {0, 1, 2}
    assert all(0 < unit(rng) <= 1 for _ in range(100))


def test_ranks_fall_by_lomaxs_law() -> None:
    ranks = np.array([zeta(bits, 240, 50) for bits in BITS], np.float64)
    for k in (1, 20, 100, 500):
        assert np.mean(ranks > k) == pytest.approx((1 + k / 50) ** (1 - 2.4), abs=0.01)


def test_short_runs_are_likelier() -> None:
    counts = np.bincount([run_length(bits, 2, 9) for bits in BITS], minlength=10)[2:]
    assert (np.diff(counts) < 0).all()


@given(bits=bits64, count=st.integers(0, 20))
def test_shuffled_parts_are_all_there(bits: np.uint64, count: int) -> None:
    at = np.full(40, -7, np.int64)
    shuffled(5, count, bits, at, 3)
    assert sorted(at[4 : 4 + count].tolist()) == list(range(5, 5 + count))
    assert (np.delete(at, range(4, 4 + count)) == -7).all()


@pytest.mark.parametrize(
    ("kind", "low", "high", "form"),
    [
        (INTEGER, 10, 99, r"[1-9]\d"),
        (HEX, 8, 0, "[0-9a-f]{8}"),
        (DIGITS, 4, 0, r"\d{4}"),
        (DATE, 0, 0, "2026-03-02"),
    ],
)
def test_figures(kind: int, low: int, high: int, form: str) -> None:
    out, clock = np.zeros(20, np.uint8), np.array([1_772_409_600], np.int64)
    for bits in BITS[:50]:
        assert re.fullmatch(form, written(figure(kind, low, high, bits, out, 0, clock), out))
    assert clock[0] == 1_772_409_600


def test_a_clock_runs_on() -> None:
    out, clock = np.zeros(20, np.uint8), np.array([1_772_409_600 + 86_390], np.int64)
    times = [written(figure(CLOCK, 0, 0, bits, out, 0, clock), out) for bits in BITS[:20]]
    assert clock[0] > 1_772_409_600 + 86_400
    assert times[0].startswith("23:59:5")
    assert times[-1].startswith("00:0")


@pytest.mark.parametrize(("word", "capital", "expected"), [("apple", False, "an "), ("pear", True, "A ")])
def test_articles(word: str, capital: bool, expected: str) -> None:
    out = np.zeros(5, np.uint8)
    assert written(article(ord(word[0]), capital, out, 0), out) == expected
