"""Takes volatile words out of lines in which they are scattered: ids, hashes and times between the words of a sentence."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from fingerprint.base.hashing import FNV_OFFSET, FNV_PRIME
from fingerprint.base.jit import inlined, kernel
from fingerprint.base.sorting import holds
from fingerprint.base.strings import buffers, strings
from fingerprint.base.types import Bools, Bytes, HashArray, IntArray
from fingerprint.domain.schemas import SYSTEM_END, TURN_END

FEWEST_MASKED, MASKED_SHARE = 3, 0.12
"""Words of a line that hold a mask, and their share of its words, from which on they are scattered: a sentence that was
sent has an id or a date, but seldom two (D-255)."""

FEWEST_BEFORE, BEFORE_SHARE = 8, 0.8
"""A word names what stands behind it, as ref does, if it stands so often in such lines, and before a volatile word in
this share of its places; a word of a sentence that has one after every second word does so in half of them."""

_SECTION, _TURN = ord(SYSTEM_END), ord(TURN_END)
_SPACE, _LINE = b" \n"
_NOTHING, _VOLATILE, _WORD = range(3)


def without_scattered(texts: pa.Array | pa.ChunkedArray) -> pa.LargeStringArray:
    """Return normalised texts (n,) without the masks that are scattered over a line, and what is written to them.

    In such a line every word goes that holds a mask or a digit, that has no letter, as the brackets of a comment around
    a hash, or that names what stands behind it. All other lines stay as they are.
    """
    data, offsets = buffers(texts)
    lines = np.empty((2, _scattered_lines(data, offsets, np.empty((2, 0), dtype=np.int64))), dtype=np.int64)
    if not lines.size:
        return strings(data[offsets[0] : offsets[-1]], offsets - offsets[0])
    _scattered_lines(data, offsets, lines)
    out = np.empty(offsets[-1] - offsets[0], dtype=np.uint8)
    bounds = np.zeros(len(offsets), dtype=np.int64)
    _thin(data, offsets, lines, _names(data, lines), out, bounds)
    return strings(out[: bounds[-1]].copy(), bounds)


@kernel
def _scattered_lines(data: Bytes, offsets: IntArray, lines: IntArray) -> int:
    """Find the lines over which masks are scattered: where each begins and ends, into lines (2, l).

    Returns how many there are; those beyond l are only counted.
    """
    count = 0
    for row in range(len(offsets) - 1):
        masks = 0  # most texts have too few for any line, and these are counted many bytes at a time
        for i in range(offsets[row], offsets[row + 1]):
            masks += data[i] == 0xEE
        begin = offsets[row] if masks >= FEWEST_MASKED else offsets[row + 1]
        while begin < offsets[row + 1]:
            end, masks = begin, 0
            while end < offsets[row + 1] and data[end] not in (_LINE, _SECTION, _TURN):
                masks += data[end] == 0xEE
                end += 1
            if masks >= FEWEST_MASKED and _is_scattered(data, begin, end):
                if count < lines.shape[1]:
                    lines[0, count], lines[1, count] = begin, end
                count += 1
            begin = end + 1
    return count


def _names(data: Bytes, lines: IntArray) -> HashArray:
    """Return the hashes of the words that name what stands behind them in most of their places in these lines, sorted."""
    most = int((lines[1] - lines[0] + 1).sum() + 1) // 2 + lines.shape[1]
    words, before = np.empty(most, np.uint64), np.zeros(most, np.bool_)
    count = _places(data, lines, words, before)
    hashes, of, places = np.unique(words[:count], return_inverse=True, return_counts=True)
    volatile = np.bincount(of, before[:count], minlength=len(hashes))
    return hashes[(places >= FEWEST_BEFORE) & (volatile >= BEFORE_SHARE * places)]


@kernel
def _places(data: Bytes, lines: IntArray, words: HashArray, before: Bools) -> int:
    """Fill in the hash of every word in some lines, and whether a volatile one follows; returns how many there are."""
    count = 0
    for line in range(lines.shape[1]):
        i, last = lines[0, line], -1
        while i < lines[1, line]:
            stop = _word_end(data, i, lines[1, line])
            kind = _kind(data, i, stop)
            if kind == _WORD:
                words[count], last = _hash(data, i, stop), count
                count += 1
            elif kind == _VOLATILE:
                if last >= 0:
                    before[last] = True
                last = -1
            i = stop + 1
    return count


@kernel
def _thin(
    data: Bytes, offsets: IntArray, lines: IntArray, names: HashArray, out: Bytes, bounds: IntArray
) -> None:
    """Copy texts without what is scattered over these lines, ascending, and where each ends, into `out` and `bounds`.

    names: hashes of words that go, too, sorted.
    """
    size, line = 0, 0
    for row in range(len(offsets) - 1):
        i = offsets[row]
        while i < offsets[row + 1]:
            stop = offsets[row + 1]
            if line < lines.shape[1]:
                stop = min(stop, lines[0, line])
            for k in range(stop - i):
                out[size + k] = data[i + k]
            size, i = size + stop - i, stop
            if i == offsets[row + 1]:
                break
            first, end = size, lines[1, line]
            while i < end:
                stop = _word_end(data, i, end)
                if _kind(data, i, stop) == _WORD and not holds(names, _hash(data, i, stop)):
                    if size > first:
                        out[size] = _SPACE
                        size += 1
                    for k in range(i, stop):
                        out[size] = data[k]
                        size += 1
                i = stop + 1
            i = end
            line += 1
        bounds[row + 1] = size


@inlined
def _is_scattered(data: Bytes, begin: int, end: int) -> bool:
    words, masked, i = 0, 0, begin
    while i < end:
        stop = _word_end(data, i, end)
        words += stop > i
        masked += _holds_mask(data, i, stop)
        i = stop + 1
    return masked >= FEWEST_MASKED and masked >= MASKED_SHARE * words


@kernel
def _word_end(data: Bytes, i: int, end: int) -> int:
    while i < end and data[i] != _SPACE:
        i += 1
    return i


@kernel
def _holds_mask(data: Bytes, begin: int, end: int) -> bool:
    """Tell whether a word holds one of the masks, U+E001 to U+E03F."""
    masks = 0
    for i in range(begin, end - 2):
        masks += data[i] == 0xEE and data[i + 1] == 0x80
    return masks > 0


@kernel
def _kind(data: Bytes, begin: int, end: int) -> int:
    """Tell whether a word is volatile, with a mask or a digit, or one with letters."""
    letters = False
    for i in range(begin, end):
        c = data[i]
        if 48 <= c <= 57:
            return _VOLATILE
        letters |= c >= 0x80 or 97 <= c <= 122
    if not letters:
        return _NOTHING
    return _VOLATILE if _holds_mask(data, begin, end) else _WORD


@kernel
def _hash(data: Bytes, begin: int, end: int) -> np.uint64:
    value = np.uint64(FNV_OFFSET)
    for i in range(begin, end):
        value = (value ^ np.uint64(data[i])) * np.uint64(FNV_PRIME)
    return value
