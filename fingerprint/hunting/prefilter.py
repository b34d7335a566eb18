"""Tells which texts one family's signatures may match, so that only those need a full lookup; it loses none (D-020).

Most texts are told apart as they came (`sieve`), others once they are folded, and the rest normalised.

A text matches by the grams it holds or by what it means. Scores grow with both, so each signature's threshold says
how much weight of grams, or how much of its meaning, is needed at least. The first is counted exactly, the second
bounded (`gist`).
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
from fingerprint.hunting.meaning_bounds import MeaningBounds, MeaningModel, nothing_spoken
from fingerprint.hunting.negative_cache import are_known, hashes, remember, seen_texts
from fingerprint.hunting.ngram_weights import gram_sum, holding, twin
from fingerprint.matching import ngram_index
from fingerprint.signatures import match_score
from fingerprint.text.ngrams import shingle
from fingerprint.text.normalise import folded, masked
from fingerprint.text.tokenise import tokens

BLOCK = 2_048
"""Texts worked at once: their tokens and grams stay in the processor's cache."""

_LESS = 1e-4  # share of a bound that rounding may take


class Prefilter:
    """The bounds of some signatures; one thread at a time may use a `twin`.

    known_senders: whether the score of accounts that sent the family before is raised.
    """

    def __init__(self, signatures: Sequence[Signature], embedder: Embedder, *, known_senders: bool) -> None:
        index = ngram_index.gram_index(signatures)
        threshold = np.array([s.threshold for s in signatures])
        # what scores need before the family's shift, and the one for known senders
        if known_senders:
            most = np.ones(len(signatures), np.float32)
            threshold = _least(match_score.from_known_sender, most, threshold).astype(np.float64)
        threshold = match_score.shifted(threshold, -index.shift.astype(np.float64)) * (1 - _LESS)
        total = index.total
        self._sums = gram_sum(index, _least(lambda x: match_score.score_of(x, total), total, threshold))
        with_meaning = [f for f, s in enumerate(signatures) if len(s.prototypes)]
        self._bounded = embedder.is_static or not with_meaning
        self._gists: list[MeaningBounds] = []
        if not self._bounded:
            return
        usual = np.array([s.usual for s in signatures], np.float32)
        near = np.array([s.similarity for s in signatures], np.float32)
        held = _least(
            lambda x: match_score.score_of_meaning(match_score.meaning(x, near, usual)),
            np.ones_like(near),
            threshold,
        )
        model = MeaningModel(embedder.encode, embedder.sums, embedder.pieces())
        for whole in (False, True):
            chosen = [f for f in with_meaning if (signatures[f].kind == "topical") == whole]
            if chosen:
                sizes = [len(signatures[f].prototypes) for f in chosen]
                self._gists.append(
                    MeaningBounds(
                        np.concatenate([signatures[f].prototypes for f in chosen]),
                        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
                        held[chosen],
                        model,
                        whole=whole,
                    )
                )

    def twin(self, texts: pa.LargeStringArray) -> Prefilter:
        """Return one that tells the same, for another thread; some texts (n,), n > 0, sharpen its bounds."""
        for gist in self._gists:
            gist.prepare(texts)
        other = copy.copy(self)
        other._sums, other._gists = twin(self._sums), [gist.twin() for gist in self._gists]
        other._begin()
        return other

    def _begin(self) -> None:
        self._seen = seen_texts()
        spoken = [gist.spoken() for gist in self._gists] or [nothing_spoken()]
        self._sieve = (
            AsciiFilter(self._sums, spoken[0]) if len(spoken) == 1 and spoken[0] is not None else None
        )

    def may_match(self, texts: pa.LargeStringArray) -> Bools:
        """Tell which texts (n,), as `compose` makes them, a signature may match by its own threshold."""
        if not self._bounded:
            return np.ones(len(texts), np.bool_)  # a transformer's vectors have no bound but themselves
        keys = hashes(texts)
        known = are_known(self._seen, keys)
        verdict = self._sieved(texts, known)
        unknown = np.flatnonzero(verdict == UNKNOWN)
        if len(unknown):
            verdict[unknown] = self._folded(folded(texts.take(pa.array(unknown))))
        remember(self._seen, keys[(verdict == NO) & ~known])
        return np.asarray(verdict == YES)

    def _sieved(self, texts: pa.LargeStringArray, known: Bools | None = None) -> Verdicts:
        return np.full(len(texts), UNKNOWN) if self._sieve is None else self._sieve.verdicts(texts, known)

    def _folded(self, texts: pa.LargeStringArray) -> Verdicts:
        """Judge folded texts: quotes, dashes, accents and look-alikes are ASCII now."""
        verdict = self._sieved(texts)
        unknown = verdict == UNKNOWN
        verdict[unknown] = np.where(self._block(masked(texts.filter(pa.array(unknown)))), YES, NO)
        return verdict

    def _block(self, texts: pa.LargeStringArray) -> Bools:
        found = tokens(texts)
        grams = shingle(found.hashes, found.section, found.row_offsets)
        enough = holding(grams.hashes, grams.offsets, self._sums)
        for gist in self._gists:
            rest = np.flatnonzero(~enough)
            enough[rest] = gist.may_hold(texts.take(pa.array(rest)))
        return enough


def _least(score: Callable[[Any], Doubles], most: FloatArray, threshold: Doubles) -> FloatArray:
    """Return the least x in 0 to `most` (f,) whose score, which grows with x, is the threshold; inf if none is."""
    low, high = np.zeros_like(most), most.copy()
    half = np.float32(0.5)
    for _ in range(40):
        middle = (low + high) * half
        good = score(middle) >= threshold
        high, low = np.where(good, middle, high), np.where(good, low, middle)
    reached = score(most * np.float32(1 + _LESS)) >= threshold
    return np.where(reached, high * np.float32(1 - _LESS), np.float32(np.inf))
