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

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from fingerprint.base.jit import kernel, njit
from fingerprint.base.sparse import components
from fingerprint.base.types import Bools, FloatArray, Ids, IntArray
from fingerprint.discovery.shared_ngrams import SharedGrams
from fingerprint.discovery.sparse_products import counts_from
from fingerprint.text.ngrams import Shingles


@dataclass(frozen=True, slots=True)
class Segments:
    """Runs of shared text.

    of_gram: (k,) int32, the segment of each shared n-gram, -1 for none.
    length: (s,) int64, n-grams in each segment.
    postings: (s, n) CSR of float32 ones, which prompts hold which segment.
    """

    of_gram: Ids
    length: IntArray
    postings: sparse.csr_matrix

    def only(self, min_length: int) -> Segments:
        """Return the segments of at least so many n-grams, in this order."""
        kept = np.flatnonzero(self.length >= min_length)
        if len(kept) == len(self.length):
            return self
        rank = np.full(len(self.length) + 1, -1, dtype=np.int32)
        rank[kept] = np.arange(len(kept))
        return Segments(rank[self.of_gram], self.length[kept], self.postings[kept])


AGREEMENT = 0.8
"""Two n-grams are one segment if they follow each other in this share of the prompts that hold either."""

HELD_SHARE = 0.7
"""A prompt holds a segment if it holds this share of the segment's n-grams."""


def join_segments(shingles: Shingles, shared: SharedGrams) -> Segments:
    """Compact the graph of shared n-grams into segments (at most one an n-gram)."""
    k = shared.postings.shape[0]
    support = np.diff(shared.postings.indptr).astype(np.int64)
    a, b = _followers(shared.ids, shingles.joined, shingles.offsets, support)
    of_gram = components(a, b, k)
    length = np.bincount(of_gram).astype(np.int64)
    return Segments(of_gram, length, prompts_holding(of_gram, len(length), shared.postings, share=HELD_SHARE))


def prompts_holding(
    group: npt.NDArray[np.integer], groups: int, postings: sparse.csr_matrix, *, share: float
) -> sparse.csr_matrix:
    """Return which prompts hold at least `share` of each group's n-grams, (groups, n) CSR of float32 ones.

    group: (k,) each n-gram's group, -1 = none. postings: (k, n) CSR, which prompts hold which n-gram.
    """
    grams = np.flatnonzero(group >= 0)
    ones = np.ones(len(grams), dtype=np.float32)
    member = sparse.csr_matrix((ones, (group[grams], grams)), shape=(groups, postings.shape[0]))
    counts = counts_from(member, postings, share * np.diff(member.indptr))
    counts.data[:] = 1.0
    return counts


@njit(cache=True, nogil=True)
def _followers(ids: Ids, joined: Bools, offsets: IntArray, support: IntArray) -> tuple[Ids, Ids]:
    """Return the pairs of n-grams that follow each other in AGREEMENT of the prompts that hold either.

    ids: (p,) int32, the n-gram at each place, -1 for none. joined: (p,) bool, as in `Shingles`. offsets: (n + 1,).
    support: (k,) how many prompts hold each n-gram.
    """
    at = np.zeros(len(support) + 1, np.int64)
    for i in range(len(ids) - 1):
        if _may_follow(ids, joined, support, i):
            at[ids[i] + 1] += 1
    for gram in range(len(support)):
        at[gram + 1] += at[gram]
    # the places of each gram together, in the order of the prompts
    right, prompt = np.empty(at[-1], np.int32), np.empty(at[-1], np.int32)
    free = at[:-1].copy()
    for row in range(len(offsets) - 1):
        for i in range(offsets[row], min(offsets[row + 1], len(ids) - 1)):
            if _may_follow(ids, joined, support, i):
                right[free[ids[i]]], prompt[free[ids[i]]] = ids[i + 1], row
                free[ids[i]] += 1
    times = np.zeros(len(support), np.int64)
    last = np.full(len(support), -1, np.int32)
    a, b = np.empty(at[-1], np.int32), np.empty(at[-1], np.int32)
    count = 0
    for gram in range(len(support)):
        for i in range(at[gram], at[gram + 1]):
            times[right[i]] += last[right[i]] != prompt[i]
            last[right[i]] = prompt[i]
        for i in range(at[gram], at[gram + 1]):
            other = right[i]
            if times[other] >= AGREEMENT * max(support[gram], support[other]):
                a[count], b[count] = gram, other
                count += 1
            times[other], last[other] = 0, -1
    return a[:count].copy(), b[:count].copy()


@kernel
def _may_follow(ids: Ids, joined: Bools, support: IntArray, i: int) -> bool:
    """Tell whether another n-gram follows that nearly as many prompts hold: no more hold both than hold the rarer."""
    if not joined[i] or ids[i] < 0 or ids[i + 1] < 0 or ids[i] == ids[i + 1]:
        return False
    one, other = support[ids[i]], support[ids[i + 1]]
    return bool(min(one, other) >= AGREEMENT * max(one, other))


def sketch(postings: sparse.csr_matrix, *, dimension: int = 256, seed: int = 0) -> FloatArray:
    """Sketch each row's set of prompts, (s, n) CSR, as a unit vector, (s, dimension) float32; dimension: 64 · m.

    The cosine of two sketches estimates |A ∩ B| / sqrt(|A| |B|) with a standard error of
    1 / sqrt(dimension): random projection with ±1 entries (Achlioptas 2003), drawn by hashing.
    """
    vectors = _project(postings.indptr, postings.indices, dimension // 64, np.uint64(seed))
    norm = np.sqrt((vectors * vectors).sum(axis=1, keepdims=True))
    return np.asarray(vectors / np.maximum(norm, 1e-12), dtype=np.float32)


@njit(cache=True, nogil=True)
def _project(indptr: Ids, indices: Ids, words: int, seed: np.uint64) -> FloatArray:
    out = np.zeros((len(indptr) - 1, words * 64), np.float32)
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
