"""Which 64-bit hashes were met before, and their numbers: open addressing in tables that grow (linear probing)."""

from __future__ import annotations

import numpy as np

from fingerprint.base.hashing import GOLDEN, find_slot, free_slot, xmx_mix
from fingerprint.base.jit import kernel, njit
from fingerprint.base.types import Bools, HashArray, Ids

_FIRST_ROOM = 1 << 12


class SeenIds:
    """The hashes of all ids so far.

    11 to 21 bytes an id (32 while the table grows). Some two of n different ids share a hash with a probability of
    about n² / 2⁶⁵ (birthday bound): 7 in a million for 16 million requests; one of them is then left out.
    """

    def __init__(self) -> None:
        self._table, self._count = np.zeros(_FIRST_ROOM, np.uint64), 0

    def first_time(self, hashes: HashArray) -> Bools:
        """Tell which of (n,) uint64 hashes are new, of equal ones the first; all are seen from now on."""
        while _too_full(self._count + len(hashes), len(self._table)):
            self._table = _larger(self._table)
        new = np.empty(len(hashes), np.bool_)
        self._count += _mark_new(self._table, hashes, new)
        return new


class HashNumbers:
    """Numbers for hashes, in the order of their first appearance. 16 to 32 bytes a distinct hash (48 while it grows)."""

    def __init__(self) -> None:
        self._table, self._number = np.zeros(_FIRST_ROOM, np.uint64), np.zeros(_FIRST_ROOM, np.int32)
        self._count = 0

    def of(self, hashes: HashArray) -> tuple[Ids, Bools]:
        """Return the number of each of (n,) uint64 hashes, (n,) int32, and where one appears first, (n,) bool."""
        while _too_full(self._count + len(hashes), len(self._table)):
            self._table, self._number = _larger_numbered(self._table, self._number)
        out, new = np.empty(len(hashes), np.int32), np.empty(len(hashes), np.bool_)
        self._count = _number(self._table, self._number, self._count, hashes, out, new)
        return out, new


def _too_full(count: int, room: int) -> bool:
    return 4 * count > 3 * room


@kernel
def _key(h: np.uint64) -> np.uint64:
    """Return what stands for a hash in a table, in which 0 is a free slot."""
    return h if h != 0 else GOLDEN


@njit(cache=True, nogil=True)
def _mark_new(table: HashArray, hashes: HashArray, new: Bools) -> int:
    """Mark in new (n,) which hashes (n,) a table lacks, and put them there; returns how many these are."""
    count = 0
    for row in range(len(hashes)):
        key = _key(hashes[row])
        at = find_slot(table, key, xmx_mix(key))
        new[row] = table[at] == 0
        table[at] = key
        count += int(new[row])
    return count


@njit(cache=True, nogil=True)
def _number(table: HashArray, number: Ids, count: int, hashes: HashArray, out: Ids, new: Bools) -> int:
    """Write the numbers of hashes (n,) to out (n,), mark in new (n,) which the table lacks; returns how many it has then."""
    for row in range(len(hashes)):
        key = _key(hashes[row])
        at = find_slot(table, key, xmx_mix(key))
        new[row] = table[at] == 0
        if new[row]:
            table[at], number[at] = key, count
            count += 1
        out[row] = number[at]
    return count


@njit(cache=True, nogil=True)
def _larger(table: HashArray) -> HashArray:
    out = np.zeros(2 * len(table), np.uint64)
    for key in table:
        if key != 0:
            out[free_slot(out, xmx_mix(key))] = key
    return out


@njit(cache=True, nogil=True)
def _larger_numbered(table: HashArray, number: Ids) -> tuple[HashArray, Ids]:
    keys, numbers = np.zeros(2 * len(table), np.uint64), np.zeros(2 * len(table), np.int32)
    for at in range(len(table)):
        if table[at] != 0:
            to = free_slot(keys, xmx_mix(table[at]))
            keys[to], numbers[to] = table[at], number[at]
    return keys, numbers
