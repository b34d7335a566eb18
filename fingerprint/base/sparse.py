"""Rows, owners and sums of CSR matrices, and the connected components of a graph."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from scipy import sparse

from fingerprint.base.jit import kernel
from fingerprint.base.types import Doubles, Ids, IntArray

Value = TypeVar("Value", bound=np.generic)


def ranges(offsets: IntArray, rows: npt.NDArray[np.integer]) -> tuple[IntArray, IntArray]:
    """Return the places of the values of some rows (m,), one row after the other, and where each row's begin, (m + 1,).

    offsets: (n + 1,) where the values of all rows begin.
    """
    ends = ends_of(offsets, rows)
    return np.arange(ends[-1]) + np.repeat(offsets[rows] - ends[:-1], np.diff(ends)), ends


def copied(
    values: npt.NDArray[Value], offsets: IntArray, rows: npt.NDArray[np.integer], ends: IntArray
) -> npt.NDArray[Value]:
    """Return the values of some rows (m,), one row after the other, as values[ranges(offsets, rows)[0]] would.

    values: (p,) of 1 or 8 bytes each. offsets: (n + 1,) where the values of all rows begin. ends: (m + 1,) where those of
    each of these begin in the result, as `ranges` returns them, or `ends_of`.
    """
    plain = np.uint64 if values.dtype.itemsize == 8 else np.uint8
    out = np.empty(ends[-1], dtype=values.dtype)
    _copy_rows(values.view(plain), offsets, rows.astype(np.int64), ends, out.view(plain))
    return out


def ends_of(offsets: IntArray, rows: npt.NDArray[np.integer]) -> IntArray:
    """Return where the values of each of some rows (m,) begin once these are put one after the other, (m + 1,)."""
    return np.concatenate([[0], np.cumsum(np.diff(offsets)[rows])]).astype(np.int64)


@kernel
def _copy_rows(
    values: npt.NDArray[Any], offsets: IntArray, rows: IntArray, ends: IntArray, out: npt.NDArray[Any]
) -> None:
    for r in range(len(rows)):
        begin = offsets[rows[r]] - ends[r]
        for place in range(ends[r], ends[r + 1]):
            out[place] = values[begin + place]


def spans_of(offsets: IntArray, count: int) -> list[tuple[int, int]]:
    """Cut rows into at most so many spans of about as many values: begin and end of each.

    offsets: (n + 1,) where the values of all rows begin. Without values there is no span.
    """
    cuts = np.unique(np.searchsorted(offsets, np.linspace(offsets[0], offsets[-1], count + 1)))
    cuts[-1] = len(offsets) - 1
    return list(pairwise(cuts.tolist()))


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
    label = np.arange(count, dtype=np.int32)
    _join_pairs(i.astype(np.int64), j.astype(np.int64), label)
    return label


@kernel
def _join_pairs(i: IntArray, j: IntArray, label: Ids) -> None:
    """Write the numbers of the components of pairs to `label` (count,), in which each item stands for itself (union-find)."""
    for e, one in enumerate(i):
        a, b = one, j[e]
        while label[a] != a:
            label[a] = label[label[a]]
            a = label[a]
        while label[b] != b:
            label[b] = label[label[b]]
            b = label[b]
        label[max(a, b)] = min(a, b)
    components = 0
    for item in range(
        len(label)
    ):  # the first item of each is its root, and what stands above an item is before it
        above = label[item]
        label[item] = components if above == item else label[above]
        components += above == item
