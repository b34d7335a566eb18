"""Marks where the words and signs of raw ASCII text are, 64 bytes at a time, as Langdale and Lemire's simdjson does.

Each class of bytes is one number of 64 bits; where words begin and end follows from these by shifts (Langdale and
Lemire 2019, "Parsing gigabytes of JSON per second", section 3.1).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fingerprint.base.jit import kernel, kernel_with
from fingerprint.base.simd import WIDE, copy, lowest, within
from fingerprint.base.types import Bytes, HashArray, IntArray

CALM_DIGITS = 4
"""Digits of a word that is surely no part of a mask."""

_ONE, _ALL = np.uint64(1), np.uint64(0xFFFFFFFFFFFFFFFF)
_TOP = np.uint64(63)
_SPACE = 32


class WordBitmap(NamedTuple):
    """The words and signs of one text, in order.

    begins, ends: where each stands; a word is a run of letters and digits, a sign or a separator one byte.
    unsure: (m,) a bit for each byte from the text's beginning on, where a word may not end or a sign may not stand for
    itself, for a mask or a token may go on there. rest: (WIDE,) room for a text's last bytes. letters (m, 2), numbers:
    room to look up words.
    """

    begins: IntArray
    ends: IntArray
    unsure: HashArray
    rest: Bytes
    letters: HashArray
    numbers: IntArray


def marks_for(longest: int) -> WordBitmap:
    """Make room for texts of at most so many bytes."""
    return WordBitmap(
        np.empty(longest + WIDE, np.int64),
        np.empty(longest + WIDE, np.int64),
        np.empty(longest // WIDE + 3, np.uint64),
        np.empty(WIDE, np.uint8),
        np.empty((longest + WIDE, 2), np.uint64),
        np.empty(longest + WIDE, np.int64),
    )


@kernel
def mark(data: Bytes, start: int, end: int, marks: WordBitmap) -> int:
    """Mark a text; return how many words and signs it has, or -1 where it has characters that are not for it."""
    begun, ended = 0, 0
    word, sign, letter, digit = np.uint64(0), np.uint64(0), np.uint64(0), np.uint64(0)  # of the bytes before
    for i in range(start, end, WIDE):
        some, at = data, i
        if i + WIDE > end:
            some, at = _padded(data, i, end, marks.rest), 0
        letters = within(some, at, 65, 90) | within(some, at, 97, 122)
        digits = within(some, at, 48, 57)
        spaces = within(some, at, 9, 13) | within(some, at, 32, 32)
        signs = within(some, at, 29, 30) | (within(some, at, 33, 126) & ~(letters | digits))
        words = letters | digits
        if (words | spaces | signs) != _ALL:
            return -1
        words_before = (words << _ONE) | word
        first = (words & ~words_before) | signs
        last = (words_before & ~words) | (signs << _ONE) | sign
        begun = _noted(marks.begins, begun, first, i)
        ended = _noted(marks.ends, ended, last, i)
        # what ties words, numbers and masks together, unless white space follows
        ties = within(some, at, 43, 47) | within(some, at, 37, 37) | within(some, at, 39, 39)
        ties |= within(some, at, 58, 58) | within(some, at, 95, 95)
        loose = (spaces >> _ONE) | (_is_space_or_end(data, i + WIDE, end) << _TOP)
        unsure = (ties & ~loose) | within(some, at, 64, 64)
        unsure |= digits & ((letters << _ONE) | (letter >> _TOP))
        unsure |= letters & ((digits << _ONE) | (digit >> _TOP))
        run = digits
        for k in range(1, CALM_DIGITS + 1):
            run &= (digits << np.uint64(k)) | (digit >> np.uint64(64 - k))
        marks.unsure[(i - start) // WIDE] = unsure | run
        word, sign, letter, digit = words >> _TOP, signs >> _TOP, letters, digits
    if word | sign:
        marks.ends[ended] = end
    marks.unsure[(end - start + WIDE - 1) // WIDE] = 0
    return begun


@kernel
def _padded(data: Bytes, i: int, end: int, rest: Bytes) -> Bytes:
    """Return the last bytes of a text with spaces behind them."""
    rest[:] = _SPACE
    copy(rest, 0, data, i, end - i)
    return rest


@kernel
def _is_space_or_end(data: Bytes, i: int, end: int) -> np.uint64:
    return np.uint64(i >= end or data[i] == _SPACE or 9 <= data[i] <= 13)


@kernel_with(forceinline=True)
def _noted(out: IntArray, o: int, bits: np.uint64, base: int) -> int:
    """Append the place of each bit that is set."""
    while bits != 0:
        out[o] = base + lowest(bits)
        o += 1
        bits &= bits - _ONE
    return o


@kernel_with(forceinline=True)
def is_unsure(marks: WordBitmap, begin: int, end: int) -> bool:
    """Tell whether any byte from `begin` on, up to and with `end`, is unsure: places in the text, less than 64 apart."""
    at, shift = begin >> 6, np.uint64(begin & 63)
    bits = (marks.unsure[at] >> shift) | ((marks.unsure[at + 1] << _ONE) << (_TOP - shift))
    return bool(bits << np.uint64(63 - (end - begin)))
