"""What a statistic is told as, and the chance models that several statistics are held against (D-100)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse, special

from fingerprint.base import stats
from fingerprint.base.sparse import family_of, sum_of
from fingerprint.base.types import Bools, Doubles, Ids

MIN_POOL = 5
"""Accounts from which on a pool says something; of times, four requests an account."""

SMOOTHING = 0.5
"""Requests added to every account's other traffic, so that an account that sent nothing else can be drawn."""


@dataclass(frozen=True, slots=True)
class Trait:
    """One statistic of f families beside its null model, all (f,).

    value, expected: seen and by chance, NaN where nothing is known.
    evidence: log10 of how much the value speaks for a campaign (-log10 p or a likelihood ratio), 0 where unknown.
    """

    value: Doubles
    expected: Doubles
    evidence: Doubles


OVERDISPERSION = 0.3
"""Relative standard deviation of counts beyond Poisson's: honest groups share offices and tools."""

POOL_OVERLAP_P = 1e-6
"""Two pools are one where so large an overlap of random pools is rarer than this (hypergeometric tail)."""


def truncated(rate: Doubles) -> tuple[Doubles, Doubles]:
    """Mean and variance of a Poisson variable known to be at least one."""
    mean = rate / -np.expm1(-rate)
    return mean, np.maximum(mean * (1 + rate - mean), 0)


def scaled(pool: sparse.csr_matrix, rate: Doubles, requests: Doubles) -> Doubles:
    """Scale each family's rates so that the truncated means sum up to its requests (bisection)."""
    family = family_of(pool)
    low, high = np.full(pool.shape[0], -25.0), np.full(pool.shape[0], 25.0)
    total = np.maximum(sum_of(pool, rate), 1e-12)
    base = rate * (requests / total)[family]
    for _ in range(40):
        middle = (low + high) / 2
        over = sum_of(pool, truncated(np.maximum(base * np.exp(middle)[family], 1e-9))[0]) > requests
        low, high = np.where(over, low, middle), np.where(over, middle, high)
    return np.maximum(base * np.exp(low)[family], 1e-9)


def log_likelihood(count: Doubles, rate: Doubles) -> Doubles:
    """Log-likelihood of zero-truncated Poisson counts."""
    return np.asarray(
        count * np.log(rate) - rate - special.gammaln(count + 1) - np.log(-np.expm1(-rate)), dtype=np.float64
    )


def log_tail(seen: Doubles, expected: Doubles) -> Doubles:
    """Log of the probability of at least so many, negative binomial with OVERDISPERSION."""
    size = 1 / OVERDISPERSION**2
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(stats.negative_binomial(seen, size, np.maximum(expected, 1e-3))))


def pool_matrix(rows: sparse.csr_matrix, account: Ids) -> sparse.csr_matrix:
    """Return (f, a) CSR of float64, how many requests of each family each account sent; rows: (f, r) CSR."""
    r = len(account)
    sent = sparse.csr_matrix(
        (np.ones(r), account, np.arange(r + 1)), shape=(r, int(account.max()) + 1 if r else 0)
    )
    pool = (rows @ sent).tocsr()
    pool.sort_indices()
    return pool


def account_rates(pool: sparse.csr_matrix, volume: Doubles) -> Doubles:
    """Return how many requests of the family each of its accounts would send by chance, one for each stored entry."""
    family = family_of(pool)
    requests = sum_of(pool, pool.data)
    total = np.maximum(volume.sum() - requests + SMOOTHING * len(volume), 1.0)
    other = np.maximum(volume[pool.indices] - pool.data, 0) + SMOOTHING
    return np.asarray(requests[family] * other / total[family])


def upper_tail(seen: Doubles, expected: Doubles, deviation: Doubles, known: Bools) -> Trait:
    """Return the trait of a sum that campaigns make larger than chance; normal tail; unknown is NaN and no evidence."""
    z = (seen - expected) / np.maximum(deviation, 1e-12)
    evidence = np.where(known, -stats.log_normal(np.where(known, z, 0)) / np.log(10), 0.0)
    return Trait(np.where(known, seen, np.nan), np.where(known, expected, np.nan), evidence)


def unknown(families: int) -> Trait:
    """Return the trait of which nothing is known for any family."""
    nothing = np.full(families, np.nan)
    return Trait(nothing, nothing, np.zeros(families))
