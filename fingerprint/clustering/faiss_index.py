"""The one door to FAISS: exact and inverted-list indexes of unit vectors."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import faiss
import numpy as np

from fingerprint.base.types import Bytes, FloatArray, IntArray
from fingerprint.domain.errors import UsageError

EXACT_UP_TO = 50_000
"""Vectors above this number are searched through inverted lists (D-112)."""

PROBES = 32
"""Inverted lists read per query; recall at k = 41 over 200,000 clustered 128-d vectors: 0.96."""

BATCH = 8_192


def set_threads(count: int) -> None:
    """Let FAISS use `count` threads in this process; torch and NumPy keep their own."""
    if count < 1:
        raise UsageError(f"at least 1 thread expected, {count} given")
    faiss.omp_set_num_threads(count)


def search(points: FloatArray, wide: int, seed: int, exact_up_to: int) -> Iterator[IntArray]:
    """Yield for every BATCH points the numbers of the `wide` nearest to each, (rows, wide) int64, -1 = none.

    points: (n, d) float32 unit rows; up to `exact_up_to` of them are compared one by one.
    """
    index = make_index(points, "SQ8", seed, exact_up_to=exact_up_to)
    for start in range(0, len(points), BATCH):
        yield index.search(points[start : start + BATCH], wide)[1]


def train(points: FloatArray, seed: int, exact_up_to: int) -> Bytes:
    """Return the index of `search` without its points, which is what its parts have in common.

    points: (n, d) float32 unit rows. Returns the bytes of FAISS's own format, (b,) uint8.
    """
    return np.asarray(
        faiss.serialize_index(_empty(np.ascontiguousarray(points), "SQ8", seed, exact_up_to, PROBES))
    )


def fill(empty: Bytes, points: FloatArray) -> Any:
    """Return an index that holds these points (p, d) alone; empty: what `train` returned."""
    index = faiss.deserialize_index(empty)
    index.add(np.ascontiguousarray(points))
    return index


def norms_of(vectors: FloatArray) -> FloatArray:
    """Return the lengths (n,) of rows (n, d), each 1 or 0; UsageError for any other."""
    if vectors.ndim != 2 or vectors.dtype != np.float32:
        raise UsageError(f"(n, d) float32 vectors expected, {vectors.shape} {vectors.dtype} given")
    norms: FloatArray = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    off = np.flatnonzero(~((norms == 0) | (np.abs(norms - 1) < 1e-3)))
    if len(off):
        raise UsageError(f"rows of length 1 or 0 expected, row {off[0]} has length {norms[off[0]]:.6g}")
    return norms


@contextmanager
def limit_threads(count: int | None) -> Iterator[int]:
    """Have FAISS use so many threads meanwhile, None = as many as there are processors."""
    before = faiss.omp_get_max_threads()
    wanted = count or os.cpu_count() or 1
    set_threads(wanted)
    try:
        yield wanted
    finally:
        set_threads(before)


def make_index(points: FloatArray, codes: str, seed: int, *, exact_up_to: int = EXACT_UP_TO) -> Any:
    """Index points: flat, or above `exact_up_to` inverted lists of `codes` (HNSW differs from build to build).

    points: (n, d) float32 unit rows; their inner products are cosines. codes: FAISS's name of how lists store points.
    """
    points = np.ascontiguousarray(points)
    index = _empty(points, codes, seed, exact_up_to, PROBES)
    index.add(points)
    return index


def _empty(points: FloatArray, codes: str, seed: int, exact_up_to: int, probes: int) -> Any:
    index: Any = faiss.IndexFlatIP(points.shape[1])
    if len(points) > exact_up_to:
        lists = int(4 * np.sqrt(len(points)))
        index = faiss.index_factory(points.shape[1], f"IVF{lists},{codes}", faiss.METRIC_INNER_PRODUCT)
        index.cp.seed = seed + 1
        index.cp.niter = 6
        index.cp.min_points_per_centroid = 1  # fewer only make FAISS write to stderr
        index.nprobe = probes
        wanted = min(len(points), 32 * lists)
        sample = np.random.default_rng(seed).choice(len(points), wanted, replace=False)
        replicas = _replicas(points.shape[1])
        index.clustering_index = replicas
        index.train(points[np.sort(sample)])
        index.clustering_index = None
    return index


def _replicas(dimension: int) -> Any:
    """Return an index that shares queries out among threads, each of which makes its own products (D-208)."""
    replicas: Any = faiss.IndexReplicas(dimension, True)
    replicas.own_indices = True
    for _ in range(faiss.omp_get_max_threads()):
        flat: Any = faiss.IndexFlatIP(dimension)
        flat.this.disown()
        replicas.addIndex(flat)
    return replicas


def lists_of(points: FloatArray, seed: int, exact_up_to: int) -> tuple[FloatArray, IntArray]:
    """Return centroids of inverted lists, (c, d) float32, and the list of each point, (n,) int64; up to `exact_up_to` in one.

    points: (n, d) float32 unit rows.
    """
    if len(points) <= exact_up_to:
        return np.zeros((1, points.shape[1]), np.float32), np.zeros(len(points), np.int64)
    points = np.ascontiguousarray(points)
    index = _empty(points, "Flat", seed, exact_up_to, PROBES)
    centroids = np.asarray(index.quantizer.reconstruct_n(0, index.nlist))
    return centroids, index.quantizer.search(points, 1)[1][:, 0]
