"""Nearest neighbours by cosine similarity: a graph of all items.

FAISS hangs in a forked child once the parent has searched with several threads: start workers with
`spawn` or `forkserver`, and call `set_threads(1)` first in a process that answers single lookups.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from fingerprint.base.jit import kernel, kernel_with
from fingerprint.base.types import FloatArray, Ids, IntArray
from fingerprint.clustering.all_pairs import nearest
from fingerprint.clustering.faiss_index import BATCH, EXACT_UP_TO, limit_threads, norms_of
from fingerprint.clustering.faiss_index import search as search_faiss
from fingerprint.domain.errors import UsageError


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Each item's nearest other items, nearest first, equals in the order of their ids.

    ids: (n, k) int32, -1 where there is no further neighbour; an item is never its own neighbour.
    similarity: (n, k) float32, cosine, -1 to 1, descending; -1 where there is no neighbour.
    """

    ids: Ids
    similarity: FloatArray


SPARE = 8
"""Candidates fetched beyond k, so that rounding in products does not decide who is the k-th neighbour."""

RowProgress = Callable[[int, int], None]
"""Called with the number of vectors done and the number of all."""

Search = Callable[[FloatArray, int, int, int], Iterator[IntArray]]
"""Called as `faiss_index.search` is."""


def knn_graph(
    vectors: FloatArray,
    k: int,
    *,
    threads: int | None = None,
    seed: int = 0,
    exact_up_to: int = EXACT_UP_TO,
    on_progress: RowProgress | None = None,
    search: Search | None = None,
    lists: Search = search_faiss,
) -> Neighbours:
    """Find the k nearest others of every vector: exactly up to so many vectors, then through inverted lists.

    vectors: (n, d) float32, unit rows; a row of zeros neither has nor is a neighbour.
    threads: None for all cores. search: in the place of `all_pairs.nearest` and `lists`, which choose the candidates up to
    `exact_up_to` vectors and beyond. The similarities are computed again from the vectors in a fixed order of summation, so they are symmetric and
    do not depend on threads or batches.
    Raises UsageError on another shape, dtype or length.
    """
    norms = norms_of(vectors)
    if k < 1:
        raise UsageError(f"at least 1 neighbour expected, k = {k} given")
    live = np.flatnonzero(norms > 0)
    ids = np.full((len(vectors), k), -1, dtype=np.int32)
    similarity = np.full((len(vectors), k), -1.0, dtype=np.float32)
    if len(live) < 2:
        return Neighbours(ids, similarity)
    with limit_threads(threads) as workers, ThreadPoolExecutor(workers) as pool:
        points = vectors if len(live) == len(vectors) else vectors[live]
        wide = min(k + 1 + SPARE, len(live))
        if search is None and len(live) <= exact_up_to:
            each = _in_batches(nearest(points, wide, pool=pool))
        else:
            each = (search or lists)(points, wide, seed, exact_up_to)
        for start, hits in zip(range(0, len(live), BATCH), each, strict=True):
            rows = live[start : start + BATCH]
            candidates = np.where(hits >= 0, live[hits], -1)
            jobs = [
                pool.submit(_rank, vectors, rows[part], candidates[part], ids, similarity)
                for part in np.array_split(np.arange(len(rows)), workers)
            ]
            for job in jobs:
                job.result()
            if on_progress is not None:
                on_progress(min(start + BATCH, len(live)), len(live))
    return Neighbours(ids, similarity)


def _in_batches(candidates: Ids) -> Iterator[IntArray]:
    for start in range(0, len(candidates), BATCH):
        yield candidates[start : start + BATCH].astype(np.int64)


@kernel_with(fastmath={"reassoc", "contract"})
def _dot(a: FloatArray, b: FloatArray) -> np.float32:
    total = np.float32(0.0)
    for c in range(a.shape[0]):
        total += a[c] * b[c]
    return min(np.float32(1.0), max(np.float32(-1.0), total))


@kernel
def _rank(
    vectors: FloatArray,
    rows: IntArray,
    candidates: IntArray,
    ids: Ids,
    similarity: FloatArray,
) -> None:
    """Write the best candidates of `rows` into ids and similarity, by similarity and then by id."""
    k = ids.shape[1]
    for r in range(rows.shape[0]):
        i = rows[r]
        count = 0
        for c in range(candidates.shape[1]):
            j = candidates[r, c]
            if j < 0 or j == i:
                continue
            s = _dot(vectors[i], vectors[j])
            at = count
            while at > 0 and (
                similarity[i, at - 1] < s or (similarity[i, at - 1] == s and ids[i, at - 1] > j)
            ):
                at -= 1
            if at >= k:
                continue
            count = min(count + 1, k)
            for t in range(count - 1, at, -1):
                similarity[i, t] = similarity[i, t - 1]
                ids[i, t] = ids[i, t - 1]
            similarity[i, at] = s
            ids[i, at] = j
