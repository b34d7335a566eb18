"""Evasions that change characters: nonces are rules, these are letters, case, spacing and punctuation."""

from __future__ import annotations

import numpy as np
from numba import njit

from .kernel import U8, U64, below, unit

# Latin letters and look-alikes that take two UTF-8 bytes (Cyrillic, Greek)
_PAIRS = "aа cс eе iі jј oо pр sѕ xх yу vν uυ AА BВ CС EЕ HН IІ KК MМ OО PР SЅ TТ XХ NΝ ZΖ"
LOOKALIKE = np.zeros(128, np.int32)
for _pair in _PAIRS.split():
    LOOKALIKE[ord(_pair[0])] = int.from_bytes(_pair[1].encode(), "big")

# zero-width space, non-joiner, joiner, word joiner, byte order mark: three UTF-8 bytes each
INVISIBLE = np.frombuffer("\u200b\u200c\u200d\u2060\ufeff".encode(), np.uint8).copy()


@njit(cache=True, nogil=True)
def _upper(byte: int) -> int:
    return byte - 32 if 97 <= byte <= 122 else byte


@njit(cache=True, nogil=True)
def _lower(byte: int) -> int:
    return byte + 32 if 65 <= byte <= 90 else byte


@njit(cache=True, nogil=True)
def homoglyph(text: U8, length: int, out: U8, rng: U64, strength: float) -> int:
    """Copy text to out with look-alikes and invisible characters, one at least; return its length."""
    swap = 0.03 + 0.32 * strength
    hide = 0.01 + 0.06 * strength
    pos = 0
    touched = False
    for i in range(length):
        byte = text[i]
        pair = LOOKALIKE[byte] if byte < 128 else 0
        if pair and (not touched or unit(rng) < swap):
            out[pos], out[pos + 1] = pair >> 8, pair & 255
            pos += 2
            touched = True
        else:
            out[pos] = byte
            pos += 1
        if 97 <= byte <= 122 and unit(rng) < hide:
            kind = below(rng, 5)
            for j in range(3):
                out[pos + j] = INVISIBLE[3 * kind + j]
            pos += 3
    return pos


@njit(cache=True, nogil=True)
def recase(text: U8, length: int, out: U8, rng: U64, strength: float) -> int:
    """Copy text to out with its case, spacing and punctuation changed, and return its length."""
    style = below(rng, 4)  # lower, upper, word by word, letter by letter
    noise = 0.04 + 0.4 * strength
    pos = 0
    upper = False
    for i in range(length):
        byte = text[i]
        if byte == 32 or byte == 10:
            upper = unit(rng) < 0.5
            out[pos] = byte
            pos += 1
            if byte == 32 and unit(rng) < noise:
                extra = below(rng, 4)
                out[pos - 1] = 9 if extra == 3 else 32
                for _ in range(min(extra, 2)):
                    out[pos] = 32
                    pos += 1
            continue
        if (byte == 44 or byte == 46 or byte == 58 or byte == 59) and unit(rng) < noise:
            # dropped, or another sign in its place
            if unit(rng) < 0.5:
                out[pos] = 44 if byte != 44 else 59
                pos += 1
            continue
        if style == 0:
            out[pos] = _lower(byte)
        elif style == 1:
            out[pos] = _upper(byte)
        elif style == 2:
            out[pos] = _upper(byte) if upper else _lower(byte)
        else:
            out[pos] = _upper(byte) if unit(rng) < noise else byte
        pos += 1
    return pos


@njit(cache=True, nogil=True)
def tweak(text: U8, length: int, out: U8, rng: U64) -> int:
    """Copy text to out with one small change, as people send a known prompt; return its length."""
    kind = below(rng, 6)
    for i in range(length):
        out[i] = _lower(text[i]) if kind == 0 else text[i]
    if kind == 1 and length > 1 and text[length - 1] < 128:
        return length - 1
    if kind == 2:
        out[length], out[length + 1] = 10, 10
        return length + 2
    if kind == 3:
        out[length] = 33
        return length + 1
    if kind == 4:
        out[0] = _upper(text[0])
        out[length], out[length + 1] = 46, 46
        return length + 2
    out[length] = 63 if kind == 5 else 32
    return length + 1
