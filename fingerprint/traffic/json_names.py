"""The names in some JSON: whether an object has one twice, and whether one that is read is written in other letters.

Parsers tell neither: each takes one of the two values, and some take `Messages` for `messages` (Go's encoding/json, .NET's defaults).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fingerprint.base.jit import inlined, kernel
from fingerprint.base.sorting import holds
from fingerprint.base.types import Bytes, HashArray
from fingerprint.traffic.json_characters import code_unit, text_end
from fingerprint.traffic.read_names import EVERY_NAME, folded

_QUOTE, _BACKSLASH, _COLON, _BRACE, _END_BRACE = map(ord, '"\\:{}')
_LETTER_A, _LETTER_Z, _LETTER_K, _LETTER_S, _LETTER_U = map(ord, "AZksu")
_LONG_S, _KELVIN = 0x17F, 0x212A
"""The letters above ASCII that are letters of ASCII in the other case."""

_DEEPEST = 1024
"""Objects within objects that orjson reads."""

_FEW = 256
"""Names of most requests; a set of so many takes less time than calls of NumPy do."""

_FNV_START, _FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
"""Fowler, Noll and Vo's hash, FNV-1a, of 64 bits."""


class Names(NamedTuple):
    """What is odd in the names of some JSON.

    repeated: whether an object has a name twice, spelt with escapes or without. other_case: whether it has one of EVERY_NAME,
    but with capitals for small letters or the other way round.
    """

    repeated: bool
    other_case: bool


def names_in(data: bytes) -> Names:
    """Look through the names of some JSON, which is valid.

    Names are compared by hashes: of 200,000 names, two that differ are taken for one with a probability of 1e-9.
    """
    source = np.frombuffer(data, np.uint8)
    hashes = np.empty(data.count(b":"), np.uint64)
    count, other_case = _names(source, np.empty(_DEEPEST, np.uint64), hashes, _AS_READ, _FOLDED)
    if count <= _FEW:
        return Names(len(set(hashes[:count].tolist())) < count, other_case)
    names = np.sort(hashes[:count])
    return Names(bool((names[1:] == names[:-1]).any()), other_case)


@kernel
def _names(
    data: Bytes, stack: HashArray, hashes: HashArray, as_read: HashArray, in_small: HashArray
) -> tuple[int, bool]:
    """Write a hash of each name and the object that has it; returns how many there are, and `Names.other_case`.

    stack: (_DEEPEST,), room for the open objects' numbers. hashes: (n,), n at least the number of colons.
    as_read, in_small: sorted hashes of EVERY_NAME as they are, and in small letters.
    """
    i, depth, objects, count, other_case = 0, 0, np.uint64(0), 0, False
    while i < len(data):
        c = data[i]
        i += 1
        if c == _BRACE:
            objects += np.uint64(1)
            if depth < len(stack):
                stack[depth] = objects
            depth += 1
        elif c == _END_BRACE:
            depth -= 1
        elif c == _COLON:
            i = _behind_text(data, i)
        elif c == _QUOTE:
            end, text, small = _hashed(data, i)
            i = end
            while end < len(data) and (data[end] == 32 or 9 <= data[end] <= 13):
                end += 1
            if end < len(data) and data[end] == _COLON and 0 < depth <= len(stack):
                hashes[count] = (text ^ (stack[depth - 1] * np.uint64(0x9E3779B97F4A7C15))) * _FNV_PRIME
                count += 1
                other_case = other_case or (holds(in_small, small) and not holds(as_read, text))
    return count, other_case


@inlined
def _behind_text(data: Bytes, i: int) -> int:
    """Return where the text ends that is the value at `i`, space before it or not; `i` where it is no text."""
    begin = i
    while begin < len(data) and (data[begin] == 32 or 9 <= data[begin] <= 13):
        begin += 1
    if begin == len(data) or data[begin] != _QUOTE:
        return i
    return text_end(data, begin + 1, len(data)) + 1


@kernel
def _hashed(data: Bytes, i: int) -> tuple[int, np.uint64, np.uint64]:
    """Return where the text ends that begins at `i`, after its quote, a hash of its characters, and one of them in small letters."""
    text = small = _FNV_START
    while i < len(data) and data[i] != _QUOTE:
        c, size = np.uint64(data[i]), 1
        if data[i] == _BACKSLASH and i + 1 < len(data):
            code = code_unit(data, i, len(data)) if data[i + 1] == _LETTER_U else -1
            # the names that are read are of ASCII
            c, size = (np.uint64(code), 6) if code >= 0 else (np.uint64(data[i + 1]), 2)
        text = (text ^ c) * _FNV_PRIME
        wide, size = _long_s_or_kelvin(data, i, c, size)
        if _LETTER_A <= c <= _LETTER_Z:
            wide = c + np.uint64(32)
        small = (small ^ wide) * _FNV_PRIME
        for k in range(i + 1, i + size if data[i] >= 0x80 else i):
            text = (text ^ np.uint64(data[k])) * _FNV_PRIME
        i += size
    return i + 1, text, small


@inlined
def _long_s_or_kelvin(data: Bytes, i: int, c: np.uint64, size: int) -> tuple[np.uint64, int]:
    """Return the letter of ASCII that a long s or the sign of kelvin at `i` is, and its bytes; any other as it came."""
    if c == _LONG_S or (c == 0xC5 and i + 1 < len(data) and data[i + 1] == 0xBF):
        return np.uint64(_LETTER_S), max(size, 2)
    if c == _KELVIN or (c == 0xE2 and i + 2 < len(data) and data[i + 1] == 0x84 and data[i + 2] == 0xAA):
        return np.uint64(_LETTER_K), max(size, 3)
    return c, size


def _hashes_of(names: frozenset[str]) -> HashArray:
    """Hash names of ASCII as `_hashed` does, without loading a kernel."""
    hashes = []
    for name in names:
        text = int(_FNV_START)
        for c in name.encode():
            text = (text ^ c) * int(_FNV_PRIME) % (1 << 64)
        hashes.append(text)
    return np.array(sorted(hashes), np.uint64)


_AS_READ = _hashes_of(EVERY_NAME)
_FOLDED = _hashes_of(frozenset(map(folded, EVERY_NAME)))
