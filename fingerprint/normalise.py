"""Makes different spellings of one text the same: the form of a text that is hashed, compared and clustered.

In this order: invisible characters out, NFKC, look-alikes and case and accents folded, white space folded, volatile
tokens masked. `normalise` is for matching only; what a person is shown comes from `display`.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from .characters import (
    AFTER,
    ASCII_LETTER,
    BEFORE,
    CLASS,
    DROP,
    LATINISED,
    LETTER,
    LOOSE,
    MARK,
    SEPARATOR,
    SINGLE,
    SPACE,
    STRIP,
    SYMBOL,
    Bytes,
    Characters,
    decode,
    encode,
    matching,
    showing,
    width,
)
from .masks import mask
from .records import SYSTEM_END, IntArray

VERSION: Final = "1"

MAX_MARKS: Final = 6
"""Longest run of combining marks that is text: Burmese and Tibetan stacks end here, stuffing does not."""

# no fold is longer than this many times its source (a test holds it)
_GROWTH: Final = 2


def normalise(texts: pa.Array | pa.ChunkedArray) -> pa.LargeStringArray:
    """The matching form of each text; nulls become "", the length stays."""
    data, offsets = _fold(*buffers(texts), matching())
    return _array(*mask(data, offsets))


def display(texts: pa.Array | pa.ChunkedArray) -> pa.LargeStringArray:
    """Each text as people may be shown it: NFKC, nothing invisible, white space folded; case and letters kept."""
    return _array(*_fold(*buffers(texts), showing()))


def compose(system: pa.Array | pa.ChunkedArray, prompt: pa.Array | pa.ChunkedArray) -> pa.LargeStringArray:
    """The text that is fingerprinted: system, SYSTEM_END and prompt where there is a system prompt, else the prompt."""
    system, prompt = _plain(system), _plain(prompt)
    end = pc.if_else(pc.equal(pc.binary_length(system), 0), "", SYSTEM_END)
    return pc.binary_join_element_wise(
        system, end.cast(pa.large_string()), prompt, pa.scalar("", pa.large_string())
    )


def buffers(texts: pa.Array | pa.ChunkedArray) -> tuple[Bytes, IntArray]:
    """The UTF-8 bytes of all texts and the (n + 1,) int64 offsets of each in them; nulls are empty."""
    array = _plain(texts)
    if len(array) == 0:
        return np.zeros(0, np.uint8), np.zeros(1, np.int64)
    _, ends, data = array.buffers()
    offsets = np.frombuffer(ends, np.int64)[array.offset : array.offset + len(array) + 1]
    return np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8), offsets


def _plain(texts: pa.Array | pa.ChunkedArray) -> pa.LargeStringArray:
    array = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    return array.cast(pa.large_string()).fill_null("")


def _array(data: Bytes, offsets: IntArray) -> pa.LargeStringArray:
    return pa.LargeStringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(data))


def _fold(data: Bytes, offsets: IntArray, table: Characters) -> tuple[Bytes, IntArray]:
    """All steps but the masks: bytes and offsets."""
    wide = _wide_rows(data, offsets)
    cleaned, clean_offsets, loose = _clean(data, offsets, np.flatnonzero(wide), table.kinds)
    if loose.any():
        rows = _array(cleaned, clean_offsets)
        normal = pc.utf8_normalize(rows.filter(pa.array(loose)), form="NFKC")
        cleaned, clean_offsets = buffers(pc.replace_with_mask(rows, pa.array(loose), normal))
    space = int(offsets[-1] - offsets[0]) + _GROWTH * int(clean_offsets[-1] - clean_offsets[0])
    out, out_offsets = np.empty(space, np.uint8), np.empty(len(offsets), np.int64)
    lower = table is matching()
    beside = (table.beside, table.rules)
    folds = (table.kinds, table.folds, table.targets)
    _fold_rows(
        (data, offsets), (cleaned, clean_offsets), wide, _ascii(lower), folds, beside, out, out_offsets
    )
    return out[: out_offsets[-1]], out_offsets


def _ascii(lower: bool) -> Bytes:
    """What each ASCII byte becomes: 0 for nothing, 32 for white space."""
    codes = np.arange(128, dtype=np.uint8)
    classes = matching().kinds[:128] & CLASS
    codes[classes == SPACE] = 32
    codes[classes == DROP] = 0
    if lower:
        codes[0x41:0x5B] += 32
    return codes


@njit(cache=True, nogil=True)
def _wide_rows(data: Bytes, offsets: IntArray) -> npt.NDArray[np.bool_]:
    """Which rows have anything but ASCII."""
    wide = np.zeros(len(offsets) - 1, np.bool_)
    for r in range(len(wide)):
        seen = np.uint8(0)
        for i in range(offsets[r], offsets[r + 1]):
            seen |= data[i]
        wide[r] = seen >= 0x80
    return wide


@njit(cache=True, nogil=True)
def _clean(
    data: Bytes, offsets: IntArray, rows: IntArray, kinds: Bytes
) -> tuple[Bytes, IntArray, npt.NDArray[np.bool_]]:
    """The given rows without what matching ignores, and whether NFKC may change each."""
    room = 0
    for r in rows:
        room += offsets[r + 1] - offsets[r]
    out, ends = np.empty(room, np.uint8), np.zeros(len(rows) + 1, np.int64)
    loose = np.zeros(len(rows), np.bool_)
    o = 0
    for n in range(len(rows)):
        i, end = offsets[rows[n]], offsets[rows[n] + 1]
        flags = np.uint8(0)
        while i < end:
            size = min(width(data[i]), end - i)
            kind = kinds[decode(data, i, size)]
            group = kind & CLASS
            if group == SPACE:
                out[o] = 32
                o += 1
            elif group != DROP and group != STRIP:
                flags |= kind
                for k in range(size):
                    out[o + k] = data[i + k]
                o += size
            i += size
        loose[n] = flags & LOOSE != 0
        ends[n + 1] = o
    return out[:o], ends, loose


@njit(cache=True, nogil=True)
def _fold_rows(source, cleaned, wide, plain, folds, beside, out, out_offsets):  # type: ignore[no-untyped-def]
    """Writes each row's folded form to `out`: ASCII rows from `source`, the others from `cleaned`."""
    data, offsets = source
    clean, clean_offsets = cleaned
    o, n = 0, 0
    out_offsets[0] = 0
    for r in range(len(wide)):
        if wide[r]:
            o = _fold_wide(clean, clean_offsets[n], clean_offsets[n + 1], plain, folds, beside, out, o)
            n += 1
        else:
            o = _fold_ascii(data, offsets[r], offsets[r + 1], plain, folds[0], out, o)
        out_offsets[r + 1] = o


@njit(cache=True, nogil=True)
def _fold_ascii(data, i, end, plain, kinds, out, o):  # type: ignore[no-untyped-def]
    start, gap, after_separator = o, False, True
    while i < end:
        b = plain[data[i]]
        i += 1
        if b > 32:
            if gap and not after_separator:
                out[o] = 32
                o += 1
            gap, after_separator = False, False
            out[o] = b
            o += 1
        elif b == 32:
            gap = True
        elif b != 0:
            out[o] = b
            o += 1
            gap, after_separator = False, True
    return o


@njit(cache=True, nogil=True)
def _word_flags(data, i, end, kinds):  # type: ignore[no-untyped-def]
    """The flags of all letters of the word that starts at `i`, and where it ends."""
    flags = np.uint8(0)
    while i < end:
        size = min(width(data[i]), end - i)
        kind = kinds[decode(data, i, size)]
        if kind & CLASS in (SYMBOL, SPACE, SEPARATOR):
            break
        flags |= kind
        i += size
    return flags, i


@njit(cache=True, nogil=True)
def _fold_wide(data, i, end, plain, folds, beside, out, o):  # type: ignore[no-untyped-def]
    kinds, fold, targets = folds
    special, rules = beside
    gap, bare, marks = False, True, 0
    word, known, flags = i, i, np.uint8(0)
    while i < end:
        size = min(width(data[i]), end - i)
        code = decode(data, i, size)
        at = i
        i += size
        group = kinds[code] & CLASS
        if group == LETTER or group == MARK or group == SINGLE:
            marks = marks + 1 if group == MARK else 0
            if marks > MAX_MARKS:
                continue
        elif group == DROP or group == STRIP:
            continue
        else:
            word, marks = i, 0
            if group == SPACE:
                gap = True
                continue
        if group == SEPARATOR:
            gap, bare = False, True
            out[o] = code
            o += 1
            continue
        if gap and not bare:
            out[o] = 32
            o += 1
        gap, bare = False, False
        if code < 0x80:
            out[o] = plain[code]
            o += 1
            continue
        entry = fold[code]
        if rules[code] != 0:
            if known <= at:
                flags, known = _word_flags(data, word, end, kinds)
            needed = ASCII_LETTER if rules[code] == BEFORE else LATINISED
            if flags & needed != 0:
                entry = special[code]
        if entry == 0:
            o = encode(code, out, o)
        else:
            for t in range(entry >> 3, (entry >> 3) + (entry & 7)):
                o = encode(targets[t], out, o)
    return o
