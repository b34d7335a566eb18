"""Hashes of a text and of all its beginnings that end where a line or a turn does, eight bytes at a time."""

from __future__ import annotations

import numpy as np

from fingerprint.base.hashing import FNV_PRIME, GOLDEN, finalise
from fingerprint.base.jit import inlined, kernel
from fingerprint.base.simd import WIDE, eight, lowest, within
from fingerprint.base.types import Bytes

_FIRST_BREAK, _LAST_BREAK = 10, 30  # line feed, carriage return, SYSTEM_END, TURN_END and what stands between
_WORD = 8


@inlined
def break_after(data: Bytes, i: int, end: int) -> int:
    """Return where a line or a turn ends next, at `i` or behind it; `end` at last."""
    while i + WIDE <= len(data) and i < end:
        at = lowest(within(data, i, _FIRST_BREAK, _LAST_BREAK))
        if at < WIDE:
            return int(min(i + at, end))
        i += WIDE
    while i < end and not _FIRST_BREAK <= data[i] <= _LAST_BREAK:
        i += 1
    return min(i, end)


@kernel
def with_words(data: Bytes, i: int, end: int, h: np.uint64) -> tuple[np.uint64, int]:
    """Add all whole words of eight bytes from `i` on to a hash, and return where the rest begins."""
    while i + _WORD <= end:
        h = (h ^ eight(data, i)) * GOLDEN
        h ^= h >> np.uint64(29)
        i += _WORD
    return h, i


@kernel
def text_hash(data: Bytes, i: int, end: int, h: np.uint64) -> np.uint64:
    """Return the hash of a text of which fewer than eight bytes are not in `h`."""
    rest = np.uint64(end - i)
    for k in range(end - 1, i - 1, -1):
        rest = rest << np.uint64(8) | np.uint64(data[k])
    return finalise((h ^ rest) * FNV_PRIME)
