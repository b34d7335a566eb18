"""Sums the weight that texts hold of signatures' n-grams, up to what each signature asks for."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fingerprint.base.jit import kernel, njit
from fingerprint.base.types import Bools, Bytes, Doubles, FloatArray, HashArray, Ids, IntArray
from fingerprint.matching.ngram_index import NgramIndex

_BITS = 16
_SHIFT = np.uint64(64 - _BITS)


class NgramWeights(NamedTuple):
    """The n-grams to look for; one thread at a time may use it.

    wanted: g n-grams, of f signatures.
    bits: (8 Ki,) uint8, a bit for each beginning of a hash that an n-gram has: almost all others are told apart by one
    look.
    least: (f,) float32, the weight that each signature asks for; inf where no weight is enough.
    held: (f,) float64, the weight that the text at hand holds of each.
    last_row: (g,) int32, the last text that held each n-gram, -1 for none.
    """

    wanted: NgramIndex
    bits: Bytes
    least: FloatArray
    held: Doubles
    last_row: Ids


def ngram_weights(index: NgramIndex, least: FloatArray) -> NgramWeights:
    """Look for the n-grams of an index; least: (f,) float32, the weight that each of its signatures asks for."""
    bits = np.zeros(1 << _BITS, np.bool_)
    bits[index.grams >> _SHIFT] = True
    packed = np.packbits(bits, bitorder="little")
    return for_thread(NgramWeights(index, packed, least, np.empty(0), np.empty(0, np.int32)))


def for_thread(weights: NgramWeights) -> NgramWeights:
    """Return weights that look for the same, with sums of their own for another thread."""
    return weights._replace(
        held=np.zeros(len(weights.least)), last_row=np.full(len(weights.wanted.grams), -1, np.int32)
    )


@kernel
def may_be_wanted(bits: Bytes, ngram: np.uint64) -> bool:
    """Tell whether an n-gram may be among those looked for; bits: (8 Ki,) uint8 of NgramWeights."""
    high = ngram >> _SHIFT
    return bool((bits[high >> np.uint64(3)] >> np.uint8(high & np.uint64(7))) & np.uint8(1))


@kernel
def add(weights: NgramWeights, ngram: np.uint64, row: int) -> bool:
    """Add an n-gram that may be wanted to what text number `row` holds; tell whether a signature has enough now."""
    index = weights.wanted
    at = np.searchsorted(index.grams, ngram)
    if at == len(index.grams) or index.grams[at] != ngram or weights.last_row[at] == row:
        return False
    weights.last_row[at] = row
    enough = False
    for e in range(index.offsets[at], index.offsets[at + 1]):
        f = index.family[e]
        weights.held[f] += max(index.weight[e], np.float32(1e-6))
        enough |= weights.held[f] >= weights.least[f]
    return enough


@njit(cache=True, nogil=True)
def hold_enough(ngrams: HashArray, offsets: IntArray, weights: NgramWeights) -> Bools:
    """Tell which texts (n,) hold enough of a signature; ngrams: uint64, those of text i from offsets[i] to offsets[i + 1]."""
    out = np.zeros(len(offsets) - 1, np.bool_)
    weights.last_row[:] = -1
    bits = weights.bits
    for row in range(len(out)):
        weights.held[:] = 0
        for i in range(offsets[row], offsets[row + 1]):
            if may_be_wanted(bits, ngrams[i]) and add(weights, ngrams[i], row):
                out[row] = True
                break
    return out
