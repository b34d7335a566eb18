"""Whether what an account sends is distributed as honest traffic is: a kernel two-sample test over embeddings.

The maximum mean discrepancy (MMD; Gretton et al. 2012, JMLR 13, eq. 3, unbiased) between an account's prompts and
those of all accounts that look honest, as in arXiv 2606.05725 for windows of traffic. The kernel is a sum of
Gaussian ones, written as random Fourier features (Rahimi & Recht 2007): the test then needs a sum of features for
each account and nothing else, costs one pass over the prompts, and sums of several nights can be added.

Honest accounts have subjects of their own, so nearly all of them depart from the pool. Two things are told: q, of the
test that the account's prompts are random ones of the pool, and a rank among honest-looking accounts of like volume; neither is part of a score (D-099).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fingerprint.base import stats
from fingerprint.base.types import Bools, Doubles, FloatArray

RANDOM_FEATURES = 256
"""Half of them cosines, half sines; each vector has the length 1."""

BANDWIDTHS = (0.5, 0.7, 1.0)
"""Of the Gaussian kernels. Unit vectors are at most 2 apart; a night's median would make sums of nights differ."""

MIN_PROMPTS = 5
"""Prompts from which on an account is tested; sums over fewer in one night are not kept, being almost a prompt (D-099)."""

STRATUM = 500
"""Honest-looking accounts of like volume that a rank is told among; without FEWEST_PEERS there is none."""

FEWEST_PEERS = 100

DEPARTED = 0.05
"""Largest q (Benjamini-Hochberg) of an account that departs ..."""

RATE = 0.003
"""... if besides at most this share of honest-looking accounts of like volume depart as far."""


@dataclass(frozen=True, slots=True)
class Departures:
    """How far a accounts depart, all (a,), NaN where too little is known.

    value: unbiased MMD², about 0 for random prompts of the pool. p_value, q_value: of such a value by chance.
    rank: share of honest-looking accounts of like volume that depart at least as far.
    """

    value: Doubles
    p_value: Doubles
    q_value: Doubles
    rank: Doubles

    @property
    def departed(self) -> Bools:
        """Tell which accounts depart beyond chance and further than RATE of the honest-looking ones, (a,)."""
        return np.asarray((self.q_value <= DEPARTED) & (self.rank <= RATE))


def features(vectors: FloatArray) -> FloatArray:
    """Map unit vectors (n, d) to random features (n, FEATURES) of length 1, whose products are the kernel."""
    random = np.random.default_rng(0x4D4D44)
    frequency = random.normal(size=(vectors.shape[1], RANDOM_FEATURES // 2))
    frequency /= np.resize(np.array(BANDWIDTHS), RANDOM_FEATURES // 2)
    angle = vectors @ frequency.astype(np.float32)
    waves = np.concatenate([np.cos(angle), np.sin(angle)], axis=1)
    return np.asarray(waves / np.sqrt(RANDOM_FEATURES // 2), dtype=np.float32)


def departures(sums: Doubles, requests: Doubles, honest: Bools, covariance: Doubles) -> Departures:
    """Test accounts by the sums (a, FEATURES) of the features of so many prompts (a,).

    honest: (a,) which accounts look honest; the pool is theirs, the tested account's own prompts left out.
    covariance: (FEATURES, FEATURES) of the features of the pool's prompts.
    """
    value = _mmd(sums, requests, honest)
    tested = np.isfinite(value) & (requests >= MIN_PROMPTS)
    p_value = np.full(len(value), np.nan)
    p_value[tested] = _chance(value[tested], requests[tested], covariance)
    q_value = np.full(len(value), np.nan)
    if tested.any():
        q_value[tested] = stats.false_discovery(p_value[tested])
    rank = np.full(len(value), np.nan)
    # by chance the value's deviation falls as 1 / requests, so that ranks compare accounts of about one volume
    rank[tested] = _ranks((value * requests)[tested], requests[tested], honest[tested])
    return Departures(np.where(tested, value, np.nan), p_value, q_value, rank)


def _mmd(sums: Doubles, requests: Doubles, honest: Bools) -> Doubles:
    """Unbiased MMD² to the pool without the account itself; a feature vector's product with itself is 1."""
    own = np.where(honest, requests, 0.0)
    pool = sums[honest].sum(axis=0) - np.where(honest[:, None], sums, 0.0)
    others = requests[honest].sum() - own
    with np.errstate(divide="ignore", invalid="ignore"):
        within = ((sums * sums).sum(axis=1) - requests) / (requests * (requests - 1))
        between = (sums * pool).sum(axis=1) / (requests * others)
        among = ((pool * pool).sum(axis=1) - others) / (others * (others - 1))
    return np.asarray(within - 2 * between + among)


def _chance(value: Doubles, requests: Doubles, covariance: Doubles) -> Doubles:
    """Return the p-value of each MMD², where the account's prompts are random ones of a much larger pool.

    Then it is a sum of λ (χ² - 1) over the covariance's eigenvalues λ, over the requests (Gretton et al. 2012,
    theorem 12); a gamma distribution of the same variance and skewness stands for it (Pearson III).
    """
    square = covariance @ covariance
    second, third = float(np.trace(square)), float((square * covariance).sum())
    if second <= 0 or third <= 0:
        return np.ones(len(value))
    shape = second**3 / third**2 / 2
    scale = np.sqrt(2 * second / (requests * (requests - 1)))
    return stats.gamma(value / scale * np.sqrt(shape) + shape, shape)


def _ranks(value: Doubles, requests: Doubles, honest: Bools) -> Doubles:
    """Conformal p-values (Bates et al. 2023): share of peers with such a value, the account itself counted in."""
    out = np.full(len(value), np.nan)
    peers = np.flatnonzero(honest)
    if len(peers) < FEWEST_PEERS:
        return out
    peers = peers[np.lexsort((value[peers], requests[peers]))]
    groups = np.array_split(peers, max(1, len(peers) // STRATUM))
    # each stratum reaches to the volume that the next begins with
    starts = np.array([requests[group[0]] for group in groups])
    stratum = np.maximum(np.searchsorted(starts, requests, side="right") - 1, 0)
    for number, group in enumerate(groups):
        mine = np.flatnonzero(stratum == number)
        levels = np.sort(value[group])
        above = len(levels) - np.searchsorted(levels, value[mine], side="left")
        inside = np.isin(mine, group)
        out[mine] = (above + ~inside) / (len(levels) + ~inside)
    return out
