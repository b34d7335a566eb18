from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.crafted import Sent, batch_of

from fingerprint.domain.settings import Settings
from fingerprint.nights import sampling
from fingerprint.nights.claims import Claims
from fingerprint.nights.sampling import RoundCores, choose_sample
from fingerprint.nights.spool import Spool


def spool_of(sizes: list[int], sent: list[Sent] | None = None) -> Spool:
    """A spool of prompts of so many bytes, whose hashes fall from the first to the last."""
    count = len(sizes)
    return Spool(
        Path("nowhere"),
        batch_of(sent or []),
        np.arange(count, 0, -1).astype(np.uint64),
        np.array(sizes, np.int32),
        np.array([0, count]),
    )


def likely(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.uint8)


def test_a_sample_is_in_the_order_of_hashes_and_fills_its_room() -> None:
    spool = spool_of([10] * 6)
    free = np.array([True, True, True, True, False, True])
    assert choose_sample(spool, free, likely(0, 0, 0, 0, 0, 0), 30).tolist() == [2, 3, 5]
    assert choose_sample(spool, free, likely(0, 0, 0, 0, 0, 0), 39).tolist() == [2, 3, 5]
    assert choose_sample(spool, free, likely(0, 0, 0, 0, 0, 0), 999).tolist() == [0, 1, 2, 3, 5]


def test_likely_prompts_come_first_the_likeliest_before_the_others() -> None:
    spool, free = spool_of([10] * 6), np.ones(6, dtype=np.bool_)
    assert choose_sample(spool, free, likely(1, 2, 0, 0, 0, 0), 10).tolist() == [1]
    assert choose_sample(spool, free, likely(1, 2, 0, 0, 0, 0), 40).tolist() == [0, 1, 4, 5]


@given(
    st.lists(st.tuples(st.integers(1, 50), st.booleans(), st.integers(0, 2)), max_size=20),
    st.integers(0, 300),
)
def test_a_sample_is_of_free_prompts_and_no_larger_than_its_room(
    prompts: list[tuple[int, bool, int]], most: int
) -> None:
    spool = spool_of([size for size, _, _ in prompts])
    free = np.array([f for _, f, _ in prompts], dtype=np.bool_)
    chosen = choose_sample(spool, free, likely(*(value for _, _, value in prompts)), most)
    assert (np.diff(chosen) > 0).all()
    assert free[chosen].all()
    assert spool.size[chosen].sum() <= most


@pytest.mark.parametrize("most", [7, 8])
def test_seeds_are_tested_on_all_requests_unless_very_many_hold_them(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # prompts 0 to 7 hold a seed that five accounts send in two minutes, 8 to 15 one that is sent at any time, 16 a third
    random = np.random.default_rng(0)
    at = [*random.uniform(0, 120, 8), *random.uniform(0, 86_400, 200)]
    sent = [Sent(f"{'x' * (n + 1)}", f"a{n % 5 if n < 8 else n}", float(t)) for n, t in enumerate(at)]
    spool = spool_of([1] * len(sent), sent)
    monkeypatch.setattr(sampling, "MAX_TESTED_HOLDERS", most)
    family = np.array([1] * 8 + [2] * 8 + [3], np.int32)  # one family, then three seeds
    claims = Claims(np.arange(17), family, np.full(17, 9, np.int32))
    promising, together = sampling._test_seeds(spool, claims, 1, 3, Settings())
    assert promising.tolist() == list(range(16))
    assert together.tolist() == (list(range(8)) if most == 8 else [])


def test_cores_of_rounds_are_numbered_one_after_the_other() -> None:
    one, two = (np.array([n], dtype=np.uint64) for n in (1, 2))
    stored = RoundCores((one,), np.array([True]), np.array([0], np.int32))
    found = stored + RoundCores((two, one), np.array([False, True]), np.array([-1, -1], np.int32))
    assert [grams.tolist() for grams in found.grams] == [[1], [2], [1]]
    assert found.outlined.tolist() == [True, False, True]
    assert found.known.tolist() == [0, -1, -1]
