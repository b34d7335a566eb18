"""The texts in JSON, as kernels find and copy them: a name or a value, without its quotes, and with its escapes resolved."""

from __future__ import annotations

from fingerprint.base.jit import inlined, kernel
from fingerprint.base.simd import WIDE, copy, lowest, within
from fingerprint.base.types import Bytes, IntArray
from fingerprint.domain.schemas import SECTION_MARK, SYSTEM_END
from fingerprint.text.characters import encode
from fingerprint.traffic.json_characters import character, code_unit, plain_end

_QUOTE, _BACKSLASH, _SLASH = map(ord, '"\\/')
_SECTION, _MARK = ord(SYSTEM_END), ord(SECTION_MARK)  # TURN_END is between


@kernel
def same(a: Bytes, at: int, b: Bytes, there: int, size: int) -> bool:
    """Tell whether `size` bytes are the same at two places."""
    k = 0
    while k < size and a[at + k] == b[there + k]:
        k += 1
    return k == size


@kernel
def word_at(data: Bytes, i: int, end: int, words: tuple[Bytes, IntArray]) -> int:
    """Return which word stands from `i` to `end`, -1 for none; words: the bytes of all, (b,), and where each begins, (w + 1,)."""
    table, begins = words
    for n in range(len(begins) - 1):
        if begins[n + 1] - begins[n] == end - i and same(data, i, table, begins[n], end - i):
            return n
    return -1


@kernel
def blank_end(data: Bytes, i: int, end: int) -> int:
    """Return where the next byte stands that is no white space within a line, or `end`."""
    while i < end and (data[i] == 32 or data[i] == 9 or data[i] == 13):
        i += 1
    return i


@kernel
def text_stop(data: Bytes, i: int, end: int) -> tuple[int, bool]:
    """Return where the quote stands that ends the text that begins at `i`, -1 for none, and whether it holds escapes.

    None, too, for texts that are no JSON, and for those that hold what parts sections: such lines are read elsewhere.
    """
    escapes = False
    i = plain_end(data, i, end)
    while i < end:
        c = data[i]
        if c == _QUOTE:
            return i, escapes
        if c < 0x20:
            return -1, False
        if c == _BACKSLASH:
            escapes = True
            width = _escape(data, i, end)[0]
        else:
            width = character(data, i, end)
        if width == 0:
            return -1, False
        i = plain_end(data, i + width, end)
    return -1, False


@kernel
def _escape(data: Bytes, i: int, end: int) -> tuple[int, int]:
    """Return how many bytes the escape at `i` takes, 0 for none to be read here, and the character it stands for."""
    if i + 1 >= end:
        return 0, 0
    c = data[i + 1]
    if c in (_QUOTE, _BACKSLASH, _SLASH):
        return 2, int(c)
    if c == 110:  # n
        return 2, 10
    if c == 116:  # t
        return 2, 9
    if c == 114:  # r
        return 2, 13
    if c == 98:  # b
        return 2, 8
    if c == 102:  # f
        return 2, 12
    code = code_unit(data, i, end)
    # what parts the sections of a text is taken out elsewhere
    if code < 0 or _SECTION <= code <= _MARK or 0xDC00 <= code < 0xE000:
        return 0, 0
    if code < 0xD800 or code >= 0xE000:
        return 6, code
    low = code_unit(data, i + 6, end)
    if not 0xDC00 <= low < 0xE000:
        return 0, 0
    return 12, 0x10000 + ((code - 0xD800) << 10) + low - 0xDC00


@kernel
def copy_text(data: Bytes, i: int, end: int, out: Bytes, o: int) -> int:
    """Copy a text (`text_stop`) to `out` from `o` on, escapes resolved, and return where it ends there."""
    while i < end:
        size = _until_escape(data, i, end) - i
        copy(out, o, data, i, size)
        i, o = i + size, o + size
        if i < end:
            width, code = _escape(data, i, end)
            i, o = i + width, encode(code, out, o)
    return o


@inlined
def _until_escape(data: Bytes, i: int, end: int) -> int:
    """Return where the next backslash stands, or `end`."""
    while i + WIDE <= end:
        marks = within(data, i, _BACKSLASH, _BACKSLASH)
        if marks != 0:
            return i + int(lowest(marks))
        i += WIDE
    while i < end and data[i] != _BACKSLASH:
        i += 1
    return i
