"""The inverted index from n-grams to the signatures that hold them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fingerprint.base.growing import widened
from fingerprint.base.hashing import find_slot
from fingerprint.base.jit import kernel, njit, read_only
from fingerprint.base.sorting import sort_up
from fingerprint.base.types import Bools, Doubles, FloatArray, HashArray, Ids, IntArray
from fingerprint.domain.signature import Signature, is_campaign
from fingerprint.signatures.match_score import LENGTH, MIDDLE, SCALE, SHARE, preference, reliability

CARRIER_ACCOUNTS = 20
"""Accounts from which on a family can be a text that others' templates stand in (D-180)."""

MARKER_ACCOUNTS = 0.5
"""What stands in it is sent by at most this share of its accounts."""

AS_WHOLE = 0.9
"""How much of what stands in it a prompt must hold, to how much it holds of that text: a sibling's text is held in part."""


class NgramIndex(NamedTuple):
    """An inverted index from g n-grams to f signatures; snapshots keep its arrays under these names.

    grams: (g,) uint64 hashes, sorted. starts: (2^b + 1,) int32, where those begin whose highest b bits are 0, 1 and so on:
    most hashes of a prompt are of no signature, and one look at this tells. offsets: (g + 1,) int64, where the postings of
    each begin.
    family: (e,) int32 and weight: (e,) float32, the postings: a signature that holds the n-gram, and what it weighs there.
    total: (f,) float32, each signature's sum of weights.
    shift: (f,) float32, log-odds of its reliability (`match_score`).
    prior: (f,) float32, log-odds by which a signature is preferred where a prompt holds several.
    campaign: (f,) bool, what is labelled or flagged as a campaign. accounts: (f,) int32, how many sent it.
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
    campaign: Bools
    accounts: Ids
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


class Also(NamedTuple):
    """The other signatures that prompts match, (o,) each, in the order of the prompts.

    row: int64, which prompt. family: int32. score: float64.
    """

    row: IntArray
    family: Ids
    score: Doubles


@dataclass(frozen=True, slots=True)
class Hits:
    """The best signature of each of q prompts by its n-grams, all (q,).

    family: int32, its number in the index, -1 where no n-gram is known. score and coverage: float64, 0 to 1, the
    coverage being the share of the signature's weight that the prompt holds. also: what else each matches.
    """

    family: Ids
    score: Doubles
    coverage: Doubles
    also: Also


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
    campaign = np.array([is_campaign(s.label, flagged=s.flagged) for s in signatures], dtype=np.bool_)
    accounts = np.array([s.spread.accounts for s in signatures], dtype=np.int32)
    threshold = np.array([s.threshold for s in signatures], dtype=np.float64)
    by_gram = family[order], weight[order].astype(np.float32)
    arrays: list[npt.NDArray[Any]] = [grams, _starts(grams), offsets, *by_gram, total]
    arrays += [stand, prior, campaign, accounts, threshold]
    return NgramIndex(*map(read_only, arrays))


def _starts(grams: HashArray) -> Ids:
    """Cut the range of hashes into at least twice as many equal parts as there are n-grams."""
    bits = max(4, int(2 * len(grams)).bit_length())
    parts = np.arange(1 << bits, dtype=np.uint64) << np.uint64(64 - bits)
    return np.append(np.searchsorted(grams, parts), len(grams)).astype(np.int32)


def best_hits(index: NgramIndex, hashes: HashArray, offsets: IntArray) -> Hits:
    """Find the best signature of q prompts, and the others that each matches.

    Matched campaigns first, then what else matches, by log-odds of score and prior together, but what stands inside a text
    of many accounts before it. Of equals the first.

    hashes: uint64, the n-grams of prompt i from offsets[i] to offsets[i + 1]; offsets: (q + 1,) int64.
    """
    family, score, coverage, row, other, its_score = find_best(hashes, offsets, index)
    return Hits(family, score, coverage, Also(row, other, its_score))


@njit(cache=True, nogil=True)
def carriers(family: Ids, score: Doubles, threshold: Doubles, campaign: Bools) -> Ids:
    """Return the family that each text (q,) is given to, where it matches and is no campaign, -1 elsewhere.

    family, score: (q,), as in `Hits`. threshold, campaign: those of the index.
    """
    out = np.empty(len(family), np.int32)
    for n in range(len(family)):
        f = family[n]
        out[n] = f if f >= 0 and score[n] >= threshold[f] and not campaign[f] else np.int32(-1)
    return out


def held_with(index: NgramIndex, held: Held, hashes: HashArray) -> Held:
    """Add the n-grams (n,) of more text to what a text holds; the order of additions is that of the whole text."""
    return Held(*_held_with(index, held.places, held.family, held.weight, hashes))


def best_of(index: NgramIndex, held: Sequence[Held]) -> Hits:
    """Return the best signatures of what q texts hold, as `best_hits` does."""
    every = [_best_of(index, h.family, h.weight) for h in held]
    return Hits(
        np.array([family for family, *_ in every], np.int32),
        np.array([score for _, score, *_ in every], np.float64),
        np.array([coverage for _, _, coverage, *_ in every], np.float64),
        Also(
            np.repeat(np.arange(len(every)), [len(e[3]) for e in every]),
            np.concatenate([*(e[3] for e in every), np.empty(0, np.int32)]),
            np.concatenate([*(e[4] for e in every), np.empty(0)]),
        ),
    )


@njit(cache=True, nogil=True)
def find_best(
    hashes: HashArray, offsets: IntArray, index: NgramIndex
) -> tuple[Ids, Doubles, Doubles, IntArray, Ids, Doubles]:
    """Return the columns of Hits and of its Also; arguments as those of `best_hits`."""
    rows = len(offsets) - 1
    out = np.full(rows, -1, np.int32)
    score = np.zeros(rows)
    coverage = np.zeros(rows)
    weight = np.zeros(len(index.total), np.float32)
    family = np.empty(len(index.total), np.int32)
    also_row, also_family, also_score = np.empty(16, np.int64), np.empty(16, np.int32), np.empty(16)
    others = 0
    for row in range(rows):
        first, end = offsets[row], offsets[row + 1]
        seen = _no_places(min(end - first, len(index.grams)))
        count = _gather(index, hashes, first, end, seen, weight, family, 0)
        best, score[row], coverage[row], matched = _best(index, weight, family, count)
        out[row] = best
        if matched > 1:
            more, more_score = _others(index, weight, family, count, best)
            if others + len(more) > len(also_row):
                room = 2 * (others + len(more))
                also_row, also_family = widened(also_row, room), widened(also_family, room)
                also_score = widened(also_score, room)
            also_row[others : others + len(more)] = row
            also_family[others : others + len(more)] = more
            also_score[others : others + len(more)] = more_score
            others += len(more)
        for t in range(count):
            weight[family[t]] = 0
    return out, score, coverage, also_row[:others], also_family[:others], also_score[:others]


@njit(cache=True, nogil=True)
def _held_with(
    index: NgramIndex, places: Ids, family: Ids, weight: FloatArray, hashes: HashArray
) -> tuple[Ids, Ids, FloatArray]:
    summed = np.zeros(len(index.total), np.float32)
    touched = np.empty(len(index.total), np.int32)
    for t in range(len(family)):
        touched[t], summed[family[t]] = family[t], weight[t]
    seen = _no_places(min(len(places) + len(hashes), len(index.grams)))
    for place in places:
        _is_new(seen, place)
    count = _gather(index, hashes, 0, len(hashes), seen, summed, touched, len(family))
    out = np.empty(np.count_nonzero(seen), np.int32)
    n = 0
    for place in seen:
        if place != 0:
            out[n] = place - 1
            n += 1
    return out, touched[:count].copy(), summed[touched[:count]]


@njit(cache=True, nogil=True)
def _best_of(
    index: NgramIndex, family: Ids, weight: FloatArray
) -> tuple[np.int32, float, float, Ids, Doubles]:
    summed = np.zeros(len(index.total), np.float32)
    for t in range(len(family)):
        summed[family[t]] = weight[t]
    best, score, coverage, matched = _best(index, summed, family, len(family))
    others, scores = _others(index, summed, family, len(family) if matched > 1 else 0, best)
    return best, score, coverage, others, scores


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
def _reached(index: NgramIndex, weight: FloatArray, f: int) -> tuple[float, float, float]:
    """Return x of a signature (`match_score`), its score and the share of its weight that the text holds."""
    share = weight[f] / max(index.total[f], np.float32(1e-9))
    x = LENGTH * np.log1p(weight[f]) + SHARE * share
    return x, 1 / (1 + np.exp((MIDDLE - x) / SCALE - index.shift[f])), share


@kernel
def _best(
    index: NgramIndex, weight: FloatArray, family: Ids, count: int
) -> tuple[np.int32, float, float, int]:
    """Return the best of the first `count` signatures of `family`, -1 for none, its score, its coverage, and how many match.

    A campaign that the text matches goes before any other, however long the text that carries it, and what it matches
    before what it does not; and what few accounts send before what many send, if it is the likelier campaign or both are.
    """
    best, score, coverage, most, rank, matched = np.int32(-1), 0.0, 0.0, -np.inf, 0, 0
    for t in range(count):
        f = family[t]
        x, reached, share = _reached(index, weight, f)
        its_rank = 0
        if reached >= index.threshold[f]:
            its_rank = 2 if index.campaign[f] else 1
            matched += 1
        worth = x + index.prior[f]
        if its_rank > rank or (its_rank == rank and (worth > most or (worth == most and f < best))):
            rank, most = its_rank, worth
            best, coverage, score = f, min(share, 1.0), reached
    if rank == 0 or matched < 2 or index.accounts[best] < CARRIER_ACCOUNTS:
        return best, score, coverage, matched
    carrier, least, most = best, AS_WHOLE * coverage, -np.inf
    for t in range(count):
        f = family[t]
        few = index.accounts[f] <= MARKER_ACCOUNTS * index.accounts[carrier]
        likelier = rank == 1 and index.prior[f] > index.prior[carrier]
        if not few or not (likelier or (rank == 2 and index.campaign[f])):
            continue
        x, reached, share = _reached(index, weight, f)
        worth = x + index.prior[f]
        matches = reached >= index.threshold[f] and share >= least
        if matches and (worth > most or (worth == most and f < best)):
            most, best, coverage, score = worth, f, min(share, 1.0), reached
    return best, score, coverage, matched


@njit(cache=True, nogil=True)
def _others(
    index: NgramIndex, weight: FloatArray, family: Ids, count: int, best: np.int32
) -> tuple[Ids, Doubles]:
    """Return those of the first `count` signatures of `family` that the text matches beside the best, ascending, and their scores."""
    out = np.empty(count, np.int32)
    n = 0
    for t in range(count):
        f = family[t]
        if f != best and _reached(index, weight, f)[1] >= index.threshold[f]:
            out[n] = f
            n += 1
    out = out[:n].copy()
    sort_up(out)
    score = np.empty(n)
    for t in range(n):
        score[t] = _reached(index, weight, out[t])[1]
    return out, score


@njit(cache=True, nogil=True)
def _no_places(most: int) -> Ids:
    """Make an empty set of up to `most` places; an array of all grams would take longer to clear than a prompt to read."""
    size = 16
    while size < 2 * most:
        size *= 2
    return np.zeros(size, np.int32)


@kernel
def _is_new(seen: Ids, place: int) -> bool:
    """Add a place to the set, and tell whether it was not there."""
    slot = find_slot(seen, np.int32(place + 1), np.uint64(place * 0x9E3779B1 >> 7))
    if seen[slot] != 0:
        return False
    seen[slot] = place + 1
    return True
