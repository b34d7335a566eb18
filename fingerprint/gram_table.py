"""Grams by their hashes in open addressing (linear probing, at most half full): distinct ones, and membership.

Sorting does the same in many more passes over memory: of ten million grams some seconds instead of one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from fingerprint.records import HashArray, Ids, IntArray


class _Table(NamedTuple):
    """keys (2^b,) uint64, 0 where free; entry (2^b,) int32, the number of the key."""

    keys: HashArray
    entry: Ids


def distinct(hashes: HashArray) -> tuple[HashArray, IntArray]:
    """Return what np.unique(hashes, return_inverse=True) returns, of hashes (m,) that are never 0."""
    found, number = _numbered(hashes)
    order = np.argsort(found)
    rank = np.empty(len(found), dtype=np.int64)
    rank[order] = np.arange(len(found))
    return found[order], rank[number]


def member(hashes: HashArray, known: HashArray) -> npt.NDArray[np.bool_]:
    """Tell which hashes (m,) are among the distinct known ones."""
    return places(hashes, known) >= 0


def places(hashes: HashArray, known: HashArray) -> Ids:
    """Return where each hash (m,) stands among the distinct known ones, -1 where it does not."""
    if not len(known):
        return np.full(len(hashes), -1, dtype=np.int32)
    return np.asarray(_places(hashes, known))


@njit(cache=True, nogil=True)
def _place(keys: HashArray, key: np.uint64) -> np.int64:
    """Return where a key stands or would stand."""
    mask = np.uint64(len(keys) - 1)
    mixed = (key ^ (key >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
    at = (mixed ^ (mixed >> np.uint64(32))) & mask
    while keys[at] != 0 and keys[at] != key:
        at = (at + np.uint64(1)) & mask
    return np.int64(at)


@njit(cache=True, nogil=True)
def _empty(size: int) -> _Table:
    return _Table(np.zeros(size, dtype=np.uint64), np.zeros(size, dtype=np.int32))


@njit(cache=True, nogil=True)
def _numbered(hashes: HashArray) -> tuple[HashArray, Ids]:
    """Give distinct hashes numbers in the order they come; return them and the number of each hash."""
    table, found = _empty(1 << 12), np.empty(1 << 11, dtype=np.uint64)
    number = np.empty(len(hashes), dtype=np.int32)
    count = 0
    for i in range(len(hashes)):
        at = _place(table.keys, hashes[i])
        if table.keys[at] == 0:
            if count == len(found):
                wider = np.empty(2 * count, dtype=np.uint64)
                wider[:count] = found
                found, table = wider, _empty(4 * count)
                for old in range(count):
                    to = _place(table.keys, found[old])
                    table.keys[to], table.entry[to] = found[old], old
                at = _place(table.keys, hashes[i])
            table.keys[at], table.entry[at], found[count] = hashes[i], count, hashes[i]
            count += 1
        number[i] = table.entry[at]
    return found[:count].copy(), number


@njit(cache=True, nogil=True)
def _places(hashes: HashArray, known: HashArray) -> Ids:
    size = 16
    while size < 2 * len(known):
        size *= 2
    table = _empty(size)
    for number in range(len(known)):
        at = _place(table.keys, known[number])
        table.keys[at], table.entry[at] = known[number], number
    out = np.empty(len(hashes), dtype=np.int32)
    for i in range(len(hashes)):
        at = _place(table.keys, hashes[i])
        out[i] = table.entry[at] if table.keys[at] != 0 else -1
    return out
