from __future__ import annotations

import numpy as np
import pytest

from fingerprint.evidence.empirical_null import MIN_PEERS
from fingerprint.evidence.two_sample import (
    MIN_PROMPTS,
    RANDOM_FEATURES,
    Departures,
    Sums,
    departures,
    random_features,
)

DIMENSION = 64


def unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), dtype=np.float32)


def prompts(random: np.random.Generator, count: int) -> np.ndarray:
    """Honest prompts: unit vectors around one of 20 subjects."""
    subjects = np.random.default_rng(99).normal(size=(20, DIMENSION))
    return unit(subjects[random.integers(20, size=count)] + random.normal(size=(count, DIMENSION)))


def measured(accounts: list[np.ndarray], honest: np.ndarray | None = None) -> Departures:
    """Test accounts by their kernel mean alone."""
    each = [random_features(vectors).astype(np.float64) for vectors in accounts]
    requests = np.array([float(len(e)) for e in each])
    sums = Sums(
        requests=requests,
        features=np.array([e.sum(axis=0) for e in each]),
        ranked=np.zeros(len(each)),
        surprise=np.zeros((len(each), 2)),
        covariance=np.cov(np.concatenate(each).T),
    )
    return departures(sums, np.ones(len(each), dtype=np.bool_) if honest is None else honest)


def surprised(mean: np.ndarray, requests: int, seed: int = 0) -> Departures:
    """Test accounts of like prompts whose -log p have these means (a,), as drawn from an exponential distribution."""
    random = np.random.default_rng(seed)
    count = np.full(len(mean), float(requests))
    surprise = random.exponential(np.repeat(mean, requests)).reshape(-1, requests).sum(axis=1)
    features = np.array(
        [random_features(prompts(random, requests)).sum(axis=0, dtype=np.float64) for _ in mean]
    )
    covariance = np.cov(random_features(prompts(random, 2000)).T)
    sums = Sums(count, features, count, np.column_stack([surprise, count]), covariance)
    return departures(sums, np.ones(len(mean), dtype=np.bool_))


def test_features_are_unit_vectors_whose_products_are_the_kernel() -> None:
    vectors = prompts(np.random.default_rng(1), 200)
    found = random_features(vectors)
    assert found.shape == (200, RANDOM_FEATURES)
    np.testing.assert_allclose((found * found).sum(axis=1), 1, rtol=1e-4)
    squared = ((vectors[:, None] - vectors[None]) ** 2).sum(axis=2)
    kernel = np.mean([np.exp(-squared / 2 / width**2) for width in (0.5, 0.7, 1.0)], axis=0)
    assert np.abs(found @ found.T - kernel).mean() < 0.06


@pytest.mark.parametrize("size", [5, 20, 100])
def test_random_prompts_of_the_pool_are_departures_as_rarely_as_q_says(size: int) -> None:
    random = np.random.default_rng(size)
    found = measured([prompts(random, size) for _ in range(1500)])
    assert abs(found.value.mean()) < 3 * found.value.std() / np.sqrt(1500)
    assert (found.p_value <= 0.01).mean() <= 0.015
    assert not found.departed.any()


def test_many_attackers_do_not_hide_each_other() -> None:
    random = np.random.default_rng(3)
    usual = [prompts(random, 100) for _ in range(450)]
    for count in (8, 40):
        strange = [unit(np.ones(DIMENSION) + random.normal(size=(100, DIMENSION))) for _ in range(count)]
        found = measured([*strange, *usual])
        assert found.departed[:count].all()
        assert found.departed[count:].mean() <= 0.005


def test_a_home_of_twenty_accounts_tells_one_that_is_unlike_and_no_other() -> None:
    told = []
    for seed in range(20):
        random = np.random.default_rng(seed)
        strange = unit(2 * np.ones(DIMENSION) + random.normal(size=(40, DIMENSION)))
        found = measured([strange, *(prompts(random, 40) for _ in range(20))])
        told.append(found.departed)
    assert np.mean([t[0] for t in told]) >= 0.95
    assert np.mean([t[1:] for t in told]) <= 0.01


def test_a_tenth_of_strange_prompts_is_told_by_their_ranks_where_the_mean_is_not() -> None:
    # prompts beyond all honest ones have -log p of about 7
    mean = np.append(np.ones(300), 0.9 + 0.1 * 7)
    found = surprised(mean, 400)
    assert found.departed[300]
    assert found.departed[:300].mean() <= 0.005
    assert found.each[300, 1] < 1e-4 < found.each[300, 0]
    assert found.rank[300] == pytest.approx(1 / 301)
    assert found.surprise[300, 0] == pytest.approx(1.6, abs=0.2)


def test_accounts_with_subjects_of_their_own_are_the_null() -> None:
    random = np.random.default_rng(6)
    own = [unit(2 * random.normal(size=DIMENSION) + random.normal(size=(60, DIMENSION))) for _ in range(400)]
    found = measured(own)
    assert (found.value > 0.05).all()
    assert found.departed.mean() <= 0.005


def test_more_of_the_same_prompts_is_a_clearer_departure() -> None:
    random = np.random.default_rng(4)
    usual = [prompts(random, 40) for _ in range(300)]

    def p_value(mixed: int, size: int) -> float:
        strange = unit(np.ones(DIMENSION) + random.normal(size=(mixed, DIMENSION)))
        mixture = np.concatenate([strange, prompts(random, size - mixed)])
        return float(measured([mixture, *usual], np.arange(301) > 0).p_value[0])

    assert p_value(2, 20) > p_value(10, 20) > p_value(20, 20)
    assert p_value(30, 300) < p_value(4, 40)


def test_too_few_prompts_or_peers_say_nothing() -> None:
    random = np.random.default_rng(5)
    few = [prompts(random, 10) for _ in range(MIN_PEERS)]
    found = measured([prompts(random, MIN_PROMPTS - 1), *few])
    assert np.isnan(found.value[0])
    assert np.isnan(found.q_value[0])
    assert np.isfinite(found.q_value[1:]).all()
    fewer = measured(few[1:])
    assert np.isfinite(fewer.value).all()
    assert np.isnan(fewer.q_value).all()
    assert np.isnan(fewer.rank).all()
    assert not fewer.departed.any()
    assert np.isnan(measured(few, np.zeros(len(few), dtype=np.bool_)).value).all()
