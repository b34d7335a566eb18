"""Characters in the bytes of JSON: those above ASCII, and code units written as escapes."""

from __future__ import annotations

from fingerprint.base.jit import kernel
from fingerprint.base.simd import WIDE, lowest, within
from fingerprint.base.types import Bytes

_QUOTE, _BACKSLASH, _U, _ZERO, _NINE = map(ord, '"\\u09')


@kernel
def text_end(data: Bytes, i: int, end: int) -> int:
    """Return where the quote stands that ends a text of which `i` is inside; `end` where there is none."""
    while i < end:
        if i + WIDE <= end:
            marks = within(data, i, _QUOTE, _QUOTE) | within(data, i, _BACKSLASH, _BACKSLASH)
            if marks == 0:
                i += WIDE
                continue
            i += lowest(marks)
        if data[i] == _QUOTE:
            return i
        i += 2 if data[i] == _BACKSLASH else 1
    return end


@kernel
def plain_end(data: Bytes, i: int, end: int) -> int:
    """Return where the next byte stands that is no character of ASCII by itself: a quote, a backslash, a control or another character; or `end`."""
    while i + WIDE <= end:
        plain = within(data, i, 32, _QUOTE - 1) | within(data, i, _QUOTE + 1, _BACKSLASH - 1)
        plain |= within(data, i, _BACKSLASH + 1, 127)
        size = lowest(~plain)
        i += size
        if size < WIDE:
            return i
    while i < end and 32 <= data[i] < 128 and data[i] != _QUOTE and data[i] != _BACKSLASH:
        i += 1
    return i


@kernel
def code_unit(data: Bytes, i: int, end: int) -> int:
    """Return the UTF-16 code unit written as a backslash, u and four digits at `i` of bytes up to `end`, -1 for none."""
    if i + 6 > end or data[i] != _BACKSLASH or data[i + 1] != _U:
        return -1
    code = 0
    for k in range(i + 2, i + 6):
        c = int(data[k])
        if _ZERO <= c <= _NINE:
            digit = c - _ZERO
        elif 97 <= c | 0x20 <= 102:
            digit = (c | 0x20) - 87
        else:
            return -1
        code = code << 4 | digit
    return code


@kernel
def character(data: Bytes, i: int, end: int) -> int:
    """Return how many bytes the character above ASCII at `i` takes, 0 where UTF-8 has none (RFC 3629, section 4)."""
    c = data[i]
    width = 2 if 0xC2 <= c <= 0xDF else 3 if 0xE0 <= c <= 0xEF else 4 if 0xF0 <= c <= 0xF4 else 0
    if width == 0 or i + width > end:
        return 0
    least = 0xA0 if c == 0xE0 else 0x90 if c == 0xF0 else 0x80
    most = 0x9F if c == 0xED else 0x8F if c == 0xF4 else 0xBF
    if not least <= data[i + 1] <= most:
        return 0
    for k in range(i + 2, i + width):
        if data[k] & 0xC0 != 0x80:
            return 0
    return width
