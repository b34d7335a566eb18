"""Hashed token n-grams of prompts.

A gram is a run of GRAM tokens inside one section (the system prompt or one user turn) that is padded
with a start and an end mark, so "combine facts and" at the very start of a prompt is a different gram
from the same words in running text. Which of them prompts and accounts share is discovery/shared_ngrams.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprint.base.jit import kernel, njit
from fingerprint.base.sparse import copied, ends_of
from fingerprint.base.types import Bools, HashArray, IntArray


@dataclass(frozen=True, slots=True)
class Shingles:
    """The grams of n prompts in reading order.

    hashes: (p,) uint64, never 0.
    joined: (p,) bool, True where gram i + 1 continues gram i in the same section.
    offsets: (n + 1,) int64, where each prompt's grams start.
    """

    hashes: HashArray
    joined: Bools
    offsets: IntArray

    @property
    def prompts(self) -> int:
        """How many prompts there are."""
        return len(self.offsets) - 1

    def only(self, prompts: npt.NDArray[np.integer]) -> Shingles:
        """Return the grams of some prompts (q,) only."""
        ends = ends_of(self.offsets, prompts)
        return Shingles(
            copied(self.hashes, self.offsets, prompts, ends),
            copied(self.joined, self.offsets, prompts, ends),
            ends,
        )


@dataclass(frozen=True, slots=True)
class Spans:
    """Which tokens the grams of n prompts cover, in the order of `Shingles`; few are needed, and all would take a night's memory.

    first: (p,) int64, index of the first token a gram covers.
    last: (p,) int64, index after the last token a gram covers.
    offsets: (n + 1,) int64, where each prompt's grams start.
    """

    first: IntArray
    last: IntArray
    offsets: IntArray


GRAM = 4
"""Tokens in a gram, boundary marks included (3 to 6 measured: D-115)."""

VERSION = f"{GRAM}-gram/1"
"""Part of every signature's stamp: grams of different versions never match."""

START = np.uint64(0x9AE16A3B2F90404F)
END = np.uint64(0xC949D7C7509E6557)
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


def shingle(hashes: HashArray, section: npt.NDArray[Any], offsets: IntArray, *, gram: int = GRAM) -> Shingles:
    """Hash the grams of n prompts.

    hashes: (t,) uint64 and section: (t,) uint8 of their tokens, offsets: (n + 1,) where each prompt's begin, as in
    `tokenise.Tokens`. gram: tokens in a gram; a section with fewer, its two marks included, is one gram.
    """
    return Shingles(*hash_grams(hashes, section, offsets, gram))


def spans(section: npt.NDArray[Any], offsets: IntArray, *, gram: int = GRAM) -> Spans:
    """Return which tokens the grams cover that `shingle` makes of these sections and offsets."""
    return Spans(*_spans(section, offsets, gram))


@kernel
def _count_grams(section: npt.NDArray[Any], offsets: IntArray, gram: int, starts: IntArray) -> None:
    """Write where each prompt's grams begin, (n + 1,)."""
    starts[0] = 0
    for row in range(len(offsets) - 1):
        starts[row + 1] = starts[row]
        i = offsets[row]
        while i < offsets[row + 1]:
            j = i
            while j < offsets[row + 1] and section[j] == section[i]:
                j += 1
            starts[row + 1] += max(1, j - i + 2 - gram + 1)
            i = j


@kernel
def _mixed(hashed: np.uint64, token: np.uint64) -> np.uint64:
    hashed = (hashed ^ token) * MULTIPLIER
    return hashed ^ (hashed >> np.uint64(29))


@kernel
def _gram(hashes: HashArray, i: int, padded: int, begin: int, gram: int) -> np.uint64:
    """Return the gram that begins at a place of a section, its marks counted; its tokens begin at i."""
    width = min(gram, padded)
    hashed = np.uint64(width)
    for k in range(begin, begin + width):
        hashed = _mixed(hashed, START if k == 0 else (END if k == padded - 1 else hashes[i + k - 1]))
    return max(hashed, np.uint64(1))


@kernel
def _hash_inside(tokens: HashArray, out: HashArray) -> None:
    """Write the grams of GRAM tokens without a mark; the compiler looks at several at once."""
    for n in range(len(out)):
        hashed = np.uint64(GRAM)
        hashed = _mixed(hashed, tokens[n])
        hashed = _mixed(hashed, tokens[n + 1])
        hashed = _mixed(hashed, tokens[n + 2])
        hashed = _mixed(hashed, tokens[n + 3])
        out[n] = max(hashed, np.uint64(1))


@njit(cache=True, nogil=True)
def hash_grams(
    hashes: HashArray, section: npt.NDArray[Any], offsets: IntArray, gram: int
) -> tuple[HashArray, Bools, IntArray]:
    """Return the columns of Shingles; arguments as those of `shingle`."""
    starts = np.empty(len(offsets), np.int64)
    _count_grams(section, offsets, gram, starts)
    total = starts[-1]
    out = np.empty(total, np.uint64)
    joined = np.zeros(total, np.bool_)
    for row in range(len(offsets) - 1):
        place = starts[row]
        i = offsets[row]
        while i < offsets[row + 1]:
            j = i
            while j < offsets[row + 1] and section[j] == section[i]:
                j += 1
            padded = j - i + 2
            last = padded - min(gram, padded)
            out[place], out[place + last] = (
                _gram(hashes, i, padded, 0, gram),
                _gram(hashes, i, padded, last, gram),
            )
            if gram == GRAM:
                _hash_inside(hashes[i:j], out[place + 1 : place + last])
            else:
                for begin in range(1, last):
                    out[place + begin] = _gram(hashes, i, padded, begin, gram)
            joined[place : place + last] = True
            place += last + 1
            i = j
    return out, joined, starts


@njit(cache=True, nogil=True)
def _spans(section: npt.NDArray[Any], offsets: IntArray, gram: int) -> tuple[IntArray, IntArray, IntArray]:
    """Return the columns of Spans."""
    starts = np.empty(len(offsets), np.int64)
    _count_grams(section, offsets, gram, starts)
    first = np.empty(starts[-1], np.int64)
    last = np.empty(starts[-1], np.int64)
    for row in range(len(offsets) - 1):
        place = starts[row]
        i = offsets[row]
        while i < offsets[row + 1]:
            j = i
            while j < offsets[row + 1] and section[j] == section[i]:
                j += 1
            width = min(gram, j - i + 2)
            for begin in range(j - i + 2 - width + 1):
                first[place] = i + max(begin - 1, 0)
                last[place] = i + min(begin + width - 1, j - i)
                place += 1
            i = j
    return first, last, starts
