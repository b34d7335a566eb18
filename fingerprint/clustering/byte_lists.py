"""Inverted lists of unit vectors as bytes, a quarter of their memory, searched by one kernel for a few queries at a time.

FAISS trains the lists; its own lists of bytes are turned into floats as they are read, which takes as long as to read floats
(D-341).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fingerprint.base.jit import kernel, njit
from fingerprint.base.types import FloatArray, Ids, IntArray
from fingerprint.clustering.faiss_index import lists_of

Codes = npt.NDArray[np.int8]
Steps = npt.NDArray[np.int16]

LEVELS = 127
QUERY_LEVELS = 2_047
"""Steps from 0 to the largest number of a vector and of a query: sums of 8,000 products fit into 32 bits."""

_AT_ONCE = 1 << 14


class ByteLists(NamedTuple):
    """p vectors in c inverted lists, one after the other; snapshots keep these arrays under these names.

    centroid: (c, d) int8 and centroid_step: (c,) float32, the lists' centroids: each number is so many steps. starts:
    (c + 1,) int64, where each list begins. number: (p,) int32, which vector stands in each place, and code: (p, d) int8, and
    step: (p,) float32, what it is.
    """

    centroid: Codes
    centroid_step: FloatArray
    starts: IntArray
    number: Ids
    code: Codes
    step: FloatArray


def make_lists(vectors: FloatArray, seed: int, exact_up_to: int) -> ByteLists:
    """Put vectors (p, d), float32 unit rows, into inverted lists; up to `exact_up_to` of them into one."""
    centroids, of = lists_of(vectors, seed, exact_up_to)
    number = np.argsort(of, kind="stable").astype(np.int32)
    starts = np.searchsorted(of[number], np.arange(len(centroids) + 1)).astype(np.int64)
    code, step = np.empty(vectors.shape, np.int8), np.empty(len(vectors), np.float32)
    for begin in range(0, len(vectors), _AT_ONCE):
        part = slice(begin, begin + _AT_ONCE)
        code[part], step[part] = _in_steps(vectors[number[part]])
    return ByteLists(*_in_steps(centroids), starts, number, code, step)


def _in_steps(rows: FloatArray) -> tuple[Codes, FloatArray]:
    step = np.maximum(np.abs(rows).max(axis=1, initial=0.0), np.float32(1e-9)) / np.float32(LEVELS)
    return np.clip(np.rint(rows / step[:, None]), -LEVELS, LEVELS).astype(np.int8), step


@njit(cache=True, nogil=True)
def nearest(lists: ByteLists, queries: FloatArray, probes: int, k: int) -> Ids:
    """Return the numbers of the k vectors nearest to each query, (q, k) int32, -1 where there are fewer; of equals the first.

    queries: (q, d) float32, unit rows, or zeros, to which nothing is near. As many lists are read for each as `probes` says.
    Products are off by some 0.0005 (one standard deviation) for unit rows of 256 numbers.
    """
    numbers = np.full((len(queries), k), np.int32(-1))
    probes = min(probes, len(lists.centroid))
    query, chosen = np.empty(queries.shape[1], np.int16), np.empty(probes, np.int32)
    near, products = np.empty(probes, np.float32), np.empty(k, np.float32)
    for row in range(len(queries)):
        if not _in_query_steps(queries, row, query):
            continue
        near[:] = -np.inf
        for which in range(len(lists.centroid)):
            product = np.float32(_product(query, lists.centroid, which)) * lists.centroid_step[which]
            if product > near[probes - 1]:
                _insert(near, chosen, product, which)
        products[:] = -np.inf
        for one in chosen:
            for place in range(lists.starts[one], lists.starts[one + 1]):
                product = np.float32(_product(query, lists.code, place)) * lists.step[place]
                number = int(lists.number[place])
                last = numbers[row, k - 1]
                if product > products[k - 1] or (product == products[k - 1] and number < last):
                    _insert(products, numbers[row], product, number)
    return numbers


@kernel
def _in_query_steps(queries: FloatArray, row: int, out: Steps) -> bool:
    """Write a query in steps; False for one of zeros."""
    largest = np.float32(0)
    for i in range(queries.shape[1]):
        largest = max(largest, abs(queries[row, i]))
    if largest == 0:
        return False
    for i in range(queries.shape[1]):
        out[i] = np.int16(np.rint(queries[row, i] * (np.float32(QUERY_LEVELS) / largest)))
    return True


@kernel
def _product(query: Steps, code: Codes, place: int) -> np.int32:
    total = np.int32(0)
    for i in range(len(query)):
        # 32 bits throughout, so that one instruction makes 32 products
        total = np.int32(total + np.int32(np.int32(query[i]) * np.int32(code[place, i])))
    return total


@kernel
def _insert(products: FloatArray, numbers: Ids, product: np.float32, number: int) -> None:
    """Put a vector where it belongs among descending products, of equals the lower number first; the last one goes."""
    at = len(products) - 1
    while at > 0 and (
        products[at - 1] < product or (products[at - 1] == product and numbers[at - 1] > number)
    ):
        products[at], numbers[at] = products[at - 1], numbers[at - 1]
        at -= 1
    products[at], numbers[at] = product, number
