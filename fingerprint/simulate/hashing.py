"""Random numbers and ids that hang on a request's own number, for whole columns at a time."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from fingerprint.base.jit import njit
from fingerprint.base.types import Bytes, Doubles
from fingerprint.simulate.kernel import U64, mix


@njit(cache=True, nogil=True)
def hashed(keys: U64, salt: int) -> U64:
    """Return SplitMix64's finaliser of x of each key, another one for each salt."""
    out = np.empty_like(keys)
    for i in range(len(keys)):
        out[i] = mix(keys[i] + np.uint64(salt) * np.uint64(0x9E3779B97F4A7C15))
    return out


@njit(cache=True, nogil=True)
def _hex(keys: U64) -> Bytes:
    out = np.empty(16 * len(keys), np.uint8)
    for i in range(len(keys)):
        for j in range(16):
            digit = (keys[i] >> np.uint64(60 - 4 * j)) & np.uint64(15)
            out[16 * i + j] = 48 + digit if digit < 10 else 87 + digit
    return out


def hex_strings(keys: U64) -> pa.Array:
    """Return each key as 16 hex digits."""
    ends = np.arange(0, 16 * len(keys) + 1, 16, dtype=np.int64)
    return pa.LargeStringArray.from_buffers(len(keys), pa.py_buffer(ends), pa.py_buffer(_hex(keys)))


def unit(keys: U64, salt: int) -> Doubles:
    """Return a number from 0 to below 1 for each key, another one for each salt."""
    return (hashed(keys, salt) >> np.uint64(11)).astype(np.float64) / 9007199254740992.0
