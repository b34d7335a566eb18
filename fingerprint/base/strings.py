"""Arrow string columns as the NumPy buffers that the numba kernels read and write."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fingerprint.base.jit import njit
from fingerprint.base.simd import copy
from fingerprint.base.types import Bytes, Ids, IntArray

PIECE_BYTES = 16_000_000
"""Bytes of text that one piece of work has at most, but for a text that is larger by itself."""


def sizes_of(texts: pa.Array | pa.ChunkedArray) -> IntArray:
    """Return the bytes of each text, (n,) int64, 0 for null."""
    lengths = pc.binary_length(texts).fill_null(0)
    return np.asarray(lengths.to_numpy(), dtype=np.int64) if len(texts) else np.zeros(0, np.int64)


def cuts(sizes: IntArray | Ids, rows: int) -> Iterator[tuple[int, int]]:
    """Cut texts of these sizes (n,), in bytes, into pieces of at most so many rows and PIECE_BYTES: begin and end of each."""
    bytes_before = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    begin = 0
    while begin < len(sizes):
        fitting = int(np.searchsorted(bytes_before, bytes_before[begin] + PIECE_BYTES, side="right")) - 1
        end = max(begin + 1, min(begin + rows, fitting))
        yield begin, end
        begin = end


RUN_BY_SPREADSHEETS = ("=", "+", "-", "@", "\t", "\r")
"""A cell of CSV that begins so is a formula to a spreadsheet."""


def harmless(cell: str) -> str:
    """Return a cell that no spreadsheet runs: one that it would run has ' before it."""
    return f"'{cell}" if cell.startswith(RUN_BY_SPREADSHEETS) else cell


def harmless_texts(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return texts (n,) as large_string, each as `harmless` makes it."""
    strings = texts.cast(pa.large_string())
    runs = pc.match_substring_regex(strings, f"^[{re.escape(''.join(RUN_BY_SPREADSHEETS))}]")
    empty = pa.scalar("", pa.large_string())
    quoted = pc.binary_join_element_wise(pa.scalar("'", pa.large_string()), strings, empty)
    return pc.if_else(runs, quoted, strings)


def plain(texts: pa.Array | pa.ChunkedArray) -> pa.LargeStringArray:
    """Return one contiguous array (n,) of the texts, "" for nulls; other string types are cast."""
    array = (
        pa.concat_arrays(texts.chunks or [pa.array([], texts.type)])
        if isinstance(texts, pa.ChunkedArray)
        else texts
    )
    # each call of Arrow costs as much as a short text takes to read
    array = array if array.type == pa.large_string() else array.cast(pa.large_string())
    return array.fill_null("") if array.null_count else array


def buffers(texts: pa.Array | pa.ChunkedArray) -> tuple[Bytes, IntArray]:
    """Return the UTF-8 bytes of the texts and (n + 1,) int64 offsets into them, which need not start at 0."""
    array = plain(texts)
    if len(array) == 0:
        return np.zeros(0, np.uint8), np.zeros(1, np.int64)
    _, ends, data = array.buffers()
    offsets = np.frombuffer(ends, np.int64)[array.offset : array.offset + len(array) + 1]
    return np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8), offsets


def strings(data: Bytes, offsets: IntArray) -> pa.LargeStringArray:
    """Return the column (n,) of these bytes (b,) uint8 and offsets (n + 1,) int64, without a copy."""
    return pa.LargeStringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(data))


@njit(cache=True, nogil=True)
def gather(data: Bytes, begins: IntArray, ends: IntArray) -> tuple[Bytes, IntArray]:
    """Copy parts (m,) of some bytes one behind the other; also return where each begins, (m + 1,)."""
    offsets = np.zeros(len(begins) + 1, np.int64)
    for n in range(len(begins)):
        offsets[n + 1] = offsets[n] + ends[n] - begins[n]
    out = np.empty(offsets[-1], np.uint8)
    for n in range(len(begins)):
        copy(out, offsets[n], data, begins[n], ends[n] - begins[n])
    return out, offsets
