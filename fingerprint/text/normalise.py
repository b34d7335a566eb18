"""Makes different spellings of one text the same: the form of a text that is hashed, compared and clustered.

In this order: invisible characters out, NFKC (Unicode Standard Annex 15), case, accents and look-alikes (UTS #39)
folded, white space folded, volatile tokens masked. The result is for matching only; people are shown `display`.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fingerprint.base.jit import inlined, kernel, njit
from fingerprint.base.simd import WIDE, copy, lowest, shift_capitals, within
from fingerprint.base.strings import buffers, plain, strings
from fingerprint.base.types import Bools, Bytes, HashArray, IntArray
from fingerprint.domain.schemas import SECTION_MARK, SYSTEM_END
from fingerprint.text.characters import (
    ASCII_LETTER,
    BEFORE,
    CLASS,
    DROP,
    LATINISED,
    LETTER,
    LOOSE,
    MARK,
    SEPARATOR,
    SPACE,
    STRIP,
    SYMBOL,
    Characters,
    decode,
    encode,
    matching,
    showing,
    width,
)
from fingerprint.text.masking import mask

VERSION: Final = "1"
"""Of the normaliser, its tables, masks and tokeniser: hashes of different versions must not be compared."""

MAX_MARKS: Final = 6
"""Longest run of combining marks that is text: Burmese and Tibetan stacks end here, stuffing does not."""

# bytes that a fold writes are at most this many times the bytes it reads
_GROWTH: Final = 2

_CAPITAL: Final = ord("A")

# a mark of a section stands at the beginning of a text or a line, elsewhere it is somebody's own
_MARK: Final = ord(SECTION_MARK)


def normalise(texts: pa.Array | pa.ChunkedArray) -> pa.LargeStringArray:
    """Return the matching form of each text, (n,) large_string without nulls; texts: (n,) of any string type, null read as ""."""
    return normalise_with_values(texts)[0]


def normalise_with_values(
    texts: pa.Array | pa.ChunkedArray,
) -> tuple[pa.LargeStringArray, HashArray]:
    """Return the matching form of n texts, and a hash (n,) of what the masks of each stand for, 0 without a mask."""
    data, offsets, values = mask(*_fold(texts, matching()))
    return strings(data, offsets), values


def fold(texts: pa.Array | pa.ChunkedArray) -> pa.LargeStringArray:
    """Return what `normalise` makes of each text before it masks volatile tokens, (n,) large_string."""
    return strings(*_fold(texts, matching()))


def mask_folded(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    """Return what `normalise` makes of texts that `fold` made, (n,) large_string each."""
    data, offsets = buffers(texts)
    return strings(*mask(data[offsets[0] : offsets[-1]].copy(), offsets - offsets[0])[:2])


def display(texts: pa.Array | pa.ChunkedArray) -> pa.LargeStringArray:
    """Return each text as people may see it: NFKC, nothing invisible, white space folded; letters and case kept.

    Marks of sections (`SECTION_MARK`) are kept, too.

    texts: (n,) of any string type. Returns (n,) large_string without nulls.
    """
    return strings(*_fold(texts, showing()))


def compose(system: pa.Array | pa.ChunkedArray, prompt: pa.Array | pa.ChunkedArray) -> pa.LargeStringArray:
    """Return the text to fingerprint: system, SYSTEM_END and prompt; the prompt alone where system is null or empty.

    system, prompt: (n,) of any string type. Returns (n,) large_string without nulls.
    """
    before, after = buffers(system), buffers(prompt)
    sizes = np.diff(before[1])
    if not sizes.any():
        return plain(prompt)
    ends = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes + (sizes > 0) + np.diff(after[1]), out=ends[1:])
    out = np.empty(ends[-1], np.uint8)
    _join(before, after, np.uint8(ord(SYSTEM_END)), (out, ends))
    return strings(out, ends)


def compose_one(system: str | None, prompt: str) -> str:
    """Return what `compose` makes of one row; of a few rows it is the faster way."""
    return f"{system}{SYSTEM_END}{prompt}" if system else prompt


@kernel
def _join(
    before: tuple[Bytes, IntArray], after: tuple[Bytes, IntArray], end: np.uint8, to: tuple[Bytes, IntArray]
) -> None:
    """Write each text of `before`, the byte `end` where there is one, and the text of `after`."""
    (first, starts), (second, begins), (out, ends) = before, after, to
    for row in range(len(ends) - 1):
        o, size = ends[row], starts[row + 1] - starts[row]
        if size > 0:
            copy(out, o, first, starts[row], size)
            out[o + size] = end
            o += size + 1
        copy(out, o, second, begins[row], begins[row + 1] - begins[row])


def _fold(texts: pa.Array | pa.ChunkedArray, table: Characters) -> tuple[Bytes, IntArray]:
    """Return bytes and offsets after all steps but the masks."""
    data, offsets = buffers(texts)
    wide = _wide_rows(data, offsets)
    cleaned, clean_offsets, needs_nfkc = _clean(data, offsets, np.flatnonzero(wide), table)
    if needs_nfkc.any():
        rows, chosen = strings(cleaned, clean_offsets), pa.array(needs_nfkc)
        composed = pc.utf8_normalize(rows.filter(chosen), form="NFKC")
        cleaned, clean_offsets = buffers(pc.replace_with_mask(rows, chosen, composed))
    room = int(offsets[-1] - offsets[0]) + _GROWTH * int(clean_offsets[-1] - clean_offsets[0]) + WIDE
    out, ends = np.empty(room, np.uint8), np.zeros(len(offsets), np.int64)
    _fold_rows((data, offsets), (cleaned, clean_offsets), wide, table, (out, ends))
    return out[: ends[-1]], ends


@njit(cache=True, nogil=True)
def _wide_rows(data: Bytes, offsets: IntArray) -> Bools:
    """Tell which rows have anything but ASCII."""
    wide = np.zeros(len(offsets) - 1, np.bool_)
    for r in range(len(wide)):
        i, end = offsets[r], offsets[r + 1]
        while i + WIDE <= end and within(data, i, 0x80, 0xFF) == 0:
            i += WIDE
        while i < end and data[i] < 0x80:
            i += 1
        wide[r] = i < end
    return wide


@njit(cache=True, nogil=True)
def _clean(
    data: Bytes, offsets: IntArray, rows: IntArray, table: Characters
) -> tuple[Bytes, IntArray, Bools]:
    """Take what matching ignores out of the given rows, and normalise what needs no library for it (NFKC).

    Also tell which of them NFKC may still change.
    """
    room = 0
    for r in rows:
        room += offsets[r + 1] - offsets[r]
    out, ends = np.empty(_GROWTH * room + WIDE, np.uint8), np.zeros(len(rows) + 1, np.int64)
    needs_nfkc = np.zeros(len(rows), np.bool_)
    o, normal = (
        int(np.int64(0)),
        bool(np.bool_(True)),
    )  # a constant would have a type, and a compiled form, of its own
    for n in range(len(rows)):
        begin, end = offsets[rows[n]], offsets[rows[n] + 1]
        written, hard = _cleaned(data, begin, end, table, out, o, normal)
        if hard:
            written, _ = _cleaned(data, begin, end, table, out, o, not normal)
        needs_nfkc[n] = hard
        o = written
        ends[n + 1] = o
    return out[:o], ends, needs_nfkc


@kernel
def _cleaned(
    data: Bytes, i: int, end: int, table: Characters, out: Bytes, o: int, normal: bool
) -> tuple[int, bool]:
    """Write one row into `out` from `o` on; return where it ends, and whether NFKC may change it.

    normal: whether to write what NFKC makes of characters that become ASCII; then the end is none where others may change.
    """
    while i < end:
        if data[i] < 0x80:
            if 32 <= data[i] < 127 and i + WIDE <= len(data):
                size = min(lowest(~within(data, i, 32, 126)), end - i)
                shift_capitals(out, o, data, i, 0)
                i, o = i + size, o + size
                continue
            group = table.kinds[data[i]] & CLASS
            if group not in (DROP, STRIP):
                out[o] = 32 if group == SPACE else data[i]
                o += 1
            i += 1
            continue
        size = min(width(data[i]), end - i)
        code = decode(data, i, size)
        kind = table.kinds[code]
        if kind & CLASS == SPACE:
            out[o] = 32
            o += 1
        elif kind & CLASS not in (DROP, STRIP):
            entry = table.simple[code] if normal else np.int32(0)
            if normal and kind & LOOSE != 0 and entry == 0:
                return o, True
            for t in range(entry >> 3, (entry >> 3) + (entry & 7)):
                out[o] = table.targets[t]
                o += 1
            if entry == 0:
                for k in range(size):
                    out[o + k] = data[i + k]
                o += size
        i += size
    return o, False


@kernel
def _fold_rows(
    source: tuple[Bytes, IntArray],
    cleaned: tuple[Bytes, IntArray],
    wide: Bools,
    table: Characters,
    target: tuple[Bytes, IntArray],
) -> None:
    """Fold every row into `target`: ASCII rows from `source`, wide ones from `cleaned`, which has no others."""
    out, ends = target
    o, n = int(np.int64(0)), 0
    for r in range(len(wide)):
        if wide[r]:
            o = _fold_wide(cleaned[0], cleaned[1][n], cleaned[1][n + 1], table, out, o)
            n += 1
        else:
            o = _fold_ascii(source[0], source[1][r], source[1][r + 1], table.ascii, out, o)
        ends[r + 1] = o


@kernel
def _usual(data: Bytes, i: int, end: int) -> int:
    """Return how many bytes from `i` on, 64 at most, are words of ASCII with one space between two; the first and the last are of a word.

    0, too, where fewer than 64 bytes follow before the end of the array.
    """
    if not 32 < data[i] < 127 or i + WIDE > len(data):
        return 0
    words = within(data, i, 33, 126)
    if end - i < WIDE:
        words &= (np.uint64(1) << np.uint64(end - i)) - np.uint64(1)
    spaces = within(data, i, 32, 32) & (words << np.uint64(1)) & (words >> np.uint64(1))
    return int(lowest(~(words | spaces)))


@kernel
def _fold_ascii(data: Bytes, i: int, end: int, table: Bytes, out: Bytes, o: int) -> int:
    gap, bare = False, True  # white space is due; nothing stands before it
    by = int(table[_CAPITAL]) - _CAPITAL
    while i < end:
        size = _usual(data, i, end)
        if size > 0:
            if gap and not bare:
                out[o] = 32
                o += 1
            gap, bare = False, False
            shift_capitals(out, o, data, i, by)
            i, o = i + size, o + size
            continue
        b = table[data[i]]
        i += 1
        if b > 32:
            if gap and not bare:
                out[o] = 32
                o += 1
            gap, bare = False, False
            while b > 32:  # a word
                out[o] = b
                o += 1
                if i == end:
                    return o
                b = table[data[i]]
                i += 1
        if b == 32:
            gap = True
        elif b != 0 and (b != _MARK or gap or bare):  # a separator
            out[o] = b
            o += 1
            gap, bare = False, True
    return o


@kernel
def _fold_wide(data: Bytes, i: int, end: int, table: Characters, out: Bytes, o: int) -> int:
    gap, bare, marks = False, True, 0
    word, scanned, flags = i, i, 0  # where the word starts, up to where its flags are known, and those
    by = int(table.ascii[_CAPITAL]) - _CAPITAL
    while i < end:
        size = _usual(data, i, end)
        if size > 0:
            if gap and not bare:
                out[o] = 32
                o += 1
            gap, bare, marks = False, False, 0
            shift_capitals(out, o, data, i, by)
            k, i, o = i + size, i + size, o + size
            while k > i - size and table.kinds[data[k - 1]] & CLASS == LETTER:
                k -= 1
            word = k if k > i - size else word
            continue
        size = min(width(data[i]), end - i)
        at, code = i, decode(data, i, size)
        i += size
        group = table.kinds[code] & CLASS
        if group in (DROP, STRIP) or (code == _MARK and not (gap or bare)):
            continue
        marks = marks + 1 if group == MARK else 0
        if group in (SYMBOL, SPACE, SEPARATOR):
            word = i
        if group == SPACE:
            gap = True
            continue
        if marks > MAX_MARKS:
            continue
        if gap and not bare and group != SEPARATOR:
            out[o] = 32
            o += 1
        gap, bare = False, group == SEPARATOR
        if code < 0x80:
            out[o] = table.ascii[code]
            o += 1
            while group == LETTER and i < end and data[i] < 0x80 and table.kinds[data[i]] & CLASS == LETTER:
                out[o] = table.ascii[data[i]]
                i, o = i + 1, o + 1
            continue
        entry = table.folds[code]
        if table.rules[code] != 0:
            if scanned <= at:
                flags, scanned = _word_flags(data, word, end, table.kinds)
            if flags & (ASCII_LETTER if table.rules[code] == BEFORE else LATINISED) != 0:
                entry = table.beside[code]
        if entry == 0:
            o = encode(code, out, o)
        for t in range(entry >> 3, (entry >> 3) + (entry & 7)):
            o = encode(table.targets[t], out, o)
    return o


@inlined
def _word_flags(data: Bytes, i: int, end: int, kinds: Bytes) -> tuple[int, int]:
    """Return the flags of all characters of the word that starts at `i`, and where it ends."""
    flags = 0
    while i < end:
        size = min(width(data[i]), end - i)
        kind = kinds[decode(data, i, size)]
        if kind & CLASS in (SYMBOL, SPACE, SEPARATOR):
            break
        flags |= int(kind)
        i += size
    return flags, i


def normalise_batch(batch: pa.RecordBatch) -> pa.LargeStringArray:
    """Return the text of each request that is fingerprinted: system and user turns, normalised."""
    return normalise(compose(batch.column("system"), batch.column("prompt")))
