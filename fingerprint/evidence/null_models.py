"""A statistic beside its null model (`Trait`), and the models of chance that several statistics are compared with (D-100).

Where a statistic says nothing else, the null is that each of a family's m requests is sent by an account drawn with
probability proportional to its other traffic. Account a then sends Poisson(m q_a) of them, known to be at least one
for the accounts seen (zero-truncated; David & Johnson 1952).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse, special

from fingerprint.base import stats
from fingerprint.base.sparse import family_of, sum_of
from fingerprint.base.types import Bools, Doubles

MIN_POOL = 5
"""Accounts from which on a pool says something."""

SMOOTHING = 0.5
"""Requests added to every account's other traffic, so that an account that sent nothing else can be drawn."""

OVERDISPERSION = 0.3
"""Relative standard deviation of counts beyond Poisson's: honest groups share offices and tools."""

FEW_SHARE, MOST_SHARE = 1 / 3, 2 / 3
"""Of a pool's accounts: what fewer do says nothing of the others, what more do counts in full."""

POOL_OVERLAP_P = 1e-6
"""Two pools are one where so large an overlap of random pools is rarer than this (hypergeometric tail)."""


@dataclass(frozen=True, slots=True)
class Trait:
    """One statistic of f families beside its null model, all (f,) float64.

    value, expected: what is seen and what chance gives, NaN where nothing is known.
    evidence: how much the value speaks for what the statistic looks for, 0 where nothing is known: -log10 of the
    one-sided p-value of a value at least as extreme, or log10 of a likelihood ratio. A statistic that is no test gives
    a share from 0 to 1. names: of each family what the value is of, where a statistic chooses among several; or none.
    bound: share of the feature's cap that the evidence of all nights together may reach, None for 1.
    """

    value: Doubles
    expected: Doubles
    evidence: Doubles
    names: tuple[str, ...] = ()
    bound: Doubles | None = None


def trait_where(known: Bools, value: Doubles, expected: Doubles, evidence: Doubles) -> Trait:
    """Return the trait of families (f,) each, NaN without evidence where it is not known."""
    return Trait(
        np.where(known, value, np.nan), np.where(known, expected, np.nan), np.where(known, evidence, 0.0)
    )


def unknown_trait(families: int) -> Trait:
    """Return the trait of which nothing is known for any family."""
    return Trait(np.full(families, np.nan), np.full(families, np.nan), np.zeros(families))


def upper_tail_trait(value: Doubles, expected: Doubles, deviation: Doubles, known: Bools) -> Trait:
    """Return the trait of sums (f,) that campaigns make larger than chance, by the tail of a normal distribution.

    expected, deviation: mean and standard deviation of the sums under the null. known: (f,).
    """
    z = (value - expected) / np.maximum(deviation, 1e-12)
    return trait_where(known, value, expected, -stats.log_normal(np.where(known, z, 0)) / np.log(10))


def p_value_evidence(p_value: Doubles) -> Doubles:
    """Return -log10 of p-values of any shape, float64, at most 300."""
    return np.asarray(-np.log10(np.maximum(p_value, 1e-300)))


def excess_evidence(count: Doubles, expected: Doubles) -> Doubles:
    """Return -log10 of the probability of at least so many where so many are expected, (f,) float64 each.

    The count is negative binomial with OVERDISPERSION.
    """
    size = 1 / OVERDISPERSION**2
    with np.errstate(divide="ignore"):
        log_p = np.log(stats.negative_binomial(count, size, np.maximum(expected, 1e-3)))
    return np.asarray(-log_p / np.log(10))


def counting_share(share: Doubles) -> Doubles:
    """Return how far evidence that a share of a pool's accounts gives counts for the pool, 0 to 1; shapes as given.

    Some accounts that send an honest family's template must not make campaigns' accounts of all that send it.
    """
    return np.asarray(np.clip((share - FEW_SHARE) / (MOST_SHARE - FEW_SHARE), 0.0, 1.0))


def truncated_moments(rate: Doubles) -> tuple[Doubles, Doubles]:
    """Return mean and variance of Poisson variables of these rates (m,) that are known to be at least one, (m,) float64 each."""
    mean = rate / -np.expm1(-rate)
    return mean, np.maximum(mean * (1 + rate - mean), 0)


def truncated_log_likelihood(count: Doubles, rate: Doubles) -> Doubles:
    """Return the log-likelihood of each zero-truncated Poisson count (m,), at least 1, at its rate (m,); in nats."""
    return np.asarray(
        count * np.log(rate) - rate - special.gammaln(count + 1) - np.log(-np.expm1(-rate)), dtype=np.float64
    )


def rates_summing_to(requests: Doubles, pool: sparse.csr_matrix, rate: Doubles) -> Doubles:
    """Scale each family's rates so that their truncated means sum up to its requests (bisection of the factor's log).

    requests: (f,). pool: (f, a) CSR. rate: one for each stored entry of pool, and so is what comes back.
    """
    family = family_of(pool)
    low, high = np.full(pool.shape[0], -25.0), np.full(pool.shape[0], 25.0)
    total = np.maximum(sum_of(pool, rate), 1e-12)
    base = rate * (requests / total)[family]
    for _ in range(40):
        middle = (low + high) / 2
        mean, _ = truncated_moments(np.maximum(base * np.exp(middle)[family], 1e-9))
        over = sum_of(pool, mean) > requests
        low, high = np.where(over, low, middle), np.where(over, middle, high)
    return np.maximum(base * np.exp(low)[family], 1e-9)


def share_among_like_volume(marked: Bools, volume: Doubles) -> Doubles:
    """Return for each account (a,) the share of marked ones among those of like volume (the same power of two)."""
    group = np.log2(np.maximum(volume, 1.0)).astype(np.int64)
    share = np.bincount(group, marked) / np.maximum(np.bincount(group), 1)
    return np.asarray(share[group], dtype=np.float64)
