"""Whose prototypes were nearest to the last sentences: half of those in a day's traffic were met a moment before (D-344).

System prompts, earlier turns of conversations and polite phrases come again and again. A sentence is known by its vector,
number for number; nothing of its text is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

import numpy as np

from fingerprint.base.hashing import xmx_mix
from fingerprint.base.jit import kernel, njit
from fingerprint.base.types import FloatArray, Ids, IntArray

PLACES = 1 << 13
"""Vectors that are kept, each in a place of its own that the next one of the same hash takes: 8 MB of 256 numbers each."""


class MetVectors:
    """The last vectors of one snapshot's lookups; safe to use from several threads."""

    def __init__(self, search: Callable[[FloatArray], Ids], dimension: int, near: int) -> None:
        """Keep what `search` returns of vectors (q, dimension), (q, near) int32; of zeros that is -1."""
        self._search = search
        self._guard = Lock()
        # zeros stand for no vector: nothing is near to them
        self._vectors = np.zeros((PLACES, dimension), np.float32)
        self._owners = np.full((PLACES, near), -1, np.int32)

    def owners(self, vectors: FloatArray) -> Ids:
        """Return what the search returns of each vector (q, dimension) float32."""
        out = np.empty((len(vectors), self._owners.shape[1]), np.int32)
        with self._guard:
            new = _recalled(vectors, self._vectors, self._owners, out)
        if len(new):
            found = self._search(vectors if len(new) == len(vectors) else vectors[new])
            with self._guard:
                _keep(vectors, new, found, self._vectors, self._owners, out)
        return out


@njit(cache=True, nogil=True)
def _recalled(vectors: FloatArray, known: FloatArray, owners: Ids, out: Ids) -> IntArray:
    """Write the owners of the vectors that are known to `out`, and return which are not."""
    new = np.empty(len(vectors), np.int64)
    count = 0
    for row in range(len(vectors)):
        place = _place(vectors, row, len(known))
        same = True
        for i in range(vectors.shape[1]):
            same &= known[place, i] == vectors[row, i]
        if same:
            for n in range(owners.shape[1]):
                out[row, n] = owners[place, n]
        else:
            new[count] = row
            count += 1
    return new[:count]


@njit(cache=True, nogil=True)
def _keep(vectors: FloatArray, new: IntArray, found: Ids, known: FloatArray, owners: Ids, out: Ids) -> None:
    """Write the owners found of new vectors to `out`, and to their places."""
    for at in range(len(new)):
        row = new[at]
        place = _place(vectors, row, len(known))
        for i in range(vectors.shape[1]):
            known[place, i] = vectors[row, i]
        for n in range(owners.shape[1]):
            owners[place, n] = out[row, n] = found[at, n]


@kernel
def _place(vectors: FloatArray, row: int, places: int) -> int:
    """Return the place of a vector; different sentences differ in their first numbers already."""
    h = np.uint64(0)
    for i in range(min(4, vectors.shape[1])):
        h = xmx_mix(h ^ np.uint64(np.int64(vectors[row, i] * np.float32(1 << 30))))
    return int(h & np.uint64(places - 1))
