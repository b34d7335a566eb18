"""Hashes of a text and of its beginnings, under a secret of the process: nobody outside can make two texts alike.

NH of UMAC (Black, Halevi, Krawczyk, Krovetz, Rogaway 1999, section 4) of each block, twice with other keys, and Python's
own keyed hash (SipHash, PEP 456) of what comes of all blocks. Two texts that differ have the same with a probability of
2⁻⁶⁴ a block, which nobody can raise without the key.
"""

from __future__ import annotations

import os
from typing import Any, cast

import numba
import numpy as np
from numba import types as _types
from numba.core import cgutils as _cgutils
from numba.extending import intrinsic as _intrinsic

from fingerprint.base.jit import njit
from fingerprint.base.types import HashArray

# what numba says of the types of these is nothing, or not so
carray, types, cgutils = cast(Any, numba).carray, cast(Any, _types), cast(Any, _cgutils)
intrinsic = cast(Any, _intrinsic)  # mypy would count the typing context among the arguments

HALF = 512
BLOCK = 2 * HALF
"""Characters of a block, of which each of the first half is multiplied with one of the other."""

_KEYS = np.frombuffer(os.urandom(2 * BLOCK * 4), np.uint32).astype(np.uint64).reshape(2, BLOCK)
"""32 bits for each character of a block, twice; written wider, for they are added to characters and multiplied."""

_BITS = np.uint64(0xFFFFFFFF)
_ONE, _TWO, _FOUR = np.uint8(0), np.uint16(0), np.uint32(0)


class Beginning:
    """A text of which several beginnings are hashed; each of its characters is read once."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._blocks: HashArray | None = None

    def upto(self, size: int) -> int:
        """Return the hash of the first `size` characters."""
        if self._blocks is None:
            self._blocks = np.empty((len(self._text) // BLOCK, 2), np.uint64)
            _hash_blocks(self._text, 0, len(self._text) // BLOCK * BLOCK, _KEYS, self._blocks)
        whole = size // BLOCK
        rest = np.empty((1, 2), np.uint64)
        _hash_blocks(self._text, whole * BLOCK, size, _KEYS, rest)
        return hash((size, self._blocks[:whole].tobytes(), rest.tobytes()))


@intrinsic
def _characters(typingctx: Any, text: Any, width: Any) -> Any:  # noqa: ARG001 - numba hands it over
    """Return where a text's characters lie, which have the width of the number `width`."""
    pointer = types.CPointer(width)

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ARG001
        characters = cgutils.create_struct_proxy(types.unicode_type)(context, builder, value=args[0])
        return builder.bitcast(characters.data, context.get_value_type(pointer))

    return pointer(text, width), build


@njit(cache=True, nogil=True)
def _hash_blocks(text: str, begin: int, end: int, keys: HashArray, out: HashArray) -> None:
    """Hash the characters from `begin` to `end` into `out`, (n, 2): n blocks, or a part of one, as if it ended in zeros."""
    kind = text._kind  # type: ignore[attr-defined] # numba's own: the width of its characters
    if kind == 1:
        _of_width(carray(_characters(text, _ONE), (len(text),)), begin, end, keys, out)
    elif kind == 2:
        _of_width(carray(_characters(text, _TWO), (len(text),)), begin, end, keys, out)
    else:
        _of_width(carray(_characters(text, _FOUR), (len(text),)), begin, end, keys, out)


@njit(cache=True, nogil=True)
def _of_width(characters: Any, begin: int, end: int, keys: HashArray, out: HashArray) -> None:
    for block in range(len(out)):
        a, b = np.uint64(0), np.uint64(0)
        at = begin + block * BLOCK
        if at + BLOCK <= end:
            first, second = characters[at : at + HALF], characters[at + HALF : at + BLOCK]
            for i in range(HALF):
                x, y = np.uint64(first[i]), np.uint64(second[i])
                a += ((x + keys[0, i]) & _BITS) * ((y + keys[0, HALF + i]) & _BITS)
                b += ((x + keys[1, i]) & _BITS) * ((y + keys[1, HALF + i]) & _BITS)
        else:
            for i in range(HALF):
                x = np.uint64(characters[at + i]) if at + i < end else np.uint64(0)
                y = np.uint64(characters[at + HALF + i]) if at + HALF + i < end else np.uint64(0)
                a += ((x + keys[0, i]) & _BITS) * ((y + keys[0, HALF + i]) & _BITS)
                b += ((x + keys[1, i]) & _BITS) * ((y + keys[1, HALF + i]) & _BITS)
        out[block, 0], out[block, 1] = a, b
