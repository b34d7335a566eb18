"""Whether requests are dealt over a pool of accounts in turn, as a load balancer does, or as people happen to use a tool.

The users of one tool differ in how much they use it. So the loads of honest accounts are Poisson variables whose rates
follow a gamma distribution (negative binomial; Greenwood & Yule 1920) with a coefficient of variation of 0.7, 1 or 1.4,
whichever fits best, or they follow the accounts' other
traffic, as those of people with one language or one subject do. Loads that are dealt have one rate.

Even loads count only for pools that send several templates: one template that every installation of some software
sends equally often is honest as a rule. Uneven loads count for any.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import sparse, special

from fingerprint.base.sparse import family_of, sum_of
from fingerprint.base.types import Bools, Doubles, IntArray
from fingerprint.evidence.null_models import MIN_POOL, SMOOTHING, Trait, log_likelihood, scaled, truncated

SHAPES = (0.5, 1.0, 2.0)
"""Of the gamma distribution of honest rates: 1 / the square of their coefficient of variation (D-097)."""


def balance(pool: sparse.csr_matrix, related: sparse.csr_matrix, volume: Doubles) -> tuple[Trait, Trait]:
    """Index of dispersion of the accounts' loads, for people's use far above 1; log10 likelihood ratios as evidence.

    pool: (f, a) CSR of requests. related: (f, f) CSR of ones, which families have that family's accounts, too; the
    first trait, of even loads, is of all of these on its accounts, and unknown without any. The second, of uneven
    ones, speaks against a campaign; it takes that neither these loads nor the family's own are even.
    volume: (a,) all requests of each account.
    """
    loads = (related @ pool + pool).multiply(pool.sign()).tocsr()
    loads.sort_indices()
    own, whole = _ratio(pool, volume), _ratio(loads, volume)
    some = np.diff(pool.indptr) >= MIN_POOL
    several = some & (np.diff(related.indptr) > 0)
    uneven = np.where(some, np.maximum(-np.maximum(own, whole), 0.0), 0.0)
    return (
        _trait(_dispersion(loads), several, np.where(several, np.maximum(whole, 0.0), 0.0)),
        _trait(_dispersion(pool), some, uneven),
    )


def _trait(dispersion: Doubles, known: Bools, evidence: Doubles) -> Trait:
    nan = np.where(known, 0.0, np.nan)
    return Trait(dispersion + nan, 1.0 + nan, evidence)


def _dispersion(loads: sparse.csr_matrix) -> Doubles:
    accounts = np.maximum(np.diff(loads.indptr), 1)
    mean = sum_of(loads, loads.data) / accounts
    away = sum_of(loads, (loads.data - mean[family_of(loads)]) ** 2)
    return np.asarray(away / np.maximum(accounts - 1, 1) / np.maximum(mean, 1e-12))


def _ratio(loads: sparse.csr_matrix, volume: Doubles) -> Doubles:
    """Return log10 of how much likelier one rate is than the best of the others; loads are known to be at least one."""
    count, family = loads.data, family_of(loads)
    mean = sum_of(loads, count) / np.maximum(np.diff(loads.indptr), 1)
    one = _fitted(mean, lambda rate: truncated(rate)[0])[family]
    equal = log_likelihood(count, one)
    other = np.maximum(volume[loads.indices] - count, 0) + SMOOTHING
    follow = log_likelihood(count, scaled(loads, other, sum_of(loads, count)))
    uneven = [sum_of(loads, _negative_binomial(count, mean, family, shape)) for shape in SHAPES]
    best = np.max([*uneven, sum_of(loads, follow)], axis=0)
    return np.asarray((sum_of(loads, equal) - best) / np.log(10))


def _negative_binomial(count: Doubles, mean: Doubles, family: IntArray, shape: float) -> Doubles:
    """Log-likelihoods of counts, zero-truncated, with each family's mean load."""
    rate = _fitted(mean, lambda r: r / -np.expm1(-shape * np.log1p(r / shape)))[family]
    some = np.log(-np.expm1(-shape * np.log1p(rate / shape)))
    ways = special.gammaln(count + shape) - special.gammaln(shape) - special.gammaln(count + 1)
    return np.asarray(
        ways + shape * np.log(shape / (shape + rate)) + count * np.log(rate / (shape + rate)) - some
    )


def _fitted(mean: Doubles, truncated: Callable[[Doubles], Doubles]) -> Doubles:
    """Find the rates whose mean over counts of at least one is `mean` (bisection of their logarithm)."""
    low, high = np.full(len(mean), -12.0), np.log(np.maximum(mean, 1.0))
    for _ in range(40):
        middle = (low + high) / 2
        over = truncated(np.exp(middle)) > mean
        low, high = np.where(over, low, middle), np.where(over, middle, high)
    return np.asarray(np.exp(low))
