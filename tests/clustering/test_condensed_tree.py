"""The condensed tree against hdbscan's own, on random hierarchies."""

import numpy as np
import numpy.typing as npt
import pytest
from hdbscan import _hdbscan_tree as reference

from fingerprint.clustering.condensed_tree import condense, select


def hierarchy(rng: np.random.Generator, leaves: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Edges of a random tree over leaves, of lengths that ascend and often tie."""
    order = rng.permutation(leaves)
    near = [rng.integers(max(0, i - 5), i) for i in range(1, leaves)]
    ends = np.stack([order[near], order[1:]], axis=1)[rng.permutation(leaves - 1)]
    length = np.sort(np.round(rng.gamma(2.0, 0.2, leaves - 1) + 0.001, rng.integers(1, 6)) + 1e-5)
    return ends, length


def linkage(
    ends: npt.NDArray[np.int64], length: npt.NDArray[np.float64], leaf: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """The same in SciPy's format, with leaves of any size."""
    group = {i: (i, int(size)) for i, size in enumerate(leaf)}
    parent = list(range(len(leaf)))

    def root(i: int) -> int:
        while parent[i] != i:
            i = parent[i]
        return i

    rows = []
    for e, (low, high) in enumerate(ends):
        a, b = root(low), root(high)
        (one, size), (other, more) = group[a], group[b]
        rows.append([one, other, length[e], size + more])
        parent[b] = a
        group[a] = (len(leaf) + e, size + more)
    return np.array(rows, dtype=np.float64)


def expected(
    rows: npt.NDArray[np.float64], leaf: npt.NDArray[np.int64], least: int, selection: str, epsilon: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    tree = reference.condense_tree(rows, least)
    weighed = tree.copy()
    point = tree["child"] < len(leaf)
    weighed["child_size"][point] = leaf[tree["child"][point]]
    labels, probability, _ = reference.get_clusters(
        tree, reference.compute_stability(weighed), selection, cluster_selection_epsilon=epsilon
    )
    return labels, probability


@pytest.mark.parametrize("selection", ["eom", "leaf"])
@pytest.mark.parametrize("epsilon", [0.0, 0.25])
def test_selects_what_hdbscan_selects(selection, epsilon):
    clustered = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        leaves, least = int(rng.integers(2, 300)), int(rng.integers(2, 12))
        ends, length = hierarchy(rng, leaves)
        leaf = np.where(rng.random(leaves) < 0.8, 1, rng.integers(1, 9, leaves))
        tree = condense(ends[:, 0].copy(), ends[:, 1].copy(), length, leaf, least)
        owner = select(tree, leaves=selection == "leaf", epsilon=epsilon)
        labels, probability = expected(linkage(ends, length, leaf), leaf, least, selection, epsilon)
        _, number = np.unique(owner, return_inverse=True)
        _, wanted = np.unique(labels, return_inverse=True)
        assert number.tolist() == wanted.tolist()
        assert ((owner < 0) == (labels < 0)).all()
        strength = np.minimum(tree.until, tree.death[owner]) / tree.death[owner]
        assert np.where(owner >= 0, strength, 0.0).tolist() == probability.tolist()
        clustered += len(np.unique(labels[labels >= 0])) > 1
    assert clustered > 20
