"""Evasions that change characters: nonces are rules, these are letters, case, spacing and punctuation."""

from __future__ import annotations

import numpy as np

from fingerprint.base.jit import kernel
from fingerprint.simulate.kernel import U8, U64, below, unit

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
# Cyrillic, Greek, Armenian, Latin extensions, Roman numerals; each letter and what looks like it
_LIKE = (
    "aаɑ cсⅽ dԁⅾ eе gɡ hһ iіⅰ jј kκ lӏⅼ mⅿ nո oоο pрρ qԛ rг sѕ uυս vνⅴ wԝ xхⅹ yу "
    "AАΑ BВΒ CСⅭ DⅮ EЕΕ HНΗ IІΙ JЈ KКΚ LⅬ MМΜ NΝ OОΟ PРΡ SЅ TТΤ VⅤ XХΧ YΥҮ ZΖ"
)


def _glyphs() -> U8:
    """Return (128, kinds, 5): for each ASCII letter what looks like it, a length and as many bytes of UTF-8 each."""
    like = {group[0]: list(group[1:]) for group in _LIKE.split()}
    for i, letter in enumerate(_LETTERS):
        wide, plain = (0xFF41, 0x1D5BA) if i < 26 else (0xFF21, 0x1D5A0)
        like.setdefault(letter, []).extend((chr(wide + i % 26), chr(plain + i % 26)))
    table = np.zeros((128, max(map(len, like.values())), 5), np.uint8)
    for letter, others in like.items():
        for kind, glyph in enumerate(others):
            coded = glyph.encode()
            table[ord(letter), kind, 0] = len(coded)
            table[ord(letter), kind, 1 : 1 + len(coded)] = list(coded)
    return table


GLYPHS = _glyphs()
KINDS = np.count_nonzero(GLYPHS[:, :, 0], axis=1)
"""How many look-alikes a letter has, by its code."""

# zero-width space, non-joiner, joiner, word joiner, byte order mark, invisible times, a variation selector
_UNSEEN = "\u200b\u200c\u200d\u2060\ufeff\u2062\ufe0e"
INVISIBLES = np.frombuffer(_UNSEEN.encode(), np.uint8).reshape(-1, 3).copy()


@kernel
def _upper(byte: int) -> int:
    return byte - 32 if 97 <= byte <= 122 else byte


@kernel
def _lower(byte: int) -> int:
    return byte + 32 if 65 <= byte <= 90 else byte


@kernel
def homoglyph(text: U8, length: int, out: U8, rng: U64, strength: float) -> int:
    """Copy text to out with that share of its letters replaced by look-alikes, one at least; return its length."""
    pos = 0
    touched = False
    for i in range(length):
        byte = text[i]
        if byte < 128 and KINDS[byte] > 0 and (not touched or unit(rng) < strength):
            kind = below(rng, KINDS[byte])
            for j in range(GLYPHS[byte, kind, 0]):
                out[pos] = GLYPHS[byte, kind, 1 + j]
                pos += 1
            touched = True
        else:
            out[pos] = byte
            pos += 1
    return pos


@kernel
def invisible(text: U8, length: int, out: U8, rng: U64, strength: float) -> int:
    """Copy text to out with characters nobody sees, up to one after every second, one at least; return its length."""
    pos = 0
    touched = False
    for i in range(length):
        out[pos] = text[i]
        pos += 1
        if i + 1 < length and text[i + 1] & 0xC0 == 0x80:  # within a character
            continue
        if text[i] > 32 and (not touched or unit(rng) < 0.5 * strength):
            kind = below(rng, len(INVISIBLES))
            for j in range(3):
                out[pos + j] = INVISIBLES[kind, j]
            pos += 3
            touched = True
    return pos


@kernel
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


@kernel
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
