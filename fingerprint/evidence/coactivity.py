"""Whether a family's requests come from a pool that acts together, or from anybody at any time.

Two statistics need nothing but accounts and times. Both are compared with an explicit null model:
every request of the family is sent by an account drawn with probability proportional to its other
traffic, at a moment drawn from the whole batch's own rhythm.

- pool: distinct accounts, against a Poisson-binomial null (account a is drawn at least once with
  probability 1 - (1 - p_a)^m; Hong 2013), normal approximation.
- synchrony: pairs of requests by *different* accounts within a window (co-activity as in SynchroTrap,
  Cao et al. 2014). Times are places among the requests that are not the family's, so the daily rhythm
  cancels, and a family that is much of the batch does not hide in its own bursts (D-250); the null count
  is overdispersed (negative binomial, standard deviation at least OVERDISPERSION of the mean), because
  honest groups share time zones.

Fisher's method combines the two p-values. They are of one family each: who tests many corrects for it
(`base.stats.q_values`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from scipy import sparse

from fingerprint.base import stats
from fingerprint.base.jit import kernel
from fingerprint.base.sparse import family_of
from fingerprint.base.types import Doubles, Ids, IntArray
from fingerprint.evidence.null_models import OVERDISPERSION, SMOOTHING


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How f families' requests are spread over accounts and time, beside what chance would give, all (f,).

    requests, accounts: int64 counts. expected_accounts: under random senders.
    pairs, expected_pairs: pairs of requests by two accounts within the most telling window, counted and by chance.
    p_pool: one-sided p-value of so few accounts. p_synchrony: of so many close pairs. p_value: both combined.
    """

    requests: IntArray
    accounts: IntArray
    expected_accounts: Doubles
    pairs: IntArray
    expected_pairs: Doubles
    p_pool: Doubles
    p_synchrony: Doubles
    p_value: Doubles

    def only(self, rows: IntArray) -> Behaviour:
        """Return the behaviour of some families, in this order."""
        return Behaviour(*(getattr(self, column.name)[rows] for column in fields(self)))

    def replaced(self, rows: IntArray, fresh: Behaviour) -> Behaviour:
        """Return the same with the behaviour of some families (m,) in the place of what it was; fresh: (m,)."""
        columns = {column.name: getattr(self, column.name).copy() for column in fields(self)}
        for name, values in columns.items():
            values[rows] = getattr(fresh, name)
        return Behaviour(**columns)


MAX_WINDOW = 0.05
"""Longest window, as a share of the batch: of a batch that lasts minutes anything is within minutes."""

MIN_VARIANCE = 0.5
"""Least variance of the number of distinct accounts: as a whole number it is known no better than that."""

MIN_EXPECTED_PAIRS = 0.05
"""Least number of pairs that chance gives: without it the only pair of a family of two would be a proof."""

WINDOWS_SECONDS = (120.0, 600.0, 3000.0)
"""Bursts of accounts that act together last minutes to an hour; the most telling window counts (Bonferroni: D-095)."""


@dataclass(frozen=True, slots=True)
class Ranks:
    """When r requests were sent: their places in the order of time, (r,) int64 0 to r - 1, and seconds from first to last."""

    place: IntArray
    duration: float

    @property
    def middle(self) -> Doubles:
        """Share of the batch that was sent before each request and half of itself, (r,), symmetric between 0 and 1."""
        return (self.place + 0.5) / max(len(self.place), 1)


def behaviour(
    rows: sparse.csr_matrix, account: Ids, second: Doubles, *, ranks: Ranks | None = None
) -> Behaviour:
    """Test whether f families are sent by pools of accounts, and whether these act together.

    rows: (f, r) CSR of ones, the requests of each family. account: (r,) int32, numbers of senders. second: (r,) float64,
    times in seconds. ranks: of these times, where they are known already; many requests take seconds to rank.
    """
    ranks = ranks or time_ranks(second)
    requests = np.diff(rows.indptr).astype(np.int64)
    pool = (rows @ sender_matrix(account)).tocsr()
    accounts = np.diff(pool.indptr).astype(np.int64)
    expected, deviation = _distinct_accounts(pool, requests, np.bincount(account).astype(np.float64))
    p_pool = stats.normal((expected - accounts) / deviation)
    squares = pool.copy()
    squares.data = squares.data**2
    pairs_of_two = (requests**2 - np.asarray(squares.sum(axis=1)).ravel()) / 2
    pairs, expected_pairs, p_synchrony = _synchrony(rows, account, ranks, pairs_of_two)
    with np.errstate(divide="ignore"):
        fisher = -2 * (np.log(np.maximum(p_pool, 1e-300)) + np.log(np.maximum(p_synchrony, 1e-300)))
    p_value = stats.chi_squared(fisher, 4)
    return Behaviour(requests, accounts, expected, pairs, expected_pairs, p_pool, p_synchrony, p_value)


def sender_matrix(account: Ids) -> sparse.csr_matrix:
    """Return (r, a) CSR of float64 ones, the sender of each request; account: (r,) int32."""
    r = len(account)
    shape = (r, int(account.max()) + 1 if r else 0)
    return sparse.csr_matrix((np.ones(r), account, np.arange(r + 1)), shape=shape)


def unsynchronised(rows: sparse.csr_matrix, account: Ids, second: Doubles) -> IntArray:
    """Count each family's requests that no other account's is close to, within the middle window of ranks, (f,) int64.

    Arguments as of `behaviour`.
    """
    ranks = time_ranks(second)
    time = ranks.place[rows.indices] / max(len(second), 1)
    return _isolated(rows, account, time, _window(WINDOWS_SECONDS[1], ranks))


def isolated(rows: sparse.csr_matrix, account: Ids, second: Doubles, *, within_seconds: float) -> IntArray:
    """Count each family's requests that no other account's is close to, within so many seconds, (f,) int64.

    Arguments as of `behaviour`. Unlike `unsynchronised` it needs no batch around the families.
    """
    return _isolated(rows, account, second[rows.indices], within_seconds)


def _isolated(rows: sparse.csr_matrix, account: Ids, when: Doubles, window: float) -> IntArray:
    order = _by_time(rows, when)
    out = np.zeros(rows.shape[0], dtype=np.int64)
    _count_isolated(rows.indptr, account[rows.indices[order]], when[order], window, out)
    return out


def close_to_others(
    rows: sparse.csr_matrix, account: Ids, ranks: Ranks, pool: sparse.csr_matrix
) -> tuple[Doubles, Doubles]:
    """Count each pool member's pairs with requests of other accounts within the middle window, and what chance gives.

    Time is counted among all requests, the family's too: bursts of a few accounts take up time of their own then, and who
    sends at random moments does not seem to be in them. rows, account, ranks: as of `behaviour`. pool: (f, a) CSR of requests with sorted indices. Both results have one
    entry for each stored one of pool.
    """
    window = _window(WINDOWS_SECONDS[1], ranks)
    time = ranks.place[rows.indices] / max(len(ranks.place), 1)
    by_time = _by_time(rows, time)
    time, (by_sender, sender_at) = time[by_time], _by_sender(rows, account, by_time)
    close, own = (np.empty(n, dtype=np.int64) for n in (len(time), len(sender_at) - 1))
    _close_requests(rows.indptr, time, window, close)
    _own_pairs(sender_at, time[by_sender], window, own)
    pairs = np.add.reduceat(close[by_sender], sender_at[:-1]) - 2 * own if len(own) else own
    others = np.diff(rows.indptr)[family_of(pool)] - pool.data
    return pairs.astype(np.float64), pool.data * others * 2 * window


def time_ranks(second: Doubles) -> Ranks:
    """Rank the times (r,) of a batch, in seconds."""
    order = np.arange(len(second)) if (second[1:] >= second[:-1]).all() else np.argsort(second)
    same = np.diff(second[order]) == 0
    if same.any():
        # equal times are shuffled: the order of the file would pass for synchrony where logs have coarse times
        shuffled, group = np.random.default_rng(0).permutation(len(second)), np.append(0, np.cumsum(~same))
        tied = np.flatnonzero(np.append(False, same) | np.append(same, False))
        order[tied] = order[tied[np.argsort(group[tied] * len(second) + shuffled[order[tied]])]]
    place = np.empty(len(second), dtype=np.int64)
    place[order] = np.arange(len(second))
    return Ranks(place, float(second[order[-1]] - second[order[0]]) if len(second) else 0.0)


def _window(seconds: float, ranks: Ranks) -> float:
    """Return a window as a share of the batch."""
    return min(MAX_WINDOW, seconds / ranks.duration) if ranks.duration > 0 else MAX_WINDOW


def _synchrony(
    rows: sparse.csr_matrix, account: Ids, ranks: Ranks, pairs_of_two: Doubles
) -> tuple[IntArray, Doubles, Doubles]:
    """Return close pairs, their number by chance and the p-value, each (f,), in each family's most telling window.

    pairs_of_two: (f,) all pairs of requests by two accounts, close or not.
    """
    size = 1 / OVERDISPERSION**2
    windows = np.array([_window(seconds, ranks) for seconds in WINDOWS_SECONDS])
    order, time = _among_others(rows, ranks.place)
    by_sender, sender_at = _by_sender(rows, account, order)
    pairs = np.zeros((len(windows), rows.shape[0]), dtype=np.int64)
    _close_pairs(rows.indptr, time, sender_at, time[by_sender], windows, pairs)
    expected = np.maximum(pairs_of_two * 2 * windows[:, None], MIN_EXPECTED_PAIRS)
    p_value = stats.negative_binomial(pairs, size, expected)
    best = np.argmin(p_value, axis=0)
    families = np.arange(rows.shape[0])
    corrected = np.minimum(p_value[best, families] * len(WINDOWS_SECONDS), 1.0)
    return pairs[best, families], expected[best, families], corrected


def _distinct_accounts(
    pool: sparse.csr_matrix, requests: IntArray, volume: Doubles
) -> tuple[Doubles, Doubles]:
    """Return mean and standard deviation of the number of distinct accounts under the null, each (f,).

    pool: (f, a) CSR of requests. volume: (a,) all requests of each account. Accounts of one volume count together, as
    if none of them had sent the family; members are then put right, so the cost is families x volumes + members.
    """
    level, accounts = np.unique(volume, return_counts=True)
    m = requests[:, None].astype(np.float64)
    total = np.maximum(volume.sum() - requests + SMOOTHING * len(volume), 1.0)
    miss = _miss_probability(level[None, :] + SMOOTHING, total[:, None], m)
    mean = ((1 - miss) * accounts).sum(axis=1)
    variance = (miss * (1 - miss) * accounts).sum(axis=1)
    family = family_of(pool)
    member_volume = volume[pool.indices]
    other = np.maximum(member_volume - pool.data, 0)
    as_all = _miss_probability(member_volume + SMOOTHING, total[family], requests[family])
    as_member = _miss_probability(other + SMOOTHING, total[family], requests[family])
    np.add.at(mean, family, as_all - as_member)
    np.add.at(variance, family, as_member * (1 - as_member) - as_all * (1 - as_all))
    return mean, np.sqrt(np.maximum(variance, MIN_VARIANCE))


def _miss_probability(volume: Doubles, total: Doubles, draws: Doubles | IntArray) -> Doubles:
    """Return the probability that an account of this volume is drawn in none of the draws; shapes as given."""
    return np.asarray(np.exp(draws * np.log1p(-np.minimum(volume / total, 1 - 1e-9))))


def _among_others(rows: sparse.csr_matrix, place: IntArray) -> tuple[IntArray, Doubles]:
    """Return the entries of `rows` (m,), each family's by time, and where they stand among requests not the family's, 0 to 1.

    place: (r,) of all requests in the order of time. Those between the same two others are spread evenly between them.
    Of a family that is more than half of the batch as many requests count among the others as make up the difference: few
    others, who may have come in bursts of their own, are no clock for it.
    """
    out = np.empty(rows.nnz, dtype=np.float64)
    places = place[rows.indices]
    order = np.argsort(family_of(rows) * len(place) + places)
    _spread(rows.indptr, places[order], len(place), out)
    return order, out


@kernel
def _spread(indptr: Ids, places: IntArray, requests: int, out: Doubles) -> None:
    """Write to out (m,) where requests stand among others; places: (m,) of each family, ascending."""
    for family in range(len(indptr) - 1):
        begin, end = indptr[family], indptr[family + 1]
        others = requests - (end - begin)
        own = max(0.0, 1 - others / (end - begin)) if end > begin else 0.0
        whole = others + 1 + own * (end - begin)
        first = begin
        for k in range(begin + 1, end + 1):
            gap = places[first] - (first - begin)
            if k < end and places[k] - (k - begin) == gap:
                continue
            before, between = gap + own * (first - begin), 1 + own * (k - first)
            for j in range(first, k):
                out[j] = (before + between * (j - first + 0.5) / (k - first)) / whole
            first = k


def _by_time(rows: sparse.csr_matrix, when: Doubles) -> IntArray:
    """Return the entries of a CSR matrix (m,), row by row, each row's by time; when: (m,) of each of them."""
    return np.lexsort((when, family_of(rows)))


def _by_sender(rows: sparse.csr_matrix, account: Ids, by_time: IntArray) -> tuple[IntArray, IntArray]:
    """Put the entries of a CSR matrix by row, then by sender, then by time; also return where each sender's begin.

    by_time: (m,) the entries row by row, each row's by time; the order is of these. The ends are (s + 1,) for s pairs of a
    row and a sender.
    """
    pair = family_of(rows) * (int(account.max(initial=0)) + 1) + account[rows.indices[by_time]]
    order = np.argsort(pair, kind="stable")
    return order, np.append(np.flatnonzero(np.diff(pair[order], prepend=-1)), len(order))


@kernel
def _close_pairs(
    indptr: Ids, times: Doubles, sender_at: IntArray, sender_times: Doubles, windows: Doubles, out: IntArray
) -> None:
    """Count each family's pairs of requests by two accounts within each window, added to out (windows, f) int64.

    times: (m,) of each family, ascending, and windows in the same unit. sender_times: the same times, of each
    family's senders, ascending; those of one family's sender begin at sender_at (s + 1,).
    """
    family = 0
    for w in range(len(windows)):
        for f in range(len(indptr) - 1):
            out[w, f] += _pairs_within(times, indptr[f], indptr[f + 1], windows[w])
    for s in range(len(sender_at) - 1):  # pairs by one account are taken away again
        while sender_at[s] >= indptr[family + 1]:
            family += 1
        for w in range(len(windows)):
            out[w, family] -= _pairs_within(sender_times, sender_at[s], sender_at[s + 1], windows[w])


@kernel
def _close_requests(indptr: Ids, times: Doubles, window: float, out: IntArray) -> None:
    """Count for each request of a family its others within the window, into out (m,); times as in `_close_pairs`."""
    for family in range(len(indptr) - 1):
        first = last = indptr[family]
        for i in range(indptr[family], indptr[family + 1]):
            while times[i] - times[first] > window:
                first += 1
            while last < indptr[family + 1] and times[last] - times[i] <= window:
                last += 1
            out[i] = last - first - 1


@kernel
def _own_pairs(sender_at: IntArray, sender_times: Doubles, window: float, out: IntArray) -> None:
    """Count each sender's pairs of own requests within the window, into out (s,)."""
    for s in range(len(out)):
        out[s] = _pairs_within(sender_times, sender_at[s], sender_at[s + 1], window)


@kernel
def _pairs_within(times: Doubles, first: int, end: int, window: float) -> int:
    pairs = 0
    begin = first
    for i in range(first, end):
        while times[i] - times[begin] > window:
            begin += 1
        pairs += i - begin
    return pairs


@kernel
def _count_isolated(indptr: Ids, sender: Ids, times: Doubles, window: float, out: IntArray) -> None:
    """Count each family's requests that no other account's is close to, into out (f,); sender, times: (m,) by time."""
    for family in range(len(indptr) - 1):
        begin, end = indptr[family], indptr[family + 1]
        for i in range(begin, end):
            close = False
            for step in (-1, 1):
                j = i + step
                while begin <= j < end and abs(times[j] - times[i]) <= window:
                    if sender[j] != sender[i]:
                        close = True
                        break
                    j += step
            out[family] += not close
