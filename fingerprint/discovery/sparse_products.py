"""Products of sparse matrices of ones of which only a part is wanted: most of a full product is small counts.

All processors share the rows; the result does not depend on how many there are.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from scipy import sparse

from fingerprint.base.growing import widened
from fingerprint.base.jit import njit
from fingerprint.base.parallel import workers
from fingerprint.base.sorting import sort_up
from fingerprint.base.types import FloatArray, Ids, IntArray

MIN_TERMS = 1 << 16
"""Terms of a product from which on it is worth several threads."""

Reals = npt.NDArray[np.floating]
Part = TypeVar("Part")


def counts_from(a: sparse.csr_matrix, b: sparse.csr_matrix, least: Reals) -> sparse.csr_matrix:
    """Return the entries of a @ b that reach `least` and 1, (x, z) CSR of float32; columns ascend.

    a: (x, y) and b: (y, z) CSR of ones. least: (x,) for each row. With a family's n-grams as rows of a and postings as
    b: how many of its n-grams each prompt holds, of prompts that hold many.
    """
    parts = _in_parts(a, b, lambda begin, end: _from(a, b, least, begin, end))
    lengths, columns, counts = (np.concatenate(column) for column in zip(*parts, strict=True))
    ends = np.concatenate([[0], np.cumsum(lengths)])
    if ends[-1] < 2**31:
        ends = ends.astype(np.int32)
    return sparse.csr_matrix((counts, columns, ends), shape=(a.shape[0], b.shape[1]))


def counts_at(a: sparse.csr_matrix, b: sparse.csr_matrix, at: sparse.csr_matrix) -> FloatArray:
    """Return the entries of a @ b where `at` has its own, (nnz of at,) float32, in the order of at.data.

    a: (x, y) and b: (y, z) CSR of ones. at: (x, z) CSR.
    """
    parts = _in_parts(a, b, lambda begin, end: _at(a, b, at, begin, end))
    return np.concatenate(parts)


def _from(
    a: sparse.csr_matrix, b: sparse.csr_matrix, least: Reals, begin: int, end: int
) -> tuple[IntArray, Ids, FloatArray]:
    return _count_from(a.indptr, a.indices, b.indptr, b.indices, b.shape[1], least, begin, end)


def _at(
    a: sparse.csr_matrix, b: sparse.csr_matrix, at: sparse.csr_matrix, begin: int, end: int
) -> FloatArray:
    return _count_at(a.indptr, a.indices, b.indptr, b.indices, at.indptr, at.indices, b.shape[1], begin, end)


def _in_parts(a: sparse.csr_matrix, b: sparse.csr_matrix, work: Callable[[int, int], Part]) -> list[Part]:
    """Call work(begin, end) for rows that cost about as much, and return the results in their order."""
    terms = np.concatenate([[0], np.cumsum(np.diff(b.indptr)[a.indices])])[a.indptr]
    threads = workers()
    if threads == 1 or terms[-1] < MIN_TERMS:
        return [work(0, a.shape[0])]
    cuts = np.unique(np.searchsorted(terms, np.linspace(0, terms[-1], 4 * threads + 1)))
    cuts[0], cuts[-1] = 0, a.shape[0]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, cuts[:-1].tolist(), cuts[1:].tolist()))


@njit(cache=True, nogil=True)
def _count_from(
    a_at: Ids, a: Ids, b_at: Ids, b: Ids, columns: int, least: Reals, begin: int, end: int
) -> tuple[IntArray, Ids, FloatArray]:
    """Return the entries of some rows of a product: how many in each row, their columns, and their counts."""
    count = np.zeros(columns, np.int32)
    touched = np.empty(columns, np.int32)
    lengths = np.zeros(end - begin, np.int64)
    out, data = np.empty(1024, np.int32), np.empty(1024, np.float32)
    written = 0
    for row in range(begin, end):
        met = 0
        for i in range(a_at[row], a_at[row + 1]):
            for j in range(b_at[a[i]], b_at[a[i] + 1]):
                if count[b[j]] == 0:
                    touched[met] = b[j]
                    met += 1
                count[b[j]] += 1
        kept = 0
        for t in range(met):
            if count[touched[t]] >= least[row]:
                kept += 1
        if written + kept > len(out):
            room = 2 * (written + kept)
            out, data = widened(out, room), widened(data, room)
        place = written
        for t in range(met):
            if count[touched[t]] >= least[row]:
                out[place] = touched[t]
                place += 1
        sort_up(out[written:place])
        for p in range(written, place):
            data[p] = count[out[p]]
        for t in range(met):
            count[touched[t]] = 0
        lengths[row - begin] = kept
        written = place
    return lengths, out[:written].copy(), data[:written].copy()


@njit(cache=True, nogil=True)
def _count_at(
    a_at: Ids, a: Ids, b_at: Ids, b: Ids, wanted_at: Ids, wanted: Ids, columns: int, begin: int, end: int
) -> FloatArray:
    """Return the entries of some rows of a product where `wanted` has its own, one after the other."""
    count = np.zeros(columns, np.int32)
    wanted_in = np.full(columns, -1, np.int64)
    first = wanted_at[begin]
    out = np.zeros(wanted_at[end] - first, np.float32)
    for row in range(begin, end):
        for w in range(wanted_at[row], wanted_at[row + 1]):
            wanted_in[wanted[w]] = row
            count[wanted[w]] = 0
        for i in range(a_at[row], a_at[row + 1]):
            for j in range(b_at[a[i]], b_at[a[i] + 1]):
                if wanted_in[b[j]] == row:
                    count[b[j]] += 1
        for w in range(wanted_at[row], wanted_at[row + 1]):
            out[w - first] = count[wanted[w]]
    return out
