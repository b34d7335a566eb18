"""Which accounts sent requests of which family before, as a sorted array of hashes that a snapshot can hold."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fingerprint.base.hashing import hash_strings, string_hash
from fingerprint.base.jit import njit
from fingerprint.base.sorting import holds
from fingerprint.base.types import Bools, Bytes, HashArray, Ids, IntArray

_BETWEEN = "\x1f"


def sender_keys(accounts: pa.Array | pa.ChunkedArray, families: pa.Array | pa.ChunkedArray) -> HashArray:
    """Hash n pairs of account and family, (n,) uint64; no account can be read back from it."""
    between = pa.scalar(_BETWEEN, pa.large_string())
    pairs = pc.binary_join_element_wise(
        accounts.cast(pa.large_string()), families.cast(pa.large_string()), between
    )
    return hash_strings(pairs.combine_chunks() if isinstance(pairs, pa.ChunkedArray) else pairs)


def known(keys: HashArray, accounts: Sequence[str | None], family: Ids, names: Sequence[str]) -> Bools:
    """Tell which of q requests come from an account that sent their nearest family before, (q,).

    keys: sorted, as sender_keys makes them. accounts: (q,), None where nobody knows. family: (q,) numbers into names, -1 for none.
    """
    out = np.zeros(len(family), dtype=np.bool_)
    rows = [row for row, f in enumerate(family.tolist()) if f >= 0 and accounts[row] is not None]
    if not rows or not len(keys):
        return out
    pairs = [f"{accounts[row]}{_BETWEEN}{names[family[row]]}".encode() for row in rows]
    offsets = np.array([0, *accumulate(map(len, pairs))], np.int64)
    out[rows] = _are_known(keys, np.frombuffer(b"".join(pairs), np.uint8), offsets)
    return out


@njit(cache=True, nogil=True)
def _are_known(keys: HashArray, data: Bytes, offsets: IntArray) -> Bools:
    """Tell which strings (n,) hash to one of `keys`, ascending."""
    out = np.empty(len(offsets) - 1, np.bool_)
    for n in range(len(out)):
        out[n] = holds(keys, string_hash(data, offsets[n], offsets[n + 1]))
    return out
