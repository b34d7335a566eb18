"""What each Unicode character is to this package and what it folds to: `unicode_table.txt` as arrays by code."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fingerprint.base.jit import kernel
from fingerprint.base.types import Bytes, Ids
from fingerprint.domain.schemas import SECTION_MARK, SYSTEM_END, TURN_END

CODES: Final = 0x110000

# classes, the low three bits of a kind
SYMBOL: Final = 0  # punctuation and other signs
LETTER: Final = 1  # letters and digits of scripts that put spaces between words
MARK: Final = 2  # combining marks that are text
SINGLE: Final = 3  # a token each: letters of scripts without spaces, and emoji
SPACE: Final = 4
DROP: Final = 5  # invisible, private or never a character
STRIP: Final = 6  # accents and the like, ignored by matching
SEPARATOR: Final = 7  # SYSTEM_END and TURN_END
CLASS: Final = 0x07
# flags, the high bits
LOOSE: Final = 0x10  # NFKC may change a text that holds this
ASCII_LETTER: Final = 0x20
LATINISED: Final = 0x40  # is or folds to ASCII letters

BEFORE: Final = 1  # in a word that has ASCII letters as it stands
AFTER: Final = 2  # in a word that has ASCII letters once folded

_NAMES: Final = {
    "letter": LETTER,
    "mark": MARK,
    "single": SINGLE,
    "space": SPACE,
    "drop": DROP,
    "strip": STRIP,
}


class Characters(NamedTuple):
    """One entry a code; a tuple because numba reads tuples.

    kinds: (CODES,) uint8, a class and flags.
    folds: (CODES,) int32, where the fold of a code stands in `targets` (start * 8 + length), 0 if it folds to itself.
    beside: the same for words with Latin letters, where `rules` says so.
    rules: (CODES,) uint8, in which words `beside` holds: BEFORE, AFTER or 0 for none.
    simple: (CODES,) int32, the same for what NFKC makes ASCII of, whatever stands beside it but combining marks.
    targets: (t,) int32, codes.
    ascii: (128,) uint8, what each ASCII code becomes; 32 for white space, 0 for nothing.
    """

    kinds: Bytes
    folds: Ids
    beside: Ids
    rules: Bytes
    simple: Ids
    targets: Ids
    ascii: Bytes


@cache
def matching() -> Characters:
    """Read the table for matching: case, accents and look-alikes folded."""
    kinds, rules = np.zeros(CODES, np.uint8), np.zeros(CODES, np.uint8)
    folds, beside = np.zeros(CODES, np.int32), np.zeros(CODES, np.int32)
    targets: list[int] = []
    for line in files(__package__).joinpath("unicode_table.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        name, first, *rest = line.split()
        code, codes = int(first, 16), [int(x, 16) for x in rest]
        if name in _NAMES or name == "nfkc":
            kinds[code : codes[0] + 1] |= _NAMES.get(name, LOOSE)
            continue
        (folds if name == "fold" else beside)[code] = len(targets) * 8 + len(codes)
        targets += codes
        if name != "fold":
            rules[code] = BEFORE if name == "before" else AFTER
        elif any(c < 0x80 and chr(c).isalpha() for c in codes):
            kinds[code] |= LATINISED
    kinds[[c for c in range(0x80) if chr(c).isalpha()]] |= ASCII_LETTER | LATINISED
    kinds[[ord(SYSTEM_END), ord(TURN_END)]] = SEPARATOR
    lower = np.frombuffer(bytes(range(0x80)).lower(), np.uint8)
    simple = _simple(kinds, targets)
    return Characters(kinds, folds, beside, rules, simple, np.array(targets, np.int32), _ascii(kinds, lower))


def _simple(kinds: Bytes, targets: list[int]) -> Ids:
    """Find what is normalised by itself, for it becomes ASCII, which only joins with marks; adds to targets."""
    codes = np.flatnonzero((kinds & LOOSE != 0) & (kinds & CLASS != MARK) & (kinds & CLASS != STRIP))
    codes = codes[(codes < 0xD800) | (codes > 0xDFFF)]
    made = pc.utf8_normalize(pa.array([chr(c) for c in codes.tolist()]), form="NFKC").to_pylist()
    simple = np.zeros(CODES, np.int32)
    for code, text in zip(codes.tolist(), made, strict=True):
        if text.isascii() and 0 < len(text) < 8:
            simple[code] = len(targets) * 8 + len(text)
            targets += text.encode()
    return simple


@cache
def showing() -> Characters:
    """Make the table for showing a text to people: nothing folded, accents and marks of sections kept."""
    kinds, folds, _, rules, simple, targets, _ = matching()
    kinds = kinds.copy()
    kinds[(kinds & CLASS) == STRIP] ^= STRIP ^ MARK
    kinds[ord(SECTION_MARK)] = SEPARATOR
    none = np.zeros_like(folds)
    return Characters(
        kinds,
        none,
        none,
        np.zeros_like(rules),
        simple,
        targets,
        _ascii(kinds, np.arange(0x80, dtype=np.uint8)),
    )


def _ascii(kinds: Bytes, letters: Bytes) -> Bytes:
    classes = kinds[:0x80] & CLASS
    return np.select([classes == SPACE, classes == DROP], [np.uint8(32), np.uint8(0)], letters)


@kernel
def width(first: int) -> int:
    """Return the length in bytes of the UTF-8 sequence that starts with `first`."""
    if first < 0xC0:
        return 1
    if first < 0xE0:
        return 2
    return 3 if first < 0xF0 else 4


@kernel
def decode(data: Bytes, i: int, size: int) -> int:
    """Return the code point of the UTF-8 sequence of `size` bytes, 1 to 4, at `i` of some bytes (b,) uint8."""
    first = np.int64(data[i])
    if size == 1:
        return int(first)
    if size == 2:
        return int((first & 0x1F) << 6 | data[i + 1] & 0x3F)
    if size == 3:
        return int((first & 0x0F) << 12 | np.int64(data[i + 1] & 0x3F) << 6 | data[i + 2] & 0x3F)
    high = (first & 0x07) << 18 | np.int64(data[i + 1] & 0x3F) << 12
    return min(int(high | np.int64(data[i + 2] & 0x3F) << 6 | data[i + 3] & 0x3F), CODES - 1)


@kernel
def encode(code: int, out: Bytes, o: int) -> int:
    """Write the code point `code` as UTF-8 into some bytes (b,) uint8, from `o` on, and return where it ends."""
    if code < 0x80:
        out[o] = code
        return o + 1
    size = 2 if code < 0x800 else 3 if code < 0x10000 else 4
    for k in range(size - 1, 0, -1):
        out[o + k] = 0x80 | (code & 0x3F)
        code >>= 6
    out[o] = (0xF00 >> size) & 0xFF | code
    return o + size
