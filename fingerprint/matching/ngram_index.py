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
from fingerprint.signatures.match_score import DECISIVE, LENGTH, MIDDLE, SCALE, SHARE, preference, reliability


class NgramIndex(NamedTuple):
    """An inverted index from g n-grams to f signatures; snapshots keep its arrays under these names.

    grams: (g,) uint64 hashes, sorted. starts: (2^b + 1,) int32, where those begin whose highest b bits are 0, 1 and so on:
    most hashes of a prompt are of no signature, and one look at this tells. offsets: (g + 1,) int64, where the postings of
    each begin.
    family: (e,) int32 and weight: (e,) float32, the postings: a signature that holds the n-gram, and what it weighs there.
    total: (f,) float32, each signature's sum of weights.
    shift: (f,) float32, log-odds of its reliability (`match_score`).
    prior: (f,) float32, log-odds by which a signature is preferred where a prompt holds several.
    threshold: (f,) float64, the score from which on a prompt matches it.
    """

    grams: HashArray
    starts: Ids
    offsets: IntArray
    family: Ids
    weight: FloatArray
    total: FloatArray
    shift: FloatArray
    prior: FloatArray
    threshold: Doubles


@dataclass(frozen=True, slots=True)
class Held:
    """What a text holds of the signatures, so that more text can be added.

    places: (p,) int32, which n-grams of the index, in any order. family: (t,) int32, the signatures that hold some of them, and
    weight: (t,) float32, the sum of what these weigh there.
    """

    places: Ids
    family: Ids
    weight: FloatArray


NOTHING_HELD = Held(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.float32))


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
    stand = np.array([reliability(s.requests_seen, s.unsynchronised) for s in signatures], dtype=np.float32)
    prior = np.array([preference(s.label, s.score) for s in signatures], dtype=np.float32)
    threshold = np.array([s.threshold for s in signatures], dtype=np.float64)
    by_gram = family[order], weight[order].astype(np.float32)
    return NgramIndex(grams, _starts(grams), offsets, *by_gram, total, stand, prior, threshold)


def _starts(grams: HashArray) -> Ids:
    """Cut the range of hashes into at least twice as many equal parts as there are n-grams."""
    bits = max(4, int(2 * len(grams)).bit_length())
    parts = np.arange(1 << bits, dtype=np.uint64) << np.uint64(64 - bits)
    return np.append(np.searchsorted(grams, parts), len(grams)).astype(np.int32)


def best_hits(index: NgramIndex, hashes: HashArray, offsets: IntArray) -> Hits:
    """Find the best signature of q prompts: matched campaigns first, then by log-odds of score and prior together.

    Of equals the first.

    hashes: uint64, the n-grams of prompt i from offsets[i] to offsets[i + 1]; offsets: (q + 1,) int64.
    """
    return Hits(*_best_hits(hashes, offsets, index))


def held_with(index: NgramIndex, held: Held, hashes: HashArray) -> Held:
    """Add the n-grams (n,) of more text to what a text holds; the order of additions is that of the whole text."""
    return Held(*_held_with(index, held.places, held.family, held.weight, hashes))


def best_of(index: NgramIndex, held: Held) -> tuple[int, float, float]:
    """Return the best signature of what a text holds, its score and its coverage, as `best_hits` does."""
    family, score, coverage = _best_of(index, held.family, held.weight)
    return int(family), score, coverage


@njit(cache=True, nogil=True)
def _best_hits(hashes: HashArray, offsets: IntArray, index: NgramIndex) -> tuple[Ids, Doubles, Doubles]:
    rows = len(offsets) - 1
    out = np.full(rows, -1, dtype=np.int32)
    score = np.zeros(rows)
    coverage = np.zeros(rows)
    weight = np.zeros(len(index.total), dtype=np.float32)
    family = np.empty(len(index.total), dtype=np.int32)
    for row in range(rows):
        first, end = offsets[row], offsets[row + 1]
        seen = _no_places(min(end - first, len(index.grams)))
        count = _gather(index, hashes, first, end, seen, weight, family, 0)
        out[row], score[row], coverage[row] = _best(index, weight, family, count)
        for t in range(count):
            weight[family[t]] = 0
    return out, score, coverage


@njit(cache=True, nogil=True)
def _held_with(
    index: NgramIndex, places: Ids, family: Ids, weight: FloatArray, hashes: HashArray
) -> tuple[Ids, Ids, FloatArray]:
    summed = np.zeros(len(index.total), dtype=np.float32)
    touched = np.empty(len(index.total), dtype=np.int32)
    for t in range(len(family)):
        touched[t], summed[family[t]] = family[t], weight[t]
    seen = _no_places(min(len(places) + len(hashes), len(index.grams)))
    for place in places:
        _is_new(seen, place)
    count = _gather(index, hashes, 0, len(hashes), seen, summed, touched, len(family))
    out = np.empty(np.count_nonzero(seen), dtype=np.int32)
    n = 0
    for place in seen:
        if place != 0:
            out[n] = place - 1
            n += 1
    return out, touched[:count].copy(), summed[touched[:count]]


@njit(cache=True, nogil=True)
def _best_of(index: NgramIndex, family: Ids, weight: FloatArray) -> tuple[np.int32, float, float]:
    summed = np.zeros(len(index.total), dtype=np.float32)
    for t in range(len(family)):
        summed[family[t]] = weight[t]
    return _best(index, summed, family, len(family))


@kernel
def _gather(
    index: NgramIndex,
    hashes: HashArray,
    first: int,
    end: int,
    seen: Ids,
    weight: FloatArray,
    family: Ids,
    count: int,
) -> int:
    """Add the weights of n-grams not seen before; `family` are the signatures met, returned is how many."""
    shift = np.uint64(64)
    while (1 << (64 - int(shift))) < len(index.starts) - 1:
        shift -= np.uint64(1)
    for i in range(first, end):
        part = int(hashes[i] >> shift)
        at, stop = index.starts[part], index.starts[part + 1]
        while at < stop and index.grams[at] < hashes[i]:
            at += 1
        if at == stop or index.grams[at] != hashes[i] or not _is_new(seen, at):
            continue
        for e in range(index.offsets[at], index.offsets[at + 1]):
            f = index.family[e]
            if weight[f] == 0:
                family[count] = f
                count += 1
            weight[f] += max(index.weight[e], np.float32(1e-6))
    return count


@kernel
def _best(index: NgramIndex, weight: FloatArray, family: Ids, count: int) -> tuple[np.int32, float, float]:
    """Return the best of the first `count` signatures of `family`, -1 for none, its score and its coverage.

    A campaign that the text matches goes before any other, however long the text that carries it.
    """
    best, score, coverage, most, won = np.int32(-1), 0.0, 0.0, -np.inf, False
    for t in range(count):
        f = family[t]
        share = weight[f] / max(index.total[f], np.float32(1e-9))
        x = LENGTH * np.log1p(weight[f]) + SHARE * share
        reached = 1 / (1 + np.exp((MIDDLE - x) / SCALE - index.shift[f]))
        wins = index.prior[f] >= DECISIVE and reached >= index.threshold[f]
        if won and not wins:
            continue
        worth = x + index.prior[f]
        if (wins and not won) or worth > most or (worth == most and f < best):
            most, won = worth, wins
            best, coverage, score = f, min(share, 1.0), reached
    return best, score, coverage


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
