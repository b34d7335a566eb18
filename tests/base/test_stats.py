"""The tails and q-values say what scipy.stats says; an even choice has the first, the last and no item twice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fingerprint.base.stats import (
    binomial,
    chi_squared,
    gamma,
    geometric_below,
    hypergeometric,
    log_chi_squared_below,
    log_normal,
    negative_binomial,
    normal,
    pick_evenly,
    q_values,
)

RNG = np.random.default_rng(4)


def close(ours: np.ndarray, theirs: np.ndarray, *, rtol: float = 1e-9, atol: float = 1e-290) -> bool:
    assert ours.dtype == np.float64
    assert ours.shape == theirs.shape
    return np.allclose(ours, theirs, rtol=rtol, atol=atol, equal_nan=True)


def test_normal() -> None:
    z = np.append(RNG.normal(0, 10, 1000), [0.0, 38.0, -38.0, 1e4, np.nan])
    assert close(normal(z), stats.norm.sf(z))
    assert close(log_normal(z), stats.norm.logsf(z))


def test_chi_squared() -> None:
    value = np.append(RNG.exponential(40, 1000), [0.0, 1400.0])
    freedom = RNG.integers(1, 300, len(value))
    assert close(chi_squared(value, 4), stats.chi2.sf(value, 4))
    assert close(log_chi_squared_below(value, freedom), stats.chi2.logcdf(value, freedom))


def test_gamma() -> None:
    value = np.append(RNG.normal(3, 6, 1000), [0.0, -1.0, 500.0])
    for shape in (0.1, 1.0, 40.0):
        assert close(gamma(value, shape), stats.gamma.sf(value, shape))


def test_binomial() -> None:
    trials = RNG.integers(0, 400, 2000)
    seen = RNG.integers(-1, 402, 2000)
    chance = np.append(RNG.random(1998), [0.0, 1.0])
    assert close(binomial(seen, trials, chance), stats.binom.sf(seen - 1, trials, chance))


def test_negative_binomial() -> None:
    seen, mean = RNG.integers(-1, 5000, 2000), RNG.exponential(200, 2000) + 1e-3
    assert close(negative_binomial(seen, 4.0, mean), stats.nbinom.sf(seen - 1, 4.0, 4.0 / (4.0 + mean)))


def test_geometric() -> None:
    seen, mean = RNG.integers(0, 5000, 2000), RNG.exponential(2000, 2000) + 1e-9
    assert close(geometric_below(seen, mean), stats.nbinom.cdf(seen, 1, 1 / (1 + mean)), rtol=1e-7)


def test_hypergeometric() -> None:
    whole = 24_000
    one, other = RNG.integers(1, 3000, 3000), np.append(RNG.integers(1, 3000, 2990), [24_000] * 10)
    usual = one * other / whole
    shared = np.append(RNG.poisson(usual[:2000]), RNG.integers(0, 3000, 1000))
    theirs = stats.hypergeom.sf(shared - 1, whole, one, other)
    assert close(hypergeometric(shared, whole, one, other), theirs, rtol=1e-7)


def test_hypergeometric_of_few() -> None:
    for whole in (1, 2, 7):
        shared, one, other = (x.ravel() for x in np.meshgrid(*[np.arange(whole + 1)] * 3, indexing="ij"))
        theirs = stats.hypergeom.sf(shared - 1, whole, one, other)
        assert close(hypergeometric(shared, whole, one, other), theirs, rtol=1e-7, atol=1e-12)


def test_q_values() -> None:
    for p_value in (RNG.random(500) ** 4, np.repeat(RNG.random(20), 5), np.array([0.5])):
        assert close(q_values(p_value), stats.false_discovery_control(p_value))
    assert q_values(np.empty(0)).shape == (0,)


@given(st.lists(st.floats(0, 1), max_size=40), st.floats(1e-4, 0.5))
def test_tests_below_a_q_are_those_of_the_step_up_procedure(p_values: list[float], rate: float) -> None:
    accepted = q_values(np.array(p_values)) <= rate
    m, ranked = len(p_values), sorted(p_values)
    # a p-value that lies on its bound may round to either side
    below = [[i for i in range(1, m + 1) if ranked[i - 1] <= rate * i / m * (1 + e)] for e in (-1e-12, 1e-12)]
    assert max(below[0], default=0) <= accepted.sum() <= max(below[1], default=0)
    if 0 < accepted.sum() < m:
        assert max(np.array(p_values)[accepted]) <= min(np.array(p_values)[~accepted])


def test_of_tests_below_a_q_few_are_false() -> None:
    random = np.random.default_rng(8)
    shares = []
    for _ in range(200):
        p_values = np.concatenate([random.uniform(0, 1, 180), random.uniform(0, 1e-5, 20)])
        accepted = q_values(p_values) <= 0.1
        assert accepted[180:].all()
        shares.append(accepted[:180].sum() / accepted.sum())
    assert np.mean(shares) <= 0.1


@pytest.mark.parametrize("count", [0, 1, 2, 9, 10, 11, 12, 1_000, 100_003])
def test_an_even_choice(count: int) -> None:
    items = np.arange(count) * 3
    chosen = pick_evenly(items, 10)
    assert len(chosen) == min(count, 10)
    gaps = np.diff(chosen) // 3
    assert (gaps >= 1).all()
    if count:
        assert (chosen[0], chosen[-1]) == (items[0], items[-1])
    if count > 1:
        assert gaps.max() - gaps.min() <= 1
