"""What each Unicode character is to this package, and what it folds to: `unicode_table.txt` as arrays by code."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from .records import SYSTEM_END, TURN_END

CODES: Final = 0x110000

# classes, the low three bits of a kind
SYMBOL: Final = 0  # punctuation and other signs
LETTER: Final = 1  # letters and digits of scripts that put spaces between words
MARK: Final = 2  # combining marks that are text
SINGLE: Final = 3  # a token each: letters of scripts without spaces, and emoji
SPACE: Final = 4
DROP: Final = 5  # invisible, private or unassignable: never text
STRIP: Final = 6  # accents and the like, ignored by matching
SEPARATOR: Final = 7  # SYSTEM_END and TURN_END
CLASS: Final = 0x07
# flags, the high bits of a kind
LOOSE: Final = 0x10  # NFKC may change a text that holds this
ASCII_LETTER: Final = 0x20
LATINISED: Final = 0x40  # is or folds to ASCII letters

BEFORE: Final = 1  # the fold in a word that has ASCII letters as it stands
AFTER: Final = 2  # the fold in a word that has ASCII letters once folded

Bytes = npt.NDArray[np.uint8]

_NAMES: Final = {
    "letter": LETTER,
    "mark": MARK,
    "single": SINGLE,
    "space": SPACE,
    "drop": DROP,
    "strip": STRIP,
}


@dataclass(frozen=True, slots=True)
class Characters:
    """One row a code.

    kinds: (CODES,) uint8, a class and flags.
    folds: (CODES,) int32, where in `targets` the fold of a code stands (start * 8 + length), 0 if it folds to itself.
    beside: the same for words with Latin letters.
    rules: (CODES,) uint8, when `beside` holds: BEFORE, AFTER or 0 for never.
    targets: (t,) int32, codes.
    """

    kinds: Bytes
    folds: npt.NDArray[np.int32]
    beside: npt.NDArray[np.int32]
    rules: Bytes
    targets: npt.NDArray[np.int32]


@cache
def matching() -> Characters:
    """The table for matching: case, accents and look-alikes folded."""
    kinds = np.zeros(CODES, np.uint8)
    folds, beside = np.zeros(CODES, np.int32), np.zeros(CODES, np.int32)
    rules = np.zeros(CODES, np.uint8)
    targets: list[int] = []
    for line in files(__package__).joinpath("unicode_table.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        name, first, *rest = line.split()
        code = int(first, 16)
        if name in _NAMES:
            kinds[code : int(rest[0], 16) + 1] |= _NAMES[name]
        elif name == "nfkc":
            kinds[code : int(rest[0], 16) + 1] |= LOOSE
        elif name in ("fold", "before", "after"):
            (folds if name == "fold" else beside)[code] = len(targets) * 8 + len(rest)
            rules[code] = {"fold": 0, "before": BEFORE, "after": AFTER}[name]
            targets += (int(t, 16) for t in rest)
            if name == "fold" and int(rest[0], 16) < 0x80 and chr(int(rest[0], 16)).isalpha():
                kinds[code] |= LATINISED
    letters = [*range(0x41, 0x5B), *range(0x61, 0x7B)]
    kinds[letters] |= ASCII_LETTER | LATINISED
    kinds[[ord(SYSTEM_END), ord(TURN_END)]] = SEPARATOR
    return Characters(kinds, folds, beside, rules, np.array(targets, np.int32))


@cache
def showing() -> Characters:
    """The table for showing a text to people: nothing folded, accents kept."""
    table = matching()
    kinds = table.kinds.copy()
    kinds[(kinds & CLASS) == STRIP] ^= STRIP ^ MARK
    none = np.zeros(CODES, np.int32)
    return Characters(kinds, none, none, np.zeros(CODES, np.uint8), table.targets)


@njit(cache=True, nogil=True)
def width(first: np.uint8) -> int:
    """Length in bytes of the UTF-8 sequence that starts with `first`."""
    if first < 0xC0:
        return 1
    if first < 0xE0:
        return 2
    return 3 if first < 0xF0 else 4


@njit(cache=True, nogil=True)
def decode(data: Bytes, i: int, size: int) -> int:
    """The code of the UTF-8 sequence of `size` bytes at `i`."""
    if size == 1:
        return np.int64(data[i])
    if size == 2:
        return (np.int64(data[i] & 0x1F) << 6) | (data[i + 1] & 0x3F)
    if size == 3:
        return (np.int64(data[i] & 0x0F) << 12) | (np.int64(data[i + 1] & 0x3F) << 6) | (data[i + 2] & 0x3F)
    return (
        (np.int64(data[i] & 0x07) << 18)
        | (np.int64(data[i + 1] & 0x3F) << 12)
        | (np.int64(data[i + 2] & 0x3F) << 6)
        | (data[i + 3] & 0x3F)
    )


@njit(cache=True, nogil=True)
def encode(code: int, out: Bytes, o: int) -> int:
    """Writes `code` as UTF-8 at `o`; returns where it ends."""
    if code < 0x80:
        out[o] = code
        return o + 1
    if code < 0x800:
        out[o] = 0xC0 | (code >> 6)
        out[o + 1] = 0x80 | (code & 0x3F)
        return o + 2
    if code < 0x10000:
        out[o] = 0xE0 | (code >> 12)
        out[o + 1] = 0x80 | ((code >> 6) & 0x3F)
        out[o + 2] = 0x80 | (code & 0x3F)
        return o + 3
    out[o] = 0xF0 | (code >> 18)
    out[o + 1] = 0x80 | ((code >> 12) & 0x3F)
    out[o + 2] = 0x80 | ((code >> 6) & 0x3F)
    out[o + 3] = 0x80 | (code & 0x3F)
    return o + 4
