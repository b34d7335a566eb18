"""Turns a signature into what a rule engine can look for: short runs of words, and how many of them are enough.

Rule engines know neither our normaliser nor our weights. A template's segments are cut into overlapping windows of
WINDOW words, so that every gram of the template stands in one of them. The rarest are kept, and so many are asked for
that even the lightest choice of them holds the weight of grams that the family's own threshold asks for: a text that
satisfies the rule scores at least that threshold by its grams alone (D-026).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from fingerprint.base.types import HashArray
from fingerprint.domain.signature import Signature, Template
from fingerprint.signatures import match_score
from fingerprint.signatures.match_score import base_threshold
from fingerprint.signatures.spelling import MOST_SIGNS
from fingerprint.text.masking import MASKS, remask
from fingerprint.text.ngrams import GRAM, Shingles, shingle, spans
from fingerprint.text.normalise import display, normalise
from fingerprint.text.tokenise import Tokens, tokens

WINDOW = 8
"""Words of a phrase, which hold 5 grams of 4 words."""

SLACK = 4
"""More signs than in the template that may stand between two words."""

MOST_JOINED = 8
"""Shown words that may fold to one, as a date's do."""

MOST_PHRASES = 24
"""Of one rule; the rarest of them."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that follow each other with nothing but signs between them.

    gaps: (words - 1,) the signs that stand there in the template; "" in scripts that have no spaces.
    weight: of the grams inside, as the signature weighs them.
    """

    words: tuple[str, ...]
    gaps: tuple[str, ...]
    weight: float


@dataclass(frozen=True, slots=True)
class Phrases:
    """What a rule looks for: any `needed` of `phrases`, which stand in the order of the template."""

    phrases: tuple[Phrase, ...]
    needed: int


def phrases_of(signature: Signature) -> Phrases | None:
    """Choose a signature's phrases; None when its fixed text is too little to reach the family's threshold."""
    weights = dict(zip(signature.grams.tolist(), signature.weights.tolist(), strict=True))
    weight_needed = _asked_weight(float(sum(weights.values())), base_threshold(signature))
    windows = [w for segment in signature.template.segments for w in _windows(segment.text, weights)]
    rank = sorted((n for n, w in enumerate(windows) if w.weight > 0), key=lambda n: -windows[n].weight)
    chosen = rank[:MOST_PHRASES]
    reached = np.cumsum([windows[n].weight for n in reversed(chosen)])
    needed = int(np.searchsorted(reached, weight_needed)) + 1
    return Phrases(tuple(windows[n] for n in sorted(chosen)), needed) if needed <= len(chosen) else None


def template_grams(template: Template) -> HashArray:
    """Return the grams of a template's segments, each read for itself, (g,) uint64."""
    texts = normalise(pa.array([segment.text for segment in template.segments], pa.large_string()))
    return _shingled(tokens(pa.array([remask(t) for t in texts.to_pylist()], pa.large_string()))).hashes


def _asked_weight(total: float, threshold: float) -> float:
    """Return the least weight of n-grams whose score reaches a threshold."""
    all_weight = np.array([total], np.float32)
    least = match_score.least_reaching(
        lambda weight: match_score.score_of(weight.astype(np.float32), all_weight),
        np.array([max(total, 1.0)]),
        threshold,
    )
    return float(least[0])


def _windows(text: str, weights: dict[int, float]) -> Iterator[Phrase]:
    """Cut a segment into phrases; takes each gram out of `weights`, so that it counts once."""
    folded = _TokenisedText.read(normalise(_column(text))[0].as_py())
    words = _as_shown(folded, _TokenisedText.read(display(_column(text))[0].as_py()))
    grams, covered = _shingled(folded.tokens), spans(folded.tokens.section, folded.tokens.row_offsets)
    whole = covered.last - covered.first == GRAM  # holds no mark of a prompt's start or end
    weight_at = np.zeros(len(words) + GRAM)
    for gram, first in zip(grams.hashes[whole].tolist(), covered.first[whole].tolist(), strict=True):
        weight_at[first] = weights.pop(gram, 0.0)
    for left, right in _runs(words):
        for begin in range(left, right - GRAM + 1, WINDOW - GRAM + 1):
            end = min(begin + WINDOW, right)
            chosen = words[begin:end]
            weight = float(weight_at[begin : end - GRAM + 1].sum())
            yield Phrase(tuple(w.text for w in chosen if w), tuple(w.gap for w in chosen[1:] if w), weight)


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    gap: str  # the signs before it


@dataclass(frozen=True, slots=True)
class _TokenisedText:
    """A text with its masks, and its tokens."""

    raw: bytes
    tokens: Tokens

    @classmethod
    def read(cls, text: str) -> _TokenisedText:
        masked = remask(text)
        return cls(masked.encode(), tokens(_column(masked)))

    def __len__(self) -> int:
        return len(self.tokens.hashes)

    def word(self, first: int, after: int) -> _Word:
        """Return some tokens, with the signs between them, as one word."""
        start = int(self.tokens.starts[first])
        before = int(self.tokens.ends[first - 1]) if first else start
        end = int(self.tokens.ends[after - 1])
        return _Word(self.raw[start:end].decode(), self.raw[before:start].decode())


def _as_shown(folded: _TokenisedText, shown: _TokenisedText) -> list[_Word | None]:
    """Return for each folded token the shown words that fold to it, None where none do or a mask stands.

    A fold may make one word of several: don’t with a curly apostrophe is two tokens, and don't is one.
    """
    single = _folded([shown.word(n, n + 1).text for n in range(len(shown))])
    out: list[_Word | None] = []
    at = 0
    for n in range(len(folded)):
        wanted = folded.word(n, n + 1).text
        after = at + 1
        if single[at : at + 1] != [wanted]:
            longer = range(at + 2, min(at + MOST_JOINED, len(shown)) + 1)
            joined = _folded([shown.word(at, end).text for end in longer])
            after = longer[joined.index(wanted)] if wanted in joined else 0
        out.append(shown.word(at, after) if after and wanted not in MASKS else None)
        at = after or at + 1
    return out


def _folded(texts: Sequence[str]) -> list[str]:
    return list(normalise(pa.array(texts, pa.large_string())).to_pylist())


def _runs(words: Sequence[_Word | None]) -> Iterator[tuple[int, int]]:
    """Give the ranges of words without a mask or a long gap inside."""
    begin = 0
    for n, word in enumerate((*words, None)):
        if word is None or len(word.gap) > MOST_SIGNS:
            yield begin, n
            begin = n + 1 if word is None else n


def _column(text: str) -> pa.LargeStringArray:
    return pa.array([text], pa.large_string())


def _shingled(words: Tokens) -> Shingles:
    return shingle(words.hashes, words.section, words.row_offsets)
