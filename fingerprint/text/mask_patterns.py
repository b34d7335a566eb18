"""What volatile tokens look like in folded text: where each ends, and which mask stands for it."""

from __future__ import annotations

import numpy as np

from fingerprint.base.jit import inlined, kernel
from fingerprint.base.types import Bools, Bytes

UUID, HEX, BLOB, TIMESTAMP, DATE, CLOCK, URL, EMAIL, NUMBER, IP = range(1, 11)
"""Numbers of the masks: each is the character U+E000 and so many."""

DIGIT, AF, GZ = 1, 2, 4
_MIN_HEX, MIN_HEX_LETTERS, _MIN_BLOB, _MIN_DIGITS = 6, 16, 16, 5

_SPACE, _PLUS, _COMMA, _DASH, _DOT, _SLASH, _COLON = b" +,-./:"
_A, _M, _P, _T, _X, _Z = b"amptxz"

KIND = np.zeros(256, np.uint8)
KIND[ord("0") : ord("9") + 1] = DIGIT
KIND[ord("a") : ord("f") + 1] = AF
KIND[ord("g") : ord("z") + 1] = GZ
"""What a byte is: a digit, a letter from a to f or from g to z, or 0."""

MAIL = KIND != 0
MAIL[[ord(c) for c in "._%+-"]] = True
"""What an e-mail address may hold before its @."""

_HOST = KIND != 0
_HOST[[ord(c) for c in "._-:@%"]] = True
_PATH = np.zeros(256, np.bool_)
_PATH[33:127] = True
_PATH[[ord(c) for c in "\"'`<>()[]{}|\\^"]] = False
_TAIL = KIND != 0
_TAIL[[ord(c) for c in "+/=_-"]] = True


@inlined
def url(data: Bytes, i: int, end: int) -> tuple[int, int]:
    """Return where the host and the path end if :// and something stand at `i`, else (0, 0)."""
    if i + 3 >= end or data[i] != _COLON or data[i + 1] != _SLASH or data[i + 2] != _SLASH:
        return 0, 0
    host = _span(data, i + 3, end, _HOST)
    path = _span(data, host, end, _PATH)
    return (host, path) if path > i + 3 else (0, 0)


@kernel
def _span(data: Bytes, i: int, end: int, allowed: Bools) -> int:
    """Return where the run of allowed bytes at `i` ends."""
    while i < end and allowed[data[i]]:
        i += 1
    return i


@kernel
def _digits(data: Bytes, i: int, end: int) -> int:
    """Return how many ASCII digits stand at `i`."""
    n = 0
    while i + n < end and KIND[data[i + n]] == DIGIT:
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
    if i >= end or KIND[data[i]] == 0:
        return True
    return KIND[data[i - 1]] != DIGIT and _digits(data, i, end) >= _MIN_DIGITS


@inlined
def email(data: Bytes, i: int, at: int, end: int) -> int:
    """Return where the address ends of which `i` to `at` is the local part, 0 if there is none; data: (b,) uint8, up to `end`."""
    if _span(data, i, at, MAIL) < at:
        return 0
    j, dot = at + 1, 0
    while j < end and (KIND[data[j]] != 0 or data[j] in (_DASH, _DOT)):
        if data[j] == _DOT and j > at + 1 and j + 1 < end and KIND[data[j + 1]] != 0:
            dot = j
        j += 1
    if dot == 0:
        return 0
    while KIND[data[j - 1]] == 0:
        j -= 1
    return j


@kernel
def token(data: Bytes, i: int, j: int, end: int, bits: int) -> tuple[int, int]:
    """Return where to go on in the piece from `i` to `j`, and the mask of what is passed over (0: none).

    data: (b,) uint8, folded text up to `end`. bits: the kinds of its bytes, KIND of each, or-ed.
    """
    n = j - i
    if bits & DIGIT == 0:
        return j, (HEX if bits == AF and n >= MIN_HEX_LETTERS else 0)
    if n == 8 and bits & GZ == 0 and _is_uuid(data, i, end):
        return i + 36, UUID
    lead = _digits(data, i, j)
    if lead > 0:
        stop, which = _dated(data, i, lead, end)
        if which == 0 and lead == n:
            stop, which = _numeric(data, i, lead, end)
        if which > 0:
            return stop, which
    if _is_hex(data, i, j, bits):
        return j, HEX
    if n >= _MIN_BLOB and _is_blob(data, i, j):
        return _span(data, j, end, _TAIL), BLOB
    k = i
    while k < j:
        run = _digits(data, k, j)
        if run >= _MIN_DIGITS:
            if k == i:
                return k + run, NUMBER
            inner = int(np.int64(0))
            for m in range(i, k):
                inner |= KIND[data[m]]
            return k, (HEX if _is_hex(data, i, k, inner) else 0)
        k += max(run, 1)
    return j, 0


@kernel
def _is_hex(data: Bytes, i: int, j: int, bits: int) -> bool:
    """Tell whether these are six or more hex digits, both numerals and letters, or what follows 0x."""
    if j - i >= _MIN_HEX and data[i] == 48 and data[i + 1] == _X:
        bits = DIGIT | AF
        for k in range(i + 2, j):
            bits |= KIND[data[k]]
    if bits != DIGIT | AF or j - i < _MIN_HEX:
        return False
    digits = 0
    for k in range(i, j):
        digits += KIND[data[k]] == DIGIT
    return digits >= 2 or j - i >= 8


@inlined
def _is_uuid(data: Bytes, i: int, end: int) -> bool:
    if end - i < 36 or not _edge(data, i + 36, end):
        return False
    for k in range(36):
        kind = KIND[data[i + k]]
        if k in (8, 13, 18, 23):
            if data[i + k] != _DASH:
                return False
        elif kind not in (DIGIT, AF):
            return False
    return True


@inlined
def _is_blob(data: Bytes, i: int, j: int) -> bool:
    """Tell whether letters and digits change places as often as in random text: one time in eight, thrice at least."""
    changes = 0
    for k in range(i + 1, j):
        changes += (KIND[data[k]] == DIGIT) != (KIND[data[k - 1]] == DIGIT)
    return changes >= 3 and changes * 8 >= j - i


@inlined
def _dated(data: Bytes, i: int, lead: int, end: int) -> tuple[int, int]:
    """Return the end and the mask of the date, time or both at `i`, where `lead` digits stand; (0, 0) if none."""
    if lead <= 2:
        stop = _clock(data, i, lead, end)
        if stop > 0:
            return stop, CLOCK
    stop = _date(data, i, lead, end)
    if stop == 0:
        return 0, 0
    if stop < end and data[stop] in (_SPACE, _T):
        hours = _digits(data, stop + 1, end)
        if hours == 2:
            after = _clock(data, stop + 1, hours, end)
            if after > 0:
                return _zone(data, after, end), TIMESTAMP
    return (stop, DATE) if _edge(data, stop, end) else (0, 0)


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


@inlined
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
        return quads, IP
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
        return whole, NUMBER
    return 0, 0
