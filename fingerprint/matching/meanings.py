"""Whose meaning a text says best, among the families whose sentences are nearest to its own."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from fingerprint.base.jit import kernel
from fingerprint.base.types import Bools, FloatArray, Ids, IntArray
from fingerprint.embedding.similarity import held_by
from fingerprint.signatures.match_score import NARROW

_NARROW = np.float32(NARROW)


class Meanings(NamedTuple):
    """What f families mean; snapshots keep these arrays under these names.

    prototypes: (p, d) float32 unit rows, of the templates' sentences, or of whole prompts where topical. bounds: (f + 1,)
    int64, where those of each family begin. similarity, usual: (f,) float32, `least` and `typical` of `match_score.meaning`.
    topical: (f,) bool, families that share what they say and no text. campaign: (f,) bool.
    """

    prototypes: FloatArray
    bounds: IntArray
    similarity: FloatArray
    usual: FloatArray
    topical: Bools
    campaign: Bools


@njit(cache=True, nogil=True)
def best_meaning(
    meanings: Meanings, vectors: FloatArray, offsets: IntArray, owner: Ids, carrier: Ids
) -> tuple[Ids, FloatArray]:
    """Find the family whose meaning each of q texts says best, -1 = none, and what share of it the text holds, (q,) each.

    vectors: (s, d) float32 unit rows, all texts' sentences, or (s + q, d) with the texts as a whole behind them, by which
    topical families are found, and others by sentences. offsets: (q + 1,) int64, where each text's sentences begin. owner:
    the families, -1 = none, whose prototypes are nearest to each vector, (s, n) or (s + q, n) int32. carrier: (q,) int32, the
    family whose text each holds, -1 = none: then only campaigns count. Of equals the first, topical ones last.
    """
    texts, sentences = len(carrier), offsets[-1]
    family, similarity = np.full(texts, -1, np.int32), np.zeros(texts, np.float32)
    most = 1
    for row in range(texts):
        most = max(most, offsets[row + 1] - offsets[row])
    seen = np.empty(most * owner.shape[1], np.int32)
    for row in range(texts):
        span = offsets[row], offsets[row + 1]
        only_campaigns = carrier[row] >= 0
        best = _best(meanings, vectors, span, owner, (False, only_campaigns), seen)
        if len(vectors) > sentences:
            whole = sentences + row, sentences + row + 1
            topical = _best(meanings, vectors, whole, owner, (True, only_campaigns), seen)
            if topical[2] > best[2]:
                best = topical
        family[row], similarity[row] = best[0], best[1]
    return family, similarity


@kernel
def _best(
    meanings: Meanings,
    vectors: FloatArray,
    span: tuple[int, int],
    owner: Ids,
    kind: tuple[bool, bool],
    seen: Ids,
) -> tuple[np.int32, np.float32, np.float32]:
    """Return the family, what the vectors of the span hold of it, and how far that lies beyond what others hold, 0 for none."""
    topical, only_campaigns = kind
    count, best, similarity, most = 0, np.int32(-1), np.float32(0), np.float32(0)
    for v in range(span[0], span[1]):
        for n in range(owner.shape[1]):
            f = owner[v, n]
            if f < 0 or meanings.topical[f] != topical or (only_campaigns and not meanings.campaign[f]):
                continue
            if _holds(seen, count, f):
                continue
            seen[count] = f
            count += 1
            shared = held_by(vectors, span, meanings.prototypes, (meanings.bounds[f], meanings.bounds[f + 1]))
            least = meanings.similarity[f]
            beyond = max(shared - least, np.float32(0)) / max(least - meanings.usual[f], _NARROW)
            if beyond > most or (beyond == most and best >= 0 and f < best):
                best, similarity, most = f, shared, beyond
    return best, similarity, most


@kernel
def _holds(seen: Ids, count: int, family: int) -> bool:
    there = False
    for n in range(count):
        there |= seen[n] == family
    return there
