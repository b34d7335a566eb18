"""Whether a family's requests come from a pool that acts together, or from anybody at any time.

Two statistics need nothing but accounts and times. Both are compared with an explicit null model:
every request of the family is sent by an account drawn with probability proportional to its other
traffic, at a moment drawn from the whole batch's own rhythm.

- pool: distinct accounts, against a Poisson-binomial null (each account is drawn at least once with
  probability 1 - (1 - p_a)^m; Hong 2013), normal approximation.
- synchrony: pairs of requests by *different* accounts within a window (co-activity as in SynchroTrap,
  Cao et al. 2014). Times are ranks in the batch, so the daily rhythm cancels; the null count is
  overdispersed (negative binomial, standard deviation at least OVERDISPERSION of the mean), because
  honest groups share time zones.

Fisher's method combines the two p-values; Benjamini-Hochberg (1995) handles the many families.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy import sparse

from fingerprint.base import stats
from fingerprint.base.jit import kernel
from fingerprint.base.types import Bools, Doubles, Ids, IntArray
from fingerprint.evidence.null_models import OVERDISPERSION, SMOOTHING


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a family's requests are spread over accounts and time, beside what chance would give, all (f,).

    requests, accounts: counts. expected_accounts: under random senders.
    pairs, expected_pairs: requests of two accounts within the window, seen and by chance.
    p_pool: one-sided p-value of so few accounts. p_synchrony: of so many close pairs.
    p_value: both combined (Fisher's method).
    """

    requests: IntArray
    accounts: IntArray
    expected_accounts: Doubles
    pairs: IntArray
    expected_pairs: Doubles
    p_pool: Doubles
    p_synchrony: Doubles
    p_value: Doubles


WINDOWS_SECONDS = (120.0, 600.0, 3000.0)
"""Bursts of accounts that act together last minutes to an hour; the most telling window counts (Bonferroni: D-095)."""


@dataclass(frozen=True, slots=True)
class Ranks:
    """When r requests were sent: their places in the order of time, (r,) int64 0 to r - 1, and seconds from first to last."""

    place: IntArray
    duration: float

    @property
    def start(self) -> Doubles:
        """Share of the batch that was sent before each request, (r,), 0 to 1 - 1 / r."""
        return self.place / max(len(self.place), 1)

    @property
    def middle(self) -> Doubles:
        """The same with half of the request itself, (r,), symmetric between 0 and 1."""
        return (self.place + 0.5) / max(len(self.place), 1)


def behaviour(
    rows: sparse.csr_matrix, account: Ids, second: Doubles, *, ranks: Ranks | None = None
) -> Behaviour:
    """Test f families given as (f, r) CSR over requests, with each request's account (r,) and time (r,) in seconds.

    ranks: of these times, where they are known already; many requests take seconds to rank.
    """
    ranks = ranks or time_ranks(second)
    requests = np.diff(rows.indptr).astype(np.int64)
    by_account = (rows @ _one_hot(account)).tocsr()
    accounts = np.diff(by_account.indptr).astype(np.int64)
    expected, deviation = _distinct_accounts(by_account, requests, np.bincount(account).astype(np.float64))
    p_pool = stats.normal((expected - accounts) / deviation)
    squares = by_account.copy()
    squares.data = squares.data**2
    different = (requests**2 - np.asarray(squares.sum(axis=1)).ravel()) / 2
    pairs, expected_pairs, p_synchrony = _synchrony(rows, account, ranks, different)
    with np.errstate(divide="ignore"):
        fisher = -2 * (np.log(np.maximum(p_pool, 1e-300)) + np.log(np.maximum(p_synchrony, 1e-300)))
    p_value = stats.chi_squared(fisher, 4)
    return Behaviour(requests, accounts, expected, pairs, expected_pairs, p_pool, p_synchrony, p_value)


def strays(rows: sparse.csr_matrix, account: Ids, second: Doubles) -> IntArray:
    """Count each family's requests that no other account's stands near in time, within the middle window, (f,)."""
    ranks = time_ranks(second)
    return _alone(rows.indptr, rows.indices, account, ranks.start, _window(WINDOWS_SECONDS[1], ranks))


def unaccompanied(rows: sparse.csr_matrix, account: Ids, second: Doubles, window: float) -> IntArray:
    """Count each family's requests that no other account's stands near, within so many seconds, (f,)."""
    return _alone(rows.indptr, rows.indices, account, second, window)


def time_ranks(second: Doubles) -> Ranks:
    """Rank the times (r,) of a batch, in seconds."""
    # equal times are shuffled: the order of the file would pass for synchrony where logs have coarse times
    order = np.lexsort((np.random.default_rng(0).permutation(len(second)), second))
    place = np.empty(len(second), dtype=np.int64)
    place[order] = np.arange(len(second))
    return Ranks(place, float(second[order[-1]] - second[order[0]]) if len(second) else 0.0)


def _window(seconds: float, ranks: Ranks) -> float:
    return min(0.05, seconds / ranks.duration) if ranks.duration > 0 else 0.05


def _synchrony(
    rows: sparse.csr_matrix, account: Ids, ranks: Ranks, different: Doubles
) -> tuple[IntArray, Doubles, Doubles]:
    """Close pairs, their number by chance and the p-value, each (f,), in each family's most telling window."""
    size = 1 / OVERDISPERSION**2
    windows = np.array([_window(seconds, ranks) for seconds in WINDOWS_SECONDS])
    pairs = _close_pairs(rows.indptr, rows.indices, account, ranks.start, windows)
    expected = np.maximum(different * 2 * windows[:, None], 0.05)
    p_value = stats.negative_binomial(pairs, size, expected)
    best = np.argmin(p_value, axis=0)
    families = np.arange(rows.shape[0])
    p_best = np.minimum(p_value[best, families] * len(WINDOWS_SECONDS), 1.0)
    return pairs[best, families], expected[best, families], p_best


def discoveries(p_value: Doubles, *, rate: float) -> Bools:
    """Benjamini-Hochberg: which of the tests (f,) to believe at this false-discovery rate."""
    order = np.argsort(p_value, kind="stable")
    below = p_value[order] <= rate * np.arange(1, len(p_value) + 1) / max(len(p_value), 1)
    count = np.flatnonzero(below)[-1] + 1 if below.any() else 0
    out = np.zeros(len(p_value), dtype=np.bool_)
    out[order[:count]] = True
    return out


def _one_hot(account: Ids) -> sparse.csr_matrix:
    r = len(account)
    shape = (r, int(account.max()) + 1 if r else 0)
    return sparse.csr_matrix((np.ones(r), account, np.arange(r + 1)), shape=shape)


def _distinct_accounts(
    by_account: sparse.csr_matrix, requests: IntArray, volume: Doubles
) -> tuple[Doubles, Doubles]:
    """Mean and standard deviation of the number of distinct accounts under the null, each (f,).

    Accounts outside a family enter by volume classes, so the cost is families x classes + members.
    """
    level, accounts_at = np.unique(volume, return_counts=True)
    m = requests[:, None].astype(np.float64)
    total = np.maximum(volume.sum() - requests + SMOOTHING * len(volume), 1.0)
    miss = _missed(level[None, :] + SMOOTHING, total[:, None], m)
    mean = ((1 - miss) * accounts_at).sum(axis=1)
    variance = (miss * (1 - miss) * accounts_at).sum(axis=1)
    family = np.repeat(np.arange(by_account.shape[0]), np.diff(by_account.indptr))
    whole = volume[by_account.indices]
    others = np.maximum(whole - by_account.data, 0)
    before = _missed(whole + SMOOTHING, total[family], requests[family])
    after = _missed(others + SMOOTHING, total[family], requests[family])
    np.add.at(mean, family, before - after)
    np.add.at(variance, family, after * (1 - after) - before * (1 - before))
    return mean, np.sqrt(np.maximum(variance, 0.5))


def _missed(volume: Doubles, total: Doubles, draws: Doubles | IntArray) -> Doubles:
    """Probability that an account of this volume is drawn in none of the draws."""
    return np.asarray(np.exp(draws * np.log1p(-np.minimum(volume / total, 1 - 1e-9))))


@njit(cache=True, nogil=True)
def _close_pairs(indptr: Ids, indices: Ids, account: Ids, rank: Doubles, windows: Doubles) -> IntArray:
    """Count each family's pairs of requests by two accounts within each window, (windows, f)."""
    out = np.zeros((len(windows), len(indptr) - 1), dtype=np.int64)
    for family in range(len(indptr) - 1):
        members = indices[indptr[family] : indptr[family + 1]]
        when = rank[members]
        times = np.sort(when)
        for w in range(len(windows)):
            out[w, family] += _pairs_within(times, windows[w])
        who = account[members]
        order = np.argsort(who)
        begin = 0
        for end in range(1, len(order) + 1):
            if end == len(order) or who[order[end]] != who[order[begin]]:
                if end - begin > 1:
                    times = np.sort(when[order[begin:end]])
                    for w in range(len(windows)):
                        out[w, family] -= _pairs_within(times, windows[w])
                begin = end
    return out


@kernel
def _pairs_within(times: Doubles, window: float) -> int:
    pairs = 0
    begin = 0
    for i in range(len(times)):
        while times[i] - times[begin] > window:
            begin += 1
        pairs += i - begin
    return pairs


@njit(cache=True, nogil=True)
def _alone(indptr: Ids, indices: Ids, account: Ids, rank: Doubles, window: float) -> IntArray:
    out = np.zeros(len(indptr) - 1, dtype=np.int64)
    for family in range(len(indptr) - 1):
        members = indices[indptr[family] : indptr[family + 1]]
        members = members[np.argsort(rank[members])]
        for i in range(len(members)):
            near = False
            for step in (-1, 1):
                j = i + step
                while 0 <= j < len(members) and abs(rank[members[j]] - rank[members[i]]) <= window:
                    if account[members[j]] != account[members[i]]:
                        near = True
                        break
                    j += step
            out[family] += not near
    return out
