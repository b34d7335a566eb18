from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprint.evidence.permutation import MIN_ITEMS, likeness


def unit(seed: int, rows: int, columns: int = 3) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=(rows, columns))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def within(vectors: np.ndarray, account: np.ndarray) -> float:
    """Mean similarity of two requests of one account, in plain Python."""
    pairs = [
        vectors[i] @ vectors[j] for i in range(len(account)) for j in range(i) if account[i] == account[j]
    ]
    return float(np.mean(pairs))


@given(st.integers(0, 1000), st.sampled_from([(3, 2, 1), (2, 2, 2), (4, 1, 1), (3, 3)]))
def test_moments_are_those_of_all_permutations(seed: int, sizes: tuple[int, ...]) -> None:
    account = np.repeat(np.arange(len(sizes)), sizes)
    vectors = unit(seed, MIN_ITEMS)
    every = [within(vectors, account[list(order)]) for order in permutations(range(MIN_ITEMS))]
    found = likeness(vectors, account)
    assert found.excess == pytest.approx(within(vectors, account) - np.mean(every), abs=1e-9)
    assert found.deviation == pytest.approx(np.std(every), abs=1e-9)
    assert found.pairs == sum(n * (n - 1) // 2 for n in sizes)


def test_topics_of_their_own_stand_out_and_a_dealt_list_does_not() -> None:
    random = np.random.default_rng(3)
    account = np.repeat(np.arange(20), 4)
    topic = unit(1, 20, 16)[account]
    own = topic + 0.8 * random.normal(size=(80, 16)) / 4
    own -= own.mean(axis=0)
    own /= np.linalg.norm(own, axis=1, keepdims=True)
    assert likeness(own, account).z > 10
    assert abs(likeness(own, random.permutation(account)).z) < 4


def test_too_little_says_nothing() -> None:
    for account in (np.zeros(0, int), np.arange(30), np.zeros(30, int), np.array([0, 0, 1, 2, 3])):
        found = likeness(unit(0, len(account)), account)
        assert found.z == 0
        assert np.isinf(found.deviation)


def test_equal_vectors_say_nothing() -> None:
    assert likeness(np.ones((12, 2)), np.repeat(np.arange(4), 3)).z == 0
