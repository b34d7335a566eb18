"""Remembers plain words that were met before, so that a word met again costs one look instead of its letters.

A plain word is one to 15 ASCII letters in any case, or digits. Its bytes are two numbers, read in two loads. Words are
kept in the order in which they were met, so that those met often lie together and stay in the processor's cache.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fingerprint.base.hashing import FNV_OFFSET, FNV_PRIME, finalise
from fingerprint.base.jit import kernel, kernel_with
from fingerprint.base.simd import aligned, eight
from fingerprint.base.types import Bytes, FloatArray, HashArray, Ids, IntArray
from fingerprint.embedding.languages import MOST_EVIDENCE, evidence_in
from fingerprint.embedding.wordpiece import WordPieces, cut
from fingerprint.hunting.sentence_bounds import EVIDENCE
from fingerprint.hunting.word_bitmap import WordBitmap

LONGEST = 15
"""Bytes of a plain word."""

MAX_WORDS = (1 << 16) - 2
"""Words that are remembered (17 MB with 128 dimensions); others are read anew whenever they come (D-023)."""

_LARGEST = 32_767
_PIECES = 2  # as many pieces of the longest vector as one number holds

_BITS = 17
_PROBES = 16  # places that are tried: words that were made to share one cost no more than being read anew
_SHIFT = np.uint64(64 - _BITS)
_LOWER = np.uint64(0x2020202020202020)  # set in digits, too
_MIX_LOW, _MIX_HIGH = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
_LOW_MASK = np.array([(1 << 8 * min(size, 8)) - 1 for size in range(LONGEST + 1)], np.uint64)
_HIGH_MASK = np.array([(1 << 8 * max(size - 8, 0)) - 1 for size in range(LONGEST + 1)], np.uint64)
_LOW, _HIGH, _TOKEN = range(3)


class WordTable(NamedTuple):
    """The words that were met, for one thread at a time.

    slots: (128 Ki,) uint16, 1 + the number of the word that stands there by open addressing, 0 where free.
    words: (MAX_WORDS + 1, 4) uint64, of each its first eight bytes, the others, and the hash of its token.
    vectors: (v, b) float32, of v pieces in some basis. sums: (v + MAX_WORDS, b) int16, these times `unit`, and behind them the
    sum of each word's pieces; the column EVIDENCE, of what is told of a language, is as it is.
    rounding: how long what a row is off may be, in these numbers. total: (b,) float32, room for a sum.
    filled: (1,) int64, how many words are known.
    """

    slots: npt.NDArray[np.uint16]
    words: HashArray
    vectors: FloatArray
    sums: npt.NDArray[np.int16]
    unit: float
    rounding: float
    total: FloatArray
    filled: IntArray


def empty_table(vectors: FloatArray) -> WordTable:
    """Return room for words, none of which is known yet.

    vectors: (v, b) float32, of pieces; v may be 0, and then words have no sums.
    """
    count, wide = vectors.shape
    sums = aligned(count + MAX_WORDS if wide else 0, wide, np.int16)
    longest = float(
        np.sqrt(np.square(vectors).sum(axis=1) - np.square(vectors[:, :1]).sum(axis=1)).max(initial=0.0)
    )
    unit = _LARGEST / (_PIECES * max(longest, 1e-9))
    scaled = vectors * np.float32(unit)
    np.rint(scaled, out=sums[:count], casting="unsafe")
    if wide:
        sums[:count, EVIDENCE] = vectors[:, EVIDENCE]
    return WordTable(
        np.zeros(1 << _BITS, np.uint16),
        aligned(MAX_WORDS + 1, 4, np.uint64),
        vectors,
        sums,
        unit,
        # each number by a half at most; a hundredth for what floats are off
        0.505 * float(np.sqrt(wide)),
        np.zeros(wide, np.float32),
        np.zeros(1, np.int64),
    )


@kernel_with(inline="always")
def word_number(
    table: WordTable, pieces: WordPieces, data: Bytes, first: int, size: int, room: Ids, o: int
) -> int:
    """Return the number of the plain word of `size` bytes at `first`, which is added if it is new.

    Returns -1 where it is not known and there is no room for it. The pieces must be the same at every call.
    room: int32, where a new word's pieces may be written, from `o` on.
    """
    low, high = _bytes(data, first, size)
    slots, words = table.slots, table.words
    at = _slot_of(low, high)
    for _ in range(_PROBES):
        number = np.int64(slots[at]) - 1
        if number < 0:
            return _add_word(table, int(at), (low, high), pieces, data, (first, first + size), room, o)
        if words[number, _LOW] == low and words[number, _HIGH] == high:
            return int(number)
        at = (at + np.uint64(1)) & np.uint64((1 << _BITS) - 1)
    return -1


@kernel_with(inline="always")
def look_up_words(table: WordTable, data: Bytes, bitmap: WordBitmap, count: int) -> None:
    """Write the numbers of the first `count` marked words of `data` (b,) uint8 into `bitmap.numbers`; -1 = not found.

    Without a branch, so that the processor waits for many of them at once.
    """
    slots, words = table.slots, table.words
    begins, ends, letters, numbers = bitmap.begins, bitmap.ends, bitmap.letters, bitmap.numbers
    for k in range(count):
        low, high = _bytes(data, begins[k], min(ends[k] - begins[k], LONGEST))
        letters[k, 0], letters[k, 1] = low, high
        numbers[k] = np.int64(slots[_slot_of(low, high)]) - 1
    for k in range(count):
        number = numbers[k]
        word = max(number, 0)
        same = (words[word, _LOW] == letters[k, 0]) & (words[word, _HIGH] == letters[k, 1])
        numbers[k] = number if same else -1


@kernel_with(forceinline=True)
def _slot_of(low: np.uint64, high: np.uint64) -> np.uint64:
    return ((low * _MIX_LOW) ^ (high * _MIX_HIGH)) >> _SHIFT


@kernel_with(forceinline=True)
def token_hash(table: WordTable, number: int) -> np.uint64:
    """Return the hash of a known word's token."""
    return np.uint64(table.words[number, _TOKEN])


@kernel_with(forceinline=True)
def _bytes(data: Bytes, first: int, size: int) -> tuple[np.uint64, np.uint64]:
    """Return the first eight bytes of a word in lower case, and its others."""
    low, high = np.uint64(0), np.uint64(0)
    if first + 16 <= len(data):
        low, high = eight(data, first) | _LOWER, eight(data, first + 8) | _LOWER
    else:
        for i in range(size):
            byte = np.uint64(data[first + i] | 0x20)
            if i < 8:
                low |= byte << np.uint64(8 * i)
            else:
                high |= byte << np.uint64(8 * (i - 8))
    return low & _LOW_MASK[size], high & _HIGH_MASK[size]


@kernel
def plain_word_hash(data: Bytes, begin: int, end: int) -> np.uint64:
    """Return the FNV-1a of the plain word data[begin:end], uint8, in lower case."""
    h = FNV_OFFSET
    for i in range(begin, end):
        h = (h ^ np.uint64(data[i] | 0x20)) * FNV_PRIME
    return h


@kernel_with(forceinline=True)
def add_evidence(table: WordTable, pieces: WordPieces, h: np.uint64, rows: Ids, row: int) -> int:
    """Add the row of a word's evidence, if it has any; h: its FNV-1a. Returns how many rows there are then."""
    told = evidence_in(pieces.told, h)
    if told != 0:
        # these rows stand between the pieces' and the words'
        rows[row] = len(table.sums) - MAX_WORDS - MOST_EVIDENCE - 1 + told
        row += 1
    return int(row)


@kernel_with(inline="always")
def _add_word(
    table: WordTable,
    at: int,
    letters: tuple[np.uint64, np.uint64],
    pieces: WordPieces,
    data: Bytes,
    place: tuple[int, int],
    room: Ids,
    o: int,
) -> int:
    """Give a new word the next number; -1 if there is none, or if its sum is too long."""
    number = int(table.filled[0])
    if number == MAX_WORDS:
        return -1
    sums, total = table.sums, table.total
    h = plain_word_hash(data, place[0], place[1])
    if len(sums) > 0:
        total[:] = 0
        for k in range(o, cut(pieces, data, place, room, o)):
            for c in range(len(total)):
                total[c] += table.vectors[room[k], c]
        row = len(sums) - MAX_WORDS + number
        for c in range(len(total)):
            value = np.rint(total[c] * table.unit)
            if abs(value) > _LARGEST:
                return -1
            sums[row, c] = np.int16(value)
        sums[row, EVIDENCE] = evidence_in(pieces.told, h)
    table.filled[0] += 1
    table.slots[at] = number + 1
    table.words[number, _LOW], table.words[number, _HIGH] = letters
    table.words[number, _TOKEN] = finalise(h)
    return number
