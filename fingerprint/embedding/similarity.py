"""What a prompt says, sentence by sentence: how much of a template's meaning it holds, in whatever words.

A template is a few sentences, and a reworded one says the same few things; the payload around it says others. So
each sentence of the template is compared with the prompt's nearest sentence, and the mean of these cosines is
what the prompt holds of the template (the directed part of BERTScore's recall over sentences; Zhang et al. 2020,
eq. 1). Whole-prompt vectors are mostly payload.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa

from fingerprint.base.jit import kernel, kernel_with, njit
from fingerprint.base.parallel import in_order, workers
from fingerprint.base.types import Embed, FloatArray, Ids, IntArray
from fingerprint.text.sentences import MOST_SENTENCES


class Rows(Protocol):
    """Unit rows (s, d) float32, made when they are asked for, or an array of them."""

    def __getitem__(self, rows: slice, /) -> FloatArray:
        """Return some rows that follow each other."""


@dataclass(frozen=True, slots=True)
class Sentences:
    """The vectors of s texts, embedded when they are asked for: those of a night's would take a tenth of its memory."""

    texts: pa.LargeStringArray
    embed: Embed

    def __getitem__(self, rows: slice, /) -> FloatArray:
        """Embed some texts that follow each other."""
        return self.embed(self.texts[rows])


MATRIX = 1 << 24
"""Cosines held at once while prompts are compared with all templates."""

MOST_PROMPTS = 1_024
"""Prompts whose sentences are compared at once."""

_MARGIN = np.float32(1e-4)
"""What rounding may add to a cosine, and more."""


def held_similarity(vectors: Rows, offsets: IntArray, prototypes: FloatArray, owners: IntArray) -> FloatArray:
    """How much of each of f templates each of q prompts holds, (q, f) float32; -1 for a prompt without sentences.

    vectors: (s, d) of the prompts' sentences, offsets (q + 1,). prototypes: (p, d) of the templates' sentences,
    owners (f + 1,) where each template's begin; every template has at least one. Rows are of unit length.
    """
    out = np.full((len(offsets) - 1, len(owners) - 1), -1.0, dtype=np.float32)
    with_sentences = np.flatnonzero(np.diff(offsets))
    # templates that a product or a campaign has several of share sentences
    distinct, which = _distinct(prototypes)
    step = max(1, min(MOST_PROMPTS, MATRIX // max(len(prototypes) * MOST_SENTENCES, 1)))

    def compare(rows: IntArray) -> None:
        first = offsets[rows[0]]
        cosines = vectors[first : offsets[rows[-1] + 1]] @ distinct.T
        nearest = _highest(cosines, np.append(offsets[rows], offsets[rows[-1] + 1]) - first)
        out[rows] = np.add.reduceat(nearest[:, which], owners[:-1], axis=1) / np.diff(owners)

    parts = (with_sentences[begin : begin + step] for begin in range(0, len(with_sentences), step))
    for _ in in_order(compare, parts, threads=workers()):
        pass
    return out


def _distinct(rows: FloatArray) -> tuple[FloatArray, IntArray]:
    """Return the different rows, in the order they first appear, and which of them each row is."""
    places: dict[bytes, int] = {}
    which = np.array([places.setdefault(row.tobytes(), len(places)) for row in rows], dtype=np.int64)
    first = np.full(len(places), len(rows), dtype=np.int64)
    np.minimum.at(first, which, np.arange(len(rows)))
    return rows[first], which


@njit(cache=True, nogil=True)
def _highest(cosines: FloatArray, offsets: IntArray) -> FloatArray:
    """Return the highest of some consecutive rows, column by column; no group (offsets) is empty."""
    out = np.empty((len(offsets) - 1, cosines.shape[1]), np.float32)
    for group in range(len(out)):
        best = out[group]
        for c in range(len(best)):
            best[c] = cosines[offsets[group], c]
        for row in range(offsets[group] + 1, offsets[group + 1]):
            for c in range(len(best)):
                best[c] = max(best[c], cosines[row, c])
    return out


@njit(cache=True, nogil=True)
def held_of(
    vectors: FloatArray, offsets: IntArray, prototypes: FloatArray, owners: IntArray, candidates: Ids
) -> FloatArray:
    """As `held_similarity`, of c candidate templates for each prompt (q, c) only, -1 = none; returns (q, c)."""
    rows, width = candidates.shape
    out = np.full((rows, width), np.float32(-1.0), np.float32)
    for r in range(rows):
        for c in range(width):
            f = candidates[r, c]
            if f < 0 or offsets[r] == offsets[r + 1]:
                continue
            span = offsets[r], offsets[r + 1]
            out[r, c] = held_by(vectors, span, prototypes, (owners[f], owners[f + 1]))
    return out


@kernel
def held_by(
    vectors: FloatArray, span: tuple[int, int], prototypes: FloatArray, own: tuple[int, int]
) -> np.float32:
    """As `held_similarity`, of the template with prototypes (p, d) from own[0] to own[1] and one prompt, whose vectors (s, d) are in `span`."""
    return held_from(vectors, span, prototypes, own, np.float32(-np.inf))


@kernel
def held_from(
    vectors: FloatArray,
    span: tuple[int, int],
    prototypes: FloatArray,
    own: tuple[int, int],
    least: np.float32,
) -> np.float32:
    """As `held_by`, or -1 as soon as what is left to compare cannot bring it to `least` any more."""
    total, count = np.float32(0.0), max(own[1] - own[0], 1)
    needed = np.float32(count) * (least - _MARGIN)
    for p in range(own[0], own[1]):
        nearest = np.float32(-1.0)
        for s in range(span[0], span[1]):
            nearest = max(nearest, cosine(vectors, s, prototypes, p))
        total += nearest
        if total + np.float32(own[1] - p - 1) < needed:
            return np.float32(-1.0)
    return np.float32(total / np.float32(count))


# the sum may be taken in any order, so in vector registers; a call of BLAS takes longer than such a short product
@kernel_with(fastmath=True)
def cosine(vectors: FloatArray, s: int, prototypes: FloatArray, p: int) -> np.float32:
    """Return the product of row s of some vectors (n, d) and row p of others (m, d)."""
    total = np.float32(0.0)
    for i in range(vectors.shape[1]):
        total += vectors[s, i] * prototypes[p, i]
    return total
