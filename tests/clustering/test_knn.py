"""The neighbour graph against brute force."""

import numpy as np
import pytest

from fingerprint.clustering import knn
from fingerprint.clustering.knn import knn_graph
from fingerprint.domain.errors import UsageError


def unit(n: int, d: int = 16, seed: int = 0) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal((n, d))
    return np.ascontiguousarray(x / np.linalg.norm(x, axis=1, keepdims=True), dtype=np.float32)


def blobs(n: int, d: int = 16, centres: int = 40) -> np.ndarray:
    rng = np.random.default_rng(1)
    x = unit(centres, d)[rng.integers(0, centres, n)] + 0.05 * rng.standard_normal((n, d))
    return np.ascontiguousarray(x / np.linalg.norm(x, axis=1, keepdims=True), dtype=np.float32)


def test_graph_is_exact_and_never_holds_oneself():
    x = unit(700)
    graph = knn_graph(x, 12)
    brute = x.astype(np.float64) @ x.T
    np.fill_diagonal(brute, -2)
    expected = np.argsort(-brute, axis=1)[:, :12]
    np.testing.assert_array_equal(graph.ids, expected)
    np.testing.assert_allclose(graph.similarity, np.take_along_axis(brute, expected, 1), atol=1e-6)


def test_equal_neighbours_stand_in_the_order_of_their_ids():
    graph = knn_graph(np.repeat(unit(3), 5, axis=0), 4)
    assert graph.ids[0].tolist() == [1, 2, 3, 4]
    assert graph.ids[7].tolist() == [5, 6, 8, 9]
    assert np.all(graph.similarity > 0.9999)


def test_rows_of_zeros_have_no_neighbours_and_are_none():
    x = unit(6)
    x[2] = 0
    graph = knn_graph(x, 8)
    assert set(graph.ids[2]) == {-1}
    assert 2 not in graph.ids
    assert graph.ids[0].tolist()[4:] == [-1] * 4
    assert np.all(graph.similarity[0, 4:] == -1)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_small_inputs(n):
    graph = knn_graph(unit(n), 5)
    assert graph.ids.shape == graph.similarity.shape == (n, 5)
    assert np.count_nonzero(graph.ids >= 0) == (2 if n == 2 else 0)


def test_inverted_lists_find_nearly_all_and_do_not_depend_on_threads(monkeypatch):
    x = blobs(6000)
    exact = knn_graph(x, 10)
    monkeypatch.setattr(knn, "EXACT_UP_TO", 5000)
    calls: list[tuple[int, int]] = []
    one = knn_graph(x, 10, threads=1, on_progress=lambda done, total: calls.append((done, total)))
    two = knn_graph(x, 10, threads=2)
    np.testing.assert_array_equal(one.ids, two.ids)
    np.testing.assert_array_equal(one.similarity, two.similarity)
    shared = np.mean([len(np.intersect1d(a, b)) / 10 for a, b in zip(exact.ids, one.ids, strict=True)])
    assert shared > 0.95
    assert calls[-1] == (6000, 6000)


def test_wrong_vectors_are_refused():
    with pytest.raises(UsageError, match=r"row 1 has length 2"):
        knn_graph(unit(3) * np.float32([[1], [2], [1]]), 2)
    with pytest.raises(UsageError, match=r"float32 vectors expected, .* float64 given"):
        knn_graph(unit(3).astype(np.float64), 2)
    with pytest.raises(UsageError, match="k = 0"):
        knn_graph(unit(3), 0)
