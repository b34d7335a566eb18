"""Recognises a new family as another wording, or a translation, of one that the same pool already sends.

A rewording shares meaning but little text with its original; a translation shares neither words nor,
for a model of one language, meaning. What both share is the senders. So a family born tonight becomes a
variant of a stored one, or of a much larger one born tonight as well, if its accounts come from that family's
pool, far beyond chance, while that family goes on, and its sentences mean what the other's sentences mean, or it
is foreign, written in words that the rest of the traffic hardly uses, and spread over the pool as the original is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from fingerprint.base import stats
from fingerprint.base.types import Bools, Doubles, FloatArray, Ids, IntArray
from fingerprint.evidence.null_models import MIN_POOL, POOL_OVERLAP_P

MIN_SHARED_POOL = 0.7
"""This share of the variant's accounts must send the original too (D-069)."""

MAX_PART = 0.5
"""A rewording has at most this part of the original's prompts; of two large families neither is the other's."""

MAX_NEW_PART = 1 / 3
"""... and of one that is new itself so much: which of the two came first is not known."""

MAX_FOREIGN_SHARE = 0.5
"""A template is foreign to another if it has less than this part of the other's share of common words."""

MIN_DRAWN_SHARE = 0.5
"""A foreign wording is sent by at least this part of the accounts that would send so much of the original by chance: a
pool that rotates through its wordings spreads each over all accounts, and other work of a few of them is not one (D-074)."""

SAME_MEANING = 0.5
"""Mean cosine of each sentence of the variant to its nearest of the original that is enough by itself (D-070)."""

MIN_BOTH_WAYS, MAX_BOTH_WAYS = 0.36, 0.46
"""What the mean of that and of the other direction must be, as a rewording may say in one sentence what took two: what
the two thresholds of meaning ask on average, for strangers reach a plain text by chance and a peculiar one never; but
within these bounds (D-072, D-073)."""

NAMES_WEIGHT = 0.2
"""What a rewording gains that holds all rare words of the original, and no others: of fields, tags, tools, and what
no synonym was at hand for, of which the vectors of sentences know little (D-076)."""


@dataclass(frozen=True, slots=True)
class Wording:
    """What is compared of f families.

    sentences: (p, d) unit rows, of each family's template and of the variants it has already. members: (f, n) CSR,
    variants' included. familiar: (f,) share of common words in the template; rare: (f, w) CSR, the others that it
    holds, and how much each counts. length: (f,) of the template, in letters (`translations.letters`). least: (f,) what a
    prompt must hold of the template's meaning to match it. language: names the language of a template, by its row; None where
    that is uncertain.
    """

    sentences: Sequence[FloatArray]
    members: sparse.csr_matrix
    familiar: Doubles
    rare: sparse.csr_matrix
    length: IntArray
    least: Doubles
    language: Callable[[int], str | None]

    def similarity(self, new: int, others: npt.NDArray[np.integer]) -> Doubles:
        """Return by how much a family is more like each of some others (m,) than it must be to say the same, (m,).

        Negative where it is less like it. new, others: rows.
        """
        shared = self._shared(new, others)
        own, theirs = self.rare[new].sum(), np.asarray(self.rare[others].sum(axis=1)).ravel()
        names = (shared / max(own, 1e-9) + shared / np.maximum(theirs, 1e-9)) / 2
        return np.array(
            [self._meaning(new, int(f), NAMES_WEIGHT * more) for f, more in zip(others, names, strict=True)]
        )

    def _meaning(self, new: int, other: int, bonus: float) -> float:
        """Return `similarity` to one other family; bonus: for the rare words that both hold."""
        one, two = self.sentences[new], self.sentences[other]
        if not len(one) or not len(two):
            return -np.inf
        cosines = one @ two.T
        there, back = float(cosines.max(axis=1).mean()), float(cosines.max(axis=0).mean())
        least = min(max((self.least[new] + self.least[other]) / 2, MIN_BOTH_WAYS), MAX_BOTH_WAYS)
        return float(max(there - SAME_MEANING, (there + back) / 2 + bonus - least))

    def _shared(self, new: int, others: npt.NDArray[np.integer]) -> Doubles:
        """Return what the rare words count that a family shares with each of some others."""
        return np.asarray(self.rare[others] @ self.rare[new].sign().toarray().ravel())

    def translated(self, new: int, candidates: npt.NDArray[np.integer]) -> int:
        """Return which of several families (m,), rows, a foreign one, the row `new`, most likely translates.

        A translation keeps names. So it is the one that shares most rare words, and of equal ones that of the most
        similar length.
        """
        length = np.log(np.maximum(self.length, 1))
        unlike = np.abs(length[candidates] - length[new])
        return int(candidates[np.lexsort((unlike, -self._shared(new, candidates)))[0]])


def originals(wording: Wording, born: Bools, senders: sparse.csr_matrix, *, spoken: sparse.csr_matrix) -> Ids:
    """Find the family that each new one is a variant of, (f,) int32 row numbers, -1 = none.

    born: (f,) bool, new tonight. senders: (n, a) CSR, who sent each prompt how often. spoken: (f, f) CSR,
    symmetric, nonzero where most prompts of one family say what the other, a reworded one, says: they are one, however
    large either is. A variant is nobody's original.
    """
    out = np.full(len(born), -1, dtype=np.int32)
    sent = (wording.members @ senders).tocsr()
    pool = sent.sign()
    size = np.diff(pool.indptr)
    overlap = np.asarray((pool @ pool.T).todense()) if len(born) else np.zeros((0, 0))
    prompts = np.diff(wording.members.indptr)
    fresh = np.flatnonzero(born & (size >= MIN_POOL))
    for new in fresh[np.argsort(-prompts[fresh], kind="stable")]:
        shared = overlap[new]
        alike = spoken[new].toarray().ravel() > 0
        most = np.where(alike, 1.0, MAX_NEW_PART) * prompts
        older = np.where(born, (prompts[new] <= most) & (out < 0), True)
        near = np.flatnonzero(older & (shared >= MIN_SHARED_POOL * size[new]))
        chance = stats.hypergeometric(
            shared[near], senders.shape[1], size[near], np.full(len(near), size[new])
        )
        candidates = near[chance < POOL_OVERLAP_P]
        if not len(candidates):
            continue
        meaning = wording.similarity(int(new), candidates)
        meaning = np.where(prompts[new] <= MAX_PART * prompts[candidates], meaning, -np.inf)
        meaning = np.where(alike[candidates], np.maximum(meaning, 1.0), meaning)
        if meaning.max() >= 0:
            out[new] = candidates[np.argmax(meaning)]
        elif (wording.familiar[new] < MAX_FOREIGN_SHARE * wording.familiar[candidates]).all():
            drawn = np.array([_drawn(sent[[old]], int(sent[[new]].sum())) for old in candidates])
            spread = candidates[size[new] >= MIN_DRAWN_SHARE * drawn]
            if len(spread):
                out[new] = wording.translated(int(new), spread)
    return out


def _drawn(sent: sparse.csr_matrix, draws: int) -> float:
    """Return how many senders so many draws with replacement from what they sent (1, a) are expected to find."""
    share = sent.data / sent.data.sum()
    return float((1 - (1 - share) ** draws).sum())
