"""Scores prompts against stored signatures: the n-gram index proposes, coverage and meaning decide.

score = sigmoid((x - MIDDLE) / SCALE + s), where by its grams x = LENGTH · log(1 + b) + SHARE · c, and by its
meaning x = NEAR + BEYOND · m; the better of the two counts.

b: the prompt's grams of the signature, each counting by its rarity; c: their weighted share of all the
signature's grams; m: how far the prompt's share of the template's meaning lies beyond what almost no non-member
of the night held, in units of what lies between that and what half of them held. So eight rare grams of a long
template count about as much as all of a short one's, and scores of families with long and short templates compare.

s: the family's standing, STANDING · log((n + 1) / (o + 1) / USUAL) for n requests of which o strayed from its
pool: the odds, by Bayes' rule and with one request of each kind as the prior, that what holds a template is
another request of those who act together and not of somebody else who uses the same words. It shifts a
family's scores and its threshold alike, so it ranks matches of different families and decides none.

The constants were set on development data (DECISIONS.md). A family's threshold is calibrated on the batch's
non-members.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from fingerprint.kernels import kernel
from fingerprint.records import FloatArray, HashArray, Ids, IntArray, Signature

LENGTH = 4.0
SHARE = 8.0
NEAR = 4.0
BEYOND = 17.0
MIDDLE = 10.0
SCALE = 2.0

STANDING = 0.5
USUAL = 100.0
"""Requests in step for one that strays, of a family whose scores are not shifted."""

PREFERRED = 4.0
"""What being a campaign is worth where a prompt holds the text of several families: an excerpt of some
article that others sent too must not hide the injected instruction beside it."""

NARROW = 0.05
"""Least distance between what half and what almost none of the non-members hold of a meaning."""

LEAST_MEANING = 0.25
"""Meaning never counts below this, whatever a night's other prompts hold: too few of them show little."""

SURE = 0.9
"""Above this score by grams alone, meaning is not asked."""

KNOWN_SENDER = 2.0
"""What it adds to x that the account sent the family before: honest users of the same words did not."""

FLOOR = 0.5
"""No threshold is lower before the shift: what calibration data cannot show is not promised."""


class GramIndex(NamedTuple):
    """An inverted index from grams to signatures.

    grams: (g,) uint64 sorted. offsets: (g + 1,). family: (e,) int32 and weight: (e,) float32, the postings.
    total: (f,) float32, each signature's sum of weights.
    shift: (f,) float32, log-odds of its standing.
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
    """The best signature of each of q prompts by its grams; family -1 where no gram is known, all (q,)."""

    family: Ids
    score: npt.NDArray[np.float64]
    coverage: npt.NDArray[np.float64]


def gram_index(signatures: Sequence[Signature]) -> GramIndex:
    """Index the grams of signatures; family f of the index is signatures[f]."""
    sizes = [len(s.grams) for s in signatures]
    every = np.concatenate([s.grams for s in signatures] or [np.empty(0, dtype=np.uint64)])
    weight = np.concatenate([s.weights for s in signatures] or [np.empty(0, dtype=np.float32)])
    family = np.repeat(np.arange(len(signatures), dtype=np.int32), sizes)
    order = np.lexsort((family, every))
    grams, counts = np.unique(every, return_counts=True)
    total = np.bincount(family, weights=weight, minlength=len(signatures)).astype(np.float32)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    stand = np.array([standing(s.seen, s.strays) for s in signatures], dtype=np.float32)
    prior = np.array([preference(s.label, s.score) for s in signatures], dtype=np.float32)
    return GramIndex(grams, offsets, family[order], weight[order].astype(np.float32), total, stand, prior)


def preference(label: str | None, score: float) -> float:
    """Return the log-odds by which a family of that label and score is preferred."""
    return PREFERRED * {"campaign": 1.0, "benign": 0.0}.get(label or "", score)


def rarity(outside: IntArray, prompts: int) -> FloatArray:
    """Weigh grams by how many of the prompts outside the family hold them (g,): 1 for none, 0 for all."""
    top = np.log(prompts + 1.0)
    return np.asarray(1 - np.log(outside + 1.0) / max(top, 1e-9), dtype=np.float32)


def best(index: GramIndex, hashes: HashArray, offsets: IntArray) -> Hits:
    """Find the best signature of q prompts, given their grams' hashes and offsets (q + 1,)."""
    return Hits(*_best(hashes, offsets, index))


def score_of(held: FloatArray, total: FloatArray) -> npt.NDArray[np.float64]:
    """Score signatures of which grams of weight `held` out of `total` were found."""
    return np.asarray(
        _squash(LENGTH * np.log1p(held) + SHARE * held / np.maximum(total, 1e-9)), dtype=np.float64
    )


def meaning(held: FloatArray, least: FloatArray, usual: FloatArray) -> FloatArray:
    """How far prompts that hold `held` of a meaning lie beyond `least`, in units of least - usual; 0 up to least."""
    return np.asarray(np.maximum(held - least, 0) / np.maximum(least - usual, NARROW), dtype=np.float32)


def score_of_meaning(beyond: FloatArray) -> npt.NDArray[np.float64]:
    """Score prompts by meaning alone, (q,)."""
    return np.asarray(_squash(np.where(beyond > 0, NEAR + BEYOND * beyond.astype(np.float64), -np.inf)))


def standing(seen: int, strays: int) -> float:
    """Return the log-odds by which a family's scores are shifted; 0 where nothing is known."""
    return float(STANDING * np.log((seen + 1) / (strays + 1) / USUAL)) if seen else 0.0


def shifted(score: npt.NDArray[np.float64], log_odds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Shift scores, 0 to 1, by log-odds."""
    return np.asarray(1 / (1 + (1 - score) / np.maximum(score, 1e-300) * np.exp(-log_odds)))


def from_known_sender(score: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Raise scores of requests from accounts that sent their family before, (q,)."""
    return shifted(score, np.full(len(score), KNOWN_SENDER / SCALE))


def _squash(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp((MIDDLE - x) / SCALE)))


@njit(cache=True, nogil=True)
def _best(
    hashes: HashArray, offsets: IntArray, index: GramIndex
) -> tuple[Ids, npt.NDArray[np.float64], npt.NDArray[np.float64]]:
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
    return np.full(size, -1, dtype=np.int32)


@kernel
def _is_new(seen: Ids, place: int) -> bool:
    """Add a place to the set, and tell whether it was not there."""
    i = (place * 0x9E3779B1 >> 7) & (len(seen) - 1)
    while seen[i] >= 0:
        if seen[i] == place:
            return False
        i = (i + 1) & (len(seen) - 1)
    seen[i] = place
    return True
