"""JSON as clients send it and as logs hold it, which is at times less than the standard asks for.

What model providers answer must be read here, or a request would be unseen for one odd byte in a field that nobody
reads. So what orjson refuses is mended first, by one kernel that writes JSON which orjson takes, and is parsed then. No
value is made up: what has no counterpart in JSON becomes null, and what is no character is left out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from fingerprint.base.jit import inlined, kernel
from fingerprint.base.types import Bytes
from fingerprint.traffic.json_characters import character, code_unit, text_end
from fingerprint.traffic.json_names import Names, names_in

DEEPEST = 128
"""Levels of lists and objects that are read; what stands deeper is null."""

MOST_VALUES = 200_000
"""Values, names, lists and objects of a request: more say nothing to a model, and take hundreds of bytes each."""

UNDECODABLE = "\ufffe"
"""Stands in a mended text for a byte that is no UTF-8: no character (Unicode 23.7), so no text of anybody's holds it."""

_QUOTE, _BACKSLASH, _COLON, _COMMA, _BRACE, _END_BRACE, _BRACKET, _END_BRACKET = map(ord, '"\\:,{}[]')
_ZERO, _NINE, _MINUS, _PLUS, _POINT, _EXPONENT = map(ord, "09-+.e")
_NULL = np.frombuffer(b"null", np.uint8)
_WORDS = np.frombuffer(b"nulltruefalseNaNInfinity-Infinity", np.uint8)
_WORD_ENDS = np.array([0, 4, 8, 13, 16, 24, 33])
_TRUE_WORDS = 3
"""Words that JSON has; those after them become null."""

_LONGEST_INTEGER = 18
"""Digits of an integer that every reader holds; a longer one is written as text, digit by digit."""

_LONGEST_NUMBER = 100
"""Characters of a fraction; a longer one, and one with an exponent of three digits, is null: it may be no float."""

_NEEDS_VALUE, _NEEDS_KEY, _NEEDS_COLON, _NEEDS_COMMA, _COMPLETE = range(5)


@dataclass(frozen=True, slots=True)
class Mended:
    """What was read of JSON that orjson refuses.

    undecodable: whether it held bytes that are no UTF-8.
    """

    value: Any
    undecodable: bool
    names: Names


def has_more_values(data: bytes, most: int) -> bool:
    """Tell whether JSON may hold more values and names than so many, by its commas, colons and brackets outside of texts."""
    # each takes one of them
    if len(data) <= most:
        return False
    data = _as_utf8(data)
    return bool(_values(np.frombuffer(data, np.uint8), most) > most)


@kernel
def _values(data: Bytes, most: int) -> int:
    """Count commas, colons and opening brackets outside of texts, up to one more than `most`."""
    count, i = 0, 0
    while i < len(data) and count <= most:
        c = data[i]
        if c == _QUOTE:
            i = text_end(data, i + 1, len(data))
        else:
            count += c in (_COMMA, _COLON, _BRACE, _BRACKET)
        i += 1
    return count


def read_json(data: bytes) -> Any:
    """Read one JSON value, mended where that helps; raises orjson.JSONDecodeError, of the bytes as they came."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        mended = mend(data)
        if mended is None:
            raise error
        return mended.value


def mend(data: bytes, *, cut: bool = False) -> Mended | None:
    """Read JSON that orjson refuses; None for what is none.

    Read are: NaN and Infinity (as null), integers of any length (as text), what stands more than DEEPEST levels deep (as
    null), lone surrogates (left out), bytes that are no UTF-8 (as UNDECODABLE), line breaks and tabs in texts (other control
    characters are left out), a byte order mark, UTF-16 and UTF-32 (RFC 4627, section 3), and commas before a closing
    bracket.
    cut: the end may be missing, in the middle of a text or of a character; what came before it is read.
    """
    data = _as_utf8(data)
    source = np.frombuffer(data, np.uint8)
    out = np.empty(3 * len(source) + DEEPEST + 8, np.uint8)
    size, undecodable = _mend(source, cut, np.empty(DEEPEST, np.uint8), out)
    if size <= 0:
        return None
    try:
        mended = out[:size].tobytes()
        return Mended(orjson.loads(mended), undecodable > 0, names_in(mended))
    except orjson.JSONDecodeError:
        return None


def _as_utf8(data: bytes) -> bytes:
    encoding = json.detect_encoding(data[:4])
    if encoding in ("utf-8", "utf-8-sig"):
        return data
    return data.decode(encoding, "ignore").encode("utf-8", "surrogatepass")


@kernel
def _mend(data: Bytes, cut: bool, stack: Bytes, out: Bytes) -> tuple[int, int]:
    """Write JSON that orjson takes; return its length, 0 or less for none, and how many bytes were no UTF-8.

    stack: (DEEPEST,), the brackets that are open. `whole` is where what was written so far would be JSON if all of them
    were closed there.
    """
    i, o, depth, whole, undecodable, need = _beginning(data), 0, 0, 0, 0, _NEEDS_VALUE
    while need != _COMPLETE:
        i = _blank(data, i)
        if i >= len(data):
            break
        c = data[i]
        if c in (_END_BRACE, _END_BRACKET) and need != _NEEDS_COLON and depth > 0:
            # also after a comma, which is not written then
            if c != stack[depth - 1] or (need == _NEEDS_VALUE and c == _END_BRACE):
                return _closed(stack, depth, whole, cut, out), undecodable
            out[whole] = c
            i, o, whole, depth = i + 1, whole + 1, whole + 1, depth - 1
            need = _NEEDS_COMMA
        elif (need == _NEEDS_COMMA and c == _COMMA) or (need == _NEEDS_COLON and c == _COLON):
            out[o] = c
            i, o = i + 1, o + 1
            need = _NEEDS_KEY if c == _COMMA and stack[depth - 1] == _END_BRACE else _NEEDS_VALUE
        elif c == _QUOTE and need in (_NEEDS_KEY, _NEEDS_VALUE):
            i, o, bad = _text(data, i, out, o)
            undecodable += bad
            if i < 0 and (need == _NEEDS_KEY or not cut):
                break
            out[o] = _QUOTE
            o += 1
            whole, need = (whole, _NEEDS_COLON) if need == _NEEDS_KEY else (o, _NEEDS_COMMA)
            if i < 0:
                break
        elif need == _NEEDS_VALUE and c in (_BRACE, _BRACKET):
            if depth == len(stack):
                i, o = _passed_over(data, i), _put_null(out, o)
                whole, need = o, _NEEDS_COMMA
                if i < 0:
                    break
                continue
            stack[depth] = c + 2  # the bracket that closes it
            out[o] = c
            i, o, whole, depth = i + 1, o + 1, o + 1, depth + 1
            need = _NEEDS_KEY if c == _BRACE else _NEEDS_VALUE
        elif need == _NEEDS_VALUE:
            i, o = _scalar(data, i, out, o)
            if i < 0:
                break
            # a number at the end may go on beyond it
            if cut and i == len(data) and depth > 0:
                break
            whole, need = o, _NEEDS_COMMA
        else:
            break
        if depth == 0 and need == _NEEDS_COMMA:
            need = _COMPLETE
    if need == _COMPLETE and not cut and _blank(data, i) < len(data):
        return 0, undecodable
    return _closed(stack, depth, whole, cut or need == _COMPLETE, out), undecodable


@kernel
def _closed(stack: Bytes, depth: int, whole: int, allowed: bool, out: Bytes) -> int:
    """Close the brackets that are open; returns the length, 0 where that is not allowed or nothing was read."""
    if not allowed or whole == 0:
        return 0
    for level in range(depth - 1, -1, -1):
        out[whole] = stack[level]
        whole += 1
    return whole


@inlined
def _beginning(data: Bytes) -> int:
    """Return where JSON begins: after a byte order mark, and after record separators (RFC 7464)."""
    i = 3 if len(data) >= 3 and data[0] == 0xEF and data[1] == 0xBB and data[2] == 0xBF else 0
    while i < len(data) and data[i] == 0x1E:
        i += 1
    return i


@kernel
def _blank(data: Bytes, i: int) -> int:
    while i < len(data) and (data[i] == 32 or data[i] == 9 or data[i] == 10 or data[i] == 13):
        i += 1
    return i


@kernel
def _text(data: Bytes, i: int, out: Bytes, o: int) -> tuple[int, int, int]:
    """Copy the text that begins with the quote at `i`, without the quote that ends it.

    Returns where it ends in both, and how many bytes were no UTF-8; -1 for a text without an end, whole characters of
    which are written.
    """
    out[o] = _QUOTE
    i, o, undecodable = i + 1, o + 1, 0
    while i < len(data):
        c = data[i]
        if c == _QUOTE:
            return i + 1, o, undecodable
        if 0x20 <= c < 0x80 and c != _BACKSLASH:
            out[o] = c
            i, o = i + 1, o + 1
            continue
        size, skipped = 1, False
        if c == _BACKSLASH:
            size, skipped = _escape(data, i)
            if size == 0:
                return -1, o, undecodable
        elif c < 0x20:
            if c in (9, 10, 13):
                out[o], out[o + 1] = _BACKSLASH, 116 if c == 9 else 110 if c == 10 else 114  # t, n, r
                o += 2
            i += 1
            continue
        else:
            size = character(data, i, len(data))
            if size == 0 and _goes_on(data, i):
                return -1, o, undecodable
            if size == 0 and c == 0xED and i + 2 < len(data) and 0xA0 <= data[i + 1] <= 0xBF:
                size, skipped = 3, True  # a surrogate, as some write it
            elif size == 0:
                out[o], out[o + 1], out[o + 2] = 0xEF, 0xBF, 0xBE  # UNDECODABLE
                i, o, undecodable = i + 1, o + 3, undecodable + 1
                continue
        if not skipped:
            for k in range(size):
                out[o + k] = data[i + k]
            o += size
        i += size
    return -1, o, undecodable


@inlined
def _escape(data: Bytes, i: int) -> tuple[int, bool]:
    """Return how many bytes the escape at `i` takes, 0 for none, and whether it is a lone surrogate."""
    if i + 1 >= len(data):
        return 0, False
    if data[i + 1] != 117:  # u
        return (2 if data[i + 1] in (34, 92, 47, 98, 102, 110, 114, 116) else 0), False  # "\/bfnrt
    code = code_unit(data, i, len(data))
    if code < 0:
        return 0, False
    if 0xD800 <= code < 0xDC00 and 0xDC00 <= code_unit(data, i + 6, len(data)) < 0xE000:
        return 12, False
    return 6, 0xD800 <= code < 0xE000


@inlined
def _goes_on(data: Bytes, i: int) -> bool:
    """Tell whether the data end within a character that begins at `i`."""
    width = 2 if 0xC2 <= data[i] <= 0xDF else 3 if 0xE0 <= data[i] <= 0xEF else 4
    if not 0xC2 <= data[i] <= 0xF4 or i + width <= len(data):
        return False
    k = i + 1
    while k < len(data) and data[k] & 0xC0 == 0x80:
        k += 1
    return k == len(data)


@inlined
def _passed_over(data: Bytes, i: int) -> int:
    """Return where the list or object ends that begins at `i`, -1 where it does not."""
    depth, inside = 0, False
    while i < len(data):
        c = data[i]
        if inside:
            if c == _BACKSLASH:
                i += 1
            inside = c != _QUOTE
        elif c == _QUOTE:
            inside = True
        elif c in (_BRACE, _BRACKET):
            depth += 1
        elif c in (_END_BRACE, _END_BRACKET):
            depth -= 1
            if depth == 0:
                return i + 1
        i += 1
    return -1


@kernel
def _put_null(out: Bytes, o: int) -> int:
    for k in range(4):
        out[o + k] = _NULL[k]
    return o + 4


@inlined
def _scalar(data: Bytes, i: int, out: Bytes, o: int) -> tuple[int, int]:
    """Write a word or a number; returns where it ends in both, -1 for anything else."""
    for word in range(len(_WORD_ENDS) - 1):
        first, size = _WORD_ENDS[word], _WORD_ENDS[word + 1] - _WORD_ENDS[word]
        k = 0
        while k < size and i + k < len(data) and data[i + k] == _WORDS[first + k]:
            k += 1
        if k < size:
            continue
        if word >= _TRUE_WORDS:
            return i + size, _put_null(out, o)
        for k in range(size):
            out[o + k] = data[i + k]
        return i + size, o + size
    return _number(data, i, out, o)


@kernel
def _number(data: Bytes, i: int, out: Bytes, o: int) -> tuple[int, int]:
    begin = i
    i += data[i] == _MINUS
    digits, i = i, _digits(data, i)
    digits = i - digits
    if digits == 0 or (digits > 1 and data[i - digits] == _ZERO):
        return -1, o
    whole, exponent = True, 0
    if i < len(data) and data[i] == _POINT:
        end = _digits(data, i + 1)
        if end == i + 1:
            return -1, o
        whole, i = False, end
    if i < len(data) and data[i] | 0x20 == _EXPONENT:
        first = i + 1
        small = first < len(data) and data[first] == _MINUS
        first += small or (first < len(data) and data[first] == _PLUS)
        i = _digits(data, first)
        if i == first:
            return -1, o
        whole, exponent = False, 0 if small else i - first
    if not whole and (exponent > 2 or i - begin > _LONGEST_NUMBER):
        return i, _put_null(out, o)
    quoted = whole and digits > _LONGEST_INTEGER
    if quoted:
        out[o] = _QUOTE
        o += 1
    for k in range(begin, i):
        out[o] = data[k]
        o += 1
    if quoted:
        out[o] = _QUOTE
        o += 1
    return i, o


@kernel
def _digits(data: Bytes, i: int) -> int:
    while i < len(data) and _ZERO <= data[i] <= _NINE:
        i += 1
    return i
