"""Turns a signature into what a rule engine can look for: short runs of words, and how many of them are enough.

Rule engines know neither our normaliser nor our weights. A template's segments are cut into overlapping windows of
WINDOW words, so that every gram of the template stands in one of them. The rarest are kept, and so many are asked for
that even the lightest choice of them holds the weight of grams that the family's own threshold asks for: a text that
satisfies the rule scores at least that threshold by its grams alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa

from fingerprint import match
from fingerprint.columns import Shingles
from fingerprint.masks import MASKS, UUID, remask
from fingerprint.normalise import display, normalise
from fingerprint.records import HashArray, Signature, Template
from fingerprint.shingle import GRAM, shingle
from fingerprint.tokenise import Tokens, tokens

Fold = Callable[[pa.Array], pa.LargeStringArray]

WINDOW = 8
"""Words of a phrase, which hold 5 grams of 4 words."""

SLACK = 4
"""More signs than in the template that may stand between two words."""

MOST_SIGNS = 12
"""Between two words of a phrase; what nights write has no more (`template.MOST_SIGNS`)."""

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
    asked = _asked_weight(float(sum(weights.values())), signature.threshold)
    windows = [w for segment in signature.template.segments for w in _windows(segment.text, weights)]
    rank = sorted((n for n, w in enumerate(windows) if w.weight > 0), key=lambda n: -windows[n].weight)
    chosen = rank[:MOST_PHRASES]
    reached = np.cumsum([windows[n].weight for n in reversed(chosen)])
    needed = int(np.searchsorted(reached, asked)) + 1
    return Phrases(tuple(windows[n] for n in sorted(chosen)), needed) if needed <= len(chosen) else None


def template_grams(template: Template) -> HashArray:
    """Return the grams of a template's segments, each read for itself, (g,) uint64."""
    texts = normalise(pa.array([segment.text for segment in template.segments], pa.large_string()))
    return _shingled(tokens(pa.array([remask(t) for t in texts.to_pylist()], pa.large_string()))).hashes


def _asked_weight(total: float, threshold: float) -> float:
    """Return the least weight of grams whose score reaches a threshold, by bisection: the score rises with it."""
    low, high = 0.0, max(total, 1.0)
    for _ in range(40):
        middle = (low + high) / 2
        enough = match.score_of(np.array([middle], np.float32), np.array([total], np.float32))[0] >= threshold
        low, high = (low, middle) if enough else (middle, high)
    return high


def _windows(text: str, weights: dict[int, float]) -> Iterator[Phrase]:
    """Cut a segment into phrases; takes each gram out of `weights`, so that it counts once."""
    folded, shown = _Words.read(normalise, text), _Words.read(display, text)
    # a fold may make one word of two, or two of one; then the folded words are looked for
    words = shown if len(shown.words) == len(folded.words) else folded
    grams = _shingled(folded.tokens)
    whole = grams.last - grams.first == GRAM  # holds no mark of a prompt's start or end
    weight_at = np.zeros(len(words.words) + GRAM)
    for gram, first in zip(grams.hashes[whole].tolist(), grams.first[whole].tolist(), strict=True):
        weight_at[first] = weights.pop(gram, 0.0)
    for left, right in folded.runs():
        for begin in range(left, right - GRAM + 1, WINDOW - GRAM + 1):
            end = min(begin + WINDOW, right)
            weight = float(weight_at[begin : end - GRAM + 1].sum())
            yield Phrase(words.words[begin:end], words.gaps[begin : end - 1], weight)


@dataclass(frozen=True, slots=True)
class _Words:
    tokens: Tokens
    words: tuple[str, ...]
    gaps: tuple[str, ...]

    @classmethod
    def read(cls, fold: Fold, text: str) -> _Words:
        """Split a text as `fold` makes it into words."""
        folded = remask(fold(pa.array([text], pa.large_string()))[0].as_py())
        found = tokens(pa.array([folded], pa.large_string()))
        raw = folded.encode()
        spans = list(zip(found.starts.tolist(), found.ends.tolist(), strict=True))
        return cls(
            found,
            tuple(raw[start:end].decode() for start, end in spans),
            tuple(raw[left[1] : right[0]].decode() for left, right in pairwise(spans)),
        )

    def runs(self) -> Iterator[tuple[int, int]]:
        """Give the ranges of words between masks, which stand for other text in every prompt, and long gaps."""
        begin = 0
        for n, word in enumerate((*self.words, UUID)):
            if word in MASKS:
                yield begin, n
                begin = n + 1
            elif n < len(self.gaps) and len(self.gaps[n]) > MOST_SIGNS:
                yield begin, n + 1
                begin = n + 1


def _shingled(found: Tokens) -> Shingles:
    return shingle(found.hashes, found.section, found.row_offsets)
