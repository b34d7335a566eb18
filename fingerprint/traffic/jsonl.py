"""Reads the JSON lines of traffic rows by kernels that let go of the interpreter's lock.

What a log usually holds is read here: an object whose keys are those of a row, in any order, with texts as values, and
metadata that is flat. Whatever else a line is, an error included, is left to who reads all JSON: a line read here gives
the very row that it would give there (D-101).
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pyarrow as pa

from fingerprint.base.jit import inlined, kernel
from fingerprint.base.simd import copy
from fingerprint.base.strings import strings
from fingerprint.base.types import Bools, Bytes, IntArray
from fingerprint.domain.schemas import FACTS, TRAFFIC_SCHEMA
from fingerprint.traffic.json_texts import blank_end, copy_text, same, text_stop
from fingerprint.traffic.requests import READ_ELSEWHERE
from fingerprint.traffic.sources import Lines
from fingerprint.traffic.tabular import unusable
from fingerprint.traffic.timestamps import utc_column

Flags = Bools

FIELDS = ("request_id", "account_id", "timestamp", "system", "prompt", "model", "metadata")
ID, ACCOUNT, TIME, SYSTEM, PROMPT, MODEL, METADATA = range(7)
OTHER = 7

MOST_KEYS = 16
"""Keys of a metadata object that is read here."""

MOST_DIGITS = 15
"""Digits of a whole number that is read here."""

_NAMES = np.frombuffer("".join(FIELDS).encode(), np.uint8)
_NAME_ENDS = np.cumsum([0, *map(len, FIELDS)])
_ELSEWHERE = np.frombuffer("".join(sorted(READ_ELSEWHERE)).encode(), np.uint8)
_ELSEWHERE_ENDS = np.cumsum([0, *map(len, sorted(READ_ELSEWHERE))])
_QUOTE, _COLON, _COMMA, _OPEN, _CLOSE = map(ord, '":,{}')
_ZERO, _NINE = map(ord, "09")


def read_rows(lines: Lines, columns: Collection[str] = FIELDS) -> tuple[pa.RecordBatch, Flags]:
    """Read what lines (n,) can be read here; columns: those that are wanted, ids, account and time among them: others are null.

    Returns the rows, in order (TRAFFIC_SCHEMA), and which of the lines they are, (n,).
    """
    data = np.frombuffer(lines.data, np.uint8)
    spans = np.full((len(FIELDS), len(lines), 2), -1, np.int64)
    escaped = np.zeros((len(FIELDS), len(lines)), np.bool_)
    read = ~lines.too_long
    _find(data, lines.begins, lines.ends, spans, escaped, np.zeros((MOST_KEYS, 2), np.int64), read)
    count = int(read.sum())
    found = [
        texts_at(data, spans[f][read], escaped[f][read], objects=f == METADATA)
        if name in columns
        else pa.nulls(count, pa.large_string())
        for f, name in enumerate(FIELDS)
    ]
    found[TIME] = utc_column(found[TIME])
    found.append(pa.nulls(count, FACTS))
    # who reads all JSON says what is wrong
    bad = np.asarray(found[TIME].is_null()) | unusable(found[ID]) | unusable(found[ACCOUNT])
    batch = pa.RecordBatch.from_arrays(found, schema=TRAFFIC_SCHEMA)
    if bad.any():
        read[np.flatnonzero(read)[bad]] = False
        batch = batch.filter(pa.array(~bad))
    return batch, read


def texts_at(data: Bytes, spans: IntArray, escaped: Flags, *, objects: bool = False) -> pa.LargeStringArray:
    """Return the texts at spans (m, 2) of JSON, null where one is (-1, -1); escaped: (m,), which hold escapes.

    objects: they are objects, which lose the space between their parts.
    """
    sizes = spans[:, 1] - spans[:, 0]
    out, offsets = np.empty(sizes.sum(), np.uint8), np.zeros(len(spans) + 1, np.int64)
    _copy(data, spans, escaped, objects, out, offsets)
    none = spans[:, 0] < 0
    if not none.any():
        return strings(out, offsets)
    valid = pa.py_buffer(np.packbits(~none, bitorder="little"))
    return pa.LargeStringArray.from_buffers(len(spans), pa.py_buffer(offsets), pa.py_buffer(out), valid)


@kernel
def _find(
    data: Bytes,
    begins: IntArray,
    ends: IntArray,
    spans: IntArray,
    escaped: Flags,
    keys: IntArray,
    read: Flags,
) -> None:
    """Find each line's texts, where they begin and end without their quotes, and whether they hold escapes."""
    for row in range(len(read)):
        if read[row]:
            read[row] = _row(data, begins[row], ends[row], row, spans, escaped, keys)


@kernel
def _row(data: Bytes, i: int, end: int, row: int, spans: IntArray, escaped: Flags, keys: IntArray) -> bool:
    """Find the texts of one line; False for a line that is not to be read here."""
    i = blank_end(data, i, end)
    if i >= end or data[i] != _OPEN:
        return False
    found = 0
    while True:
        key = blank_end(data, i + 1, end)
        field, i = _key(data, key, end)
        if field < 0 or (field != OTHER and found >> field & 1):
            return False
        if field == OTHER and _is_elsewhere(data, key + 1, end):
            return False
        found |= 1 << field
        begin = i
        if data[i] == _QUOTE and field != METADATA:
            stop, escapes = text_stop(data, i + 1, end)
            if stop < 0:
                return False
            # no text is none
            if field != OTHER and stop > begin + 1:
                spans[field, row, 0], spans[field, row, 1] = begin + 1, stop
                escaped[field, row] = escapes
            i = stop + 1
        elif data[i] == _OPEN and field == METADATA:
            i = _flat(data, i, end, keys)
            if i < 0:
                return False
            spans[field, row, 0], spans[field, row, 1] = begin, i
        else:
            i, null = _scalar(data, i, end)
            if i < 0 or not (null or field == OTHER):
                return False
        i = blank_end(data, i, end)
        if i >= end:
            return False
        if data[i] == _CLOSE:
            break
        if data[i] != _COMMA:
            return False
    for field in (ID, ACCOUNT, TIME, PROMPT):
        if spans[field, row, 0] < 0:
            return False
    return bool(blank_end(data, i + 1, end) == end)


@kernel
def _key(data: Bytes, i: int, end: int) -> tuple[int, int]:
    """Return the field that a key at `i` names, and where its value begins; -1 where there is no plain key."""
    if i >= end or data[i] != _QUOTE:
        return -1, i
    stop, escapes = text_stop(data, i + 1, end)
    if stop < 0 or escapes:
        return -1, i
    value = blank_end(data, stop + 1, end)
    if value >= end or data[value] != _COLON:
        return -1, i
    value = blank_end(data, value + 1, end)
    if value >= end:
        return -1, i
    for field in range(len(_NAME_ENDS) - 1):
        first = _NAME_ENDS[field]
        if _NAME_ENDS[field + 1] - first == stop - i - 1 and same(data, i + 1, _NAMES, first, stop - i - 1):
            return field, value
    return OTHER, value


@inlined
def _is_elsewhere(data: Bytes, i: int, end: int) -> bool:
    """Tell whether the key that begins at `i` says something of a request that is not read here."""
    size = text_stop(data, i, end)[0] - i
    for n in range(len(_ELSEWHERE_ENDS) - 1):
        first = _ELSEWHERE_ENDS[n]
        if _ELSEWHERE_ENDS[n + 1] - first == size and same(data, i, _ELSEWHERE, first, size):
            return True
    return False


@kernel
def _scalar(data: Bytes, i: int, end: int) -> tuple[int, bool]:
    """Return where null, a truth value or a small whole number ends, -1 for all else, and whether it is null."""
    for size in (4, 5):
        if i + size > end:
            continue
        word = 0
        for k in range(size):
            word = word << 8 | int(data[i + k])
        if word == 0x6E756C6C:
            return i + 4, True
        if word in (0x74727565, 0x66616C7365):  # true, false
            return i + size, False
    begin = i
    while i < end and _ZERO <= data[i] <= _NINE:
        i += 1
    digits = i - begin
    leads = digits > 1 and data[begin] == _ZERO
    goes_on = i < end and data[i] in (46, 69, 101)  # . E e
    return (-1 if digits == 0 or digits > MOST_DIGITS or leads or goes_on else i), False


@kernel
def _flat(data: Bytes, i: int, end: int, keys: IntArray) -> int:
    """Return where an object ends that has different keys, and strings without escapes or scalars; -1 for others."""
    count = 0
    i = blank_end(data, i + 1, end)
    if i < end and data[i] == _CLOSE:
        return i + 1
    while count < len(keys):
        begin = i
        field, i = _key(data, i, end)
        if field < 0:
            return -1
        size = text_stop(data, begin + 1, end)[0] - begin - 1
        for k in range(count):
            if keys[k, 1] == size and same(data, keys[k, 0], data, begin + 1, size):
                return -1
        keys[count, 0], keys[count, 1] = begin + 1, size
        count += 1
        if data[i] == _QUOTE:
            stop, escapes = text_stop(data, i + 1, end)
            if stop < 0 or escapes:
                return -1
            i = stop + 1
        else:
            i = _scalar(data, i, end)[0]
            if i < 0:
                return -1
        i = blank_end(data, i, end)
        if i >= end:
            return -1
        if data[i] == _CLOSE:
            return i + 1
        if data[i] != _COMMA:
            return -1
        i = blank_end(data, i + 1, end)
    return -1


@kernel
def _copy(data: Bytes, spans: IntArray, escaped: Flags, compact: bool, out: Bytes, offsets: IntArray) -> None:
    """Copy texts to `out`, escapes resolved; compact: they are objects, which lose the space between their parts."""
    o = 0
    for n in range(len(spans)):
        i, end = spans[n, 0], spans[n, 1]
        if compact:
            inside = False
            while i < end:
                inside ^= data[i] == _QUOTE
                if inside or not (data[i] == 32 or data[i] == 9 or data[i] == 13):
                    out[o] = data[i]
                    o += 1
                i += 1
        elif not escaped[n]:
            copy(out, o, data, i, end - i)
            o += end - i
        else:
            o = copy_text(data, i, end, out, o)
        offsets[n + 1] = o
