"""Reads lists of messages by a kernel: what system and users say, where each message's content is one text.

Whatever else a list holds is left to `traffic.messages`: a list read here gives the very texts that it would give there.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from fingerprint.base.jit import inlined, kernel
from fingerprint.base.strings import strings
from fingerprint.base.types import Bools, Bytes, IntArray
from fingerprint.domain.schemas import TURN_END
from fingerprint.traffic.json_characters import text_end
from fingerprint.traffic.json_texts import blank_end, copy_text, word_at
from fingerprint.traffic.messages import REDACTED

_QUOTE, _COMMA, _OBJECT, _END_OBJECT, _LIST, _END_LIST, _N = map(ord, '",{}[]n')
_LINE, _TURN = ord("\n"), ord(TURN_END)

_WORDS = ("role", "content", "parts", "message", "system", "user", "assistant", "tool")
_ROLE, _CONTENT, _PARTS, _MESSAGE, _SYSTEM, _USER, _ASSISTANT, _TOOL = range(8)
_NO_WORD = -1

_TABLE = np.frombuffer("".join((*_WORDS, *REDACTED)).encode(), np.uint8)
_ENDS = np.cumsum([0, *map(len, (*_WORDS, *REDACTED))])

Writing = tuple[Bytes, int]


def said(data: Bytes, spans: IntArray) -> tuple[pa.LargeStringArray, pa.LargeStringArray, Bools]:
    """Return what the system says in lists of messages (m,), null for nothing, what users say, and which lists could be read, (m,).

    spans: (m, 2), where each list begins and ends in JSON without mistakes, none of whose names holds escapes, and whose texts
    hold nothing that parts texts.
    """
    room = int((spans[:, 1] - spans[:, 0]).sum())
    system, user = np.empty(room, np.uint8), np.empty(room, np.uint8)
    ends = np.zeros((2, len(spans) + 1), np.int64)
    read = np.zeros(len(spans), np.bool_)
    _lists(data, spans, (_TABLE, _ENDS), (system, user), ends, read)
    # the room is that of all JSON
    by_system = strings(system[: ends[0, -1]].copy(), ends[0])
    none = np.diff(ends[0]) == 0
    valid = pa.py_buffer(np.packbits(~none, bitorder="little"))
    nullable = pa.LargeStringArray.from_buffers(len(spans), *by_system.buffers()[1:], valid)
    return nullable, strings(user[: ends[1, -1]].copy(), ends[1]), read


@kernel
def _lists(
    data: Bytes,
    spans: IntArray,
    words: tuple[Bytes, IntArray],
    out: tuple[Bytes, Bytes],
    ends: IntArray,
    read: Bools,
) -> None:
    for row in range(len(spans)):
        first, second = ends[0, row], ends[1, row]
        s, u = _list(data, spans[row, 0], words, out, first, second)
        # a row without a text is rejected elsewhere
        if s > first or u > second:
            read[row] = True
            first, second = s, u
        ends[0, row + 1], ends[1, row + 1] = first, second


@kernel
def _list(
    data: Bytes, i: int, words: tuple[Bytes, IntArray], out: tuple[Bytes, Bytes], s: int, u: int
) -> tuple[int, int]:
    """Write what the list at `i` says to `out` from `s` and `u` on, and return where it ends; (-1, -1) for one that is not read here."""
    first, second, end = s, u, len(data)
    i = blank_end(data, i + 1, end)
    while data[i] != _END_LIST:
        if data[i] == _COMMA:
            i = blank_end(data, i + 1, end)
        if data[i] != _OBJECT:
            return -1, -1
        i, role, begin, stop = _message(data, i, words)
        if role == _NO_WORD:
            return -1, -1
        if begin < stop and role == _SYSTEM:
            if s > first:
                out[0][s] = _LINE
                s += 1
            s = copy_text(data, begin, stop, out[0], s)
        elif begin < stop and role == _USER:
            if u > second:
                out[1][u] = _TURN
                u += 1
            begin, u = u, copy_text(data, begin, stop, out[1], u)
            if word_at(out[1], begin, u, words) > _TOOL:
                return -1, -1
        i = blank_end(data, i, end)
    return s, u


@kernel
def _message(data: Bytes, i: int, words: tuple[Bytes, IntArray]) -> tuple[int, int, int, int]:
    """Return where the message at `i` ends, its role, _NO_WORD for one that is not read here, and where its content is."""
    end, seen = len(data), 0
    role, begin, stop = _NO_WORD, -1, -1
    i = blank_end(data, i + 1, end)
    while data[i] != _END_OBJECT:
        if data[i] == _COMMA:
            i = blank_end(data, i + 1, end)
        name_end = text_end(data, i + 1, end)
        name = word_at(data, i + 1, name_end, words)
        i = blank_end(data, name_end + 1, end)  # at the colon
        i = blank_end(data, i + 1, end)
        after = _value_end(data, i)
        if _ROLE <= name <= _MESSAGE:
            if seen >> name & 1:
                return i, _NO_WORD, -1, -1
            seen |= 1 << name
            if name == _ROLE and data[i] == _QUOTE:
                role = word_at(data, i + 1, after - 1, words)
            elif name == _CONTENT and data[i] == _QUOTE:
                begin, stop = i + 1, after - 1
            elif name != _CONTENT or data[i] != _N:
                return i, _NO_WORD, -1, -1
        i = blank_end(data, after, end)
    known = role in (_SYSTEM, _USER) or role in (_ASSISTANT, _TOOL)
    if not known or (begin < 0 and role in (_SYSTEM, _USER)):
        role = _NO_WORD
    return i + 1, role, begin, stop


@inlined
def _value_end(data: Bytes, i: int) -> int:
    """Return where the value at `i` ends."""
    end, depth = len(data), 0
    while True:
        c = data[i]
        if c == _QUOTE:
            i = text_end(data, i + 1, end)
        elif c in (_OBJECT, _LIST):
            depth += 1
        elif c in (_END_OBJECT, _END_LIST):
            depth -= 1
        elif depth == 0:  # a number or a word
            while not (data[i] == _COMMA or data[i] in (_END_OBJECT, _END_LIST) or data[i] <= 32):
                i += 1
            return i
        i += 1
        if depth == 0:
            return i
