"""A neighbour search in parts: each shard holds some of the points, and what all of them find is merged.

With exact search the nearest of all are among the nearest of each part. With inverted lists all parts have the
same lists, trained on all points, so together they probe what one index would.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fingerprint.base.types import Bytes, FloatArray, IntArray
from fingerprint.clustering.faiss_index import fill, set_threads

ShardHits = tuple[FloatArray, IntArray]
"""Similarity (q, wide) float32, descending, and numbers (q, wide) int64 within the shard, -1 = none."""


class Shard:
    """Consecutive points of a larger index, searched by one thread."""

    def __init__(self, empty: Bytes, points: FloatArray) -> None:
        """empty: what `faiss_index.train` returned. points: (p, d) float32 unit rows."""
        set_threads(1)
        self._index = fill(empty, points)

    def search(self, queries: FloatArray, wide: int) -> ShardHits:
        """Find the `wide` nearest of its points to each query (q, d)."""
        similarity, number = self._index.search(queries, wide)
        return similarity, number


def merge_hits(parts: Sequence[ShardHits], first: Sequence[int], wide: int) -> IntArray:
    """Return the numbers (q, wide) of the nearest among what all shards found, -1 = none; equals by their number.

    first: number of each shard's first point; the shards stand in that order.
    """
    similarity = np.concatenate([hits[0] for hits in parts], axis=1)
    number = np.concatenate(
        [np.where(hits[1] >= 0, hits[1] + at, -1) for hits, at in zip(parts, first, strict=True)], axis=1
    )
    nearest = np.argsort(np.where(number >= 0, -similarity, np.inf), axis=1, kind="stable")[:, :wide]
    return np.asarray(np.take_along_axis(number, nearest, axis=1), dtype=np.int64)
