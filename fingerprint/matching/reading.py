"""Normalised texts, by one kernel, into what they hold of the signatures: tokens, n-grams, the best of them, and scattered ones.

A prompt has a few hundred words. One call of a kernel from Python costs as much as reading them, so a lookup makes one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from fingerprint.base.jit import njit
from fingerprint.base.strings import buffers
from fingerprint.base.types import Bytes, Doubles, HashArray, Ids, IntArray
from fingerprint.matching.ngram_index import Also, Hits, NgramIndex, find_best
from fingerprint.matching.scattered import find_scattered, several_of
from fingerprint.text.ngrams import GRAM, hash_grams
from fingerprint.text.tokenise import scan, token_kinds


@dataclass(frozen=True, slots=True)
class Reading:
    """What q texts hold of the signatures.

    rows: (r,) int64, those that match no campaign and have `scattered` n-grams enough. own: the n-grams of each of these, and
    more: its scattered ones.
    """

    hits: Hits
    rows: IntArray
    own: list[HashArray]
    more: list[HashArray]


def read(texts: pa.LargeStringArray, index: NgramIndex, kept: HashArray) -> Reading:
    """Read normalised texts (q,); kept: `scattered.filter_of` the index."""
    family, score, coverage, row, other, its_score, grams, starts, rows, every, ends = _read(
        *buffers(texts), token_kinds(), index, kept
    )
    hits = Hits(family, score, coverage, Also(row, other, its_score))
    several, more = (rows[:0], []) if len(every) == 0 else several_of(every, ends, rows)
    return Reading(hits, several, [grams[starts[n] : starts[n + 1]] for n in several], more)


@njit(cache=True, nogil=True)
def _read(
    data: Bytes, offsets: IntArray, kinds: Bytes, index: NgramIndex, kept: HashArray
) -> tuple[
    Ids,
    Doubles,
    Doubles,
    IntArray,
    Ids,
    Doubles,
    HashArray,
    IntArray,
    IntArray,
    HashArray,
    IntArray,
]:
    token_offsets, hashes, _, _, section = scan(data, offsets, kinds)
    grams, _, starts = hash_grams(hashes, section, token_offsets, GRAM)
    family, score, coverage, row, other, its_score = find_best(grams, starts, index)
    rows = np.empty(len(family), np.int64)
    count = 0
    if len(index.campaign) > 0:
        for n in range(len(family)):
            f = family[n]
            if f < 0 or score[n] < index.threshold[f] or not index.campaign[f]:
                rows[count] = n
                count += 1
    rows = rows[:count]
    every, ends = find_scattered(index.grams, kept, hashes, section, token_offsets, rows)
    return family, score, coverage, row, other, its_score, grams, starts, rows, every, ends
