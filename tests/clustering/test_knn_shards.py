"""Shards of an index find together what the whole index finds."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from fingerprint.base.types import FloatArray, IntArray
from fingerprint.clustering import faiss_index, knn
from fingerprint.clustering.faiss_index import train
from fingerprint.clustering.knn import knn_graph
from fingerprint.clustering.knn_shards import Shard, merge_hits


def unit(n: int, d: int = 32) -> FloatArray:
    """Return clustered unit rows, some of them equal."""
    random = np.random.default_rng(5)
    centres = random.normal(size=(200, d))
    x = centres[random.integers(0, 200, n)] + 0.3 * random.normal(size=(n, d))
    x[1::50] = x[::50][: len(x[1::50])]
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), dtype=np.float32)


def in_shards(points: FloatArray, wide: int, seed: int, exact_up_to: int) -> Iterator[IntArray]:
    cuts = [0, len(points) // 5, len(points) // 2, len(points)]
    empty = train(points, seed, exact_up_to)
    shards = [Shard(empty, points[a:b]) for a, b in pairwise(cuts)]
    for start in range(0, len(points), faiss_index.BATCH):
        queries = points[start : start + faiss_index.BATCH]
        yield merge_hits([shard.search(queries, wide) for shard in shards], cuts[:-1], wide)


@pytest.mark.parametrize("exact_up_to", [faiss_index.EXACT_UP_TO, 1_000])
def test_shards_find_what_one_index_finds(exact_up_to: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (faiss_index, knn):
        monkeypatch.setattr(module, "BATCH", 3_000)
    x = unit(10_000)
    one = knn_graph(x, 10, exact_up_to=exact_up_to)
    parts = knn_graph(x, 10, exact_up_to=exact_up_to, search=in_shards)
    assert np.array_equal(one.ids, parts.ids)
    assert np.array_equal(one.similarity, parts.similarity)


def test_equal_points_come_by_number_and_missing_ones_last() -> None:
    similarity = np.array([[0.9, 0.5, -1.0]], dtype=np.float32)
    left, right = np.array([[4, 1, -1]]), np.array([[0, 2, -1]])
    found = merge_hits([(similarity, left), (similarity, right)], [0, 10], 5)
    assert found.tolist() == [[4, 10, 1, 12, -1]]
