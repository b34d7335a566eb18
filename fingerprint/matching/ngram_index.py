"""The inverted index from n-grams to the signatures that hold them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit

from fingerprint.base.hashing import find_slot
from fingerprint.base.jit import kernel
from fingerprint.base.types import Doubles, FloatArray, HashArray, Ids, IntArray
from fingerprint.domain.signature import Signature
from fingerprint.signatures.match_score import LENGTH, MIDDLE, SCALE, SHARE, preference, reliability


class NgramIndex(NamedTuple):
    """An inverted index from g n-grams to f signatures; snapshots keep its arrays under these names.

    grams: (g,) uint64 hashes, sorted. offsets: (g + 1,) int64, where the postings of each begin.
    family: (e,) int32 and weight: (e,) float32, the postings: a signature that holds the n-gram, and what it weighs there.
    total: (f,) float32, each signature's sum of weights.
    shift: (f,) float32, log-odds of its reliability (`match_score`).
    prior: (f,) float32, log-odds by which a signature is preferred where a prompt holds several.
    """

    grams: HashArray
    offsets: IntArray
    family: Ids
    weight: FloatArray
    total: FloatArray
    shift: FloatArray
    prior: FloatArray


@dataclass(frozen=True, slots=True)
class Hits:
    """The best signature of each of q prompts by its n-grams, all (q,).

    family: int32, its number in the index, -1 where no n-gram is known. score and coverage: float64, 0 to 1, the
    coverage being the share of the signature's weight that the prompt holds.
    """

    family: Ids
    score: Doubles
    coverage: Doubles


def index_ngrams(signatures: Sequence[Signature]) -> NgramIndex:
    """Index the n-grams of signatures; family f of the index is signatures[f]."""
    sizes = [len(s.grams) for s in signatures]
    every = np.concatenate([s.grams for s in signatures] or [np.empty(0, dtype=np.uint64)])
    weight = np.concatenate([s.weights for s in signatures] or [np.empty(0, dtype=np.float32)])
    family = np.repeat(np.arange(len(signatures), dtype=np.int32), sizes)
    order = np.lexsort((family, every))
    grams, counts = np.unique(every, return_counts=True)
    total = np.bincount(family, weights=weight, minlength=len(signatures)).astype(np.float32)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    stand = np.array([reliability(s.seen, s.strays) for s in signatures], dtype=np.float32)
    prior = np.array([preference(s.label, s.score) for s in signatures], dtype=np.float32)
    return NgramIndex(grams, offsets, family[order], weight[order].astype(np.float32), total, stand, prior)


def best_hits(index: NgramIndex, hashes: HashArray, offsets: IntArray) -> Hits:
    """Find the best signature of q prompts: by log-odds of its score and its prior together, of equals the first.

    hashes: uint64, the n-grams of prompt i from offsets[i] to offsets[i + 1]; offsets: (q + 1,) int64.
    """
    return Hits(*_best_hits(hashes, offsets, index))


@njit(cache=True, nogil=True)
def _best_hits(hashes: HashArray, offsets: IntArray, index: NgramIndex) -> tuple[Ids, Doubles, Doubles]:
    grams, gram_offsets, family, weight, total, shift, prior = index
    rows = len(offsets) - 1
    out = np.full(rows, -1, dtype=np.int32)
    score = np.zeros(rows)
    coverage = np.zeros(rows)
    held = np.zeros(len(total), dtype=np.float32)
    touched = np.empty(len(total), dtype=np.int32)
    for row in range(rows):
        count = 0
        seen = _no_places(offsets[row + 1] - offsets[row])
        for i in range(offsets[row], offsets[row + 1]):
            at = np.searchsorted(grams, hashes[i])
            if at == len(grams) or grams[at] != hashes[i] or not _is_new(seen, at):
                continue
            for e in range(gram_offsets[at], gram_offsets[at + 1]):
                if held[family[e]] == 0:
                    touched[count] = family[e]
                    count += 1
                held[family[e]] += max(weight[e], np.float32(1e-6))
        most = -np.inf
        for t in range(count):
            f = touched[t]
            share = held[f] / max(total[f], np.float32(1e-9))
            x = LENGTH * np.log1p(held[f]) + SHARE * share
            if x + prior[f] > most or (x + prior[f] == most and f < out[row]):
                most = x + prior[f]
                out[row], coverage[row] = f, min(share, 1.0)
                score[row] = 1 / (1 + np.exp((MIDDLE - x) / SCALE - shift[f]))
            held[f] = 0
    return out, score, coverage


@njit(cache=True, nogil=True)
def _no_places(most: int) -> Ids:
    """Make an empty set of up to `most` places; an array of all grams would take longer to clear than a prompt to read."""
    size = 16
    while size < 2 * most:
        size *= 2
    return np.zeros(size, dtype=np.int32)


@kernel
def _is_new(seen: Ids, place: int) -> bool:
    """Add a place to the set, and tell whether it was not there."""
    slot = find_slot(seen, np.int32(place + 1), np.uint64(place * 0x9E3779B1 >> 7))
    if seen[slot] != 0:
        return False
    seen[slot] = place + 1
    return True
