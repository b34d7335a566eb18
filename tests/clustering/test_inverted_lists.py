"""The nearest of many points through lists, against all pairs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fingerprint.base.types import FloatArray, Ids
from fingerprint.clustering import all_pairs, inverted_lists
from fingerprint.clustering.inverted_lists import ListSearch, main_directions
from fingerprint.clustering.knn import knn_graph


def clustered(n: int, d: int = 32) -> FloatArray:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((40, d))[rng.integers(0, 40, n)] + 0.3 * rng.standard_normal((n, d))
    return np.ascontiguousarray(x / np.linalg.norm(x, axis=1, keepdims=True), dtype=np.float32)


def nearest(x: FloatArray, wide: int, probes: int, threads: int = 2) -> Ids:
    with ThreadPoolExecutor(threads) as pool:
        return np.sort(inverted_lists.nearest(x, wide, 0, probes, pool=pool), axis=1)


def test_who_looks_into_all_lists_finds_what_all_pairs_show_whatever_the_threads() -> None:
    x = clustered(2_000)
    with ThreadPoolExecutor(2) as pool:
        exact = np.sort(all_pairs.nearest(x, 20, pool=pool), axis=1)
    all_lists = nearest(x, 20, 10_000)
    np.testing.assert_array_equal(all_lists, exact)
    np.testing.assert_array_equal(all_lists, nearest(x, 20, 10_000, threads=1))


def test_of_equal_points_the_first_are_taken() -> None:
    x = np.tile(np.eye(4, dtype=np.float32), (100, 1))
    assert nearest(x, 5, 1)[0].tolist() == [4, 8, 12, 16, 20]
    assert nearest(x, 5, 1)[399].tolist() == [3, 7, 11, 15, 19]


@pytest.mark.parametrize("n", [2, 9, 40])
def test_few_points_have_as_many_neighbours_as_there_are(n: int) -> None:
    places = nearest(clustered(n), 50, 10_000)
    assert (places >= 0).sum(axis=1).tolist() == [n - 1] * n
    assert all(row not in others for row, others in enumerate(places.tolist()))


@pytest.mark.parametrize(("lists", "probes"), [(1, 1), (33, 33), (64, 5), (75, 8)])
def test_the_nearest_lists_come_in_order_of_equal_ones_the_first(lists: int, probes: int) -> None:
    rng = np.random.default_rng(0)
    points = rng.integers(-2, 3, (1_100, 3)).astype(
        np.float32
    )  # whole numbers: products are equal, or differ
    centres = rng.integers(-2, 3, (lists, 3)).astype(np.float32)
    with ThreadPoolExecutor(2) as pool:
        own = inverted_lists.nearest_centroids(points, centres, probes, pool=pool)
    np.testing.assert_array_equal(own, np.argsort(-(points @ centres.T), axis=1, kind="stable")[:, :probes])


def test_few_of_the_lists_show_nearly_all_neighbours() -> None:
    x = clustered(6_000)
    exact = knn_graph(x, 10)
    found = knn_graph(x, 10, search=ListSearch(probes=16, directions=32))
    shared = np.mean([len(np.intersect1d(a, b)) / 10 for a, b in zip(exact.ids, found.ids, strict=True)])
    assert shared > 0.95


def test_main_directions_keep_what_varies() -> None:
    x = clustered(500)
    flat = np.concatenate([x, np.zeros_like(x)], axis=1)
    with ThreadPoolExecutor(2) as two, ThreadPoolExecutor(1) as one:
        assert main_directions(x, 32, pool=two) is x
        kept = main_directions(flat, 32, pool=two)
        assert kept.tobytes() == main_directions(flat, 32, pool=one).tobytes()
    assert kept.shape == (500, 32)
    np.testing.assert_allclose(kept @ kept.T, x @ x.T, atol=1e-5)
