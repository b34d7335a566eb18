"""Hashed token n-grams, and which of them several prompts and several accounts share.

A gram is a run of GRAM tokens inside one section (the system prompt or one user turn) that is padded
with a start and an end mark, so "combine facts and" at the very start of a prompt is a different gram
from the same words in running text. Grams are counted once a distinct prompt; accounts are counted
apart, because text that one account repeats is no evidence of a shared template.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit
from scipy import sparse

from fingerprint.columns import SharedGrams, Shingles
from fingerprint.gram_table import member, shared
from fingerprint.records import HashArray, Ids, IntArray

GRAM = 4
"""Tokens in a gram, boundary marks included (DECISIONS.md: 3 to 6 measured)."""

VERSION = f"{GRAM}-gram/1"
"""Part of every signature's stamp: grams of different versions never match."""

START = np.uint64(0x9AE16A3B2F90404F)
END = np.uint64(0xC949D7C7509E6557)
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


def shingle(hashes: HashArray, section: npt.NDArray[Any], offsets: IntArray, *, gram: int = GRAM) -> Shingles:
    """Hash the grams of n prompts, given their tokens' hashes (t,), section numbers (t,) and offsets (n + 1,)."""
    counts = _gram_counts(section, offsets, gram)
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Shingles(*_fill(hashes, section, offsets, starts, gram), starts)


@njit(cache=True, nogil=True)
def _gram_counts(section: npt.NDArray[Any], offsets: IntArray, gram: int) -> IntArray:
    counts = np.zeros(len(offsets) - 1, dtype=np.int64)
    for row in range(len(offsets) - 1):
        i = offsets[row]
        while i < offsets[row + 1]:
            j = i
            while j < offsets[row + 1] and section[j] == section[i]:
                j += 1
            counts[row] += max(1, j - i + 2 - gram + 1)
            i = j
    return counts


@njit(cache=True, nogil=True)
def _fill(
    hashes: HashArray, section: npt.NDArray[Any], offsets: IntArray, starts: IntArray, gram: int
) -> tuple[HashArray, npt.NDArray[np.bool_], IntArray, IntArray]:
    total = starts[-1]
    out = np.empty(total, dtype=np.uint64)
    joined = np.zeros(total, dtype=np.bool_)
    first = np.empty(total, dtype=np.int64)
    last = np.empty(total, dtype=np.int64)
    for row in range(len(offsets) - 1):
        place = starts[row]
        i = offsets[row]
        while i < offsets[row + 1]:
            j = i
            while j < offsets[row + 1] and section[j] == section[i]:
                j += 1
            padded = j - i + 2
            width = min(gram, padded)
            for begin in range(padded - width + 1):
                mixed = np.uint64(width)
                for k in range(begin, begin + width):
                    token = START if k == 0 else (END if k == padded - 1 else hashes[i + k - 1])
                    mixed = (mixed ^ token) * MULTIPLIER
                    mixed ^= mixed >> np.uint64(29)
                out[place] = max(mixed, np.uint64(1))
                first[place] = i + max(begin - 1, 0)
                last[place] = i + min(begin + width - 1, j - i)
                joined[place] = begin < padded - width
                place += 1
            i = j
    return out, joined, first, last


def shared_grams(
    shingles: Shingles,
    senders: sparse.csr_matrix,
    *,
    min_prompts: int,
    min_accounts: int,
    known: HashArray | None = None,
) -> SharedGrams:
    """Keep the grams that at least min_prompts prompts and min_accounts accounts hold, and the `known` ones.

    senders: (n, accounts) CSR, which accounts sent which prompt. known: sorted uint64, the grams of
    stored signatures, kept however rare they are today.
    """
    known = np.empty(0, dtype=np.uint64) if known is None else known
    hashes, ids = shared(shingles.hashes, shingles.offsets, known, min_prompts)
    ends, holders = _postings(ids, shingles.offsets, len(hashes))
    ones = np.ones(len(holders), dtype=np.float32)
    postings = sparse.csr_matrix((ones, holders, ends), shape=(len(hashes), shingles.prompts))
    accounts = _distinct_accounts(
        postings.indptr, postings.indices, senders.indptr, senders.indices, senders.shape[1]
    )
    enough = (np.diff(postings.indptr) >= min_prompts) & (accounts >= min_accounts)
    kept = np.flatnonzero(enough | member(hashes, known))
    rank = np.full(len(hashes) + 1, -1, dtype=np.int32)
    rank[kept] = np.arange(len(kept))
    ids = rank[ids]
    return SharedGrams(hashes[kept], accounts[kept], ids, postings[kept])


def boundary_grams(shingles: Shingles, shared: SharedGrams) -> npt.NDArray[np.bool_]:
    """Tell which shared grams (k,) hold a start or end mark: text at the beginning or the end of a section."""
    ends = ~shingles.joined
    starts = np.concatenate([[True], ends[:-1]])[: len(ends)]
    out = np.zeros(len(shared.hashes), dtype=np.bool_)
    marked = shared.ids[(starts | ends) & (shared.ids >= 0)]
    out[marked] = True
    return out


@njit(cache=True, nogil=True)
def _postings(ids: Ids, offsets: IntArray, grams: int) -> tuple[Ids, Ids]:
    """Return which prompts hold each gram, ascending and each once, as the indptr and indices of a CSR matrix.

    ids: (p,) which gram stands at each place, -1 for none, of prompts that begin at offsets (n + 1,).
    """
    ends = np.zeros(grams + 1, dtype=np.int32)
    seen_in = np.full(grams, -1, dtype=np.int32)
    for row in range(len(offsets) - 1):
        for i in range(offsets[row], offsets[row + 1]):
            if ids[i] >= 0 and seen_in[ids[i]] != row:
                seen_in[ids[i]] = row
                ends[ids[i] + 1] += 1
    ends = np.cumsum(ends).astype(np.int32)
    free = ends[:-1].copy()
    holders = np.empty(ends[-1], dtype=np.int32)
    seen_in[:] = -1
    for row in range(len(offsets) - 1):
        for i in range(offsets[row], offsets[row + 1]):
            if ids[i] >= 0 and seen_in[ids[i]] != row:
                seen_in[ids[i]] = row
                holders[free[ids[i]]] = row
                free[ids[i]] += 1
    return ends, holders


@njit(cache=True, nogil=True)
def _distinct_accounts(gram_at: Ids, prompts: Ids, sender_at: Ids, senders: Ids, accounts: int) -> Ids:
    out = np.zeros(len(gram_at) - 1, dtype=np.int32)
    seen_in = np.full(accounts, -1, dtype=np.int32)
    for gram in range(len(gram_at) - 1):
        for i in range(gram_at[gram], gram_at[gram + 1]):
            prompt = prompts[i]
            for j in range(sender_at[prompt], sender_at[prompt + 1]):
                if seen_in[senders[j]] != gram:
                    seen_in[senders[j]] = gram
                    out[gram] += 1
    return out
