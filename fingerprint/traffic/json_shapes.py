"""The shape of JSON lines: their names, and of which kind each value is; where the values of lines of one shape stand.

Lines of a log have few shapes, and what a shape says where a request's fields are is worked out once (`traffic.alike`).
Lists are values here: what they hold is checked, and not told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from fingerprint.base.jit import inlined, kernel
from fingerprint.base.simd import copy
from fingerprint.base.types import Bools, Bytes, IntArray
from fingerprint.traffic.json_texts import blank_end, text_stop, word_at
from fingerprint.traffic.sources import Lines

DEEPEST = 64
"""Levels of lists and objects in a line whose shape is told."""

MOST_VALUES = 256
"""Values in such a line, but for those in lists."""

LONGEST_TOLD = 64
"""Bytes of a text that is itself part of a shape."""

_MOST_DIGITS, _MOST_DECIMALS = 16, 30  # so that every reader holds the number
_QUOTE, _BACKSLASH, _COLON, _COMMA, _OBJECT, _END_OBJECT, _LIST, _END_LIST = map(ord, '"\\:,{}[]')
_TEXT, _NO_TEXT, _NULL, _TRUE, _FALSE, _WHOLE, _REAL, _NO_LIST = map(ord, "senftir]")
_ZERO, _NINE, _MINUS, _PLUS, _POINT, _EXPONENT = map(ord, "09-+.e")

Tape = tuple[IntArray, Bools]


@dataclass(frozen=True, slots=True)
class Shapes:
    """The values of n lines outside of lists, an object before what it holds, one line's behind the other's.

    shape: (n,) large_binary, empty for a line whose shape is not told. first: (n + 1,), where each line's values begin.
    spans: (v, 2), where each value begins and ends in the bytes, a text without its quotes. escaped: (v,), which texts
    hold escapes.
    """

    shape: pa.LargeBinaryArray
    first: IntArray
    spans: IntArray
    escaped: Bools


def shapes_of(lines: Lines, wanted: Bools, told: Sequence[str]) -> Shapes:
    """Return the shapes of the wanted lines (n,); told: names in the outermost object whose short texts are part of the shape.

    Not told is the shape of what orjson refuses, nor of a text that may itself be JSON, outside of lists.
    """
    data = np.frombuffer(lines.data, np.uint8)
    room = len(data) // 2 + 1  # memory that is not written takes none
    spans, escaped = np.empty((room, 2), np.int64), np.empty(room, np.bool_)
    shape = np.empty(len(data) + 1, np.uint8)
    first, ends = np.zeros(len(lines) + 1, np.int64), np.zeros(len(lines) + 1, np.int64)
    names = np.frombuffer("".join(told).encode(), np.uint8)
    name_ends = np.cumsum([0, *map(len, told)])
    _find(
        (data, lines.begins, lines.ends),
        wanted & ~lines.too_long,
        (names, name_ends),
        (spans, escaped),
        (shape, first, ends),
        np.empty(DEEPEST, np.int64),
    )
    count = int(first[-1])
    texts = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(lines), [None, pa.py_buffer(ends), pa.py_buffer(shape[: ends[-1]].tobytes())]
    )
    return Shapes(texts, first, spans[:count], escaped[:count])


@kernel
def _find(
    lines: tuple[Bytes, IntArray, IntArray],
    wanted: Bools,
    told: tuple[Bytes, IntArray],
    tape: Tape,
    shapes: tuple[Bytes, IntArray, IntArray],
    stack: IntArray,
) -> None:
    (data, begins, stops), (shape, first, ends) = lines, shapes
    for row in range(len(wanted)):
        at, o = first[row], ends[row]
        if wanted[row]:
            more, written = _line((data, begins[row], stops[row]), told, tape, at, shape, o, stack)
            if more >= 0:
                at, o = more, written
        first[row + 1], ends[row + 1] = at, o


@kernel
def _line(
    line: tuple[Bytes, int, int],
    told: tuple[Bytes, IntArray],
    tape: Tape,
    at: int,
    shape: Bytes,
    o: int,
    stack: IntArray,
) -> tuple[int, int]:
    """Write the values of a line from `at` on and its shape from `o` on, and return where they end; (-1, -1) for a line not to be read.

    stack: of each object or list that is open the number of its value, of a list less than 0.
    """
    data, i, end = line
    spans, escaped = tape
    i = blank_end(data, i, end)
    if i >= end or data[i] != _OBJECT:
        return -1, -1
    first, depth, lists, tells = at, 0, 0, False
    while True:
        kind, begin, stop, escapes = _value(data, i, end)
        if kind == 0 or (lists == 0 and (at - first == MOST_VALUES or _may_be_json(data, begin, kind))):
            return -1, -1
        opens, after = kind in (_OBJECT, _LIST), stop + (begin - i)
        slot = at
        if lists == 0:
            spans[at, 0], spans[at, 1], escaped[at] = begin, stop, escapes
            shape[o] = kind
            at, o = at + 1, o + 1
            if tells and kind == _TEXT:
                if escapes or stop - begin > LONGEST_TOLD:
                    return -1, -1
                o = _written(data, begin, stop, shape, o)
        if opens:
            if depth == len(stack):
                return -1, -1
            is_list = kind == _LIST
            stack[depth] = -1 - slot if is_list else slot
            depth += 1
            lists += is_list
            after = blank_end(data, after, end)
            if after < end and data[after] != (_END_LIST if is_list else _END_OBJECT):
                i, o, tells = _next(data, after, end, is_list, (lists, depth), told, shape, o)
                if i < 0:
                    return -1, -1
                continue
            if is_list and lists == 1:
                shape[o - 1] = _NO_LIST
        i, o, depth, lists = _closed(data, after, end, spans, shape, o, stack, depth, lists)
        if i < 0:
            return -1, -1
        if depth == 0:
            return at, o
        i, o, tells = _next(
            data, blank_end(data, i + 1, end), end, stack[depth - 1] < 0, (lists, depth), told, shape, o
        )
        if i < 0:
            return -1, -1


@kernel
def _closed(
    data: Bytes,
    i: int,
    end: int,
    spans: IntArray,
    shape: Bytes,
    o: int,
    stack: IntArray,
    depth: int,
    lists: int,
) -> tuple[int, int, int, int]:
    """Close what ends behind a value; return where the next comma stands, or the line's end, -1 for neither, and how `o` and the levels are then."""
    while True:
        i = blank_end(data, i, end)
        if depth == 0:
            return (i if i == end else -1), o, depth, lists
        if i >= end:
            return -1, o, depth, lists
        if data[i] == _COMMA:
            return i, o, depth, lists
        slot = stack[depth - 1]
        is_list = slot < 0
        if data[i] != (_END_LIST if is_list else _END_OBJECT):
            return -1, o, depth, lists
        depth -= 1
        lists -= is_list
        if lists == 0:
            spans[-1 - slot if is_list else slot, 1] = i + 1
            if not is_list:
                shape[o] = _END_OBJECT
                o += 1
        i += 1


@kernel
def _next(
    data: Bytes,
    i: int,
    end: int,
    in_list: bool,
    levels: tuple[int, int],
    told: tuple[Bytes, IntArray],
    shape: Bytes,
    o: int,
) -> tuple[int, int, bool]:
    """Return where the next value begins, -1 where there is none, and whether its text is told; writes its name."""
    lists, depth = levels
    if i >= end:
        return -1, o, False
    if in_list:
        return i, o, False
    if data[i] != _QUOTE:
        return -1, o, False
    stop, escapes = text_stop(data, i + 1, end)
    if stop < 0 or escapes:
        return -1, o, False
    tells = False
    if lists == 0:
        tells = depth == 1 and word_at(data, i + 1, stop, told) >= 0
        o = _written(data, i + 1, stop, shape, o)
    i = blank_end(data, stop + 1, end)
    if i >= end or data[i] != _COLON:
        return -1, o, False
    i = blank_end(data, i + 1, end)
    return (i if i < end else -1), o, tells


@kernel
def _written(data: Bytes, i: int, end: int, shape: Bytes, o: int) -> int:
    """Write a text to a shape, and a quote, for none holds one."""
    copy(shape, o, data, i, end - i)
    shape[o + end - i] = _QUOTE
    return o + end - i + 1


@inlined
def _may_be_json(data: Bytes, begin: int, kind: int) -> bool:
    return kind == _TEXT and data[begin] in (_OBJECT, _LIST, _BACKSLASH)


@kernel
def _value(data: Bytes, i: int, end: int) -> tuple[int, int, int, bool]:
    """Return the kind of the value at `i`, 0 for none, where it begins and ends, a text without quotes, and whether it holds escapes.

    Of an object or a list the end is that of its bracket.
    """
    c = data[i]
    if c == _QUOTE:
        stop, escapes = text_stop(data, i + 1, end)
        kind = 0 if stop < 0 else _NO_TEXT if stop == i + 1 else _TEXT
        return kind, i + 1, stop, escapes
    if c in (_OBJECT, _LIST):
        return int(c), i, i + 1, False
    if c == _MINUS or _ZERO <= c <= _NINE:
        kind, stop = _number(data, i, end)
        return kind, i, stop, False
    for size in (4, 5):
        if i + size <= end:
            word = 0
            for k in range(size):
                word = word << 8 | int(data[i + k])
            if word == 0x6E756C6C:
                return _NULL, i, i + 4, False
            if word == 0x74727565:
                return _TRUE, i, i + 4, False
            if word == 0x66616C7365:
                return _FALSE, i, i + 5, False
    return 0, i, i, False


@kernel
def _number(data: Bytes, i: int, end: int) -> tuple[int, int]:
    """Return the kind of a number, 0 for one that is not read here, and where it ends; whole are those of digits alone."""
    kind = _REAL if data[i] == _MINUS else _WHOLE
    i += data[i] == _MINUS
    stop = _digits_end(data, i, end)
    if stop == i or stop - i > _MOST_DIGITS or (stop - i > 1 and data[i] == _ZERO):
        return 0, i
    i = stop
    if i < end and data[i] == _POINT:
        kind, stop = _REAL, _digits_end(data, i + 1, end)
        if stop == i + 1 or stop - i > _MOST_DECIMALS:
            return 0, i
        i = stop
    if i < end and data[i] | 0x20 == _EXPONENT:
        kind, i = _REAL, i + 1
        if i < end and data[i] in (_PLUS, _MINUS):
            i += 1
        stop = _digits_end(data, i, end)
        if stop == i or stop - i > 2:
            return 0, i
        i = stop
    return kind, i


@kernel
def _digits_end(data: Bytes, i: int, end: int) -> int:
    while i < end and _ZERO <= data[i] <= _NINE:
        i += 1
    return i
