"""Tells which texts may say what a template says, many times faster than by embedding their sentences.

A static model's vector of a sentence points where the sum of its words' vectors does. Let B hold an orthonormal
basis whose span holds the prototype p, and y be that sum in the basis. Then the sentence's cosine to p is y·Bp over
the length of the whole sum, which is at least |y|. So no cosine is above y·Bp / |y|, or above 0 where that is
negative; and y needs a few additions a word where the vector needs hundreds (`sentence_bounds`). An ASCII word is cut
into the vocabulary's pieces there (`embedding.wordpiece`), any other is given to the model's tokeniser once. What a
text holds of a template (`embedding.similarity`) is bounded by the bounds of its sentences.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from fingerprint.base.simd import LANES
from fingerprint.base.strings import buffers, strings
from fingerprint.base.types import Bools, Embed, FloatArray, IntArray
from fingerprint.embedding.languages import MOST_EVIDENCE
from fingerprint.embedding.wordpiece import WordPieces
from fingerprint.hunting.sentence_bounds import (
    EVIDENCE,
    KNOWN,
    WORDS,
    NewWords,
    SentenceModel,
    SentenceWords,
    finish,
    read,
    rehash,
)
from fingerprint.hunting.word_table import WordTable, empty_table
from fingerprint.text.normalise import normalise
from fingerprint.text.sentences import heads, split_sentences

DIMENSIONS = 128
"""Of the basis, or more for many prototypes; the others are the main directions of some texts (D-020, D-324)."""

NEAR, MIDDLE, MIN_SPARE = 32, 64, 8
"""Columns that are looked at first and then, for they exclude most texts: so many, or more, lest fewer than MIN_SPARE are left beside
the prototypes'."""

SAMPLE = 512
"""Texts whose main directions complete the basis."""

SLACK = 1e-4
"""Cosines are float32 sums over hundreds of words; a bound this much too low is not trusted to exclude."""

MAX_WORDS = 1 << 18
"""Distinct words remembered (about 150 MB); beyond them all are forgotten and learnt anew."""

_MAX_PAIRS, _MAX_NEW_BYTES, _MAX_NEW_WORDS = 1 << 17, 1 << 20, 1 << 16
_MAX_WAITING = 1 << 13  # sentences with new words, kept until these are known


NO_PIECES = WordPieces(np.zeros(1, np.uint64), 0, 0, 0, False, np.zeros(1, np.uint64))
"""Of a tokeniser that is asked for every word."""


class MeaningModel(NamedTuple):
    """What bounds need of a static model: texts to unit rows, to the sums of their tokens' vectors, and to their evidence.

    pieces: how ASCII words are cut, and the pieces' vectors (v, d), or None where `sums` must be asked for each.
    """

    encode: Embed
    sums: Embed
    evidence: Callable[[pa.LargeStringArray], IntArray]
    pieces: tuple[WordPieces, FloatArray] | None = None


class MeaningTargets(NamedTuple):
    """What is looked for by meaning, in texts of ASCII words; for one thread at a time.

    pieces: how words are cut. words: those that were met, and the vectors of pieces and words in the basis.
    prototypes: (p, q) float32 in the basis, zeros in the first column and from column p + 1 on. owners: (f + 1,) int64, where each template's begin.
    least: (f,) float32, how much of each matters, 0 to 1; inf for none. stages: (s,) int64, how many columns are looked
    at first, then, and at last.
    """

    pieces: WordPieces
    words: WordTable
    prototypes: FloatArray
    owners: IntArray
    least: FloatArray
    stages: IntArray


def no_targets() -> MeaningTargets:
    """Look for nothing."""
    nothing = np.empty((0, 0), np.float32)
    return MeaningTargets(
        NO_PIECES,
        empty_table(nothing),
        nothing,
        np.zeros(1, np.int64),
        np.empty(0, np.float32),
        np.empty(0, np.int64),
    )


class MeaningBounds:
    """Bounds what texts hold of templates from above; one thread at a time may use it.

    prototypes: (p, d) float32 unit rows, owners: (f + 1,) int64, where each template's begin. least: (f,) float32, how
    much of each matters, 0 to 1; inf for one that no text can hold enough of. whole: the beginning of a text counts as
    its one sentence, as it does for families of a meaning without text.
    """

    def __init__(
        self,
        prototypes: FloatArray,
        owners: IntArray,
        least: FloatArray,
        model: MeaningModel,
        *,
        whole: bool = False,
    ) -> None:
        self._prototypes, self._owners, self._least, self._whole = prototypes, owners, least, whole
        self._model = model
        self._pieces, self._piece_sums = NO_PIECES, np.empty((0, 0), np.float32)
        self._dimensions = _in_lanes(max(DIMENSIONS, len(prototypes) + DIMENSIONS // 2))
        self._basis: FloatArray | None = None
        self._targets = np.empty((0, 0), np.float32)
        self._begin()

    def _begin(self) -> None:
        self._new_words = NewWords(
            np.empty(_MAX_PAIRS, np.int64),
            np.empty(_MAX_PAIRS, np.int64),
            np.empty(_MAX_WAITING, np.int64),
            np.empty((_MAX_WAITING, self._dimensions), np.float32),
            np.empty(_MAX_NEW_BYTES, np.uint8),
            np.zeros(_MAX_NEW_WORDS + 1, np.int64),
            np.zeros(4, np.int64),
            np.zeros(1 if self._model.pieces is None else self._model.pieces[0].most + 1, np.int32),
        )
        self._forget(2 * _MAX_NEW_WORDS)

    def _forget(self, room: int) -> None:
        self._words = SentenceWords(np.zeros(2 * room, np.uint64), np.zeros(2 * room, np.int32))
        self._sums = np.zeros((room, self._dimensions), np.float32)
        self._word_count = 0

    def for_thread(self) -> MeaningBounds:
        """Return one with the same basis, for another thread."""
        other = copy.copy(self)
        other._begin()
        return other

    def may_hold(self, texts: pa.LargeStringArray) -> Bools:
        """Tell which texts (n,) may hold `least` or more of a template; false only where none does."""
        if not len(texts) or not np.isfinite(self._least).any():
            return np.zeros(len(texts), np.bool_)
        self.prepare(texts)
        bounds = np.add.reduceat(self._bounds(texts), self._owners[:-1], axis=1) / np.diff(self._owners)
        return np.asarray((bounds >= self._least - SLACK).any(axis=1))

    def prepare(self, texts: pa.LargeStringArray) -> None:
        """Choose the basis, once, by some texts (n,), n > 0: which ones changes no answer but its sharpness."""
        if self._basis is None:
            first = normalise(texts.slice(0, SAMPLE))
            sample = heads(first) if self._whole else split_sentences(first)[0]
            self._basis = _basis(self._prototypes, self._model.encode(sample), self._dimensions)
            own = self._basis[1 : len(self._prototypes) + 1]
            self._targets = np.zeros((len(own), _in_lanes(len(own) + 1)), np.float32)
            self._targets[:, 1 : len(own) + 1] = self._prototypes @ own.T
            if self._model.pieces is not None:
                self._pieces, vectors = self._model.pieces
                told = np.zeros((2 * MOST_EVIDENCE + 1, self._dimensions), np.float32)
                told[:, EVIDENCE] = np.arange(-MOST_EVIDENCE, MOST_EVIDENCE + 1)
                self._piece_sums = np.concatenate([vectors @ self._basis.T, told])

    def ascii_targets(self) -> MeaningTargets | None:
        """Return what is looked for in texts of ASCII words, once prepared, with room of its own for words.

        None where whole texts are looked for, or the tokeniser must be asked for every word.
        """
        if self._whole or not len(self._piece_sums):
            return None
        least, most = _in_lanes(len(self._prototypes) + 1 + MIN_SPARE), self._piece_sums.shape[1]
        stages = np.unique([max(NEAR, least), max(MIDDLE, least), most])
        words = empty_table(self._piece_sums)
        return MeaningTargets(self._pieces, words, self._targets, self._owners, self._least, stages)

    def _bounds(self, texts: pa.LargeStringArray) -> FloatArray:
        """Bound the cosine of each text's nearest sentence to each prototype, (n, p), 0 to 1."""
        data, offsets = buffers(texts)
        best = np.zeros((len(texts), len(self._prototypes)), np.float32)
        row, new = 0, self._new_words
        while row < len(texts):
            if self._word_count + _MAX_NEW_WORDS > len(self._sums):
                self._grow()
            new.counts[:] = 0
            new.counts[KNOWN] = self._word_count
            model = SentenceModel(self._words, self._sums, self._targets, self._pieces, self._piece_sums)
            row = read((data, offsets), row, self._whole, model, best, new)
            self._embed_new_words()
            finish(new, self._sums, self._targets, best)
        return best

    def _embed_new_words(self) -> None:
        new, words = self._new_words, int(self._new_words.counts[WORDS])
        if words:
            assert self._basis is not None
            texts = strings(new.data[: new.ends[words]], new.ends[: words + 1])
            rows = self._sums[self._word_count : self._word_count + words]
            rows[:] = self._model.sums(texts) @ self._basis.T
            rows[:, EVIDENCE] = self._model.evidence(texts)
        self._word_count += words

    def _grow(self) -> None:
        room = 2 * len(self._sums)
        if room > MAX_WORDS:
            self._forget(len(self._sums))
            return
        old, sums, known = self._words, self._sums, self._word_count
        self._forget(room)
        self._sums[:known], self._word_count = sums[:known], known
        rehash(old, self._words)


def _in_lanes(columns: int) -> int:
    """Return so many columns or a few more, which the processor adds without a rest."""
    return -(-columns // LANES) * LANES


def _basis(prototypes: FloatArray, sample: FloatArray, dimensions: int) -> FloatArray:
    """Return orthonormal rows behind a row of zeros, (dimensions, d) float32: p rows span the prototypes (p, d).

    All of them span most of a sample, (s, d) float32. Rows that are left over are zero.
    """
    own = np.linalg.qr(prototypes.T.astype(np.float64))[0].T
    rest = sample - (sample @ own.T) @ own
    main = np.linalg.eigh(rest.T @ rest)[1].T[::-1]
    orthonormal = np.linalg.qr(np.concatenate([own, main])[: dimensions - 1].T)[0].T
    out = np.zeros((dimensions, prototypes.shape[1]), np.float32)
    out[1 : len(orthonormal) + 1] = orthonormal
    return out
