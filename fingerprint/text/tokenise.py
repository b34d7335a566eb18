"""Splits normalised texts into hashed tokens."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
import pyarrow as pa

from fingerprint.base.growing import widened
from fingerprint.base.hashing import FNV_OFFSET, FNV_PRIME, finalise
from fingerprint.base.jit import inlined, kernel, njit
from fingerprint.base.simd import WIDE, lowest, within
from fingerprint.base.strings import buffers
from fingerprint.base.types import Bytes, HashArray, Ids, IntArray
from fingerprint.base.word_hashes import WORDS, hash_words
from fingerprint.domain.schemas import SYSTEM_END
from fingerprint.text.characters import (
    CLASS,
    LETTER,
    MARK,
    SEPARATOR,
    SINGLE,
    SPACE,
    decode,
    matching,
    width,
)
from fingerprint.text.masking import MASKS

LAST_SECTION: Final = 255
"""All turns from this one on are one section."""

_SYSTEM_END = ord(SYSTEM_END)


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of n texts, in order.

    row_offsets: (n + 1,) int64, where the tokens of each text start.
    hashes: (t,) uint64, of each token's UTF-8 bytes, never 0.
    starts, ends: (t,) int32, byte offsets into the token's own text.
    section: (t,) uint8, 0 in the system prompt, 1 in the first user turn and so on up to 255.
    """

    row_offsets: IntArray
    hashes: HashArray
    starts: Ids
    ends: Ids
    section: Bytes


def tokens(normalised: pa.Array | pa.ChunkedArray) -> Tokens:
    """Return the tokens of texts that `normalise` made.

    A token is a word (letters, digits and marks, with single ' and _ inside), one character of a script that is
    written without spaces with its marks, one mask or one emoji. Punctuation makes no token, unless a text has nothing
    else: then each sign is one.
    """
    return Tokens(*scan(*buffers(normalised), token_kinds()))


@cache
def token_kinds() -> Bytes:
    """Return the class of each code, masks included, for `scan`."""
    kinds = matching().kinds & np.uint8(CLASS)
    kinds[[ord(m) for m in MASKS]] = SINGLE
    return kinds


def makes_token(character: str) -> bool:
    """Tell whether a character is, or begins, a token of any text, and not only of one that has nothing but signs."""
    return int(token_kinds()[ord(character)]) in (LETTER, MARK, SINGLE)


@inlined
def _next(data: Bytes, i: int, end: int, kinds: Bytes, signs: bool) -> tuple[int, int]:
    """Return start and end of the first token or separator at or after `i`; (end, end) if there is none."""
    while i < end:
        if data[i] < 0x80:
            size, kind = 1, kinds[data[i]]
        else:
            size = min(width(data[i]), end - i)
            kind = kinds[decode(data, i, size)]
        if kind in (LETTER, MARK):
            return i, _word_end(data, i + size, end, kinds)
        if kind == SINGLE:
            return i, _marks_end(data, i + size, end, kinds)
        if kind == SEPARATOR or (signs and kind != SPACE):
            return i, i + size
        i += size
    return end, end


@inlined
def _word_end(data: Bytes, i: int, end: int, kinds: Bytes) -> int:
    while i < end:
        if data[i] < 0x80:
            size, kind = 1, kinds[data[i]]
        else:
            size = min(width(data[i]), end - i)
            kind = kinds[decode(data, i, size)]
        if kind not in (LETTER, MARK):
            if (data[i] != 39 and data[i] != 95) or i + 1 >= end:  # ' and _
                return i
            after = min(width(data[i + 1]), end - i - 1)
            if kinds[decode(data, i + 1, after)] != LETTER:
                return i
            size += after
        i += size
    return end


@inlined
def _marks_end(data: Bytes, i: int, end: int, kinds: Bytes) -> int:
    while i < end:
        size = min(width(data[i]), end - i)
        if kinds[decode(data, i, size)] != MARK:
            return i
        i += size
    return end


@inlined
def _hash(data: Bytes, i: int, end: int) -> np.uint64:
    """Return FNV-1a, mixed by the finaliser of splitmix64 (Steele et al. 2014, fig. 16); 0 becomes 1."""
    h = FNV_OFFSET
    for k in range(i, end):
        h = (h ^ np.uint64(data[k])) * FNV_PRIME
    return finalise(h)


@inlined
def _first_section(data: Bytes, i: int, end: int) -> int:
    for k in range(i, end):
        if data[k] == _SYSTEM_END:
            return 0
    return 1


@kernel
def _words(
    data: Bytes, row: tuple[int, int], i: int, section: int, out: tuple[Any, ...], t: int
) -> tuple[int, int, bool]:
    """Write the words of ASCII letters and digits among the WIDE bytes from `i` on, up to what `_next` has to look at.

    Returns where the tokens end, where to go on, and whether `_next` must. At ', _ and what is no printable ASCII it must, and
    at a word that goes on there or is as long as all these bytes.
    """
    (start, end), (_, starts, ends, sections), one = row, out, np.uint64(1)
    letters = within(data, i, 48, 57) | within(data, i, 65, 90) | within(data, i, 97, 122)
    others = ~within(data, i, 32, 126) | within(data, i, 39, 39) | within(data, i, 95, 95)
    size = end - i
    if size < WIDE:
        letters &= (one << np.uint64(size)) - one
        others &= (one << np.uint64(size)) - one
    stop = lowest(others)
    read = (one << np.uint64(stop)) - one if stop < WIDE else ~np.uint64(0)
    firsts, stops = letters & ~(letters << one), ~letters & (letters << one) & read
    while stops != 0:
        starts[t], ends[t] = i + lowest(firsts) - start, i + lowest(stops) - start
        sections[t] = section
        t += 1
        firsts &= firsts - one
        stops &= stops - one
    word = lowest(firsts & read)  # one that does not end here
    if word < WIDE:
        return t, i + word, stop < WIDE or word == 0
    return t, i + min(size, stop), stop < WIDE


@kernel
def _scan_row(
    data: Bytes, row: tuple[int, int], kinds: Bytes, signs: bool, out: tuple[Any, ...], t: int
) -> int:
    """Write the tokens of one row from `t` on, but for their hashes, and return where they end."""
    start, end = row
    _, starts, ends, section = out
    i, now = start, _first_section(data, start, end)
    while i < end:
        if not signs and i + WIDE <= len(data):
            t, i, hard = _words(data, row, i, now, out, t)
            if not hard:
                continue
        a, i = _next(data, i, end, kinds, signs)
        if a == i:
            break
        if kinds[data[a]] == SEPARATOR:
            now = min(now + 1, LAST_SECTION)
            continue
        starts[t], ends[t], section[t] = a - start, i - start, now
        t += 1
    return t


@kernel
def _hash_row(data: Bytes, start: int, out: tuple[Any, ...], first: int, end: int) -> None:
    """Write the hashes of the tokens from `first` to `end`, of a row that begins at `start`."""
    hashes, starts, ends, _ = out
    for t in range(first, end, WORDS):
        last, longest = min(t + WORDS, end) - 1, 0
        for k in range(t, last + 1):
            longest = max(longest, ends[k] - starts[k])
        if start + starts[last] + longest + 8 <= len(data):
            hash_words(data, start, starts, ends, t, last, hashes)
            continue
        for k in range(t, last + 1):
            hashes[k] = _hash(data, start + starts[k], start + ends[k])


@njit(cache=True, nogil=True)
def scan(data: Bytes, offsets: IntArray, kinds: Bytes) -> tuple[Any, ...]:
    """Return the columns of Tokens, of n texts: their bytes, offsets (n + 1,), and `token_kinds`."""
    rows = np.zeros(len(offsets), np.int64)
    room = (offsets[-1] - offsets[0]) // 4 + 64
    hashes, section = np.empty(room, np.uint64), np.empty(room, np.uint8)
    starts, ends = np.empty(room, np.int32), np.empty(room, np.int32)
    t = int(np.int64(0))
    for r in range(len(offsets) - 1):
        start, end = offsets[r], offsets[r + 1]
        if t + end - start + WORDS > room:  # no row has more tokens than bytes
            room = 2 * room + end - start + WORDS
            hashes, section = widened(hashes, room), widened(section, room)
            starts, ends = widened(starts, room), widened(ends, room)
        for signs in (False, True):
            t = _scan_row(data, (start, end), kinds, signs, (hashes, starts, ends, section), t)
            if t > rows[r]:
                break
        rows[r + 1] = t
        _hash_row(data, start, (hashes, starts, ends, section), rows[r], t)
    return rows, hashes[:t], starts[:t], ends[:t], section[:t]
