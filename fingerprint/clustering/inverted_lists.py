"""The nearest of many points to each, through inverted lists: a point lies in the list of the centroid nearest to it.

Each point is compared with what lies in the lists of the centroids nearest to it (Jégou, Douze and Schmid 2011, section
IV, without codes). FAISS searches query by query; here the points themselves ask, so all that look into one list are
compared with it by one product of matrices (D-327).
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from fingerprint.base.jit import kernel, njit
from fingerprint.base.parallel import workers
from fingerprint.base.simd import highest
from fingerprint.base.stats import pick_evenly
from fingerprint.base.types import Doubles, FloatArray, Ids, IntArray
from fingerprint.clustering.all_pairs import offer
from fingerprint.clustering.faiss_index import BATCH

LISTS, POINTS_A_LIST, ROUNDS = 4, 16, 3
"""Lists a square root of the number of points; points for each from which centroids are learnt; rounds of k-means."""

LEARNT_FROM = 16_384
"""Points whose main directions are those of all."""

TOGETHER = 1_024
"""Points that are compared with all centroids at once."""

PARTS = 8
"""Parts of the points that threads compare with others, list by list; fewer make larger products, more occupy more threads."""

GROUP = 32
"""Products with centroids of which the highest is known."""

CHUNK = 16
"""Products that are looked at together: mostly none of them is near enough."""


@dataclass(frozen=True, slots=True)
class ListSearch:
    """Searches as `faiss_index.search` does, always through lists: so many for each point, in so many main directions."""

    probes: int
    directions: int

    def __call__(self, points: FloatArray, wide: int, seed: int, exact_up_to: int) -> Iterator[IntArray]:
        """Yield for every BATCH points (n, d) the numbers of the `wide` nearest to each, (rows, wide), -1 = none.

        exact_up_to: of searches that may compare all pairs.
        """
        del exact_up_to
        with ThreadPoolExecutor(workers()) as pool:
            main = main_directions(points, self.directions, pool=pool)
            ids = nearest(main, wide, seed, self.probes, pool=pool)
        for start in range(0, len(ids), BATCH):
            yield ids[start : start + BATCH].astype(np.int64)


def main_directions(points: FloatArray, count: int, *, pool: Executor) -> FloatArray:
    """Project points (n, d) on `count` main directions of theirs, as unit rows; as they are if they have no more.

    pool: threads that share the work; how many there are changes nothing.
    """
    if points.shape[1] <= count:
        return points

    def squared(rows: IntArray) -> Doubles:
        part = points[rows].astype(np.float64)
        return part.T @ part

    moments = np.zeros((points.shape[1],) * 2)
    for some in pool.map(squared, np.array_split(pick_evenly(np.arange(len(points)), LEARNT_FROM), PARTS)):
        moments += some
    directions = np.linalg.eigh(moments)[1][:, -count:].astype(np.float32)
    main = np.empty((len(points), count), dtype=np.float32)

    def project(begin: int) -> None:
        part = main[begin : begin + BATCH]
        np.matmul(points[begin : begin + BATCH], directions, out=part)
        part /= np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-12)

    list(pool.map(project, range(0, len(points), BATCH)))
    return main


@dataclass(frozen=True, slots=True)
class _Lists:
    """The c lists of n points, one behind the other: members (n, d), their numbers (n,), and where each begins (c + 1,)."""

    members: FloatArray
    numbers: IntArray
    ends: IntArray


def nearest(points: FloatArray, wide: int, seed: int, probes: int, *, pool: Executor) -> Ids:
    """Return the numbers of the `wide` nearest other points to each that its lists show, (n, wide) int32, nearest first, -1 = none.

    points: (n, d) float32 unit rows. probes: lists that each is compared with. Nearest is what has the largest product, of
    equal ones the first; rounding may decide between products that differ by 1e-6. pool: threads that share the work; how
    many there are changes nothing.
    """
    n = len(points)
    centres = centroids(points, min(n, int(LISTS * np.sqrt(n))), seed, pool=pool)
    probed = nearest_centroids(points, centres, min(probes, len(centres)), pool=pool)
    order = np.argsort(probed[:, 0], kind="stable")
    lists = _Lists(points[order], order, _ends(probed[:, 0], len(centres)))
    ids = np.full((n, wide), -1, dtype=np.int32)
    products = np.full((n, wide), -np.inf, dtype=np.float32)
    least = np.full(n, -np.inf, dtype=np.float32)

    def compare(part: IntArray) -> None:
        # its own list first: after that little else is near enough
        for some in (probed[part, :1], probed[part, 1:]):
            ends = _ends(some.ravel(), len(centres))
            queries = part[np.argsort(some.ravel(), kind="stable") // max(some.shape[1], 1)]
            for which in np.flatnonzero(np.diff(ends)).tolist():
                rows = queries[ends[which] : ends[which + 1]]
                own = slice(lists.ends[which], lists.ends[which + 1])
                near = points[rows] @ lists.members[own].T
                _keep(near, rows, lists.numbers[own], least, products, ids)

    list(pool.map(compare, np.array_split(np.arange(n), PARTS)))
    return ids


def _ends(lists: IntArray, count: int) -> IntArray:
    """Return where each of `count` lists begins once what is in them is in their order, (count + 1,)."""
    return np.append(0, np.cumsum(np.bincount(lists, minlength=count)))


def centroids(points: FloatArray, count: int, seed: int, *, pool: Executor) -> FloatArray:
    """Learn the centroids of so many lists from some of the points (n, d), by spherical k-means, (count, d) unit rows.

    count: at most n.
    """
    wanted = min(len(points), POINTS_A_LIST * count)
    chosen = np.random.default_rng(seed).choice(len(points), wanted, replace=False)
    centres, learnt = points[chosen[:count]], points[np.sort(chosen)]
    for _ in range(ROUNDS):
        own = nearest_centroids(learnt, centres, 1, pool=pool)[:, 0]
        ends = _ends(own, count)
        some = np.flatnonzero(np.diff(ends))  # a centroid that none is nearest to stays
        sums = np.add.reduceat(learnt[np.argsort(own, kind="stable")], ends[some])
        centres = centres.copy()
        centres[some] = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    return centres


def nearest_centroids(points: FloatArray, centres: FloatArray, probes: int, *, pool: Executor) -> IntArray:
    """Return the `probes` centroids (c, d) nearest to each point (n, d), nearest first, (n, probes) int64."""
    out = np.empty((len(points), probes), dtype=np.int64)

    def compare(begin: int) -> None:
        part = slice(begin, begin + TOGETHER)
        _best(points[part] @ centres.T, out[part])

    list(pool.map(compare, range(0, len(points), TOGETHER)))
    return out


@njit(cache=True, nogil=True)
def _best(near: FloatArray, out: IntArray) -> None:
    """Write which columns of each row (r, c) are highest, in descending order, of equal ones the first; uses `near` up.

    out: (r, at most c). The highest of every GROUP columns is known, so that each place in `out` looks at these alone (D-318).
    """
    rows, columns = near.shape
    tops = np.empty(-(-columns // GROUP), np.float32)
    for r in range(rows):
        for g in range(len(tops)):
            tops[g] = highest(near, r, g * GROUP, min((g + 1) * GROUP, columns))
        for p in range(out.shape[1]):
            group = 0
            for g in range(1, len(tops)):
                if tops[g] > tops[group]:
                    group = g
            begin, end = group * GROUP, min((group + 1) * GROUP, columns)
            at = begin
            while at < end - 1 and near[r, at] != tops[group]:
                at += 1
            out[r, p], near[r, at] = at, np.float32(-np.inf)
            tops[group] = highest(near, r, begin, end)


@kernel
def _keep(
    near: FloatArray, rows: IntArray, columns: IntArray, least: FloatArray, products: FloatArray, ids: Ids
) -> None:
    """Offer to points `rows` (q,) the points `columns` (m,) by their products (q, m); others as of `all_pairs.offer`."""
    for r in range(len(rows)):
        to = rows[r]
        for begin in range(0, len(columns), CHUNK):
            end, enough, worst = min(begin + CHUNK, len(columns)), 0, least[to]
            for c in range(begin, end):
                enough += near[r, c] >= worst
            if enough == 0:
                continue
            for c in range(begin, end):
                if near[r, c] >= least[to] and columns[c] != to:
                    offer(near[r, c], to, columns[c], least, products, ids)
