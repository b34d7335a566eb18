"""A hash that stands for a set of requests."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

from fingerprint.base.hashing import GOLDEN, mix
from fingerprint.base.types import HashArray, IntArray


class ContentHash:
    """A hash of a set of requests: the same whatever the files, their names and their order."""

    def __init__(self) -> None:
        self._rows = 0
        self._sums = [0, 0]

    def add(self, ids: HashArray, accounts: HashArray, times: IntArray) -> None:
        """Take (n,) id hashes, account hashes and times in microseconds."""
        row = mix(ids + mix(accounts * GOLDEN + mix(times.view(np.uint64))))
        self._rows += len(ids)
        for i, words in enumerate((row, mix(row + GOLDEN))):
            self._sums[i] = (self._sums[i] + int(words.sum())) % 2**64

    def hexdigest(self) -> str:
        """Return 32 hexadecimal digits."""
        words = b"".join(n.to_bytes(8, "little") for n in (self._rows, *self._sums))
        return blake2b(words, digest_size=16).hexdigest()
