"""Volatile tokens (identifiers, times, addresses, long numbers), each replaced by one private-use character."""

from __future__ import annotations

import re
from typing import Final

import numpy as np
import numpy.typing as npt

from .kernels import kernel
from .records import IntArray
from .text_buffers import Bytes

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

_UUID, _HEX, _BLOB, _TIMESTAMP, _DATE, _CLOCK, _URL, _EMAIL, _NUMBER, _IP = range(1, 11)

_DIGIT, _AF, _GZ = 1, 2, 4
_MIN_HEX, _MIN_HEX_LETTERS, _MIN_BLOB, _MIN_DIGITS = 6, 16, 16, 5
_MAX_LOCAL = 64  # of an e-mail address (RFC 5321, 4.5.3.1.1)
_MAX_PIECE = 1024  # a longer run of letters and digits is read in parts, so that no text takes quadratic time

_SPACE, _PLUS, _COMMA, _DASH, _DOT, _SLASH, _COLON, _AT = b" +,-./:@"
_A, _M, _P, _T, _X, _Z = b"amptxz"

_KIND = np.zeros(256, np.uint8)
_KIND[ord("0") : ord("9") + 1] = _DIGIT
_KIND[ord("a") : ord("f") + 1] = _AF
_KIND[ord("g") : ord("z") + 1] = _GZ

_MAIL = _KIND != 0
_MAIL[[ord(c) for c in "._%+-"]] = True
_HOST = _KIND != 0
_HOST[[ord(c) for c in "._-:@%"]] = True
_PATH = np.zeros(256, np.bool_)
_PATH[33:127] = True
_PATH[[ord(c) for c in "\"'`<>()[]{}|\\^"]] = False
_TAIL = _KIND != 0
_TAIL[[ord(c) for c in "+/=_-"]] = True

# beside long runs of the letters a to f, what any mask holds: a digit, @ or ://
_ALARMS = _KIND == _DIGIT
_ALARMS[[ord(c) for c in "@:"]] = True
# after a space these may belong to what stood before it: 2026-03-02 04:05, 4:05 pm
_GOES_ON = _KIND == _DIGIT
_GOES_ON[[ord(c) for c in "ap"]] = True


def unmask(text: str) -> str:
    """Return `text` with each mask as people may read it, e.g. ⟨uuid⟩."""
    return _MASK.sub(lambda found: f"⟨{MASKS[found[0]]}⟩", text)


def remask(text: str) -> str:
    """Return what `unmask` returned with its masks again."""
    return _READABLE.sub(lambda found: _NAMED.get(found[1], found[0]), text)


def mask(data: Bytes, offsets: IntArray) -> tuple[Bytes, IntArray]:
    """Mask the volatile tokens of folded texts, in place: no mask is longer than what it stands for."""
    ends = np.empty(len(offsets), np.int64)
    _mask_rows(data, offsets, ends)
    return data[: ends[-1]], ends


@kernel
def _mask_rows(data: Bytes, offsets: IntArray, ends: IntArray) -> None:
    ends[0] = 0
    o = 0
    for r in range(len(offsets) - 1):
        i, last = offsets[r], offsets[r + 1]
        while i < last:
            alarm = _alarm(data, i, last)
            start, cut = (alarm, last) if alarm == last else _around(data, i, alarm, last)
            if o == i:
                o = start
            else:
                for k in range(i, start):
                    data[o] = data[k]
                    o += 1
            if start < cut:
                o = mask_part(data, start, cut, o)
            i = cut
        ends[r + 1] = o


@kernel
def _alarm(data: Bytes, first: int, last: int) -> int:
    """Return a place at or after `first` that the first mask covers, `last` if there is none; most text has few."""
    i = first
    while i < last:
        stop = min(i + _MIN_HEX_LETTERS, last)
        while i < stop:
            if _ALARMS[data[i]] and (data[i] != _COLON or (i + 1 < last and data[i + 1] == _SLASH)):
                return i
            i += 1
        # letters enough to be hex hold the last byte of some such step
        if _KIND[data[stop - 1]] == _AF:
            a, b = stop - 1, stop
            while a > first and _KIND[data[a - 1]] == _AF:
                a -= 1
            while b < last and _KIND[data[b]] == _AF:
                b += 1
            if b - a >= _MIN_HEX_LETTERS:
                return a
    return last


@kernel
def _around(data: Bytes, first: int, alarm: int, last: int) -> tuple[int, int]:
    """Return the part from `first` to `last` around an alarm that no mask crosses the ends of."""
    start, cut = alarm, alarm
    while start > first and _MAIL[data[start - 1]]:
        start -= 1
    while cut < last and (data[cut] != _SPACE or (cut + 1 < last and _GOES_ON[data[cut + 1]])):
        cut += 1
    return start, cut


@kernel
def mask_part(data: Bytes, start: int, last: int, o: int) -> int:
    """Mask a row or a part of one into `data` from `o` on, never past what is read, and return where it ends."""
    i, end, at_sign = start, last, start
    resume = -1  # inside a URL's host, which ends at `end`: where its path ends
    while i < end or resume >= 0:
        if i >= end:
            if resume > end and resume < last and data[resume] >= 0x80:
                data[o] = _SPACE  # letters after the path are no part of the host
                o += 1
            i, end, resume = resume, last, -1
            continue
        if _KIND[data[i]] == 0:
            data[o] = data[i]
            i, o = i + 1, o + 1
            continue
        j, bits = i, 0
        while j < min(end, i + _MAX_PIECE) and _KIND[data[j]] != 0:
            bits |= _KIND[data[j]]
            j += 1
        host, path = _url(data, j, end) if resume < 0 else (0, 0)
        if path > 0:
            o = _put(data, o, _URL)
            i, end, resume = j + 3, host, path
            continue
        while at_sign < last and (at_sign < j or data[at_sign] != _AT):
            at_sign += 1
        stop, which = 0, _EMAIL
        if at_sign < end and at_sign - i <= _MAX_LOCAL:
            stop = _email(data, i, at_sign, end)
        if stop == 0:
            stop, which = _volatile(data, i, j, end, bits)
        if which > 0:
            o = _put(data, o, which)
        else:
            for k in range(i, stop):
                data[o] = data[k]
                o += 1
        i = stop
    return o


@kernel
def _put(data: Bytes, o: int, which: int) -> int:
    data[o], data[o + 1], data[o + 2] = 0xEE, 0x80, 0x80 + which  # UTF-8 of U+E000 + which
    return o + 3


@kernel
def _url(data: Bytes, i: int, end: int) -> tuple[int, int]:
    """Return where the host and the path end if :// and something stand at `i`, else (0, 0)."""
    if i + 3 >= end or data[i] != _COLON or data[i + 1] != _SLASH or data[i + 2] != _SLASH:
        return 0, 0
    host = _span(data, i + 3, end, _HOST)
    path = _span(data, host, end, _PATH)
    return (host, path) if path > i + 3 else (0, 0)


@kernel
def _span(data: Bytes, i: int, end: int, allowed: npt.NDArray[np.bool_]) -> int:
    """Return where the run of allowed bytes at `i` ends."""
    while i < end and allowed[data[i]]:
        i += 1
    return i


@kernel
def _digits(data: Bytes, i: int, end: int) -> int:
    """Return how many ASCII digits stand at `i`."""
    n = 0
    while i + n < end and _KIND[data[i + n]] == _DIGIT:
        n += 1
    return n


@kernel
def _value(data: Bytes, i: int, n: int) -> int:
    total = 0
    for k in range(i, i + n):
        total = total * 10 + data[k] - 48
    return total


@kernel
def _edge(data: Bytes, i: int, end: int) -> bool:
    """Tell whether what stands before `i` ends there: no letter or digit follows, or a long number does."""
    if i >= end or _KIND[data[i]] == 0:
        return True
    return _KIND[data[i - 1]] != _DIGIT and _digits(data, i, end) >= _MIN_DIGITS


@kernel
def _email(data: Bytes, i: int, at: int, end: int) -> int:
    """Return where the address ends of which `i` to `at` is the local part, 0 if there is none."""
    if _span(data, i, at, _MAIL) < at:
        return 0
    j, dot = at + 1, 0
    while j < end and (_KIND[data[j]] != 0 or data[j] in (_DASH, _DOT)):
        if data[j] == _DOT and j > at + 1 and j + 1 < end and _KIND[data[j + 1]] != 0:
            dot = j
        j += 1
    if dot == 0:
        return 0
    while _KIND[data[j - 1]] == 0:
        j -= 1
    return j


@kernel
def _volatile(data: Bytes, i: int, j: int, end: int, bits: int) -> tuple[int, int]:
    """Return where to go on in the piece from `i` to `j`, and the mask of what is passed over (0: none)."""
    n = j - i
    if bits & _DIGIT == 0:
        return j, (_HEX if bits == _AF and n >= _MIN_HEX_LETTERS else 0)
    if n == 8 and bits & _GZ == 0 and _is_uuid(data, i, end):
        return i + 36, _UUID
    lead = _digits(data, i, j)
    if lead > 0:
        stop, which = _dated(data, i, lead, end)
        if which == 0 and lead == n:
            stop, which = _numeric(data, i, lead, end)
        if which > 0:
            return stop, which
    if _is_hex(data, i, j, bits):
        return j, _HEX
    if n >= _MIN_BLOB and _is_blob(data, i, j):
        return _span(data, j, end, _TAIL), _BLOB
    k = i
    while k < j:
        run = _digits(data, k, j)
        if run >= _MIN_DIGITS:
            if k == i:
                return k + run, _NUMBER
            inner = 0
            for m in range(i, k):
                inner |= _KIND[data[m]]
            return k, (_HEX if _is_hex(data, i, k, inner) else 0)
        k += max(run, 1)
    return j, 0


@kernel
def _is_hex(data: Bytes, i: int, j: int, bits: int) -> bool:
    """Tell whether these are six or more hex digits, both numerals and letters, or what follows 0x."""
    if j - i >= _MIN_HEX and data[i] == 48 and data[i + 1] == _X:
        bits = _DIGIT | _AF
        for k in range(i + 2, j):
            bits |= _KIND[data[k]]
    if bits != _DIGIT | _AF or j - i < _MIN_HEX:
        return False
    digits = 0
    for k in range(i, j):
        digits += _KIND[data[k]] == _DIGIT
    return digits >= 2 or j - i >= 8


@kernel
def _is_uuid(data: Bytes, i: int, end: int) -> bool:
    if end - i < 36 or not _edge(data, i + 36, end):
        return False
    for k in range(36):
        kind = _KIND[data[i + k]]
        if k in (8, 13, 18, 23):
            if data[i + k] != _DASH:
                return False
        elif kind not in (_DIGIT, _AF):
            return False
    return True


@kernel
def _is_blob(data: Bytes, i: int, j: int) -> bool:
    """Tell whether letters and digits change places as often as in random text: one time in eight, thrice at least."""
    changes = 0
    for k in range(i + 1, j):
        changes += (_KIND[data[k]] == _DIGIT) != (_KIND[data[k - 1]] == _DIGIT)
    return changes >= 3 and changes * 8 >= j - i


@kernel
def _dated(data: Bytes, i: int, lead: int, end: int) -> tuple[int, int]:
    """Return the end and the mask of the date, time or both at `i`, where `lead` digits stand; (0, 0) if none."""
    if lead <= 2:
        stop = _clock(data, i, lead, end)
        if stop > 0:
            return stop, _CLOCK
    stop = _date(data, i, lead, end)
    if stop == 0:
        return 0, 0
    if stop < end and data[stop] in (_SPACE, _T):
        hours = _digits(data, stop + 1, end)
        if hours == 2:
            after = _clock(data, stop + 1, hours, end)
            if after > 0:
                return _zone(data, after, end), _TIMESTAMP
    return (stop, _DATE) if _edge(data, stop, end) else (0, 0)


@kernel
def _date(data: Bytes, i: int, lead: int, end: int) -> int:
    """Return where y-m-d, d-m-y or m-d-y, with - / or . between, ends; 0 if there is none."""
    first = i + lead
    if first >= end or data[first] not in (_DASH, _SLASH, _DOT):
        return 0
    middle = _digits(data, first + 1, end)
    second = first + 1 + middle
    if middle < 1 or middle > 2 or second >= end or data[second] != data[first]:
        return 0
    tail = _digits(data, second + 1, end)
    a, b = _value(data, i, min(lead, 4)), _value(data, first + 1, middle)
    c = _value(data, second + 1, min(tail, 4))
    if lead == 4 and 1 <= tail <= 2:
        good = 1000 <= a <= 2999 and 1 <= b <= 12 and 1 <= c <= 31
    elif lead <= 2 and tail == 4:
        good = 1000 <= c <= 2999 and 1 <= a <= 31 and 1 <= b <= 31 and (a <= 12 or b <= 12)
    else:
        good = False
    return second + 1 + tail if good else 0


@kernel
def _clock(data: Bytes, i: int, lead: int, end: int) -> int:
    """Return where a time of day (h:mm, h:mm:ss, fractions, am or pm) ends, 0 if there is none."""
    j = i + lead
    if _value(data, i, lead) > 24 or j >= end or data[j] != _COLON:
        return 0
    for part in range(2):
        if j < end and data[j] == _COLON and _digits(data, j + 1, end) == 2 and data[j + 1] < 54:  # below 60
            j += 3
        elif part == 0:
            return 0
    if j + 1 < end and data[j] in (_DOT, _COMMA):
        fraction = _digits(data, j + 1, end)
        j += 1 + fraction if fraction > 0 else 0
    half = j + 1 if j < end and data[j] == _SPACE else j
    if half + 1 < end and data[half] in (_A, _P) and data[half + 1] == _M and _edge(data, half + 2, end):
        return half + 2
    if j < end and data[j] == _Z and _edge(data, j + 1, end):
        return j + 1
    return j if _edge(data, j, end) else 0


@kernel
def _zone(data: Bytes, i: int, end: int) -> int:
    """Return where the offset from UTC at `i` ends, `i` if there is none."""
    if i < end and data[i] in (_PLUS, _DASH):
        hours = _digits(data, i + 1, end)
        if hours == 4 and _edge(data, i + 5, end):
            return i + 5
        colon = hours == 2 and i + 3 < end and data[i + 3] == _COLON
        if colon and _digits(data, i + 4, end) == 2 and _edge(data, i + 6, end):
            return i + 6
    return i


@kernel
def _numeric(data: Bytes, i: int, lead: int, end: int) -> tuple[int, int]:
    """Return the end and the mask of the IPv4 address or long number that starts with the `lead` digits at `i`."""
    j = i + lead
    quads = j
    for _ in range(3):
        part = _digits(data, quads + 1, end) if quads < end and data[quads] == _DOT else 0
        quads = quads + 1 + part if 1 <= part <= 3 else -1
        if quads < 0:
            break
    if lead <= 3 and quads > 0 and _edge(data, quads, end):
        return quads, _IP
    grouped = False
    while (
        lead <= 3
        and j < end
        and data[j] == _COMMA
        and _digits(data, j + 1, end) == 3
        and _edge(data, j + 4, end)
    ):
        j, grouped = j + 4, True
    fraction = _digits(data, j + 1, end) if j < end and data[j] == _DOT else 0
    whole = j + 1 + fraction if fraction > 0 and _edge(data, j + 1 + fraction, end) else j
    if grouped or lead >= _MIN_DIGITS or (whole > j and fraction >= _MIN_DIGITS):
        return whole, _NUMBER
    return 0, 0
