"""The n-grams that enough prompts of enough accounts share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from fingerprint.base.jit import kernel, njit
from fingerprint.base.parallel import in_order
from fingerprint.base.sparse import spans_of
from fingerprint.base.types import Bools, HashArray, Ids, IntArray
from fingerprint.text.ngram_table import find_places, find_shared, is_member
from fingerprint.text.ngrams import Shingles

HALVES = 2
"""Threads that find out which prompts hold an n-gram: each needs 8 bytes for every one."""

WORTH_THREADS = 1 << 18
"""Places of n-grams from which on it is worth several threads."""


@dataclass(frozen=True)
class SharedGrams:
    """The n-grams that enough prompts of enough accounts hold.

    hashes: (k,) uint64, sorted.
    accounts: (k,) int32, distinct accounts that sent the n-gram.
    ids: (p,) int32, which shared n-gram stands at each place of the shingles, -1 for none.
    postings: (k, n) CSR of float32 ones, which prompts hold which n-gram.
    """

    hashes: HashArray
    accounts: Ids
    ids: Ids
    postings: sparse.csr_matrix

    @cached_property
    def by_prompt(self) -> sparse.csr_matrix:
        """(n, k) CSR of float32 ones, which n-grams each prompt holds."""
        return self.postings.T.tocsr()


def shared_grams(
    shingles: Shingles,
    senders: sparse.csr_matrix,
    *,
    min_prompts: int,
    min_accounts: int,
    known: HashArray | None = None,
) -> SharedGrams:
    """Keep the n-grams that at least min_prompts prompts and min_accounts accounts hold, and the `known` ones.

    senders: (n, a) CSR, which accounts sent which prompt. known: (m,) uint64, sorted, the n-grams of stored
    signatures, kept however rare they are today.
    """
    known = np.empty(0, dtype=np.uint64) if known is None else known
    hashes, ids = find_shared(shingles.hashes, shingles.offsets, known, min_prompts)
    every = _counted(hashes, ids, shingles, senders)
    enough = (np.diff(every.postings.indptr) >= min_prompts) & (every.accounts >= min_accounts)
    kept = np.flatnonzero(enough | is_member(hashes, known))
    rank = np.full(len(hashes) + 1, -1, dtype=np.int32)
    rank[kept] = np.arange(len(kept))
    return SharedGrams(hashes[kept], every.accounts[kept], rank[ids], every.postings[kept])


def _counted(hashes: HashArray, ids: Ids, shingles: Shingles, senders: sparse.csr_matrix) -> SharedGrams:
    """Find out which prompts and how many accounts sent each of some n-grams."""
    ends, holders = _postings(ids, shingles.offsets, len(hashes))
    ones = np.ones(len(holders), dtype=np.float32)
    postings = sparse.csr_matrix((ones, holders, ends), shape=(len(hashes), shingles.prompts))
    accounts = _distinct_accounts(
        postings.indptr, postings.indices, senders.indptr, senders.indices, senders.shape[1]
    )
    return SharedGrams(hashes, accounts, ids, postings)


def with_grams(
    shared: SharedGrams, shingles: Shingles, senders: sparse.csr_matrix, grams: HashArray
) -> SharedGrams:
    """Return the same n-grams and some more (m,) uint64, however few prompts hold these; the same value if all are there.

    Arguments otherwise as of `shared_grams`, which `shared` was made by.
    """
    more = np.setdiff1d(grams, shared.hashes)
    if not len(more):
        return shared
    ids = find_places(shingles.hashes, more)
    fresh = _counted(more, ids, shingles, senders)
    hashes = np.concatenate([shared.hashes, more])
    order = np.argsort(hashes)
    rank = np.empty(len(order), dtype=np.int32)
    rank[order] = np.arange(len(order))
    return SharedGrams(
        hashes[order],
        np.concatenate([shared.accounts, fresh.accounts])[order],
        _renumbered(shared.ids, ids, rank[: len(shared.hashes)], rank[len(shared.hashes) :]),
        sparse.vstack([shared.postings, fresh.postings], format="csr")[order],
    )


@njit(cache=True, nogil=True)
def _renumbered(ids: Ids, more: Ids, old: Ids, fresh: Ids) -> Ids:
    """Return the new number of the n-gram at each place (p,), -1 for none.

    ids, more: (p,) which of the old ones (k,) and of the fresh ones (m,) stands there, -1 for none; old, fresh: their numbers.
    """
    out = np.empty(len(ids), np.int32)
    for place in range(len(ids)):
        if more[place] >= 0:
            out[place] = fresh[more[place]]
        else:
            out[place] = old[ids[place]] if ids[place] >= 0 else -1
    return out


def boundary_grams(shingles: Shingles, shared: SharedGrams) -> Bools:
    """Tell which shared n-grams, (k,) bool, hold a start or end mark: text at the beginning or the end of a section."""
    ends = ~shingles.joined
    starts = np.concatenate([[True], ends[:-1]])[: len(ends)]
    out = np.zeros(len(shared.hashes), dtype=np.bool_)
    marked = shared.ids[(starts | ends) & (shared.ids >= 0)]
    out[marked] = True
    return out


def _postings(ids: Ids, offsets: IntArray, grams: int) -> tuple[Ids, Ids]:
    """Return which prompts hold each n-gram, ascending and each once, as the indptr and indices of a CSR matrix.

    ids: (p,) which n-gram stands at each place, -1 for none, of prompts that begin at offsets (n + 1,).
    """
    spans = spans_of(offsets, HALVES)
    threads = 1 if len(ids) < WORTH_THREADS else HALVES
    seen_in = np.full((len(spans), grams), -1, dtype=np.int32)
    counts = np.zeros((len(spans), grams), dtype=np.int32)

    def count(half: int) -> None:
        _count_holders(ids, offsets, spans[half], seen_in[half], counts[half])

    for _ in in_order(count, range(len(spans)), threads=threads):
        pass
    ends = np.append(np.int32(0), np.cumsum(counts.sum(axis=0), dtype=np.int32))
    free = ends[:-1] + np.cumsum(counts, axis=0, dtype=np.int32) - counts
    holders = np.empty(ends[-1], dtype=np.int32)
    seen_in[:] = -1

    def write(half: int) -> None:
        _write_holders(ids, offsets, spans[half], seen_in[half], free[half], holders)

    for _ in in_order(write, range(len(spans)), threads=threads):
        pass
    return ends, holders


@kernel
def _count_holders(ids: Ids, offsets: IntArray, rows: tuple[int, int], seen_in: Ids, counts: Ids) -> None:
    """Count the prompts of some rows that hold each n-gram; seen_in: (k,) the last of them, -1 before."""
    for row in range(rows[0], rows[1]):
        for i in range(offsets[row], offsets[row + 1]):
            if ids[i] >= 0 and seen_in[ids[i]] != row:
                seen_in[ids[i]] = row
                counts[ids[i]] += 1


@kernel
def _write_holders(
    ids: Ids, offsets: IntArray, rows: tuple[int, int], seen_in: Ids, free: Ids, holders: Ids
) -> None:
    """Write the prompts of some rows that hold each n-gram to its next free places."""
    for row in range(rows[0], rows[1]):
        for i in range(offsets[row], offsets[row + 1]):
            if ids[i] >= 0 and seen_in[ids[i]] != row:
                seen_in[ids[i]] = row
                holders[free[ids[i]]] = row
                free[ids[i]] += 1


@njit(cache=True, nogil=True)
def _distinct_accounts(gram_at: Ids, prompts: Ids, sender_at: Ids, senders: Ids, accounts: int) -> Ids:
    """Count the accounts that sent each n-gram, (k,).

    gram_at, prompts: (k, n) CSR, the prompts that hold each. sender_at, senders: (n, accounts) CSR, who sent those.
    """
    out = np.zeros(len(gram_at) - 1, np.int32)
    seen_in = np.full(accounts, -1, np.int32)
    for gram in range(len(gram_at) - 1):
        for i in range(gram_at[gram], gram_at[gram + 1]):
            prompt = prompts[i]
            for j in range(sender_at[prompt], sender_at[prompt + 1]):
                if seen_in[senders[j]] != gram:
                    seen_in[senders[j]] = gram
                    out[gram] += 1
    return out
