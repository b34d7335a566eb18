from __future__ import annotations

import numpy as np
import pytest

from fingerprint.evidence.turn_takers import MAX_STRANGERS, MIN_COMPARED, TurnTakers, turn_takers
from fingerprint.evidence.two_sample import Sums, random_features

DIMENSION, SUBJECTS = 32, 40
PEOPLE = 400


def world(
    loads: np.ndarray, *, seed: int = 0, people: int = PEOPLE, own: bool = True, pool_own: bool = False
) -> tuple[TurnTakers, np.ndarray]:
    """People with subjects of their own (`own`) and a pool with these loads, which has none; and which accounts are the pool."""
    random = np.random.default_rng(seed)
    subjects = random.normal(size=(SUBJECTS, DIMENSION))
    volume = np.concatenate([random.integers(8, 60, people), loads])
    is_pool = np.arange(len(volume)) >= people
    features = []
    for count, dealt in zip(volume, is_pool, strict=True):
        several = random.integers(SUBJECTS, size=3)
        has_own = pool_own if dealt else own
        subject = random.choice(several, count) if has_own else random.integers(SUBJECTS, size=count)
        vectors = subjects[subject] + random.normal(size=(count, DIMENSION))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        features.append(random_features(vectors.astype(np.float32)).sum(axis=0, dtype=np.float64))
    requests = volume.astype(np.float64)
    sums = Sums(requests, np.array(features), requests, np.zeros((len(volume), 2)), np.eye(1))
    return turn_takers(sums, requests), is_pool


@pytest.mark.parametrize("seed", range(2))
def test_accounts_that_ask_about_everything_and_share_the_load_are_a_pool(seed: int) -> None:
    found, is_pool = world(np.full(30, 20) + np.arange(30) % 3, seed=seed)
    assert len(found.p_value) == 1
    assert found.p_value[0] < 1e-6
    named = found.pool >= 0
    assert named[is_pool].mean() > 0.6
    assert (named & ~is_pool).sum() <= 2 * MAX_STRANGERS * named.sum()
    assert found.usual > 0.04 > 0.03 > found.excess[named].max()


@pytest.mark.parametrize("seed", range(2))
def test_people_are_no_pool_whether_they_have_subjects_of_their_own_or_not(seed: int) -> None:
    for own in (True, False):
        assert (world(np.empty(0, dtype=np.int64), seed=seed, own=own)[0].pool < 0).all()


def test_where_everybody_asks_about_everything_nobody_stands_out() -> None:
    assert (world(np.full(30, 20), own=False)[0].pool < 0).all()


def test_neither_an_even_load_nor_breadth_alone_is_a_pool() -> None:
    assert (world(np.full(30, 20), pool_own=True)[0].pool < 0).all()
    scattered = np.random.default_rng(5).integers(8, 60, 8)
    assert (world(scattered)[0].pool < 0).all()


def test_two_pools_of_different_loads_are_two() -> None:
    found, is_pool = world(np.repeat([12, 40], 30))
    assert len(found.p_value) == 2
    first, second = (set(np.flatnonzero(found.pool == p)) for p in (0, 1))
    assert {
        len(first & set(np.flatnonzero(is_pool))) > 15,
        len(second & set(np.flatnonzero(is_pool))) > 15,
    } == {True}


def test_accounts_of_few_prompts_are_unknown() -> None:
    found, _ = world(np.full(30, MIN_COMPARED - 1))
    assert np.isnan(found.excess[PEOPLE:]).all()
    assert (found.pool[PEOPLE:] < 0).all()


def test_an_empty_home_has_no_pools() -> None:
    nobody = np.zeros(0)
    found = turn_takers(Sums(nobody, np.zeros((0, 4)), nobody, np.zeros((0, 2)), np.eye(4)), nobody)
    assert len(found.pool) == len(found.p_value) == 0
