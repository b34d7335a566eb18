from __future__ import annotations

import numpy as np
import pytest

from fingerprint.evidence.two_sample import (
    MAX_RANK,
    MIN_PROMPTS,
    RANDOM_FEATURES,
    Departures,
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
    each = [random_features(vectors).astype(np.float64) for vectors in accounts]
    pool = np.concatenate(each)
    return departures(
        np.array([e.sum(axis=0) for e in each]),
        np.array([float(len(e)) for e in each]),
        np.ones(len(each), dtype=np.bool_) if honest is None else honest,
        np.cov(pool.T),
    )


def test_features_are_unit_vectors_whose_products_are_the_kernel() -> None:
    vectors = prompts(np.random.default_rng(1), 200)
    found = random_features(vectors)
    assert found.shape == (200, RANDOM_FEATURES)
    np.testing.assert_allclose((found * found).sum(axis=1), 1, rtol=1e-4)
    squared = ((vectors[:, None] - vectors[None]) ** 2).sum(axis=2)
    kernel = np.mean([np.exp(-squared / 2 / width**2) for width in (0.5, 0.7, 1.0)], axis=0)
    assert np.abs(found @ found.T - kernel).mean() < 0.06


@pytest.mark.parametrize("size", [5, 20, 100])
def test_random_prompts_of_the_pool_are_departures_as_often_as_p_says(size: int) -> None:
    random = np.random.default_rng(size)
    found = measured([prompts(random, size) for _ in range(1500)])
    assert abs(found.value.mean()) < 3 * found.value.std() / np.sqrt(1500)
    for level in (0.1, 0.01):
        assert (found.p_value <= level).mean() == pytest.approx(level, rel=0.6)
    assert found.departed.mean() <= MAX_RANK


def test_other_prompts_depart_and_the_stated_rate_of_honest_ones_does_at_most() -> None:
    random = np.random.default_rng(3)
    strange = [unit(np.ones(DIMENSION) + random.normal(size=(30, DIMENSION))) for _ in range(20)]
    usual = [prompts(random, int(n)) for n in random.integers(5, 200, 1000)]
    honest = np.arange(1020) >= 20
    found = measured([*strange, *usual], honest)
    assert found.departed[:20].all()
    assert found.departed[20:].mean() <= MAX_RANK
    assert (found.value[:20] > found.value[20:].mean() + 0.05).all()


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
    found = measured([prompts(random, MIN_PROMPTS - 1), *(prompts(random, 10) for _ in range(20))])
    assert np.isnan(found.value[0])
    assert np.isfinite(found.p_value[1:]).all()
    assert np.isnan(found.rank).all()
    assert not found.departed.any()
    nobody = departures(
        np.zeros((2, RANDOM_FEATURES)),
        np.zeros(2),
        np.zeros(2, dtype=np.bool_),
        np.zeros((RANDOM_FEATURES, RANDOM_FEATURES)),
    )
    assert np.isnan(nobody.value).all()
