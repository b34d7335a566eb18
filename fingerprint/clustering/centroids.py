"""Which inverted lists a few queries look into: FAISS reads all centroids anew for each query, this for four at a time."""

from __future__ import annotations

import numpy as np
from numba import njit

from fingerprint.base.jit import kernel, kernel_with
from fingerprint.base.types import FloatArray, IntArray

TOGETHER = 4
"""Queries that are compared with a centroid while it is in the processor's registers."""


@njit(cache=True, nogil=True)
def nearest_centroids(queries: FloatArray, centroids: FloatArray, probes: int) -> tuple[IntArray, FloatArray]:
    """Return the lists of the centroids nearest to each query, (q, probes) int64, and their inner products, descending.

    queries: (q, d), centroids: (c, d), float32; probes: at most c.
    """
    lists = np.empty((len(queries), probes), np.int64)
    products = np.full((len(queries), probes), np.float32(-np.inf), np.float32)
    several = np.zeros((TOGETHER, queries.shape[1]), np.float32)
    for first in range(0, len(queries), TOGETHER):
        count = min(TOGETHER, len(queries) - first)
        for n in range(count):
            for i in range(queries.shape[1]):
                several[n, i] = queries[first + n, i]
        for c in range(len(centroids)):
            product = _four_products(several, centroids, c)
            for n in range(count):
                if product[n] > products[first + n, probes - 1]:
                    _insert(lists, products, first + n, c, product[n])
    return lists, products


@kernel
def _insert(lists: IntArray, products: FloatArray, row: int, which: int, product: np.float32) -> None:
    """Put a list where it belongs in a row of descending products."""
    at = lists.shape[1] - 1
    while at > 0 and products[row, at - 1] < product:
        products[row, at], lists[row, at] = products[row, at - 1], lists[row, at - 1]
        at -= 1
    products[row, at], lists[row, at] = product, which


# sums may be taken in any order, so in vector registers
@kernel_with(fastmath=True)
def _four_products(
    queries: FloatArray, centroids: FloatArray, c: int
) -> tuple[np.float32, np.float32, np.float32, np.float32]:
    """Return the inner products of a centroid with four queries (4, d)."""
    w, x, y, z = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
    for i in range(queries.shape[1]):
        value = centroids[c, i]
        w += queries[0, i] * value
        x += queries[1, i] * value
        y += queries[2, i] * value
        z += queries[3, i] * value
    return w, x, y, z
