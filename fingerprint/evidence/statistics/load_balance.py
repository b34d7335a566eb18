"""Whether requests are dealt over a pool of accounts in turn, as a load balancer does, or as people happen to use a tool.

The users of one tool differ in how much they use it. So the loads of honest accounts are Poisson variables whose rates
follow a gamma distribution (negative binomial; Greenwood & Yule 1920) with a coefficient of variation of 0.7, 1 or 1.4,
whichever fits best, or they follow the accounts' other traffic, as those of people with one language or one subject
do. Loads that are dealt have one rate.

Even loads count only for pools that send several templates: one template that every installation of some software
sends equally often is honest as a rule. Uneven loads count for any.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import sparse, special

from fingerprint.base.sparse import family_of, sum_of
from fingerprint.base.types import Doubles, IntArray
from fingerprint.evidence.null_models import (
    MIN_POOL,
    SMOOTHING,
    Trait,
    rates_summing_to,
    trait_where,
    truncated_log_likelihood,
    truncated_moments,
)
from fingerprint.evidence.observations import Observations, once
from fingerprint.evidence.statistics.pool_overlap import pool_overlaps

SHAPES = (0.5, 1.0, 2.0)
"""Of the gamma distribution of honest rates: 1 / the square of their coefficient of variation (D-097)."""


def balance(data: Observations) -> Trait:
    """Index of dispersion (variance / mean) of the loads of all families of the pool together; 1 or less if dealt.

    The evidence is a log10 likelihood ratio of one rate to people's use. It is unknown without another family of the
    pool, and none of families that share a meaning only: people who share a subject are no pool, however evenly they
    send.
    """
    even, _ = _balance(data)
    return Trait(even.value, even.expected, np.where(data.shares_text, even.evidence, 0.0))


def uneven(data: Observations) -> Trait:
    """Index of dispersion of the family's own loads; the evidence, of people's use, speaks against a campaign."""
    return _balance(data)[1]


@once
def _balance(data: Observations) -> tuple[Trait, Trait]:
    return balance_traits(data.pool, pool_overlaps(data).related, data.volume)


def balance_traits(
    pool: sparse.csr_matrix, related: sparse.csr_matrix, volume: Doubles
) -> tuple[Trait, Trait]:
    """Return the traits of even loads and of uneven ones.

    pool: (f, a) CSR of requests. related: (f, f) CSR of ones, which families have that family's accounts, too; even
    loads are those of all of these on its accounts. Uneven ones take that neither these nor the family's own are even.
    volume: (a,) all requests of each account.
    """
    loads = (related @ pool + pool).multiply(pool.sign()).tocsr()
    loads.sort_indices()
    own, summed = _dealt_ratio(pool, volume), _dealt_ratio(loads, volume)
    known = np.diff(pool.indptr) >= MIN_POOL
    several = known & (np.diff(related.indptr) > 0)
    one = np.ones(pool.shape[0])
    return (
        trait_where(several, _dispersion(loads), one, np.maximum(summed, 0.0)),
        trait_where(known, _dispersion(pool), one, np.maximum(-np.maximum(own, summed), 0.0)),
    )


def _dispersion(loads: sparse.csr_matrix) -> Doubles:
    """Variance / mean of each family's loads, (f,)."""
    accounts = np.maximum(np.diff(loads.indptr), 1)
    mean = sum_of(loads, loads.data) / accounts
    squares = sum_of(loads, (loads.data - mean[family_of(loads)]) ** 2)
    return np.asarray(squares / np.maximum(accounts - 1, 1) / np.maximum(mean, 1e-12))


def _dealt_ratio(loads: sparse.csr_matrix, volume: Doubles) -> Doubles:
    """Return log10 of how much likelier one rate is than the best of the others, (f,); loads are at least one."""
    count, family = loads.data, family_of(loads)
    mean = sum_of(loads, count) / np.maximum(np.diff(loads.indptr), 1)
    one_rate = _rate_of_mean(mean, lambda rate: truncated_moments(rate)[0])[family]
    dealt = truncated_log_likelihood(count, one_rate)
    other = np.maximum(volume[loads.indices] - count, 0) + SMOOTHING
    proportional = truncated_log_likelihood(count, rates_summing_to(sum_of(loads, count), loads, other))
    gamma = [sum_of(loads, _negative_binomial(count, mean, family, shape)) for shape in SHAPES]
    best = np.max([*gamma, sum_of(loads, proportional)], axis=0)
    return np.asarray((sum_of(loads, dealt) - best) / np.log(10))


def _negative_binomial(count: Doubles, mean: Doubles, family: IntArray, shape: float) -> Doubles:
    """Log-likelihoods of zero-truncated counts, (e,), with the mean load (f,) of their family (e,)."""
    rate = _rate_of_mean(mean, lambda r: r / -np.expm1(-shape * np.log1p(r / shape)))[family]
    log_some = np.log(-np.expm1(-shape * np.log1p(rate / shape)))
    log_ways = special.gammaln(count + shape) - special.gammaln(shape) - special.gammaln(count + 1)
    log_p = log_ways + shape * np.log(shape / (shape + rate)) + count * np.log(rate / (shape + rate))
    return np.asarray(log_p - log_some)


def _rate_of_mean(mean: Doubles, truncated_mean: Callable[[Doubles], Doubles]) -> Doubles:
    """Find the rates (f,) whose mean over counts of at least one is `mean` (f,) (bisection of their logarithm)."""
    low, high = np.full(len(mean), -12.0), np.log(np.maximum(mean, 1.0))
    for _ in range(40):
        middle = (low + high) / 2
        over = truncated_mean(np.exp(middle)) > mean
        low, high = np.where(over, low, middle), np.where(over, middle, high)
    return np.asarray(np.exp(low))
