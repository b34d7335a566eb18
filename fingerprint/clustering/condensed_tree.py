"""The condensed tree of a single-linkage hierarchy, and which of its clusters are selected (HDBSCAN's second half).

Campello, Moulavi, Sander (2013), sections 4 and 5: parts smaller than a cluster leave it one by one, a cluster ends where
two large enough parts separate, and its stability is the sum over its items of how long (in λ = 1 / distance) they
stay. Leaves instead of the most stable, and no parting below a distance: McInnes and Healy (2017); Malzer and Baum
(2020). Sums are taken in the order of the hdbscan library, so that both select the same clusters.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from fingerprint.base.jit import kernel
from fingerprint.base.types import Bools, Doubles, Ids, IntArray
from fingerprint.clustering.spanning_tree import find_root


class CondensedTree(NamedTuple):
    """A tree of c clusters, the root first, over leaves (n).

    parent: (c,) int64, before its parts; -1 of the root. parts: (c,) int64, the first of its two parts, which stand
    beside each other, -1 for none. birth, death: (c,) float64, λ at which a cluster begins, and of the last that leaves
    it. stability: (c,) float64. cluster: (n,) int64, which each leaf belonged to last; until: (n,) float64, to which λ.
    """

    parent: IntArray
    parts: IntArray
    birth: Doubles
    death: Doubles
    stability: Doubles
    cluster: IntArray
    until: Doubles


def condense(low: IntArray, high: IntArray, length: Doubles, leaf: IntArray, least: int) -> CondensedTree:
    """Condense the hierarchy that joining along some edges makes, which connect all leaves and ascend in length.

    low, high: (n - 1,) int64, ends of edges; length: (n - 1,) float64, above 0. leaf: (n,) int64, how many items each leaf
    stands for. least: items of a cluster, at least 2; a leaf by itself is none, however many items it stands for.
    """
    return CondensedTree(*_condense(low, high, length, leaf, least))


def select(tree: CondensedTree, *, leaves: bool, epsilon: float) -> Ids:
    """Select clusters that do not overlap, never the root, and return which each leaf is in, (n,) int32 numbers, -1 = none.

    leaves: those without parts, instead of the most stable. epsilon: distance; clusters that part below it stay one.
    """
    if leaves:
        selected = np.append(np.False_, tree.parts[1:] < 0)
    else:
        selected = _most_stable(tree.parts, tree.parent, tree.stability)
    if epsilon:
        selected = _merged_below(tree.parent, tree.birth, selected, epsilon)
    return np.asarray(_owners(tree.parent, selected)[tree.cluster], dtype=np.int32)


@njit(cache=True, nogil=True)
def _condense(
    low: IntArray, high: IntArray, length: Doubles, leaf: IntArray, least: int
) -> tuple[IntArray, IntArray, Doubles, Doubles, Doubles, IntArray, Doubles]:
    n = len(leaf)
    ends, size = np.empty((n - 1, 2), dtype=np.int64), np.empty(2 * n - 1, dtype=np.int64)
    _join(low, high, leaf, ends, size)
    size[:n] = 1
    parent, parts = np.full(2 * n, -1, dtype=np.int64), np.full(2 * n, -1, dtype=np.int64)
    birth, death, stability = np.zeros(2 * n), np.zeros(2 * n), np.zeros(2 * n)
    cluster, until = np.zeros(n, dtype=np.int64), np.zeros(n)
    of_node, queue, below = np.zeros(2 * n - 1, np.int64), np.empty(n, np.int64), np.empty(2 * n, np.int64)
    queue[0], waiting, clusters = 2 * n - 2, 1, 1
    at = 0
    while at < waiting:
        node, one, other = queue[at] - n, ends[queue[at] - n, 0], ends[queue[at] - n, 1]
        own, value = of_node[queue[at]], 1.0 / length[node]
        death[own] = max(death[own], value)
        parting = size[one] >= least and size[other] >= least
        if parting:
            parts[own] = clusters
        for part in (one, other):
            if size[part] < least:
                _leave(part, own, value, ends, leaf, birth[own], stability, cluster, until, below)
                continue
            of_node[part] = own
            if parting:
                of_node[part], parent[clusters], birth[clusters] = clusters, own, value
                stability[own] += (value - birth[own]) * size[part]
                clusters += 1
            queue[waiting] = part
            waiting += 1
        at += 1
    return (
        parent[:clusters].copy(),
        parts[:clusters].copy(),
        birth[:clusters].copy(),
        death[:clusters].copy(),
        stability[:clusters].copy(),
        cluster,
        until,
    )


@njit(cache=True, nogil=True)
def _join(low: IntArray, high: IntArray, leaf: IntArray, ends: IntArray, size: IntArray) -> None:
    """Write what each edge joins, (n - 1, 2), leaves or n + the number of an earlier edge, and the sizes of all."""
    n = len(leaf)
    parent = np.arange(2 * n - 1)
    size[:n] = leaf
    for e in range(n - 1):
        a, b = find_root(parent, low[e]), find_root(parent, high[e])
        parent[a] = parent[b] = n + e
        ends[e, 0], ends[e, 1], size[n + e] = a, b, size[a] + size[b]


@kernel
def _leave(
    part: int,
    own: int,
    value: float,
    ends: IntArray,
    leaf: IntArray,
    birth: float,
    stability: Doubles,
    cluster: IntArray,
    until: Doubles,
    below: IntArray,
) -> None:
    """Let all leaves of a part leave a cluster at this λ, level by level."""
    below[0], waiting, at = part, 1, 0
    while at < waiting:
        node = below[at]
        if node < len(leaf):
            cluster[node], until[node] = own, value
            stability[own] += (value - birth) * leaf[node]
        else:
            below[waiting], below[waiting + 1] = ends[node - len(leaf), 0], ends[node - len(leaf), 1]
            waiting += 2
        at += 1


@njit(cache=True, nogil=True)
def _most_stable(parts: IntArray, parent: IntArray, stability: Doubles) -> Bools:
    """Select clusters so that the sum of their stability is largest, (c,)."""
    out = np.zeros(len(parts), dtype=np.bool_)
    best = stability.copy()
    for c in range(len(parts) - 1, 0, -1):
        # single precision, as hdbscan has it: it decides between a cluster and parts that are as stable
        inside = np.float32(0.0)
        if parts[c] > 0:
            inside = np.float32(inside + best[parts[c]])
            inside = np.float32(inside + best[parts[c] + 1])
        out[c] = best[c] >= inside
        if not out[c]:
            best[c] = inside
    covered = np.zeros(len(parts), dtype=np.bool_)
    for c in range(1, len(parts)):
        covered[c] = out[parent[c]] or covered[parent[c]]
        out[c] = out[c] and not covered[c]
    return out


@njit(cache=True, nogil=True)
def _merged_below(parent: IntArray, birth: Doubles, selected: Bools, epsilon: float) -> Bools:
    """Return in the place of clusters that part below a distance the lowest above them that parts beyond it."""
    out = np.zeros(len(parent), dtype=np.bool_)
    for c in range(1, len(parent)):
        if not selected[c]:
            continue
        chosen = c
        if 1.0 / birth[c] < epsilon:
            while parent[chosen] > 0:
                chosen = parent[chosen]
                if 1.0 / birth[chosen] > epsilon:
                    break
        out[chosen] = True
    return out


@njit(cache=True, nogil=True)
def _owners(parent: IntArray, selected: Bools) -> IntArray:
    """Return the selected cluster that each one is, or lies in, (c,), -1 = none."""
    out = np.full(len(parent), -1, dtype=np.int64)
    for c in range(1, len(parent)):
        out[c] = c if selected[c] else out[parent[c]]
    return out
