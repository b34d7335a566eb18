"""HDBSCAN over a graph of nearest neighbours, with weighted items; the one user of hdbscan.

Campello, Moulavi, Sander (2013), "Density-based clustering based on hierarchical density estimates",
over cosine distance d = 1 - similarity. The minimum spanning tree of the mutual reachability graph is
ours (Borůvka over the neighbour lists); the condensed tree, stability and selection are hdbscan's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from numba import njit

from fingerprint.errors import UsageError
from fingerprint.kernels import kernel
from fingerprint.records import FloatArray, IntArray, Neighbours

FLOOR = 1e-5
"""Distances below this are rounding of float32 vectors; it bounds λ = 1 / distance."""

FAR = 3.0
"""Joins what no chain of neighbours joins; cosine distances end at 2."""

Selection = Literal["eom", "leaf"]
Doubles = npt.NDArray[np.float64]

Outside = Callable[[IntArray, IntArray, Doubles], tuple[IntArray, FloatArray]]
"""Asked with (rows, every item's group, every item's core distance): each row's nearest item of another group
by mutual reachability, -1 for none, and their similarity."""


def _hdbscan_tree() -> Any:
    """Load hdbscan's module of trees by itself: its package loads scikit-learn, a third of a second of every start."""
    package = find_spec("hdbscan")
    assert package is not None
    found = PathFinder.find_spec("hdbscan._hdbscan_tree", package.submodule_search_locations)
    assert found is not None
    assert found.loader is not None
    module = module_from_spec(found)
    found.loader.exec_module(module)
    return module


_tree = _hdbscan_tree()


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
class Clusters:
    """A flat clustering; clusters are numbered by their first item.

    labels: (n,) int32, -1 for noise.
    probability: (n,) float32, strength of membership, 0 (noise) to 1 (core).
    """

    labels: npt.NDArray[np.int32]
    probability: FloatArray


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


def components(i: IntArray, j: IntArray, n: int) -> npt.NDArray[np.int32]:
    """Label the connected components of the pairs (i, j) among n items, in the order of their first items."""
    parent = np.arange(n, dtype=np.int64)
    _unite(parent, np.asarray(i, dtype=np.int64), np.asarray(j, dtype=np.int64))
    return collapse(_roots(parent)).inverse.astype(np.int32)


def cluster(
    neighbours: Neighbours,
    weight: IntArray,
    *,
    min_cluster_size: int,
    min_samples: int,
    selection: Selection = "eom",
    epsilon: float = 0.0,
    floor: float = FLOOR,
    outside: Outside | None = None,
) -> Clusters:
    """Cluster n distinct items, each of which stands for `weight` identical ones.

    The result is that of hdbscan.HDBSCAN over all the identical items, with distances under `floor` raised to
    it (no infinite λ) and a copy never parted from its twin. An item that alone weighs min_cluster_size is a
    cluster even where there is no other.
    outside: knows distances that the lists leave out (`index.Outside`). Without it, groups that no chain of
    neighbours joins are taken to be FAR apart: they never share a cluster, and more noise counts as theirs.
    floor: raise it to the distance that fillings of one template keep (0.05 to 0.2), and near-copies no longer
    outweigh their family: λ = 1 / distance makes a few of them more stable than all the rest.
    epsilon: cosine distance below which clusters are not split (hdbscan's cluster_selection_epsilon).
    Raises UsageError on sizes that do not fit each other.
    """
    n, total = len(neighbours.ids), int(np.sum(weight))
    weight = np.asarray(weight, dtype=np.int64)
    _check(neighbours, weight, min_cluster_size, min_samples, floor)
    if total < min_cluster_size:
        return Clusters(np.full(n, -1, dtype=np.int32), np.zeros(n, dtype=np.float32))
    distance = np.maximum(1.0 - neighbours.similarity.astype(np.float64), floor)
    core = _core_distances(neighbours.ids, distance, weight, max(1, min(total - 1, min_samples)))
    core = np.maximum(core, floor)
    tree = _spanning_tree(neighbours.ids, distance, core, floor, outside)
    edges = _join(tree, weight, min_cluster_size, floor)
    condensed, stability = _condense(edges, weight, min_cluster_size)
    labels, probability, _ = _tree.get_clusters(
        condensed, stability, selection, cluster_selection_epsilon=float(epsilon), max_cluster_size=total + 1
    )
    return _numbered(labels[:n], probability[:n], weight, min_cluster_size)


def _check(
    neighbours: Neighbours, weight: IntArray, min_cluster_size: int, min_samples: int, floor: float
) -> None:
    n, k = neighbours.ids.shape
    needed = min(min_samples, n - 1)
    least = int(weight.min()) if len(weight) else 1
    if len(weight) != n or least < 1:
        raise UsageError(f"{n} weights of at least 1 expected, {len(weight)} given, the least {least}")
    if min_cluster_size < 2 or min_samples < 1:
        given = f"{min_cluster_size} and {min_samples}"
        raise UsageError(
            f"min_cluster_size of at least 2 and min_samples of at least 1 expected, {given} given"
        )
    if k < needed:
        raise UsageError(f"{needed} neighbours an item expected for min_samples {min_samples}, {k} given")
    if not 0 < floor < FAR:
        raise UsageError(f"a floor between 0 and {FAR} expected, {floor} given")


@dataclass(frozen=True, slots=True)
class _Edges:
    low: IntArray
    high: IntArray
    length: Doubles


@njit(cache=True, nogil=True)
def _core_distances(
    ids: npt.NDArray[np.int32], distance: Doubles, weight: IntArray, min_samples: int
) -> Doubles:
    """Distance to the min_samples-th other row, copies counted; FAR where the neighbours are too few."""
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
def _root(parent: IntArray, i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@kernel
def _unite(parent: IntArray, i: IntArray, j: IntArray) -> None:
    for e in range(i.shape[0]):
        a, b = _root(parent, i[e]), _root(parent, j[e])
        parent[max(a, b)] = min(a, b)


@njit(cache=True, nogil=True)
def _roots(parent: IntArray) -> IntArray:
    return np.array([_root(parent, i) for i in range(parent.shape[0])], dtype=np.int64)


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
    ids: npt.NDArray[np.int32],
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
def _offer_beyond(
    beyond: IntArray, horizon: Doubles, group: IntArray, best: IntArray, shortest: Doubles
) -> None:
    for i in range(beyond.shape[0]):
        j = beyond[i]
        if j >= 0 and group[j] != group[i] and horizon[i] < FAR:
            _offer(best, shortest, group[i], i, j, horizon[i])
            _offer(best, shortest, group[j], i, j, horizon[i])


@njit(cache=True, nogil=True)
def _merge(
    parent: IntArray, best: IntArray, shortest: Doubles, ends: IntArray, length: Doubles, count: int
) -> int:
    """Join each group along its best edge; returns how many edges the forest has then."""
    for g in range(parent.shape[0]):
        if shortest[g] < FAR:
            a, b = _root(parent, best[g, 0]), _root(parent, best[g, 1])
            if a != b:
                parent[max(a, b)] = min(a, b)
                ends[count] = best[g]
                length[count] = shortest[g]
                count += 1
    return count


def _spanning_tree(
    ids: npt.NDArray[np.int32], distance: Doubles, core: Doubles, floor: float, outside: Outside | None
) -> _Edges:
    """Span the mutual reachability graph by Borůvka's rounds; edges in the order of (length, ends).

    An item's list is silent beyond its horizon, the distance of its last neighbour. Where that is nearer than
    the best edge of its group, `outside` is asked for the item's nearest in any other group; the answer
    holds until the groups join, and from then on is the item's new horizon.
    """
    n = len(ids)
    parent, first = np.arange(n), np.zeros(n, dtype=np.int64)
    ends, length, count, before = np.empty((n, 2), dtype=np.int64), np.empty(n), 0, -1
    horizon = np.where(ids[:, -1] >= 0, np.maximum(core, distance[:, -1]), np.inf)
    beyond = np.full(n, -1, dtype=np.int64)
    while count > before:
        group, best, shortest = _roots(parent), np.full((n, 2), n), np.full(n, FAR)
        _offer_lists(ids, distance, core, group, first, best, shortest)
        if outside is not None:
            stale = (beyond < 0) | (group[beyond] == group)
            asked = np.flatnonzero(stale & (horizon < shortest[group]))
            found, similarity = outside(asked, group, core)
            reach = np.maximum(np.maximum(core[asked], core[found]), np.maximum(1.0 - similarity, floor))
            beyond[asked], horizon[asked] = found, np.where(found >= 0, reach, np.inf)
            _offer_beyond(beyond, horizon, group, best, shortest)
        before, count = count, _merge(parent, best, shortest, ends, length, count)
    order = np.lexsort((ends[:count, 1], ends[:count, 0], length[:count]))
    return _Edges(ends[order, 0], ends[order, 1], length[order])


def _join(tree: _Edges, weight: IntArray, min_cluster_size: int, floor: float) -> _Edges:
    """Add the copies of each item below the spanning tree and the joins of its components above it.

    Copies of item i stand as one further leaf, n + i's rank among the items with copies. Components too
    light for a cluster join last: so they leave the root first, and the heavy ones part at the same λ,
    where no cluster that spans two of them has any stability.
    """
    n = len(weight)
    copied = np.flatnonzero(weight > 1)
    part = components(tree.low, tree.high, n)
    head = collapse(part).first
    light = np.bincount(part, weight) < min_cluster_size
    head = np.concatenate([head[~light], head[light]])
    return _Edges(
        np.concatenate([copied, tree.low, head[:-1]]),
        np.concatenate([n + np.arange(len(copied)), tree.high, head[1:]]),
        np.concatenate([np.full(len(copied), floor), tree.length, np.full(len(head) - 1, FAR)]),
    )


@njit(cache=True, nogil=True)
def _linkage(low: IntArray, high: IntArray, length: Doubles, leaf: IntArray) -> Doubles:
    """Single linkage in SciPy's format, (leaves - 1, 4), with leaves of any size."""
    n = leaf.shape[0]
    parent = np.arange(2 * n - 1)
    size = np.concatenate((leaf, np.zeros(n - 1, dtype=np.int64)))
    out = np.empty((n - 1, 4))
    for e in range(n - 1):
        a, b = _root(parent, low[e]), _root(parent, high[e])
        parent[a] = parent[b] = n + e
        size[n + e] = size[a] + size[b]
        out[e, 0], out[e, 1], out[e, 2], out[e, 3] = a, b, length[e], size[n + e]
    return out


def _condense(
    edges: _Edges, weight: IntArray, min_cluster_size: int
) -> tuple[npt.NDArray[Any], dict[float, float]]:
    """Condense the tree and weigh its clusters' stability; the tree's own leaves keep size 1.

    hdbscan tells points from clusters by child_size == 1, so the true sizes go to the stability alone.
    """
    n = len(weight)
    leaf = np.concatenate([np.ones(n, dtype=np.int64), weight[weight > 1] - 1])
    tree = _tree.condense_tree(_linkage(edges.low, edges.high, edges.length, leaf), min_cluster_size)
    weighed = tree.copy()
    point = tree["child"] < len(leaf)
    weighed["child_size"][point] = leaf[tree["child"][point]]
    return tree, _tree.compute_stability(weighed)


def _numbered(labels: IntArray, probability: Doubles, weight: IntArray, min_cluster_size: int) -> Clusters:
    member = labels >= 0
    numbered = np.full(len(labels), -1, dtype=np.int32)
    strength = probability.astype(np.float32)
    numbered[member] = collapse(labels[member]).inverse
    if not member.any() and weight.max() >= min_cluster_size:
        # hdbscan never selects the root: a tree without a split would lose its one heavy item
        numbered[weight.argmax()], strength[weight.argmax()] = 0, 1.0
    return Clusters(numbered, strength)
