"""The tails say what scipy.stats says."""

from __future__ import annotations

import numpy as np
from scipy import stats

from fingerprint.base.stats import (
    binomial,
    chi_squared,
    false_discovery,
    gamma,
    geometric_below,
    hypergeometric,
    log_chi_squared_below,
    log_normal,
    negative_binomial,
    normal,
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


def test_false_discovery() -> None:
    for p_value in (RNG.random(500) ** 4, np.repeat(RNG.random(20), 5), np.array([0.5])):
        assert close(false_discovery(p_value), stats.false_discovery_control(p_value))
