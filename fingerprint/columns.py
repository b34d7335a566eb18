"""The columnar facts that travel between the stages: arrays and sparse matrices with named fields.

Throughout: n distinct prompts, p places of grams in them, k shared grams, s segments, f families.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import sparse

from fingerprint.records import HashArray, Ids, IntArray


def ranges(offsets: IntArray, rows: npt.NDArray[np.integer]) -> tuple[IntArray, IntArray]:
    """Return the places of the values of some rows (m,), one row after the other, and where each row's begin, (m + 1,).

    offsets: (n + 1,) where the values of all rows begin.
    """
    lengths = np.diff(offsets)[rows]
    ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return np.arange(ends[-1]) + np.repeat(offsets[rows] - ends[:-1], lengths), ends


@dataclass(frozen=True, slots=True)
class Shingles:
    """The grams of n prompts in reading order.

    hashes: (p,) uint64, never 0.
    joined: (p,) bool, True where gram i + 1 continues gram i in the same section.
    first: (p,) int64, index of the first token a gram covers.
    last: (p,) int64, index after the last token a gram covers.
    offsets: (n + 1,) int64, where each prompt's grams start.
    """

    hashes: HashArray
    joined: npt.NDArray[np.bool_]
    first: IntArray
    last: IntArray
    offsets: IntArray

    @property
    def prompts(self) -> int:
        """How many prompts there are."""
        return len(self.offsets) - 1

    def only(self, prompts: npt.NDArray[np.integer]) -> Shingles:
        """Return the grams of some prompts only; first and last stay indices into all tokens."""
        at, offsets = ranges(self.offsets, prompts)
        return Shingles(self.hashes[at], self.joined[at], self.first[at], self.last[at], offsets)


@dataclass(frozen=True)
class SharedGrams:
    """The grams that enough prompts of enough accounts hold.

    hashes: (k,) uint64, sorted.
    accounts: (k,) int32, distinct accounts that sent the gram.
    ids: (p,) int32, which shared gram stands at each place of the shingles, -1 for none.
    postings: (k, n) CSR of float32 ones, which prompts hold which gram.
    """

    hashes: HashArray
    accounts: Ids
    ids: Ids
    postings: sparse.csr_matrix

    @cached_property
    def held(self) -> sparse.csr_matrix:
        """(n, k) CSR of float32 ones, which grams each prompt holds."""
        return self.postings.T.tocsr()


@dataclass(frozen=True, slots=True)
class Segments:
    """Runs of shared text.

    of_gram: (k,) int32, the segment of each shared gram, -1 for none.
    length: (s,) int64, grams in each segment.
    postings: (s, n) CSR of float32 ones, which prompts hold which segment.
    """

    of_gram: Ids
    length: IntArray
    postings: sparse.csr_matrix

    def only(self, shortest: int) -> Segments:
        """Return the segments of at least so many grams, in this order."""
        kept = np.flatnonzero(self.length >= shortest)
        if len(kept) == len(self.length):
            return self
        rank = np.full(len(self.length) + 1, -1, dtype=np.int32)
        rank[kept] = np.arange(len(kept))
        return Segments(rank[self.of_gram], self.length[kept], self.postings[kept])


@dataclass(frozen=True, slots=True)
class Families:
    """Families as sets of grams and of prompts.

    core: (f, k) CSR of float32 ones, the grams of each family's fixed text.
    members: (f, n) CSR of float32 ones, the prompts that cover enough of the core.
    known: (f,) int32, which stored signature each family continues, -1 for a new one.
    """

    core: sparse.csr_matrix
    members: sparse.csr_matrix
    known: Ids

    @property
    def size(self) -> IntArray:
        """Grams in each family's core, (f,) int64."""
        return np.asarray(np.diff(self.core.indptr), dtype=np.int64)

    @property
    def support(self) -> IntArray:
        """Prompts in each family, (f,) int64."""
        return np.asarray(np.diff(self.members.indptr), dtype=np.int64)

    def __len__(self) -> int:
        return int(self.core.shape[0])

    def take(self, rows: npt.NDArray[np.integer] | npt.NDArray[np.bool_]) -> Families:
        """Return only these families, in this order."""
        return Families(self.core[rows], self.members[rows], self.known[rows])


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a family's requests are spread over accounts and time, beside what chance would give, all (f,).

    requests, accounts: counts. expected_accounts: under random senders.
    pairs, expected_pairs: requests of two accounts within the window, seen and by chance.
    p_pool: one-sided p-value of so few accounts. p_synchrony: of so many close pairs.
    p_value: both combined (Fisher's method).
    """

    requests: IntArray
    accounts: IntArray
    expected_accounts: npt.NDArray[np.float64]
    pairs: IntArray
    expected_pairs: npt.NDArray[np.float64]
    p_pool: npt.NDArray[np.float64]
    p_synchrony: npt.NDArray[np.float64]
    p_value: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Trait:
    """One statistic of f families beside its null model, all (f,).

    value, expected: seen and by chance, NaN where nothing is known.
    evidence: log10 of how much the value speaks for a campaign (-log10 p or a likelihood ratio), 0 where unknown.
    """

    value: npt.NDArray[np.float64]
    expected: npt.NDArray[np.float64]
    evidence: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Traits:
    """Further statistics of f families; what each one measures is said in `traits`.

    customer: (f,) share of the accounts that have one payment hash or address block in common, NaN if unknown.
    company: (f,) the smaller of these two shares, NaN unless both are known.
    circle: (f,) accounts of the family, or of the larger family that its accounts belong to beyond chance.
    """

    concentration: Trait
    evenness: Trait
    balance: Trait
    uneven: Trait
    alike: Trait
    overlap: Trait
    clock: Trait
    regularity: Trait
    payment: Trait
    address: Trait
    agent: Trait
    returning: Trait
    newcomers: Trait
    turnover: Trait
    growth: Trait
    copied: Trait
    repeats: Trait
    coverage: Trait
    customer: npt.NDArray[np.float64]
    company: npt.NDArray[np.float64]
    circle: npt.NDArray[np.float64]
