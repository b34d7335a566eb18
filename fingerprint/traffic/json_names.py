"""Whether an object of some JSON has a name twice, which parsers do not tell: each takes one of the two values."""

from __future__ import annotations

import numpy as np

from fingerprint.base.jit import kernel
from fingerprint.base.types import Bytes, HashArray
from fingerprint.traffic.json_characters import code_unit

_QUOTE, _BACKSLASH, _COLON, _BRACE, _END_BRACE = map(ord, '"\\:{}')
_LETTER_U = ord("u")

_DEEPEST = 1024
"""Objects within objects that orjson reads."""

_FNV_START, _FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
"""Fowler, Noll and Vo's hash, FNV-1a, of 64 bits."""


def repeats_a_name(data: bytes) -> bool:
    """Tell whether an object of this JSON, which is valid, has a name twice, spelt with escapes or without.

    Names are compared by hashes: of 200,000 names, two that differ are taken for one with a probability of 1e-9.
    """
    source = np.frombuffer(data, np.uint8)
    hashes = np.empty(np.count_nonzero(source == _COLON), np.uint64)
    names = np.sort(hashes[: _names(source, np.empty(_DEEPEST, np.uint64), hashes)])
    return bool((names[1:] == names[:-1]).any())


@kernel
def _names(data: Bytes, stack: HashArray, hashes: HashArray) -> int:
    """Write a hash of each name and the object that has it; returns how many there are.

    stack: (_DEEPEST,), room for the open objects' numbers. hashes: (n,), n at least the number of colons.
    """
    i, depth, objects, count = 0, 0, np.uint64(0), 0
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
        elif c == _QUOTE:
            end, text = _hashed(data, i)
            i = end
            while end < len(data) and (data[end] == 32 or 9 <= data[end] <= 13):
                end += 1
            if end < len(data) and data[end] == _COLON and 0 < depth <= len(stack):
                hashes[count] = (text ^ (stack[depth - 1] * np.uint64(0x9E3779B97F4A7C15))) * _FNV_PRIME
                count += 1
    return count


@kernel
def _hashed(data: Bytes, i: int) -> tuple[int, np.uint64]:
    """Return where the text ends that begins at `i`, after its quote, and a hash of its characters."""
    text = _FNV_START
    while i < len(data) and data[i] != _QUOTE:
        c, size = np.uint64(data[i]), 1
        if data[i] == _BACKSLASH and i + 1 < len(data):
            code = code_unit(data, i, len(data)) if data[i + 1] == _LETTER_U else -1
            # the names that are read are of ASCII
            c, size = (np.uint64(code), 6) if code >= 0 else (np.uint64(data[i + 1]), 2)
        text = (text ^ c) * _FNV_PRIME
        i += size
    return i + 1, text
