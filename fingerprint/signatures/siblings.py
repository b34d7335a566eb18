"""Puts families together that are of one size, so that none is a small variant of another: frames of one question, languages.

`variants` asks for a small rewording of a large original. A campaign that deals its requests over several frames or
languages evenly has none: its families are told by what fills them (`same_fillings`), or by a pool that sends in languages
foreign to each other (D-160, D-161).
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from fingerprint.base import stats
from fingerprint.base.sparse import components
from fingerprint.base.types import Bools, Ids, IntArray
from fingerprint.evidence.null_models import POOL_OVERLAP_P
from fingerprint.signatures.variants import MAX_FOREIGN_SHARE, Wording

SHARED_POOL, FEWEST_SHARED = 0.5, 3
"""Languages are sent by one pool if at least this share of the smaller one's accounts, and so many, send both (D-161)."""

LARGER_POOL = 3
"""... and one language has at most so many times the accounts of another: busy accounts are among the many senders of anything."""

LONGER = 2.0
"""A translation is at most so many times longer or shorter."""

MIN_WORDS = 10
"""Rarer words of a template from which on they tell a language."""

COMMON_RARE_SHARE = 0.2
"""Templates in two languages share less than this part of the rarer words of either."""


def siblings(
    wording: Wording, born: Bools, senders: sparse.csr_matrix, original: Ids, filled: sparse.csr_matrix
) -> Ids:
    """Return which family each new one is a variant of, (f,) int32, -1 = none, with siblings put together.

    original: (f,) as `variants.originals` returns them. senders: (n, a) CSR. filled: (f, f) CSR, families that are filled
    alike. Stored families are nobody's variants; among new ones the largest is the original.
    """
    count = len(born)
    if not count:
        return original
    foreign = _foreign(wording, senders)
    prompts = np.diff(wording.members.indptr)
    pairs = _of_like_size(filled, prompts)
    known = np.flatnonzero(original >= 0)
    one = np.concatenate([pairs.row, foreign[0], known]).astype(np.int64)
    other = np.concatenate([pairs.col, foreign[1], original[known]]).astype(np.int64)
    joined = born[one] | born[other]
    group = components(one[joined], other[joined], count)
    out = original.copy()
    for number in np.flatnonzero(np.bincount(group) > 1):
        rows = np.flatnonzero(group == number)
        stored = rows[~born[rows]]
        head = stored[0] if len(stored) else rows[np.argmax(prompts[rows])]
        out[rows] = np.where(born[rows] & (rows != head), head, -1)
    return out


def _of_like_size(filled: sparse.csr_matrix, prompts: Ids) -> sparse.coo_matrix:
    """Leave out pairs of a small family and a large one: what many senders fill in holds what few do by chance (D-160)."""
    pairs = filled.tocoo()
    smaller = np.minimum(prompts[pairs.row], prompts[pairs.col])
    near = np.maximum(prompts[pairs.row], prompts[pairs.col]) <= LARGER_POOL * smaller
    return sparse.coo_matrix((pairs.data[near], (pairs.row[near], pairs.col[near])), shape=filled.shape)


def _foreign(wording: Wording, senders: sparse.csr_matrix) -> tuple[IntArray, IntArray]:
    """Return the pairs of families that one pool sends in two languages."""
    pool = (wording.members @ senders).sign().tocsr()
    size = np.diff(pool.indptr)
    shared = sparse.triu(pool @ pool.T, k=1).tocoo()
    one, other, both = shared.row, shared.col, shared.data.astype(np.int64)
    smaller, larger = np.minimum(size[one], size[other]), np.maximum(size[one], size[other])
    near = (both >= FEWEST_SHARED) & (both >= SHARED_POOL * smaller) & (larger <= LARGER_POOL * smaller)
    near &= stats.hypergeometric(both, senders.shape[1], larger, smaller) < POOL_OVERLAP_P
    length = np.maximum(wording.length, 1)
    near &= np.abs(np.log(length[one] / length[other])) <= np.log(LONGER)
    pairs = [
        (i, j) for i, j in zip(one[near].tolist(), other[near].tolist(), strict=True) if _apart(wording, i, j)
    ]
    return np.array([i for i, _ in pairs], dtype=np.int64), np.array([j for _, j in pairs], dtype=np.int64)


def _apart(wording: Wording, one: int, other: int) -> bool:
    """Tell whether two templates are in two languages: one hardly uses the words common here, and they share few others."""
    most = wording.familiar.max(initial=0.0)
    ours, theirs = sorted((wording.familiar[one], wording.familiar[other]))
    if ours >= MAX_FOREIGN_SHARE * most:
        return False
    rare = wording.rare[[one, other]].sign()
    common = (rare[0] @ rare[1].T)[0, 0]
    fewer = min(rare[0].nnz, rare[1].nnz)
    if fewer < MIN_WORDS:
        return False
    return bool(ours < MAX_FOREIGN_SHARE * theirs or common <= COMMON_RARE_SHARE * fewer)
