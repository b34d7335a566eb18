"""The clustering against hdbscan.HDBSCAN on the full distance matrix, and the cases that break it."""

import hdbscan
import numpy as np
import numpy.typing as npt
import pytest
from sklearn.metrics import adjusted_rand_score

from fingerprint.clustering.hdbscan_graph import Clusters, cluster
from fingerprint.clustering.knn import Neighbours, knn_graph
from fingerprint.clustering.spanning_tree import FLOOR, collapse
from fingerprint.domain.errors import UsageError


def on_sphere(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    return np.ascontiguousarray(points / np.linalg.norm(points, axis=1, keepdims=True), dtype=np.float32)


def traffic(seed: int) -> npt.NDArray[np.float32]:
    """Twenty blobs of 20 to 150 points and of varied density, 400 points of noise, and copies of all kinds."""
    rng = np.random.default_rng(seed)
    blobs = [
        rng.standard_normal(32) + rng.uniform(0.2, 0.8) * rng.standard_normal((rng.integers(20, 150), 32))
        for _ in range(20)
    ]
    points = on_sphere(np.concatenate([*blobs, rng.standard_normal((400, 32))]))
    again = rng.integers(0, len(points), 300)
    often = np.repeat(rng.integers(0, len(points), 5), rng.integers(5, 60))
    return points[rng.permutation(np.concatenate([np.arange(len(points)), again, often]))]


def weighted(points: npt.NDArray[np.float32], k: int, **options: int) -> npt.NDArray[np.int32]:
    distinct = collapse(points)
    found = cluster(knn_graph(points[distinct.first], k), distinct.weight, **options)
    return found.labels[distinct.inverse]


def full(points: npt.NDArray[np.float32], **options: int) -> npt.NDArray[np.int64]:
    exact = points.astype(np.float64)
    distance = np.maximum(1 - exact @ exact.T, FLOOR)
    np.fill_diagonal(distance, 0)
    reference = hdbscan.HDBSCAN(metric="precomputed", approx_min_span_tree=False, **options)
    return reference.fit(distance).labels_


@pytest.mark.parametrize("seed", range(10))
def test_agrees_with_hdbscan_on_the_full_matrix(seed):
    points = traffic(seed)
    options = {"min_cluster_size": 20, "min_samples": 5}
    expected = full(points, **options)
    assert expected.max() > 10
    assert (expected < 0).sum() > 250
    assert adjusted_rand_score(expected, weighted(points, 64, **options)) >= 0.98


@pytest.mark.parametrize(
    "options",
    [
        {"min_cluster_size": 10, "min_samples": 1},
        {"min_cluster_size": 15, "min_samples": 12},
        {"min_cluster_size": 10, "min_samples": 5, "epsilon": 0.3},
    ],
)
def test_agrees_under_other_settings(options):
    points = traffic(11)
    reference = {("cluster_selection_epsilon" if o == "epsilon" else o): v for o, v in options.items()}
    assert adjusted_rand_score(full(points, **reference), weighted(points, 64, **options)) >= 0.98


def test_leaf_selection_agrees_without_copies():
    points = np.unique(traffic(12), axis=0)
    expected = full(points, min_cluster_size=20, min_samples=5, cluster_selection_method="leaf")
    found = weighted(points, 64, min_cluster_size=20, min_samples=5, selection="leaf")
    assert adjusted_rand_score(expected, found) >= 0.98


def test_agrees_where_the_neighbour_lists_connect_nothing():
    rng = np.random.default_rng(0)
    centres = np.repeat(np.eye(6, 24), [300, 200, 150, 100, 80, 60], axis=0)
    points = on_sphere(
        np.concatenate([centres + 0.02 * rng.standard_normal(centres.shape), centres[:30] + 0.3])
    )
    options = {"min_cluster_size": 25, "min_samples": 5}
    assert adjusted_rand_score(full(points, **options), weighted(points, 10, **options)) >= 0.98


def lists(points: npt.NDArray[np.float32], k: int = 30) -> Neighbours:
    return knn_graph(points, k)


def ones(n: int) -> npt.NDArray[np.int64]:
    return np.ones(n, dtype=np.int64)


def test_identical_rows_share_a_label():
    points = np.repeat(traffic(3)[:400], 3, axis=0)
    labels = weighted(points, 30, min_cluster_size=9, min_samples=3)
    assert np.all(labels.reshape(-1, 3) == labels[::3, None])


def test_groups_without_a_chain_of_neighbours_never_share_a_cluster():
    rng = np.random.default_rng(0)
    centres = np.eye(5, 16)
    points = on_sphere(np.repeat(centres, 40, axis=0) + 0.01 * rng.standard_normal((200, 16)))
    for selection in ("eom", "leaf"):
        found = cluster(lists(points, 10), ones(200), min_cluster_size=30, min_samples=5, selection=selection)
        assert found.labels.tolist() == np.repeat(np.arange(5), 40).tolist()
        assert found.probability.max() == 1
        assert found.probability.min() > 0


def test_light_groups_are_noise_beside_heavy_ones():
    rng = np.random.default_rng(0)
    sizes = [40, 3, 50, 1, 2]
    points = on_sphere(np.repeat(np.eye(5, 16), sizes, axis=0) + 0.01 * rng.standard_normal((96, 16)))
    bare = cluster(Neighbours(*sparse(points, 0.5)), ones(96), min_cluster_size=20, min_samples=2)
    assert bare.labels.tolist() == [0] * 40 + [-1] * 3 + [1] * 50 + [-1] * 3
    assert np.all(bare.probability[bare.labels < 0] == 0)


def sparse(points: npt.NDArray[np.float32], least: float) -> tuple[np.ndarray, np.ndarray]:
    graph = lists(points, 30)
    near = graph.similarity >= least
    return np.where(near, graph.ids, np.int32(-1)), np.where(near, graph.similarity, np.float32(-1))


def test_one_distinct_item_of_enough_weight_is_a_cluster():
    found = cluster(lists(on_sphere(np.ones((1, 4)))), np.array([20]), min_cluster_size=20, min_samples=5)
    assert found.labels.tolist() == [0]
    assert found.probability.tolist() == [1]


def test_one_heavy_item_among_strangers_is_a_cluster_of_its_own():
    weight = ones(10)
    weight[4] = 30
    found = cluster(lists(on_sphere(np.eye(10))), weight, min_cluster_size=20, min_samples=5)
    assert found.labels.tolist() == [-1] * 4 + [0] + [-1] * 5


def test_two_heavy_items_are_two_clusters():
    points = on_sphere(np.array([[1, 0, 0], [0.9, 0.4, 0], [0, 0, 1]]))
    found = cluster(lists(points), np.array([30, 25, 1]), min_cluster_size=20, min_samples=5)
    assert found.labels.tolist() == [0, 1, -1]


def test_strangers_are_noise():
    found = cluster(lists(on_sphere(np.eye(60))), ones(60), min_cluster_size=5, min_samples=3)
    assert set(found.labels) == {-1}


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_next_to_nothing(n):
    points = on_sphere(np.random.default_rng(0).standard_normal((n, 4)))
    found = cluster(lists(points), ones(n), min_cluster_size=2, min_samples=5)
    assert found.labels.tolist() == [-1] * n
    assert found.labels.dtype == np.int32


def test_rows_of_zeros_are_noise():
    rng = np.random.default_rng(0)
    points = on_sphere(np.repeat(np.eye(3, 8), 30, axis=0) + 0.01 * rng.standard_normal((90, 8)))
    points[[5, 50]] = 0
    found = cluster(lists(points), ones(90), min_cluster_size=10, min_samples=3)
    expected = np.repeat([0, 1, 2], 30)
    expected[[5, 50]] = -1
    assert found.labels.tolist() == expected.tolist()


def test_a_higher_floor_keeps_a_tight_knot_inside_its_family():
    rng = np.random.default_rng(0)
    centre = np.repeat(np.eye(2, 16), [200, 100], axis=0)
    points = on_sphere(centre + 0.15 * rng.standard_normal(centre.shape))
    points[:25] = on_sphere(points[:1] + 1e-3 * rng.standard_normal((25, 16)))
    options = {"min_cluster_size": 20, "min_samples": 5}
    low = cluster(lists(points), ones(300), **options).labels
    high = cluster(lists(points), ones(300), floor=0.3, **options).labels
    assert np.mean(low[:200] == low[0]) < 0.2
    assert np.mean(high[:200] == high[0]) > 0.9
    assert high[0] != high[250]


def test_order_of_the_rows_does_not_matter():
    points = np.unique(traffic(5), axis=0)
    order = np.random.default_rng(0).permutation(len(points))
    options = {"min_cluster_size": 20, "min_samples": 5}
    straight = weighted(points, 30, **options)
    assert adjusted_rand_score(straight[order], weighted(points[order], 30, **options)) > 0.995


def test_clusters_are_numbered_by_their_first_item():
    labels = weighted(traffic(6), 30, min_cluster_size=20, min_samples=5)
    first = [int(np.flatnonzero(labels == c)[0]) for c in range(labels.max() + 1)]
    assert first == sorted(first)


def test_settings_that_do_not_fit_are_refused():
    graph = lists(on_sphere(np.eye(9)), 3)

    def call(weight: npt.NDArray[np.int64], size: int = 5, samples: int = 3) -> Clusters:
        return cluster(graph, weight, min_cluster_size=size, min_samples=samples)

    with pytest.raises(UsageError, match="9 weights of at least 1 expected, 8 given"):
        call(ones(8))
    with pytest.raises(UsageError, match="9 given, the least 0"):
        call(ones(9) * 0)
    with pytest.raises(UsageError, match="5 neighbours an item expected for min_samples 5, 3 given"):
        call(ones(9), samples=5)
    with pytest.raises(UsageError, match="1 and 3 given"):
        call(ones(9), size=1)
    with pytest.raises(UsageError, match=r"floor between 0 and 3\.0 expected, 0\.0 given"):
        cluster(graph, ones(9), min_cluster_size=5, min_samples=3, floor=0.0)


def test_collapse_keeps_first_appearance():
    found = collapse(np.array([7, 3, 7, 9, 3, 7], dtype=np.uint64))
    assert found.first.tolist() == [0, 1, 3]
    assert found.inverse.tolist() == [0, 1, 0, 2, 1, 0]
    assert found.weight.tolist() == [3, 2, 1]
    assert collapse(np.zeros((0, 4), np.float32)).weight.tolist() == []
