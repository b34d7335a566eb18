"""HDBSCAN over a graph of nearest neighbours, with weighted items; the one user of hdbscan.

Campello, Moulavi, Sander (2013), "Density-based clustering based on hierarchical density estimates",
over cosine distance d = 1 - similarity. The minimum spanning tree of the mutual reachability graph is
ours (Borůvka over the neighbour lists); the condensed tree, stability and selection are hdbscan's (why: D-111).
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from fingerprint.base.jit import njit
from fingerprint.base.sparse import components
from fingerprint.base.types import Doubles, FloatArray, Ids, IntArray
from fingerprint.clustering.knn import Neighbours
from fingerprint.clustering.spanning_tree import (
    FAR,
    FLOOR,
    Edges,
    collapse,
    core_distances,
    find_root,
    spanning_tree,
)
from fingerprint.domain.errors import UsageError

Selection = Literal["eom", "leaf"]


def _hdbscan_tree() -> Any:
    """Load hdbscan's module of trees by itself: its package loads scikit-learn, a third of a second of every start."""
    package = find_spec("hdbscan")
    assert package is not None
    spec = PathFinder.find_spec("hdbscan._hdbscan_tree", package.submodule_search_locations)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_tree = _hdbscan_tree()


@dataclass(frozen=True, slots=True)
class Clusters:
    """A flat clustering; clusters are numbered by their first item.

    labels: (n,) int32, -1 for noise.
    probability: (n,) float32, strength of membership, 0 (noise) to 1 (core).
    """

    labels: Ids
    probability: FloatArray


def cluster(
    neighbours: Neighbours,
    weight: IntArray,
    *,
    min_cluster_size: int,
    min_samples: int,
    selection: Selection = "eom",
    epsilon: float = 0.0,
    floor: float = FLOOR,
) -> Clusters:
    """Cluster n distinct items, each of which stands for `weight` identical ones.

    The result is that of hdbscan.HDBSCAN over all the identical items, with distances under `floor` raised to
    it (no infinite λ) and a copy never parted from its twin. An item that alone weighs min_cluster_size is a
    cluster even where there is no other (Campello, Moulavi & Sander 2013; McInnes & Healy 2017).
    neighbours: of n items. weight: (n,) int64, at least 1. floor, epsilon: cosine distances, 0 to 2.
    Groups that no chain of neighbours joins are taken to be FAR apart: they never share a cluster, and more noise
    counts as theirs.
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
    core = core_distances(neighbours.ids, distance, weight, max(1, min(total - 1, min_samples)))
    core = np.maximum(core, floor)
    tree = spanning_tree(neighbours.ids, distance, core)
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


def _join(tree: Edges, weight: IntArray, min_cluster_size: int, floor: float) -> Edges:
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
    return Edges(
        np.concatenate([copied, tree.low, head[:-1]]),
        np.concatenate([n + np.arange(len(copied)), tree.high, head[1:]]),
        np.concatenate([np.full(len(copied), floor), tree.length, np.full(len(head) - 1, FAR)]),
    )


@njit(cache=True, nogil=True)
def _linkage(low: IntArray, high: IntArray, length: Doubles, leaf: IntArray) -> Doubles:
    """Single linkage in SciPy's format, (leaves - 1, 4), with leaves of any size."""
    n = leaf.shape[0]
    parent, size = np.empty(2 * n - 1, np.int64), np.empty(2 * n - 1, np.int64)
    for i in range(2 * n - 1):
        parent[i], size[i] = i, leaf[i] if i < n else 0
    out = np.empty((n - 1, 4))
    for e in range(n - 1):
        a, b = find_root(parent, low[e]), find_root(parent, high[e])
        parent[a] = parent[b] = n + e
        size[n + e] = size[a] + size[b]
        out[e, 0], out[e, 1], out[e, 2], out[e, 3] = a, b, length[e], size[n + e]
    return out


def _condense(
    edges: Edges, weight: IntArray, min_cluster_size: int
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
