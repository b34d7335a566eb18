"""Joins shared grams to segments of fixed text, and says which prompts hold which segment.

Consecutive grams that nearly always follow each other belong to one run of fixed text. This is the
compaction of a de Bruijn graph into unitigs as genome assemblers do it (Chikhi, Limasset, Medvedev
2016), over token n-grams with counts: a slot is where the path branches. The segments of one template
stand in the same prompts, as the contigs of one genome have the same abundances over samples, so they
are binned by co-occurrence (co-abundance binning, Nielsen et al. 2014): each segment's set of prompts
is sketched as a vector and the vectors are clustered. A payload around the template, however long,
does not move a segment's vector.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit
from scipy import sparse

from fingerprint.columns import Segments, SharedGrams, Shingles
from fingerprint.records import FloatArray, Ids

AGREEMENT = 0.8
"""Two grams are one segment if they follow each other in this share of the prompts that hold either."""

HELD = 0.7
"""A prompt holds a segment if it holds this share of the segment's grams."""


def segments(shingles: Shingles, shared: SharedGrams) -> Segments:
    """Compact the shared grams' graph into segments (at most one a gram)."""
    k, n = shared.postings.shape
    left, right = shared.ids[:-1], shared.ids[1:]
    follows = np.flatnonzero(shingles.joined[:-1] & (left >= 0) & (right >= 0) & (left != right))
    pair, edge = np.unique(left[follows].astype(np.int64) * k + right[follows], return_inverse=True)
    prompt = np.repeat(np.arange(n), np.diff(shingles.offsets))[follows]
    times = np.bincount(np.unique(edge * n + prompt) // max(n, 1), minlength=len(pair))
    support = np.diff(shared.postings.indptr)
    a, b = pair // max(k, 1), pair % max(k, 1)
    strong = times >= AGREEMENT * np.maximum(support[a], support[b])
    graph = sparse.csr_matrix((np.ones(strong.sum(), dtype=np.float32), (a[strong], b[strong])), shape=(k, k))
    count, of_gram = sparse.csgraph.connected_components(graph, directed=False)
    length = np.bincount(of_gram, minlength=count).astype(np.int64)
    return Segments(of_gram.astype(np.int32), length, held(of_gram, count, shared.postings, share=HELD))


def held(
    group: npt.NDArray[np.integer], groups: int, postings: sparse.csr_matrix, *, share: float
) -> sparse.csr_matrix:
    """Return (groups, n) CSR of ones: prompts that hold at least `share` of a group's grams (group (k,), -1 none)."""
    grams = np.flatnonzero(group >= 0)
    ones = np.ones(len(grams), dtype=np.float32)
    member = sparse.csr_matrix((ones, (group[grams], grams)), shape=(groups, postings.shape[0]))
    counts = (member @ postings).tocsr()
    size = np.diff(member.indptr)
    counts.data = (counts.data >= share * np.repeat(size, np.diff(counts.indptr))).astype(np.float32)
    counts.eliminate_zeros()
    return counts


def sketch(postings: sparse.csr_matrix, *, dimension: int = 256, seed: int = 0) -> FloatArray:
    """Sketch each row's set of prompts as a unit vector (s, dimension) float32.

    The cosine of two sketches estimates |A ∩ B| / sqrt(|A| |B|) with a standard error of
    1 / sqrt(dimension): random projection with ±1 entries (Achlioptas 2003), drawn by hashing.
    """
    vectors = _project(postings.indptr, postings.indices, dimension // 64, np.uint64(seed))
    norm = np.sqrt((vectors * vectors).sum(axis=1, keepdims=True))
    return np.asarray(vectors / np.maximum(norm, 1e-12), dtype=np.float32)


@njit(cache=True, nogil=True)
def _project(indptr: Ids, indices: Ids, words: int, seed: np.uint64) -> FloatArray:
    out = np.zeros((len(indptr) - 1, words * 64), dtype=np.float32)
    for row in range(len(indptr) - 1):
        for i in range(indptr[row], indptr[row + 1]):
            for word in range(words):
                bits = (np.uint64(indices[i]) * np.uint64(words) + np.uint64(word)) ^ (seed << np.uint64(48))
                bits = (bits + np.uint64(0x9E3779B97F4A7C15)) * np.uint64(0xBF58476D1CE4E5B9)
                bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
                bits ^= bits >> np.uint64(31)
                for bit in range(64):
                    out[row, word * 64 + bit] += 1.0 if (bits >> np.uint64(bit)) & np.uint64(1) else -1.0
    return out
