"""Tells which texts one family's signatures may match, so that only those need a full lookup; it loses none (D-020).

Most texts are told apart as they came (`ascii_filter`), others once they are folded, and the rest normalised.

A text matches by the n-grams it holds or by what it means. Scores grow with both, so each signature's threshold says
how much weight of n-grams, or how much of its meaning, is needed at least. The first is counted exactly
(`ngram_weights`), the second bounded (`meaning_bounds`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from fingerprint.base.types import Bools, Doubles, FloatArray
from fingerprint.domain.signature import Signature
from fingerprint.embedding.embedder import Embedder
from fingerprint.hunting.ascii_filter import NO, UNKNOWN, YES, AsciiFilter, Verdicts
from fingerprint.hunting.meaning_bounds import MeaningBounds, MeaningModel, no_targets
from fingerprint.hunting.negative_cache import contains, empty_cache, hashes, remember
from fingerprint.hunting.ngram_weights import for_thread, hold_enough, ngram_weights
from fingerprint.matching import ngram_index
from fingerprint.signatures import match_score
from fingerprint.text.ngrams import shingle
from fingerprint.text.normalise import fold, mask_folded
from fingerprint.text.tokenise import tokens

BLOCK = 2_048
"""Texts worked at once: their tokens and n-grams stay in the processor's cache."""

_ROUNDING = 1e-4  # share of a bound, by which it is lower than it need be


class Prefilter:
    """The bounds of some signatures; each thread must use a copy of its own (`for_thread`).

    known_senders: whether the score of accounts that sent the family before is raised.
    """

    def __init__(self, signatures: Sequence[Signature], embedder: Embedder, *, known_senders: bool) -> None:
        index = ngram_index.index_ngrams(signatures)
        threshold = np.array([s.threshold for s in signatures])
        # what scores need before the family's shift, and the one for known senders
        if known_senders:
            most = np.ones(len(signatures), np.float32)
            threshold = _least(match_score.from_known_sender, most, threshold).astype(np.float64)
        threshold = match_score.shifted(threshold, -index.shift.astype(np.float64)) * (1 - _ROUNDING)
        total = index.total
        self._weights = ngram_weights(
            index, _least(lambda weight: match_score.score_of(weight, total), total, threshold)
        )
        with_meaning = [f for f, s in enumerate(signatures) if len(s.prototypes)]
        self._is_bounded = embedder.is_static or not with_meaning
        self._meaning_bounds: list[MeaningBounds] = []
        if not self._is_bounded:
            return
        typical = np.array([s.typical_similarity for s in signatures], np.float32)
        similarity = np.array([s.similarity for s in signatures], np.float32)
        least_meaning = _least(
            lambda share: match_score.score_of_meaning(match_score.meaning(share, similarity, typical)),
            np.ones_like(similarity),
            threshold,
        )
        # with words that are compared one by one, it is enough to be near (D-315)
        near = match_score.read_from(similarity, typical, match_score.READ_FROM)
        worded = np.array([s.word_similarity for s in signatures]) < 1
        least_meaning = np.where(worded & embedder.is_static, near, least_meaning).astype(np.float32)
        model = MeaningModel(embedder.encode, embedder.sums, embedder.evidence, embedder.pieces())
        for whole in (False, True):
            chosen = [f for f in with_meaning if (signatures[f].kind == "topical") == whole]
            if chosen:
                sizes = [len(signatures[f].prototypes) for f in chosen]
                self._meaning_bounds.append(
                    MeaningBounds(
                        np.concatenate([signatures[f].prototypes for f in chosen]),
                        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
                        least_meaning[chosen],
                        model,
                        whole=whole,
                    )
                )

    def for_thread(self, texts: pa.LargeStringArray) -> Prefilter:
        """Return one that tells the same, for another thread; some texts (n,), n > 0, sharpen its bounds."""
        for bounds in self._meaning_bounds:
            bounds.prepare(texts)
        other = copy.copy(self)
        other._weights = for_thread(self._weights)
        other._meaning_bounds = [bounds.for_thread() for bounds in self._meaning_bounds]
        other._begin()
        return other

    def _begin(self) -> None:
        self._negatives = empty_cache()
        targets = [bounds.ascii_targets() for bounds in self._meaning_bounds] or [no_targets()]
        self._ascii_filter = (
            AsciiFilter(self._weights, targets[0]) if len(targets) == 1 and targets[0] is not None else None
        )

    def may_match(self, texts: pa.LargeStringArray) -> Bools:
        """Tell which texts (n,), as `compose` makes them, a signature may match by its own threshold."""
        if not self._is_bounded:
            return np.ones(len(texts), np.bool_)  # a transformer's vectors have no bound but themselves
        keys = hashes(texts)
        known = contains(self._negatives, keys)
        verdict = self._of_ascii(texts, known)
        unknown = np.flatnonzero(verdict == UNKNOWN)
        if len(unknown):
            verdict[unknown] = self._of_folded(fold(texts.take(pa.array(unknown))))
        remember(self._negatives, keys[(verdict == NO) & ~known])
        return np.asarray(verdict == YES)

    def _of_ascii(self, texts: pa.LargeStringArray, known: Bools | None = None) -> Verdicts:
        if self._ascii_filter is None:
            return np.full(len(texts), UNKNOWN)
        return self._ascii_filter.verdicts(texts, known)

    def _of_folded(self, texts: pa.LargeStringArray) -> Verdicts:
        """Judge folded texts: quotes, dashes, accents and look-alikes are ASCII now."""
        verdict = self._of_ascii(texts)
        unknown = verdict == UNKNOWN
        verdict[unknown] = np.where(
            self._of_normalised(mask_folded(texts.filter(pa.array(unknown)))), YES, NO
        )
        return verdict

    def _of_normalised(self, texts: pa.LargeStringArray) -> Bools:
        words = tokens(texts)
        ngrams = shingle(words.hashes, words.section, words.row_offsets)
        enough = hold_enough(ngrams.hashes, ngrams.offsets, self._weights)
        for bounds in self._meaning_bounds:
            rest = np.flatnonzero(~enough)
            enough[rest] = bounds.may_hold(texts.take(pa.array(rest)))
        return enough


def _least(score: Callable[[Any], Doubles], most: FloatArray, threshold: Doubles) -> FloatArray:
    """Return a little less than the least x in 0 to `most` (f,) whose score is the threshold; inf where none is."""
    least = match_score.least_reaching(score, most, threshold)
    reached = score(most * np.float32(1 + _ROUNDING)) >= threshold
    return np.where(reached, least * np.float32(1 - _ROUNDING), np.float32(np.inf))
