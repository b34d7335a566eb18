"""Which families of one pool are one template in two languages: by the pool alone, or by what they say, in the same order.

Cosines of sentences in two languages lie lower than those in one, and how much lower differs from language to language. But a
translation says the same things in the same order, so that its sentences are more alike in their own order than in any other: a
permutation test (Good 2005, Permutation, Parametric and Bootstrap Tests of Hypotheses), to which it is the same how alike a model finds two
languages. Orders are compared as Needleman & Wunsch 1970 align sequences, without a penalty for gaps (D-349).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from unicodedata import east_asian_width

import numpy as np
from scipy import sparse

from fingerprint.base import stats
from fingerprint.base.types import Bools, Doubles, FloatArray, IntArray
from fingerprint.evidence.null_models import POOL_OVERLAP_P
from fingerprint.signatures.variants import MAX_FOREIGN_SHARE, Wording

FEWEST_SHARED = 3
"""Accounts that send both of two families, from which on these may have one pool."""

LONGER = 2.0
"""A translation is at most so many times longer or shorter; where order is compared, in sentences."""

WIDE_LETTERS = 3
"""Letters of an alphabet that a Chinese, Japanese or Korean character stands for (D-352)."""

_NARROW = re.compile(r"[\x00-\u10ff]+")
"""Characters below those of Korean, none of which is wide: whole templates are passed over at once."""

FEWEST_IN_ORDER = 5
"""Sentences from which on their order tells: there are 120 orders of five."""

ORDERS, IN_ORDER_P = 999, 0.01
"""Orders that the one of two templates is compared with, and the share of these that may be as good."""

MIN_WORDS = 10
"""Rarer words of a template from which on they tell a language."""

COMMON_RARE_SHARE = 0.2
"""Templates in two languages share less than this part of the rarer words of either."""


def letters(text: str) -> int:
    """Return how long a text is in letters of an alphabet; characters that are wide in East Asia (UAX #11) stand for several."""
    wide = sum(east_asian_width(character) in "WF" for character in _NARROW.sub("", text))
    return len(text) + (WIDE_LETTERS - 1) * wide


def of_two_languages(wording: Wording, one: IntArray, other: IntArray) -> Bools:
    """Tell which pairs (p,) of families that one pool sends (`siblings.of_one_pool`) are in two languages, and as long."""
    length = np.maximum(wording.length, 1)
    near = np.abs(np.log(length[one] / length[other])) <= np.log(LONGER)
    near[near] = [
        _foreign(wording, i, j) for i, j in zip(one[near].tolist(), other[near].tolist(), strict=True)
    ]
    return _likeliest(wording, one, other, near)


def translations(
    wording: Wording, said: Sequence[Sequence[FloatArray]], senders: sparse.csr_matrix
) -> tuple[IntArray, IntArray]:
    """Return the pairs (p,) of families (f) in two languages that say the same in the same order, and share accounts beyond chance.

    said: (f) the sentences (c, d) of each family's template, unit rows in their order, and of those of its variants. senders:
    (n, a) CSR, who sent each prompt.
    """
    pool = (wording.members @ senders).sign().tocsr()
    size = np.diff(pool.indptr)
    shared = sparse.triu(pool @ pool.T, k=1).tocoo()
    both = shared.data.astype(np.int64)
    near = np.flatnonzero(both >= FEWEST_SHARED)
    one, other = shared.row[near].astype(np.int64), shared.col[near].astype(np.int64)
    chance = stats.hypergeometric(both[near], senders.shape[1], size[one], size[other])
    pooled = chance < POOL_OVERLAP_P
    one, other = one[pooled], other[pooled]
    foreign = [_foreign(wording, i, j) for i, j in zip(one.tolist(), other.tolist(), strict=True)]
    likeliest = _likeliest(wording, one, other, np.array(foreign, dtype=np.bool_))
    one, other = one[likeliest], other[likeliest]
    same = np.array(
        [_any_in_order(said[i], said[j]) for i, j in zip(one.tolist(), other.tolist(), strict=True)],
        dtype=np.bool_,
    )
    return one[same], other[same]


def _likeliest(wording: Wording, one: IntArray, other: IntArray, foreign: Bools) -> Bools:
    """Tell which pairs (p,) in two languages may be one template: a foreign family translates one template of each language.

    Of several of a language, which a pool with several templates sends, it is the one that it is most like by meaning and names:
    how much lower cosines of two languages lie is the same for all of them. one, other: pairs of families of one pool. foreign:
    (p,) bool, those in two languages.
    """
    swapped = wording.familiar[one] > wording.familiar[other]
    row, candidate = np.where(swapped, other, one), np.where(swapped, one, other)
    out = foreign.copy()
    for translated in np.unique(row[foreign]).tolist():
        asked = np.flatnonzero(foreign & (row == translated))
        mates = np.concatenate([other[one == translated], one[other == translated]])
        alike = wording.similarity(translated, mates)
        level = wording.similarity(translated, candidate[asked])
        for pair, own in zip(asked.tolist(), level.tolist(), strict=True):
            better = mates[alike > own].tolist()
            out[pair] = all(_foreign(wording, int(candidate[pair]), rival) for rival in better)
    return out


def _any_in_order(ours: Sequence[FloatArray], theirs: Sequence[FloatArray]) -> bool:
    return any(chance_of_order(one, other) <= IN_ORDER_P for one in ours for other in theirs)


def chance_of_order(one: FloatArray, other: FloatArray) -> float:
    """Return the share of orders of a template's sentences that are as like another's as its own order is, 0 to 1.

    one, other: (c, d) and (e, d) unit rows, each in the order of its text. How alike two orders are is the greatest sum of cosines of sentences that are paired
    without crossing. 1 for fewer than FEWEST_IN_ORDER sentences, or twice as many in one.
    """
    fewer, more = sorted((one, other), key=len)
    if len(fewer) < FEWEST_IN_ORDER or len(more) > LONGER * len(fewer):
        return 1.0
    cosine = np.maximum(fewer @ more.T, 0.0)
    orders = np.argsort(np.random.default_rng(0).random((ORDERS, len(fewer))), axis=1)
    alike = _paired(np.concatenate([cosine[None], cosine[orders]]))
    return float(np.mean(alike >= alike[0] - 1e-6))


def _paired(cosine: FloatArray) -> Doubles:
    """Return the greatest sums of cosines (o, c, e) of pairs that do not cross, (o,)."""
    best = np.zeros((cosine.shape[2] + 1, len(cosine)))
    for row in range(cosine.shape[1]):
        above = best.copy()
        for column in range(cosine.shape[2]):
            paired = above[column] + cosine[:, row, column]
            best[column + 1] = np.maximum(np.maximum(best[column], above[column + 1]), paired)
    return np.asarray(best[-1])


def _foreign(wording: Wording, one: int, other: int) -> bool:
    """Tell whether two templates are in two languages: one hardly uses the words common here, and they share few others.

    Unless both are surely in one (`text.languages`).
    """
    most = wording.familiar.max(initial=0.0)
    ours, theirs = sorted((wording.familiar[one], wording.familiar[other]))
    if ours >= MAX_FOREIGN_SHARE * most:
        return False
    rare = wording.rare[[one, other]].sign()
    common = (rare[0] @ rare[1].T)[0, 0]
    fewer = min(rare[0].nnz, rare[1].nnz)
    if fewer < MIN_WORDS:
        return False
    if ours >= MAX_FOREIGN_SHARE * theirs and common > COMMON_RARE_SHARE * fewer:
        return False
    language = wording.language(one)
    return language is None or language != wording.language(other)
