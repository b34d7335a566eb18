"""Distinct rows of a few columns of whole numbers, and how often hashes come."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fingerprint.base.hashing import find_slot
from fingerprint.base.jit import njit
from fingerprint.base.types import HashArray, IntArray


def distinct_rows(*columns: npt.NDArray[np.integer]) -> tuple[IntArray, IntArray, IntArray]:
    """Return the distinct rows of some columns, sorted, (columns, k); which of them each row is; and how often each is.

    Rows become one number each: to sort rows as such takes many times longer.
    """
    key = np.zeros(len(columns[0]), dtype=np.int64)
    least = [int(column.min(initial=0)) for column in columns]
    wide = [int(column.max(initial=0)) - low + 1 for column, low in zip(columns, least, strict=True)]
    for column, low, width in zip(columns, least, wide, strict=True):
        key = key * width + (column.astype(np.int64) - low)
    key, at, count = np.unique(key, return_inverse=True, return_counts=True)
    parts = []
    for low, width in zip(reversed(least), reversed(wide), strict=True):
        key, part = np.divmod(key, width)
        parts.append(part + low)
    return np.stack(parts[::-1]), at, count


def counted_hashes(hashes: HashArray) -> tuple[HashArray, IntArray]:
    """Return the distinct ones of some well-mixed hashes (n,), none of them 0, ascending, and how often each comes.

    Where most come often it takes a small part of the time in which they are sorted.
    """
    keys, count = _counted(hashes)
    used = np.flatnonzero(keys)
    used = used[np.argsort(keys[used])]
    return keys[used], count[used]


@njit(cache=True, nogil=True)
def _counted(hashes: HashArray) -> tuple[HashArray, IntArray]:
    """Return a table of the distinct hashes (c,), 0 where it is free, and how often each comes (c,)."""
    keys, count, used = np.zeros(1 << 12, np.uint64), np.zeros(1 << 12, np.int64), 0
    for key in hashes:
        at = find_slot(keys, key, key)
        if keys[at] == 0:
            if 2 * used >= len(keys):
                larger, counts = np.zeros(2 * len(keys), np.uint64), np.zeros(2 * len(keys), np.int64)
                for old in range(len(keys)):
                    if keys[old] != 0:
                        to = find_slot(larger, keys[old], keys[old])
                        larger[to], counts[to] = keys[old], count[old]
                keys, count = larger, counts
                at = find_slot(keys, key, key)
            keys[at] = key
            used += 1
        count[at] += 1
    return keys, count
