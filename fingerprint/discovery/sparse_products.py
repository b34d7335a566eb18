"""Products of sparse matrices of ones of which only a part is wanted: most of a full product is small counts.

Rows are worked by all processors; the result does not depend on how many.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from numba import njit
from scipy import sparse

from fingerprint.base.types import FloatArray, Ids, IntArray

FEW = 1 << 16
"""Terms of a product that are not worth several threads."""

Reals = npt.NDArray[np.floating]
Part = TypeVar("Part")


def counts_from(a: sparse.csr_matrix, b: sparse.csr_matrix, least: Reals) -> sparse.csr_matrix:
    """Return the entries of a @ b, two matrices of ones, that reach least (rows of a,) and 1; columns ascend.

    Of a holds-matrix and postings: how many of the things that a row names each column holds, where these are many.
    """
    parts = _in_parts(a, b, lambda begin, end: _from(a, b, least, begin, end))
    lengths, columns, counts = (np.concatenate(column) for column in zip(*parts, strict=True))
    ends = np.concatenate([[0], np.cumsum(lengths)])
    if ends[-1] < 2**31:
        ends = ends.astype(np.int32)
    return sparse.csr_matrix((counts, columns, ends), shape=(a.shape[0], b.shape[1]))


def counts_at(a: sparse.csr_matrix, b: sparse.csr_matrix, at: sparse.csr_matrix) -> FloatArray:
    """Return the entries of a @ b, two matrices of ones, where `at` has its own, in the order of at.data."""
    parts = _in_parts(a, b, lambda begin, end: _at(a, b, at, begin, end))
    return np.concatenate(parts)


def _from(
    a: sparse.csr_matrix, b: sparse.csr_matrix, least: Reals, begin: int, end: int
) -> tuple[IntArray, Ids, FloatArray]:
    return _counted(a.indptr, a.indices, b.indptr, b.indices, b.shape[1], least, begin, end)


def _at(
    a: sparse.csr_matrix, b: sparse.csr_matrix, at: sparse.csr_matrix, begin: int, end: int
) -> FloatArray:
    return _counted_at(
        a.indptr, a.indices, b.indptr, b.indices, at.indptr, at.indices, b.shape[1], begin, end
    )


def _in_parts(a: sparse.csr_matrix, b: sparse.csr_matrix, work: Callable[[int, int], Part]) -> list[Part]:
    """Call work(begin, end) for rows that cost about as much, and return the results in their order."""
    terms = np.concatenate([[0], np.cumsum(np.diff(b.indptr)[a.indices])])[a.indptr]
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if threads == 1 or terms[-1] < FEW:
        return [work(0, a.shape[0])]
    cuts = np.unique(np.searchsorted(terms, np.linspace(0, terms[-1], 4 * threads + 1)))
    cuts[0], cuts[-1] = 0, a.shape[0]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, cuts[:-1].tolist(), cuts[1:].tolist()))


@njit(cache=True, nogil=True)
def _counted(
    a_at: Ids, a: Ids, b_at: Ids, b: Ids, columns: int, least: Reals, begin: int, end: int
) -> tuple[IntArray, Ids, FloatArray]:
    count = np.zeros(columns, dtype=np.int32)
    touched = np.empty(columns, dtype=np.int32)
    lengths = np.zeros(end - begin, dtype=np.int64)
    out, data = np.empty(1024, dtype=np.int32), np.empty(1024, dtype=np.float32)
    written = 0
    for row in range(begin, end):
        some = 0
        for i in range(a_at[row], a_at[row + 1]):
            for j in range(b_at[a[i]], b_at[a[i] + 1]):
                if count[b[j]] == 0:
                    touched[some] = b[j]
                    some += 1
                count[b[j]] += 1
        kept = 0
        for t in range(some):
            if count[touched[t]] >= least[row]:
                kept += 1
        if written + kept > len(out):
            room = 2 * (written + kept)
            wider, more = np.empty(room, dtype=np.int32), np.empty(room, dtype=np.float32)
            wider[:written], more[:written] = out[:written], data[:written]
            out, data = wider, more
        place = written
        for t in range(some):
            if count[touched[t]] >= least[row]:
                out[place] = touched[t]
                place += 1
        out[written:place].sort()
        for p in range(written, place):
            data[p] = count[out[p]]
        for t in range(some):
            count[touched[t]] = 0
        lengths[row - begin] = kept
        written = place
    return lengths, out[:written].copy(), data[:written].copy()


@njit(cache=True, nogil=True)
def _counted_at(
    a_at: Ids, a: Ids, b_at: Ids, b: Ids, wanted_at: Ids, wanted: Ids, columns: int, begin: int, end: int
) -> FloatArray:
    count = np.zeros(columns, dtype=np.int32)
    mine = np.full(columns, -1, dtype=np.int64)
    first = wanted_at[begin]
    out = np.zeros(wanted_at[end] - first, dtype=np.float32)
    for row in range(begin, end):
        for w in range(wanted_at[row], wanted_at[row + 1]):
            mine[wanted[w]] = row
            count[wanted[w]] = 0
        for i in range(a_at[row], a_at[row + 1]):
            for j in range(b_at[a[i]], b_at[a[i] + 1]):
                if mine[b[j]] == row:
                    count[b[j]] += 1
        for w in range(wanted_at[row], wanted_at[row + 1]):
            out[w - first] = count[wanted[w]]
    return out
