"""Rows, owners and sums of CSR matrices, and the connected components of a graph."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse

from fingerprint.base.types import Doubles, Ids, IntArray


def ranges(offsets: IntArray, rows: npt.NDArray[np.integer]) -> tuple[IntArray, IntArray]:
    """Return the places of the values of some rows (m,), one row after the other, and where each row's begin, (m + 1,).

    offsets: (n + 1,) where the values of all rows begin.
    """
    lengths = np.diff(offsets)[rows]
    ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return np.arange(ends[-1]) + np.repeat(offsets[rows] - ends[:-1], lengths), ends


def family_of(pool: sparse.csr_matrix) -> IntArray:
    """Return the row, a family, of each of the e stored entries of a pool (f, a) CSR, (e,) int64."""
    return np.repeat(np.arange(pool.shape[0]), np.diff(pool.indptr))


def sum_of(pool: sparse.csr_matrix, values: Doubles) -> Doubles:
    """Sum values (e,) of the stored entries of a pool (f, a) CSR by row, (f,) float64."""
    return np.bincount(family_of(pool), weights=values, minlength=pool.shape[0]).astype(np.float64)


def components(i: npt.NDArray[np.integer], j: npt.NDArray[np.integer], count: int) -> Ids:
    """Label the connected components of the pairs (i, j), each (m,), among `count` items.

    Returns (count,) int32, 0 to the number of components - 1 in the order of their first items.
    """
    graph = sparse.csr_matrix((np.ones(len(i), np.float32), (i, j)), shape=(count, count))
    # SciPy walks from item 0 on and gives the next number to each one it has not reached yet
    return np.asarray(sparse.csgraph.connected_components(graph, directed=False)[1], dtype=np.int32)
