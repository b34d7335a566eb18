"""How prompts wrote a run of tokens: with which letters, case and signs between the words."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from fingerprint.base.jit import kernel, njit
from fingerprint.base.types import Bytes, HashArray, Ids, IntArray
from fingerprint.domain.schemas import SECTION_MARK

_SECTION_MARK: Final = ord(SECTION_MARK)

MOST_SIGNS = 12
"""Bytes of punctuation that may stand between two words; accounts vouch for words only, so longer runs go."""


class SpelledText(NamedTuple):
    """n texts with their tokens, as `tokenise` finds them.

    data: their bytes; text_at: (n + 1,) where each begins. row_offsets: (n + 1,) where each one's tokens begin;
    starts, ends: (t,) bytes from the beginning of the token's own text.
    """

    data: Bytes
    text_at: IntArray
    row_offsets: IntArray
    starts: Ids
    ends: Ids


@kernel
def _is_space(byte: np.uint8) -> bool:
    return bool(byte == 32 or 9 <= byte <= 13)


@kernel
def _signs(texts: SpelledText, at: int, token: int) -> tuple[int, int]:
    """Return where the bytes before a token stand, (-1, -1) if a space stands for them: too many, or another section's."""
    begin, end = at + texts.ends[token - 1], at + texts.starts[token]
    for i in range(begin, end):
        if texts.data[i] == _SECTION_MARK:
            return -1, -1
    a, b = begin, end
    while a < b and _is_space(texts.data[a]):
        a += 1
    while b > a and _is_space(texts.data[b - 1]):
        b -= 1
    return (begin, end) if b - a <= MOST_SIGNS else (-1, -1)


@kernel
def _append(out: Bytes, size: int, data: Bytes, begin: int, end: int) -> int:
    for b in range(begin, end):
        out[size] = data[b]
        size += 1
    return size


@njit(cache=True, nogil=True)
def _spelled(texts: SpelledText, row: int, first: int, last: int) -> Bytes:
    at = texts.text_at[row]
    out = np.empty(texts.ends[last - 1] - texts.starts[first] + last - first, np.uint8)
    size = int(np.int64(0))
    for token in range(first, last):
        if token > first:
            begin, end = _signs(texts, at, token)
            if begin < 0:
                out[size] = 32
                size += 1
            else:
                size = _append(out, size, texts.data, begin, end)
        size = _append(out, size, texts.data, at + texts.starts[token], at + texts.ends[token])
    return out[:size]


def spelled(texts: SpelledText, row: int, first: int, last: int) -> str:
    """Return the tokens first to last (numbers among all) of a text as it wrote them, without long runs of signs."""
    return bytes(_spelled(texts, row, first, last)).decode()


@kernel
def _same(a: Bytes, b: Bytes) -> bool:
    if len(a) != len(b):
        return False
    for i in range(len(a)):  # noqa: SIM110
        if a[i] != b[i]:
            return False
    return True


@njit(cache=True, nogil=True)
def spellings(texts: SpelledText, rows: IntArray, first: IntArray, count: int) -> Ids:
    """Group texts (m,) that spell `count` tokens alike, each from its token `first` on; (m,), in order of appearance."""
    group = np.empty(len(rows), np.int32)
    known = [np.empty(0, np.uint8) for _ in range(0)]
    for r in range(len(rows)):
        mine = _spelled(texts, rows[r], first[r], first[r] + count)
        group[r] = len(known)
        for g in range(len(known)):
            if _same(known[g], mine):
                group[r] = g
                break
        if group[r] == len(known):
            known.append(mine)
    return group


@njit(cache=True, nogil=True)
def find(hashes: HashArray, offsets: IntArray, wanted: HashArray) -> IntArray:
    """Return where each row of tokens holds the wanted ones word for word, in tokens from its first, (n,); -1 = nowhere.

    hashes: (t,) uint64, the tokens of n rows, which begin at offsets (n + 1,). wanted: (w,) uint64, w > 0.
    """
    out = np.full(len(offsets) - 1, -1, np.int64)
    for row in range(len(out)):
        for begin in range(offsets[row], offsets[row + 1] - len(wanted) + 1):
            same = True
            for i in range(len(wanted)):
                if hashes[begin + i] != wanted[i]:
                    same = False
                    break
            if same:
                out[row] = begin - offsets[row]
                break
    return out
