"""64-bit hashes: of strings, of words in kernels, and slots of open-addressing tables."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from fingerprint.base.jit import kernel, njit
from fingerprint.base.strings import buffers
from fingerprint.base.types import Bytes, HashArray, Ids, IntArray

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def mix(x: HashArray) -> HashArray:
    """Scramble 64-bit words (the finaliser of splitmix64, Steele et al. 2014, figure 16)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def hash_strings(strings: pa.LargeStringArray) -> HashArray:
    """Hash each string to 64 bits, the same on every machine and in every run.

    strings: (n,) large_string without nulls or empty strings. Returns (n,) uint64.
    Multilinear hashing (Lemire & Kaser 2014, section 2): each byte times a random word for its place, summed.
    """
    if not len(strings):
        return np.empty(0, np.uint64)
    data, offsets = buffers(strings)
    words = mix(np.arange(1, np.diff(offsets).max() + 1, dtype=np.uint64) * GOLDEN)
    return mix(_sums(data, offsets, words))


@njit(cache=True, nogil=True)
def _sums(data: Bytes, offsets: IntArray, words: HashArray) -> HashArray:
    out = np.empty(len(offsets) - 1, np.uint64)
    for row in range(len(out)):
        first, end = offsets[row], offsets[row + 1]
        h = np.uint64(end - first) * GOLDEN
        for i in range(first, end):
            h += words[i - first] * (np.uint64(data[i]) + np.uint64(1))
        out[row] = h
    return out


@kernel
def string_hash(data: Bytes, first: int, end: int) -> np.uint64:
    """Hash the string data[first:end] as `hash_strings` does, (b,) uint8."""
    h = np.uint64(end - first) * GOLDEN
    for i in range(first, end):
        word = _mixed(np.uint64(i - first + 1) * GOLDEN)
        h += word * (np.uint64(data[i]) + np.uint64(1))
    return _mixed(h)


@kernel
def _mixed(x: np.uint64) -> np.uint64:
    """As `mix`."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@kernel
def find_slot(keys: HashArray | Ids, key: np.uint64 | np.int32, start: np.uint64) -> int:
    """Return the slot of a key in an open-addressing table with linear probing, or the free one where it would go.

    keys: (c,), 0 where a slot is free; c is a power of two, and some slot is free. start: a hash of the key, whose low
    bits must be well mixed: the search begins at `start` modulo c.
    """
    mask = np.uint64(len(keys) - 1)
    at = start & mask
    while keys[at] != 0 and keys[at] != key:
        at = (at + np.uint64(1)) & mask
    return int(at)


@kernel
def free_slot(slots: HashArray | Ids, start: np.uint64) -> int:
    """Return the slot that a key not in the table (c,) yet goes to; arguments as those of `find_slot`."""
    mask = np.uint64(len(slots) - 1)
    at = start & mask
    while slots[at] != 0:
        at = (at + np.uint64(1)) & mask
    return int(at)


@kernel
def xmx_mix(h: np.uint64) -> np.uint64:
    """Mix the high bits of a hash into its low ones, by a multiplication between two xor-shifts; 0 stays 0."""
    h = (h ^ (h >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
    return h ^ (h >> np.uint64(32))


FNV_OFFSET, FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
"""Of FNV-1a, 64 bits (Fowler, Noll & Vo 1991): h = FNV_OFFSET, then h = (h ^ byte) * FNV_PRIME for each byte."""


@kernel
def finalise(h: np.uint64) -> np.uint64:
    """Mix an FNV-1a hash as `mix` does; 0 becomes 1, since 0 stands for a free slot."""
    h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    h ^= h >> np.uint64(31)
    return h if h != 0 else np.uint64(1)
