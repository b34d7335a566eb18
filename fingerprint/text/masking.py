"""Volatile tokens (identifiers, times, addresses, long numbers), each replaced by one private-use character (D-118)."""

from __future__ import annotations

import re
from typing import Final

import numpy as np

from fingerprint.base.hashing import FNV_OFFSET, FNV_PRIME, finalise
from fingerprint.base.jit import inlined, kernel
from fingerprint.base.simd import WIDE, lowest, shift_capitals, within
from fingerprint.base.types import Bytes, HashArray, IntArray
from fingerprint.text import mask_patterns
from fingerprint.text.mask_patterns import AF, DIGIT, KIND, MAIL, MIN_HEX_LETTERS, email, token, url

UUID: Final = "\ue001"
HEX: Final = "\ue002"
BLOB: Final = "\ue003"
TIMESTAMP: Final = "\ue004"
DATE: Final = "\ue005"
CLOCK: Final = "\ue006"
URL: Final = "\ue007"
EMAIL: Final = "\ue008"
NUMBER: Final = "\ue009"
IP: Final = "\ue00a"

MASKS: Final = {
    UUID: "uuid",
    HEX: "hex",
    BLOB: "blob",
    TIMESTAMP: "timestamp",
    DATE: "date",
    CLOCK: "time",
    URL: "url",
    EMAIL: "email",
    NUMBER: "number",
    IP: "ip",
}
"""Mask character → what it stands for. Private-use characters never survive in a text, so none can be forged."""

_MASK = re.compile(f"[{''.join(MASKS)}]")
_READABLE = re.compile("⟨([a-z]+)⟩")
_NAMED = {name: character for character, name in MASKS.items()}

NO_VALUE: Final = FNV_OFFSET
"""The hash of what is masked, before anything is."""

_MAX_LOCAL = 64  # of an e-mail address (RFC 5321, 4.5.3.1.1)
_MAX_PIECE = 1024  # a longer run of letters and digits is read in parts, so that no text takes quadratic time

_SPACE, _SLASH, _ZERO, _COLON, _AT, _A, _F = b" /0:@af"

# beside long runs of the letters a to f, what any mask holds: a digit, @ or ://
_ALARMS = KIND == DIGIT
_ALARMS[[ord(c) for c in "@:"]] = True
# after a space these may belong to what stood before it: 2026-03-02 04:05, 4:05 pm
_GOES_ON = KIND == DIGIT
_GOES_ON[[ord(c) for c in "ap"]] = True


def unmask(text: str) -> str:
    """Return `text` with each mask as people may read it, e.g. ⟨uuid⟩."""
    return _MASK.sub(lambda match: f"⟨{MASKS[match[0]]}⟩", text)


def remask(text: str) -> str:
    """Return what `unmask` returned with its masks again."""
    return _READABLE.sub(lambda match: _NAMED.get(match[1], match[0]), text)


def mask(data: Bytes, offsets: IntArray) -> tuple[Bytes, IntArray, HashArray]:
    """Mask the volatile tokens of n folded texts, in place: no mask is longer than what it stands for.

    data: (b,) uint8, which is overwritten; offsets: (n + 1,) int64 into it, from 0.
    Returns the bytes, the offsets (n + 1,), and a hash (n,) of what the masks of each text stand for, 0 without a mask.
    """
    ends = np.empty(len(offsets), np.int64)
    values = np.zeros(len(offsets) - 1, np.uint64)
    _mask_rows(data, offsets, ends, values)
    return data[: ends[-1]], ends, values


@kernel
def _mask_rows(data: Bytes, offsets: IntArray, ends: IntArray, values: HashArray) -> None:
    ends[0] = 0
    o = 0
    for r in range(len(offsets) - 1):
        i, last = offsets[r], offsets[r + 1]
        value = NO_VALUE
        while i < last:
            alarm = _alarm(data, i, last)
            start, cut = (alarm, last) if alarm == last else _around(data, i, alarm, last)
            o = start if o == i else _moved(data, i, start, o)
            if start < cut:
                o, value = mask_part(data, start, cut, o, value)
            i = cut
        ends[r + 1] = o
        values[r] = finalise(value) if value != NO_VALUE else np.uint64(0)


@kernel
def _alarm(data: Bytes, first: int, last: int) -> int:
    """Return a place at or after `first` that the first mask covers, `last` if there is none; most text has few."""
    i = first
    while i < last and i + WIDE <= len(data):
        signs = within(data, i, _ZERO, _COLON) | within(data, i, _AT, _AT)
        runs = within(data, i, _A, _F)
        if last - i < WIDE:
            inside = (np.uint64(1) << np.uint64(last - i)) - np.uint64(1)
            signs, runs = signs & inside, runs & inside
        for by in (1, 2, 4, 8):  # leaves where MIN_HEX_LETTERS begin
            runs &= runs >> np.uint64(by)
        at = lowest(signs | runs)
        if at == WIDE:
            i += WIDE - MIN_HEX_LETTERS + 1
            continue
        i += int(at)
        if data[i] != _COLON or (i + 1 < last and data[i + 1] == _SLASH):
            return i
        i += 1
    while i < last:
        stop = min(i + MIN_HEX_LETTERS, last)
        while i < stop:
            if _ALARMS[data[i]] and (data[i] != _COLON or (i + 1 < last and data[i + 1] == _SLASH)):
                return i
            i += 1
        # letters enough to be hex hold the last byte of some such step
        if KIND[data[stop - 1]] == AF:
            a, b = stop - 1, stop
            while a > first and KIND[data[a - 1]] == AF:
                a -= 1
            while b < last and KIND[data[b]] == AF:
                b += 1
            if b - a >= MIN_HEX_LETTERS:
                return a
    return last


@inlined
def _around(data: Bytes, first: int, alarm: int, last: int) -> tuple[int, int]:
    """Return the part from `first` to `last` around an alarm that no mask crosses the ends of."""
    start, cut = alarm, alarm
    while start > first and MAIL[data[start - 1]]:
        start -= 1
    while cut < last and (data[cut] != _SPACE or (cut + 1 < last and _GOES_ON[data[cut + 1]])):
        cut += 1
    return start, cut


@kernel
def mask_part(data: Bytes, start: int, last: int, o: int, value: np.uint64) -> tuple[int, np.uint64]:
    """Mask the text from `start` to `last` into `data` (b,) uint8, from `o` on, never past what is read.

    The part is a row or lies between two places that no mask crosses.
    Returns where it ends, and `value`, a hash that begins with NO_VALUE, with what was masked added to it.
    """
    i, end, at_sign = start, last, start
    resume = int(np.int64(-1))  # inside a URL's host, which ends at `end`: where its path ends
    while i < end or resume >= 0:
        if i >= end:
            if resume > end and resume < last and data[resume] >= 0x80:
                data[o] = _SPACE  # letters after the path are no part of the host
                o += 1
            value = _with_value(data, end, resume, value)
            i, end, resume = resume, last, -1
            continue
        if KIND[data[i]] == 0:
            data[o] = data[i]
            i, o = i + 1, o + 1
            continue
        j, bits = i, 0
        while j < min(end, i + _MAX_PIECE) and KIND[data[j]] != 0:
            bits |= KIND[data[j]]
            j += 1
        host, path = url(data, j, end) if resume < 0 else (0, 0)
        if path > 0:
            value = _with_value(data, i, j, value)
            o = _put(data, o, mask_patterns.URL)
            i, end, resume = j + 3, host, path
            continue
        while at_sign < last and (at_sign < j or data[at_sign] != _AT):
            at_sign += 1
        stop, which = 0, mask_patterns.EMAIL
        if at_sign < end and at_sign - i <= _MAX_LOCAL:
            stop = email(data, i, at_sign, end)
        if stop == 0:
            stop, which = token(data, i, j, end, bits)
        if which > 0:
            value = _with_value(data, i, stop, value)
            o = _put(data, o, which)
        else:
            o = _moved(data, i, stop, o)
        i = stop
    return o, value


@kernel
def _moved(data: Bytes, i: int, end: int, o: int) -> int:
    """Move what stands from `i` to `end` to `o`, which is not behind `i`, and return where it ends."""
    while i + WIDE <= end:
        shift_capitals(data, o, data, i, 0)  # reads all that it writes over
        i, o = i + WIDE, o + WIDE
    while i < end:
        data[o] = data[i]
        i, o = i + 1, o + 1
    return o


@kernel
def _with_value(data: Bytes, i: int, end: int, value: np.uint64) -> np.uint64:
    """Add what stands from `i` to `end`, and where it ends, to a hash (FNV-1a)."""
    for k in range(i, end):
        value = (value ^ np.uint64(data[k])) * FNV_PRIME
    return (value ^ np.uint64(_SPACE)) * FNV_PRIME


@kernel
def _put(data: Bytes, o: int, which: int) -> int:
    data[o], data[o + 1], data[o + 2] = 0xEE, 0x80, 0x80 + which  # UTF-8 of U+E000 + which
    return o + 3
