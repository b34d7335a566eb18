"""Remembers which texts need no second look, by a hash of their bytes.

The hash is keyed anew in every process, so nobody can write a text that is mistaken for another. Of n different texts
some two share a hash with a probability of about n² / 2⁶⁵: 3 in ten million for two million texts.
"""

from __future__ import annotations

import secrets
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from fingerprint.base.hashing import find_slot
from fingerprint.base.jit import kernel, njit
from fingerprint.base.simd import eight
from fingerprint.base.strings import buffers
from fingerprint.base.types import Bools, Bytes, HashArray, IntArray

_MAX_TEXTS = 1 << 18
"""Texts that are remembered (4 MB); beyond them all are forgotten."""

_KEY = (np.uint64(secrets.randbits(64)), np.uint64(secrets.randbits(64)))
_FIRST, _SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)


class NegativeCache(NamedTuple):
    """Open addressing, for one thread at a time.

    keys: (c,) uint64 hashes of texts, 0 where free. filled: (1,) int64, how many are not free.
    """

    keys: HashArray
    filled: IntArray


def empty_cache() -> NegativeCache:
    """Return a cache that holds no text."""
    return NegativeCache(np.zeros(2 * _MAX_TEXTS, np.uint64), np.zeros(1, np.int64))


def hashes(texts: pa.LargeStringArray) -> HashArray:
    """Hash each text, (n,) uint64, never 0; the same text has the same hash in this process only."""
    data, offsets = buffers(texts)
    return _hashes(data, offsets, _KEY)


@njit(cache=True, nogil=True)
def _hashes(data: Bytes, offsets: IntArray, key: tuple[np.uint64, np.uint64]) -> HashArray:
    out = np.empty(len(offsets) - 1, np.uint64)
    for row in range(len(out)):
        i, end = offsets[row], offsets[row + 1]
        a, b = key[0] ^ np.uint64(end - i), key[1]
        while i + 16 <= end:  # two chains that do not wait for each other
            a, b = _mixed(a ^ eight(data, i), _FIRST), _mixed(b ^ eight(data, i + 8), _SECOND)
            i += 16
        while i < end:
            a = _mixed(a ^ np.uint64(data[i]), _FIRST)
            i += 1
        out[row] = max(_mixed(a ^ _mixed(b, _FIRST), _SECOND), np.uint64(1))
    return out


@kernel
def _mixed(h: np.uint64, odd: np.uint64) -> np.uint64:
    h *= odd
    return h ^ (h >> np.uint64(32))


@njit(cache=True, nogil=True)
def contains(cache: NegativeCache, keys: HashArray) -> Bools:
    """Tell which texts, by their hashes (n,) uint64, were remembered, (n,)."""
    out = np.zeros(len(keys), np.bool_)
    for n in range(len(keys)):
        out[n] = cache.keys[find_slot(cache.keys, keys[n], keys[n])] == keys[n]
    return out


@kernel
def remember(cache: NegativeCache, keys: HashArray) -> None:
    """Remember texts by their hashes, (n,) uint64; a full cache forgets all others first."""
    for key in keys:
        if cache.filled[0] == _MAX_TEXTS:
            cache.keys[:] = 0
            cache.filled[0] = 0
        at = find_slot(cache.keys, key, key)
        cache.filled[0] += cache.keys[at] != key
        cache.keys[at] = key
