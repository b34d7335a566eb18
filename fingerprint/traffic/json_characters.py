"""Characters in the bytes of JSON: those above ASCII, and code units written as escapes."""

from __future__ import annotations

from fingerprint.base.jit import kernel
from fingerprint.base.types import Bytes

_BACKSLASH, _U, _ZERO, _NINE = map(ord, "\\u09")


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
