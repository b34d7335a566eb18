"""Whether what an account sends is distributed as honest traffic is, by the kernel mean and by how strange prompts are.

Three statistics of an account. The maximum mean discrepancy (MMD; Gretton et al. 2012, JMLR 13, eq. 3, unbiased) between
its prompts and those of all accounts that look honest, as in arXiv 2606.05725 for windows of traffic: it sees that an
account is about something else. And how strange its single prompts are, in two spaces (`evidence.strangeness`): it sees
a tenth of strange prompts, where the mean does not move (D-135).

The kernel is a sum of Gaussian ones, written as random Fourier features (Rahimi & Recht 2007): the test then needs a sum
of features for each account and nothing else, costs one pass over the prompts, and sums of several nights can be added.
So can sums of -log p.

Each statistic has two nulls, and the larger p-value counts: that the account's prompts are random ones of the pool, and
that it is an account like the honest ones of its volume, which have subjects of their own (`evidence.empirical_null`).
Accounts that depart are left out of the pool and of the null, and the rest is tested again, so that attackers do not
hide each other. None of this is part of a score (D-099).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import special

from fingerprint.base import stats
from fingerprint.base.types import Bools, Doubles, FloatArray
from fingerprint.evidence import empirical_null
from fingerprint.evidence.empirical_null import TailFit

RANDOM_FEATURES = 256
"""Random Fourier features of a vector: half of them cosines, half sines."""

BANDWIDTHS = (0.5, 0.7, 1.0)
"""Of the Gaussian kernels, which are added. Unit vectors are at most 2 apart. They are fixed: with bandwidths of the
night, such as its median distance, sums of several nights could not be added."""

MIN_PROMPTS = 5
"""Prompts from which on an account is tested. Means over fewer of a night are not kept: they are almost a prompt (D-099)."""

MAX_Q = 0.05
"""Largest q (Benjamini-Hochberg) of an account that departs: of those that do, this share at most are like the others."""

SCREENED_Q = 0.2
"""Largest q at first of an account that the first null is without."""

ROUNDS = 4
"""Times at most that the test is made again without those that departed."""

STATISTICS = ("mean", "strangeness", "manner")
"""What p-values are of: the kernel mean, how strange prompts are as they are, and in the whitened space."""


@dataclass(frozen=True, slots=True)
class Departures:
    """How far a accounts depart, all (a,) float64, NaN where too little is known.

    value: unbiased MMD², about 0 for random prompts of the pool. surprise: (a, SPACES) mean -log p of its prompts, 1 for
    honest ones. each: (a, 3) the p-values of STATISTICS. p_value: all combined.
    q_value: the same after Benjamini & Hochberg's correction. rank: share of the accounts of like volume that do not
    depart, with such a p_value or a smaller one.
    """

    value: Doubles
    surprise: Doubles
    each: Doubles
    p_value: Doubles
    q_value: Doubles
    rank: Doubles

    @property
    def departed(self) -> Bools:
        """Tell which accounts depart further than chance and honest accounts' own subjects explain, (a,)."""
        return np.asarray(self.q_value <= MAX_Q)


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over the prompts of a accounts.

    requests: (a,) prompts. features: (a, RANDOM_FEATURES). ranked: (a,) prompts whose strangeness is known; surprise:
    (a, SPACES) the sum of their -log p. covariance: (RANDOM_FEATURES, RANDOM_FEATURES) of the features of the pool's
    prompts.
    """

    requests: Doubles
    features: Doubles
    ranked: Doubles
    surprise: Doubles
    covariance: Doubles


def random_features(vectors: FloatArray) -> FloatArray:
    """Map unit vectors (n, d) to features (n, RANDOM_FEATURES) float32 of length 1, whose products are the kernel.

    The mean over a kernel's frequencies of cos(w (x - y)) is the kernel (Rahimi & Recht 2007, algorithm 1). The same d
    always gives the same frequencies, so features of several nights can be added.
    """
    random = np.random.default_rng(0x4D4D44)
    frequency = random.normal(size=(vectors.shape[1], RANDOM_FEATURES // 2))
    frequency /= np.resize(np.array(BANDWIDTHS), RANDOM_FEATURES // 2)
    angle = vectors @ frequency.astype(np.float32)
    waves = np.concatenate([np.cos(angle), np.sin(angle)], axis=1)
    return np.asarray(waves / np.sqrt(RANDOM_FEATURES // 2), dtype=np.float32)


def departures(sums: Sums, honest: Bools) -> Departures:
    """Test accounts by the sums over their prompts.

    honest: (a,) which accounts look honest; the pool is all of theirs without the tested account's own. NaN for accounts
    of fewer than MIN_PROMPTS, and for all while fewer than MIN_PEERS of the honest ones have as many.
    """
    enough = sums.requests >= MIN_PROMPTS
    screened = _tested(sums, enough, honest, empirical_null.ROBUST)
    peers = honest & ~(screened.q_value <= SCREENED_Q)
    result = _tested(sums, enough, peers, empirical_null.FINE)
    # who was screened out in vain is let in again, once; who departs never is, or would hide the others again
    peers = honest.copy()
    for _ in range(ROUNDS):
        left = peers & ~result.departed
        if np.array_equal(left, peers):
            break
        peers = left
        result = _tested(sums, enough, peers, empirical_null.FINE)
    return result


def _tested(sums: Sums, enough: Bools, peers: Bools, fit: TailFit) -> Departures:
    """Test once; peers: (a,) the accounts that pool and null are of."""
    value = mean_discrepancy(sums.features, sums.requests, peers)
    value[~enough] = np.nan
    known = np.where(enough & (sums.ranked >= MIN_PROMPTS), sums.ranked, np.nan)
    surprise = sums.surprise / known[:, None]
    each = np.full((len(value), len(STATISTICS)), np.nan)
    rank, p_value, q_value = (np.full(len(value), np.nan) for _ in range(3))
    rows = np.flatnonzero(np.isfinite(value))
    if (peers & enough).sum() >= empirical_null.MIN_PEERS and len(rows):
        for column, (statistic, chance) in enumerate(_statistics(sums, value, surprise, peers & enough)):
            each[:, column] = np.maximum(_by_volume(statistic, sums.requests, peers & enough, fit), chance)
        p_value[rows] = _combined(each[rows])
        q_value[rows] = stats.q_values(p_value[rows])
        rank = _ranks(p_value, sums.requests, peers & enough)
    return Departures(value, surprise, each, p_value, q_value, rank)


def _combined(each: Doubles) -> Doubles:
    """Combine p-values (t, k), NaN for none, into one (t,): the Cauchy combination of Liu & Xie 2020 (JASA 115, eq. 3).

    It is near the smallest times k where one alone is small, less where several are, and holds whatever their dependence.
    """
    # a p-value of 1 would outweigh all others
    angle = np.pi * np.clip(each, None, 0.99)
    mean = np.nanmean(1 / np.tan(np.maximum(angle, 1e-300)), axis=1)
    return np.asarray(np.arctan2(1.0, mean) / np.pi)


def _statistics(
    sums: Sums, value: Doubles, surprise: Doubles, peers: Bools
) -> Iterator[tuple[Doubles, Doubles]]:
    """Yield of each of STATISTICS the values (a,), of one spread whatever the volume, and p-values for random prompts (a,)."""
    rows = np.isfinite(value)
    chance = np.full(len(value), np.nan)
    chance[rows] = _p_values(value[rows], sums.requests[rows], sums.covariance)
    with np.errstate(invalid="ignore", divide="ignore"):
        # biased MMD² is a sum of squares; its cube root is nearly normal (Wilson & Hilferty 1931)
        noise = max(float(np.trace(sums.covariance)), 1e-12) / sums.requests
        own = max(float(np.median(value[peers & rows])), 0.0)
        yield np.cbrt(np.maximum(value + noise, 0.0) / (noise + own)), chance
        for space in range(surprise.shape[1]):
            mean, count = surprise[:, space], sums.ranked
            usable = peers & np.isfinite(mean)
            centre = float(np.median(mean[usable])) if usable.any() else 1.0
            # median of χ² with one degree of freedom: 0.455; the mean of n -log p has the variance 1 / n
            spread = float(np.median((mean[usable] - centre) ** 2)) / 0.455 if usable.any() else 0.0
            between = max(spread - float(np.median(1 / count[usable])), 0.0) if usable.any() else 0.0
            yield (mean - centre) / np.sqrt(1 / count + between), _fisher(mean - centre + 1, count)


def _fisher(mean: Doubles, count: Doubles) -> Doubles:
    """Return Fisher's combined p-values (a,) of `count` p-values whose -log has this mean: twice their sum is χ²."""
    total = np.maximum(mean * count, 0.0)
    return np.asarray(special.gammaincc(np.maximum(count, 1.0), total))


def _by_volume(statistic: Doubles, requests: Doubles, peers: Bools, fit: TailFit) -> Doubles:
    """Return p-values (a,) against the peers of like volume; NaN where the statistic is, or has too few peers."""
    out = np.full(len(statistic), np.nan)
    finite = np.isfinite(statistic)
    if (peers & finite).sum() < empirical_null.MIN_PEERS:
        return out
    for members, group in empirical_null.strata(requests, peers & finite):
        out[members] = empirical_null.tail_p_values(statistic[members], statistic[group], fit)
    out[~finite] = np.nan
    return out


def mean_discrepancy(sums: Doubles, requests: Doubles, honest: Bools) -> Doubles:
    """Return the unbiased MMD² of each account (a,) to the pool without it (Gretton et al. 2012, equation 3).

    sums: (a, RANDOM_FEATURES) of features, over so many requests (a,). NaN where there are too few.
    Pairs of a prompt with itself are left out: the product of a feature vector with itself is 1.
    """
    own = np.where(honest, requests, 0.0)
    pool = sums[honest].sum(axis=0) - np.where(honest[:, None], sums, 0.0)
    others = requests[honest].sum() - own
    with np.errstate(divide="ignore", invalid="ignore"):
        within = ((sums * sums).sum(axis=1) - requests) / (requests * (requests - 1))
        between = (sums * pool).sum(axis=1) / (requests * others)
        among = ((pool * pool).sum(axis=1) - others) / (others * (others - 1))
    return np.asarray(within - 2 * between + among)


def _p_values(value: Doubles, requests: Doubles, covariance: Doubles) -> Doubles:
    """Return the p-value of each MMD² (t,), if the account's prompts are random ones of a much larger pool.

    Then MMD² times the requests is a sum of λ (χ² - 1) over the covariance's eigenvalues λ (Gretton et al. 2012,
    theorem 12); a gamma distribution of the same variance and skewness stands for it (Pearson III).
    """
    square = covariance @ covariance
    second, third = float(np.trace(square)), float((square * covariance).sum())
    if second <= 0 or third <= 0:
        return np.ones(len(value))
    shape = second**3 / third**2 / 2
    scale = np.sqrt(2 * second / (requests * (requests - 1)))
    return stats.gamma(value / scale * np.sqrt(shape) + shape, shape)


def _ranks(p_value: Doubles, requests: Doubles, peers: Bools) -> Doubles:
    """Return the share (a,) of peers of like volume with such a p-value or a smaller one, the account counted in.

    A conformal p-value (Bates et al. 2023).
    """
    out = np.full(len(p_value), np.nan)
    for members, group in empirical_null.strata(requests, peers & np.isfinite(p_value)):
        ordered = np.sort(p_value[group])
        below = np.searchsorted(ordered, p_value[members], side="right")
        is_peer = peers[members]
        out[members] = (below + ~is_peer) / (len(ordered) + ~is_peer)
    out[np.isnan(p_value)] = np.nan
    return out
