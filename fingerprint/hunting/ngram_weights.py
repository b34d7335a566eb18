"""Sums the weight that texts hold of signatures' grams, up to what each signature asks for."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from fingerprint.base.jit import kernel
from fingerprint.base.types import Bools, Bytes, Doubles, FloatArray, HashArray, Ids, IntArray
from fingerprint.matching.ngram_index import GramIndex

_BITS = 16
_SHIFT = np.uint64(64 - _BITS)


class NgramWeights(NamedTuple):
    """The grams to look for; one thread at a time may use it.

    bits: (8 Ki,) uint8, a bit for each beginning of a hash that a gram has: almost all others are told apart by one
    look. least: (f,) the weight that each signature asks for. held: (f,) of the text at hand. seen_in: (g,) the last
    text that held each gram.
    """

    wanted: GramIndex
    bits: Bytes
    least: FloatArray
    held: Doubles
    seen_in: Ids


def gram_sum(index: GramIndex, least: FloatArray) -> NgramWeights:
    """Look for the grams of an index."""
    bits = np.zeros(1 << _BITS, np.bool_)
    bits[index.grams >> _SHIFT] = True
    packed = np.packbits(bits, bitorder="little")
    return twin(NgramWeights(index, packed, least, np.empty(0), np.empty(0, np.int32)))


def twin(sums: NgramWeights) -> NgramWeights:
    """Return one that looks for the same, for another thread."""
    return sums._replace(
        held=np.zeros(len(sums.least)), seen_in=np.full(len(sums.wanted.grams), -1, np.int32)
    )


@kernel
def marked(bits: Bytes, gram: np.uint64) -> bool:
    """Tell whether a gram may be among those looked for."""
    high = gram >> _SHIFT
    return bool((bits[high >> np.uint64(3)] >> np.uint8(high & np.uint64(7))) & np.uint8(1))


@kernel
def add(sums: NgramWeights, gram: np.uint64, row: int) -> bool:
    """Add a marked gram of text number `row`; tell whether a signature has enough now."""
    index = sums.wanted
    at = np.searchsorted(index.grams, gram)
    if at == len(index.grams) or index.grams[at] != gram or sums.seen_in[at] == row:
        return False
    sums.seen_in[at] = row
    enough = False
    for e in range(index.offsets[at], index.offsets[at + 1]):
        f = index.family[e]
        sums.held[f] += max(index.weight[e], np.float32(1e-6))
        enough |= sums.held[f] >= sums.least[f]
    return enough


@njit(cache=True, nogil=True)
def holding(hashes: HashArray, offsets: IntArray, sums: NgramWeights) -> Bools:
    """Tell which texts, whose grams begin at offsets (n + 1,), hold enough of a signature."""
    out = np.zeros(len(offsets) - 1, np.bool_)
    sums.seen_in[:] = -1
    bits = sums.bits
    for row in range(len(out)):
        sums.held[:] = 0
        for i in range(offsets[row], offsets[row + 1]):
            if marked(bits, hashes[i]) and add(sums, hashes[i], row):
                out[row] = True
                break
    return out
