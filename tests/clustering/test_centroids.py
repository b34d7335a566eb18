"""A few queries find what FAISS finds when it chooses the inverted lists by itself."""

from __future__ import annotations

import numpy as np
import pytest

from fingerprint.clustering.faiss_index import FEW, centroids_of, make_index, nearest


@pytest.mark.parametrize("queries", [0, 1, 3, 4, 9, FEW + 1])
def test_as_faiss_alone(queries: int) -> None:
    rng = np.random.default_rng(queries)
    points = rng.standard_normal((900, 24)).astype(np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    index = make_index(points, "Flat", 0, exact_up_to=500, probes=5)
    centroids = centroids_of(index)
    assert centroids.shape == (120, 24)
    asked = points[:queries] + rng.standard_normal((queries, 24)).astype(np.float32) * np.float32(0.2)
    products, numbers = nearest(index, centroids, asked, 6)
    expected, wanted = index.search(asked, 6)
    assert numbers.tolist() == wanted.tolist()
    np.testing.assert_allclose(products, expected, atol=1e-6)


def test_more_lists_are_read_than_there_are_and_an_exact_index_has_none() -> None:
    points = np.eye(64, dtype=np.float32)
    exact = make_index(points, "Flat", 0, exact_up_to=100)
    assert len(centroids_of(exact)) == 0
    assert nearest(exact, centroids_of(exact), points, 1)[1].ravel().tolist() == list(range(64))
    lists = make_index(points, "Flat", 0, exact_up_to=32, probes=50)
    assert nearest(lists, centroids_of(lists), points, 1)[1].ravel().tolist() == list(range(64))
