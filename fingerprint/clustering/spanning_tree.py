"""The minimum spanning tree of mutual reachability over a neighbour graph (Borůvka)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprint.base.jit import kernel, njit
from fingerprint.base.types import Doubles, Ids, IntArray

FLOOR = 1e-5
"""Distances below this are rounding of float32 vectors; it bounds λ = 1 / distance."""

FAR = 3.0
"""Joins what no chain of neighbours joins; cosine distances end at 2."""


@dataclass(frozen=True, slots=True)
class Collapsed:
    """Distinct items in the order they first appear.

    first: (m,) int64, row of each distinct item's first holder.
    inverse: (n,) int64, the distinct item of each row.
    weight: (m,) int64, how many rows hold the item.
    """

    first: IntArray
    inverse: IntArray
    weight: IntArray


@dataclass(frozen=True, slots=True)
class Edges:
    """Edges of a tree: rows (m,) int64 low < high, and lengths (m,) float64."""

    low: IntArray
    high: IntArray
    length: Doubles


def collapse(keys: npt.NDArray[Any]) -> Collapsed:
    """Group equal keys: (n,) content hashes, or (n, d) rows compared byte by byte."""
    if keys.ndim == 2:
        rows = np.ascontiguousarray(keys)
        keys = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
    _, first, inverse, weight = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    order = np.argsort(first)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return Collapsed(first[order], rank[inverse], weight[order].astype(np.int64))


@njit(cache=True, nogil=True)
def core_distances(ids: Ids, distance: Doubles, weight: IntArray, min_samples: int) -> Doubles:
    """Return each item's distance to the min_samples-th other row, copies counted, (n,) float64.

    ids, distance: (n, k), nearest first, -1 = none. weight: (n,) how many identical rows an item stands for. FAR where
    the neighbours are too few.
    """
    n, k = ids.shape
    core = np.full(n, FAR)
    for i in range(n):
        reached = weight[i] - 1
        if reached >= min_samples:
            core[i] = 0.0
            continue
        for c in range(k):
            if ids[i, c] < 0:
                break
            reached += weight[ids[i, c]]
            if reached >= min_samples:
                core[i] = distance[i, c]
                break
    return core


@kernel
def find_root(parent: IntArray, i: int) -> int:
    """Return the root of i's set, and halve the path to it (union-find); parent: (n,) int64, changed here."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@njit(cache=True, nogil=True)
def _roots(parent: IntArray) -> IntArray:
    out = np.empty(len(parent), np.int64)
    for i in range(len(parent)):
        out[i] = find_root(parent, i)
    return out


@kernel
def _offer(best: IntArray, shortest: Doubles, group: int, i: int, j: int, w: float) -> None:
    """Keep the lesser of a group's best edge and (w, lower end, higher end), compared in that order."""
    low, high = min(i, j), max(i, j)
    if w < shortest[group] or (
        w == shortest[group] and (low < best[group, 0] or (low == best[group, 0] and high < best[group, 1]))
    ):
        shortest[group] = w
        best[group, 0] = low
        best[group, 1] = high


@kernel
def _offer_lists(
    ids: Ids,
    distance: Doubles,
    core: Doubles,
    group: IntArray,
    first: IntArray,
    best: IntArray,
    shortest: Doubles,
) -> None:
    """Offer every listed edge between two groups to both of them."""
    n, k = ids.shape
    for i in range(n):
        # groups only grow: leading neighbours in one's own group are never read again
        while first[i] < k and ids[i, first[i]] >= 0 and group[ids[i, first[i]]] == group[i]:
            first[i] += 1
        for c in range(first[i], k):
            j = ids[i, c]
            if j < 0:
                break
            if group[j] == group[i]:
                continue
            w = max(core[i], core[j], distance[i, c])
            if w < FAR:
                _offer(best, shortest, group[i], i, j, w)
                _offer(best, shortest, group[j], i, j, w)


@kernel
def _merge(
    parent: IntArray, best: IntArray, shortest: Doubles, ends: IntArray, length: Doubles, count: int
) -> int:
    """Join each group along its best edge; returns how many edges the forest has then."""
    for g in range(parent.shape[0]):
        if shortest[g] < FAR:
            a, b = find_root(parent, best[g, 0]), find_root(parent, best[g, 1])
            if a != b:
                parent[max(a, b)] = min(a, b)
                ends[count, 0], ends[count, 1] = best[g, 0], best[g, 1]
                length[count] = shortest[g]
                count += 1
    return count


def spanning_tree(ids: Ids, distance: Doubles, core: Doubles) -> Edges:
    """Span the mutual reachability graph of the lists by Borůvka's rounds; edges in the order of (length, ends).

    ids, distance: (n, k), nearest first, -1 = none. core: (n,) as `core_distances` has it. A forest where no chain of
    neighbours joins some items.
    """
    n = len(ids)
    parent, first = np.arange(n), np.zeros(n, dtype=np.int64)
    ends, length, count, before = np.empty((n, 2), dtype=np.int64), np.empty(n), 0, -1
    while count > before:
        group, best, shortest = _roots(parent), np.full((n, 2), n), np.full(n, FAR)
        _offer_lists(ids, distance, core, group, first, best, shortest)
        before, count = count, _merge(parent, best, shortest, ends, length, count)
    order = np.lexsort((ends[:count, 1], ends[:count, 0], length[:count]))
    return Edges(ends[order, 0], ends[order, 1], length[order])
