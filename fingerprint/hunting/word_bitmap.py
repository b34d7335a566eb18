"""Marks where the words and signs of raw ASCII text are, 64 bytes at a time, as Langdale and Lemire's simdjson does.

Each class of bytes is one number of 64 bits; where words begin and end follows from these by shifts (Langdale and
Lemire 2019, "Parsing gigabytes of JSON per second", section 3.1).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fingerprint.base.jit import kernel_with
from fingerprint.base.simd import WIDE, copy, lowest, within
from fingerprint.base.types import Bytes, HashArray, IntArray

MAX_PLAIN_DIGITS = 4
"""Digits of a word that is surely no part of a mask."""

_ONE, _ALL = np.uint64(1), np.uint64(0xFFFFFFFFFFFFFFFF)
_TOP = np.uint64(63)
_SPACE = 32


class WordBitmap(NamedTuple):
    """The words and signs of one text, in order; m is the room for them, one for each byte of the text.

    begins, ends: (m,) int64, where each stands in the data; a word is a run of letters and digits, a sign or a
    separator one byte.
    unsure: (m // WIDE + 3,) uint64, a bit for each byte from the text's beginning on: set where a word may not end or
    a sign may not stand for itself, for a mask or a token may go on there.
    rest: (WIDE,) uint8, room for a text's last bytes.
    letters: (m, 2) uint64 and numbers: (m,) int64, room to look words up (`word_table`); -1 for a word not found.
    """

    begins: IntArray
    ends: IntArray
    unsure: HashArray
    rest: Bytes
    letters: HashArray
    numbers: IntArray


def bitmap_for(longest: int) -> WordBitmap:
    """Make room for texts of at most so many bytes."""
    return WordBitmap(
        np.empty(longest + WIDE, np.int64),
        np.empty(longest + WIDE, np.int64),
        np.empty(longest // WIDE + 3, np.uint64),
        np.empty(WIDE, np.uint8),
        np.empty((longest + WIDE, 2), np.uint64),
        np.empty(longest + WIDE, np.int64),
    )


@kernel_with(inline="always")
def mark_words(data: Bytes, start: int, end: int, bitmap: WordBitmap) -> int:
    """Mark the words and signs of the text data[start:end], uint8, in `bitmap`.

    Returns how many there are, or -1 where the text has a character that the reader of ASCII leaves to the normaliser.
    """
    begun, ended = 0, 0
    # of the block before: whether its last byte is in a word or is a sign, and its letters and digits
    word, sign, letters_before, digits_before = np.uint64(0), np.uint64(0), np.uint64(0), np.uint64(0)
    for i in range(start, end, WIDE):
        block, at = data, i
        if i + WIDE > end:
            block, at = _padded(data, i, end, bitmap.rest), 0
        letters = within(block, at, 65, 90) | within(block, at, 97, 122)
        digits = within(block, at, 48, 57)
        spaces = within(block, at, 9, 13) | within(block, at, 32, 32)
        signs = within(block, at, 29, 30) | (within(block, at, 33, 126) & ~(letters | digits))
        words = letters | digits
        if (words | spaces | signs) != _ALL:
            return -1
        words_before = (words << _ONE) | word
        first = (words & ~words_before) | signs
        last = (words_before & ~words) | (signs << _ONE) | sign
        begun = _append_places(bitmap.begins, begun, first, i)
        ended = _append_places(bitmap.ends, ended, last, i)
        # what ties words, numbers and masks together, unless white space follows
        ties = within(block, at, 43, 47) | within(block, at, 37, 37) | within(block, at, 39, 39)
        ties |= within(block, at, 58, 58) | within(block, at, 95, 95)
        before_space = (spaces >> _ONE) | (_is_space_or_end(data, i + WIDE, end) << _TOP)
        unsure = (ties & ~before_space) | within(block, at, 64, 64)
        unsure |= digits & ((letters << _ONE) | (letters_before >> _TOP))
        unsure |= letters & ((digits << _ONE) | (digits_before >> _TOP))
        run = digits
        for k in range(1, MAX_PLAIN_DIGITS + 1):
            run &= (digits << np.uint64(k)) | (digits_before >> np.uint64(64 - k))
        bitmap.unsure[(i - start) // WIDE] = unsure | run
        word, sign, letters_before, digits_before = words >> _TOP, signs >> _TOP, letters, digits
    if word | sign:
        bitmap.ends[ended] = end
    bitmap.unsure[(end - start + WIDE - 1) // WIDE] = 0
    return begun


@kernel_with(inline="always")
def _padded(data: Bytes, i: int, end: int, rest: Bytes) -> Bytes:
    """Return the last bytes of a text with spaces behind them."""
    rest[:] = _SPACE
    copy(rest, 0, data, i, end - i)
    return rest


@kernel_with(inline="always")
def _is_space_or_end(data: Bytes, i: int, end: int) -> np.uint64:
    return np.uint64(i >= end or data[i] == _SPACE or 9 <= data[i] <= 13)


@kernel_with(forceinline=True)
def _append_places(out: IntArray, o: int, bits: np.uint64, base: int) -> int:
    """Append the place of each bit that is set; return how many there are then."""
    while bits != 0:
        out[o] = base + lowest(bits)
        o += 1
        bits &= bits - _ONE
    return o


@kernel_with(forceinline=True)
def is_unsure(bitmap: WordBitmap, begin: int, end: int) -> bool:
    """Tell whether any byte from `begin` on, up to and with `end`, is unsure: places in the text, less than 64 apart."""
    at, shift = begin >> 6, np.uint64(begin & 63)
    bits = (bitmap.unsure[at] >> shift) | ((bitmap.unsure[at + 1] << _ONE) << (_TOP - shift))
    return bool(bits << np.uint64(63 - (end - begin)))
