"""How much of what a template says a text says in other words, or in another language: sentence by sentence, word by word.

The vector of a sentence is the mean of its words', and so blurs what it says the more, the longer it is; words of
another language, whose vectors are means of several English words', blur it again. Of single words less is lost: a
word of the template counts as far as any word of the sentence means the same (BERTScore's recall; Zhang et al. 2020,
eq. 1), and so much as a static model weighs it in a mean, by the length of its vector. Half the cosine of the sentences is
added, so that a long sentence, which has some word for everything, counts less. What is said in another language than
English counts as so much more as it is less there.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fingerprint.base.jit import kernel, kernel_with, njit
from fingerprint.base.types import Bools, FloatArray, Ids, IntArray
from fingerprint.embedding.similarity import cosine

_OF_COSINE = np.float32(0.5)
_WHOLE = np.float32(1.5)

TRANSLATED = np.float32(0.87)
"""How much of an English sentence another one says in translation, of what it says in English: of what 1 in 1,000 pairs of
different instructions say, in all of twelve languages 0.82 to 0.91 (D-313)."""

ENOUGH = np.float32(1.5)
"""Summed lengths of its words' vectors from which on a sentence of a template says as much as any: of some six words."""

_WORTH_READING = np.float32(0.6)
"""The second nearest sentence is read if its cosine is at least so much of the nearest one's."""


class Words(NamedTuple):
    """The words of n texts: rows (w,) int32 of a static model's matrix, and where each text's begin, ends (n + 1,) int64."""

    rows: Ids
    ends: IntArray


class WordVectors(NamedTuple):
    """The vectors of a static model's words, (v, d) float32, and their lengths (v,) float32."""

    vectors: FloatArray
    lengths: FloatArray


@njit(cache=True, nogil=True)
def said_of(
    model: WordVectors,
    vectors: FloatArray,
    offsets: IntArray,
    words: Words,
    foreign: Bools,
    prototypes: FloatArray,
    owners: IntArray,
    asked: Words,
    row: IntArray,
    family: IntArray,
) -> FloatArray:
    """Return how much of a template some texts say in whatever words, (m,) float32, 0 to 1, for pairs of both.

    vectors: (s, d) float32 unit rows of the texts' sentences, of which offsets (q + 1,) begin
    each text's; words: of these sentences, foreign: (s,) bool, which are in another language than English. prototypes: (p, d), owners (f + 1,), as of `similarity.held_similarity`; asked: their
    words. row, family: (m,) int64, which text and which template.
    """
    out = np.empty(len(row), np.float32)
    for n in range(len(row)):
        span = offsets[row[n]], offsets[row[n] + 1]
        own = owners[family[n]], owners[family[n] + 1]
        out[n] = said_by(model, vectors, span, words, foreign, prototypes, own, asked, own[0])
    return out


@kernel
def said_by(
    model: WordVectors,
    vectors: FloatArray,
    span: tuple[int, int],
    words: Words,
    foreign: Bools,
    prototypes: FloatArray,
    own: tuple[int, int],
    asked: Words,
    first: int,
) -> np.float32:
    """As `said_of`, for the sentences in `span` and the prototypes from own[0] to own[1], whose words begin at number `first`.

    Of each sentence of the template, the two sentences nearest by their vectors are read. Sentences count alike, but for a few
    words that say little.
    """
    total, whole = np.float32(0), np.float32(1e-9)
    for p in range(own[0], own[1]):
        number, weight = first + p - own[0], np.float32(0)
        for w in range(asked.ends[number], asked.ends[number + 1]):
            weight += model.lengths[asked.rows[w]]
        weight = min(weight, ENOUGH)
        whole += weight
        nearest, other = span[0], span[0]
        near, less = np.float32(0), np.float32(0)
        for s in range(span[0], span[1]):
            c = cosine(vectors, s, prototypes, p)
            if c > near:
                other, less = nearest, near
                nearest, near = s, c
            elif c > less:
                other, less = s, c
        if near > 0:
            said = _said(model, asked, number, words, nearest, near, foreign[nearest])
            if less > 0 and less >= _WORTH_READING * near:
                said = max(said, _said(model, asked, number, words, other, less, foreign[other]))
            total += weight * said
    return np.float32(total / whole)


@kernel
def _said(
    model: WordVectors, asked: Words, p: int, words: Words, s: int, near: np.float32, translated: bool
) -> np.float32:
    said = (_recall(model, asked, p, words, s) + _OF_COSINE * near) / _WHOLE
    return np.float32(min(said / TRANSLATED, np.float32(1))) if translated else np.float32(said)


# sums may be taken in any order, so in vector registers
@kernel_with(fastmath=True)
def _recall(model: WordVectors, asked: Words, p: int, words: Words, s: int) -> np.float32:
    """Return how much of what the words of sentence p mean those of sentence s mean, 0 to 1."""
    total, weight = np.float32(0), np.float32(1e-9)
    for a in range(asked.ends[p], asked.ends[p + 1]):
        mine, best = model.vectors[asked.rows[a]], np.float32(0)
        for b in range(words.ends[s], words.ends[s + 1]):
            theirs = model.vectors[words.rows[b]]
            product = np.float32(0)
            for i in range(len(theirs)):
                product += mine[i] * theirs[i]
            # the other's length is left in: by it the word counts
            best = max(best, product / max(model.lengths[words.rows[b]], np.float32(1e-9)))
        total += best
        weight += model.lengths[asked.rows[a]]
    return np.float32(total / weight)
