"""Hash tables as arrays of keys, which kernels can read and write: an entry stands at its key or at the next free place."""

from __future__ import annotations

import numpy as np

from fingerprint.kernels import kernel
from fingerprint.records import HashArray


@kernel
def place(keys: HashArray, key: np.uint64) -> int:
    """Return where a key stands or would stand among keys (c,), 0 where free; its lower bits must be scrambled.

    c is a power of two, and some place is free.
    """
    mask = np.uint64(len(keys) - 1)
    at = key & mask
    while keys[at] != key and keys[at] != 0:
        at = (at + np.uint64(1)) & mask
    return int(at)
