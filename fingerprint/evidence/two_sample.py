"""Whether what an account sends is distributed as honest traffic is: a kernel two-sample test over embeddings.

The maximum mean discrepancy (MMD; Gretton et al. 2012, JMLR 13, eq. 3, unbiased) between an account's prompts and
those of all accounts that look honest, as in arXiv 2606.05725 for windows of traffic. The kernel is a sum of
Gaussian ones, written as random Fourier features (Rahimi & Recht 2007): the test then needs a sum of features for
each account and nothing else, costs one pass over the prompts, and sums of several nights can be added.

Honest accounts have subjects of their own, so nearly all of them depart from the pool. So two numbers are given: q, of
the test that the account's prompts are random ones of the pool, and a rank among honest-looking accounts of like
volume. Neither is part of a score (D-099).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fingerprint.base import stats
from fingerprint.base.types import Bools, Doubles, FloatArray

RANDOM_FEATURES = 256
"""Random Fourier features of a vector: half of them cosines, half sines."""

BANDWIDTHS = (0.5, 0.7, 1.0)
"""Of the Gaussian kernels, which are added. Unit vectors are at most 2 apart. They are fixed: with bandwidths of the
night, such as its median distance, sums of several nights could not be added."""

MIN_PROMPTS = 5
"""Prompts from which on an account is tested. Means over fewer of a night are not kept: they are almost a prompt (D-099)."""

PEERS = 500
"""Honest-looking accounts of like volume among which an account is ranked."""

MIN_PEERS = 100
"""With fewer honest-looking accounts in all there are no ranks."""

MAX_Q = 0.05
"""Largest q (Benjamini-Hochberg) of an account that departs ..."""

MAX_RANK = 0.003
"""... if besides at most this share of honest-looking accounts of like volume depart as far."""


@dataclass(frozen=True, slots=True)
class Departures:
    """How far a accounts depart, all (a,) float64, NaN where too little is known.

    value: unbiased MMD², about 0 for random prompts of the pool. p_value: of so large a value for random prompts of the
    pool. q_value: the same after Benjamini & Hochberg's correction. rank: share of honest-looking accounts of like
    volume that depart at least as far.
    """

    value: Doubles
    p_value: Doubles
    q_value: Doubles
    rank: Doubles

    @property
    def departed(self) -> Bools:
        """Tell which accounts depart beyond chance and further than nearly all honest-looking ones, (a,)."""
        return np.asarray((self.q_value <= MAX_Q) & (self.rank <= MAX_RANK))


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


def departures(sums: Doubles, requests: Doubles, honest: Bools, covariance: Doubles) -> Departures:
    """Test accounts by the sums of their prompts' features.

    sums: (a, RANDOM_FEATURES), each over so many requests (a,). honest: (a,) which accounts look honest; the pool is all
    of theirs without the tested account's own. covariance: (RANDOM_FEATURES, RANDOM_FEATURES) of the features of the
    pool's prompts.
    """
    value = _mmd(sums, requests, honest)
    tested = np.isfinite(value) & (requests >= MIN_PROMPTS)
    p_value = np.full(len(value), np.nan)
    p_value[tested] = _p_values(value[tested], requests[tested], covariance)
    q_value = np.full(len(value), np.nan)
    if tested.any():
        q_value[tested] = stats.q_values(p_value[tested])
    rank = np.full(len(value), np.nan)
    # by chance the value's deviation falls as 1 / requests, so that ranks compare accounts of about one volume
    rank[tested] = _ranks_among_peers((value * requests)[tested], requests[tested], honest[tested])
    return Departures(np.where(tested, value, np.nan), p_value, q_value, rank)


def _mmd(sums: Doubles, requests: Doubles, honest: Bools) -> Doubles:
    """Return the unbiased MMD² of each account (a,) to the pool without it (Gretton et al. 2012, equation 3).

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


def _ranks_among_peers(value: Doubles, requests: Doubles, honest: Bools) -> Doubles:
    """Return conformal p-values (t,) (Bates et al. 2023): the share of peers with such a value, the account counted in.

    Peers are honest-looking accounts, in strata of at least PEERS by their requests. NaN with fewer than MIN_PEERS.
    """
    out = np.full(len(value), np.nan)
    peers = np.flatnonzero(honest)
    if len(peers) < MIN_PEERS:
        return out
    peers = peers[np.lexsort((value[peers], requests[peers]))]
    groups = np.array_split(peers, max(1, len(peers) // PEERS))
    # each stratum reaches to the volume that the next begins with
    starts = np.array([requests[group[0]] for group in groups])
    stratum = np.maximum(np.searchsorted(starts, requests, side="right") - 1, 0)
    for number, group in enumerate(groups):
        tested = np.flatnonzero(stratum == number)
        peer_values = np.sort(value[group])
        above = len(peer_values) - np.searchsorted(peer_values, value[tested], side="left")
        is_peer = np.isin(tested, group)
        out[tested] = (above + ~is_peer) / (len(peer_values) + ~is_peer)
    return out
