"""What a template is filled with in each prompt: the filling as a whole, and the values of its slots.

A filling is what a prompt holds beside the grams of its family. Its runs of text, in order, are the slots. Both are
kept as hashes; what they tell is measured in `evidence.statistics.slot_values`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit

from fingerprint.base.hashing import mix
from fingerprint.base.sorting import holds
from fingerprint.base.types import HashArray, Ids, IntArray
from fingerprint.text.ngrams import Shingles, Spans

MAX_SLOT_TOKENS = 8
"""Tokens of a slot up to which its value is kept: longer ones are taken from no list."""

MAX_SLOTS = 6
"""Slots of a prompt whose values are kept."""


@dataclass(frozen=True, slots=True)
class Fillings:
    """What n prompts are filled with: whole (n,) uint64 and slots (n, MAX_SLOTS) uint64 hashes; 0 = nothing."""

    whole: HashArray
    slots: HashArray


def fillings(
    shingles: Shingles,
    covered: Spans,
    token_hashes: HashArray,
    offsets: IntArray,
    label: Ids,
    grams: Sequence[HashArray],
) -> Fillings:
    """Take the grams of its family from each of n prompts.

    shingles, covered: of these prompts. token_hashes: (t,) uint64, of which prompt i has offsets[i] to offsets[i + 1]; offsets
    (n + 1,). label: (n,) int32, each prompt's family, -1 = none. grams: the sorted grams of each family.
    """
    gram_offsets = np.cumsum([0, *(len(g) for g in grams)]).astype(np.int64)
    whole, slots = _hash_fillings(
        shingles.hashes,
        covered.first,
        covered.last,
        shingles.offsets,
        token_hashes,
        offsets,
        label,
        np.concatenate([*grams, np.empty(0, dtype=np.uint64)]),
        gram_offsets,
    )
    return Fillings(whole, slots)


def told_apart(filled: Fillings, label: Ids) -> Fillings:
    """Give distinct prompts (n,) that are filled with nothing each a filling of its own: what differs in them is masked.

    label: (n,) int32, each prompt's family, -1 = none.
    """
    masked = np.flatnonzero((label >= 0) & (filled.whole == 0))
    whole = filled.whole.copy()
    whole[masked] = mix(masked.astype(np.uint64) + np.uint64(1))
    return Fillings(whole, filled.slots)


@njit(cache=True, nogil=True)
def _hash_fillings(
    prompt_grams: HashArray,
    first: IntArray,
    last: IntArray,
    prompt_gram_offsets: IntArray,
    tokens: HashArray,
    offsets: IntArray,
    label: Ids,
    family_grams: HashArray,
    family_gram_offsets: IntArray,
) -> tuple[HashArray, HashArray]:
    n = len(offsets) - 1
    whole = np.zeros(n, dtype=np.uint64)
    slots = np.zeros((n, MAX_SLOTS), dtype=np.uint64)
    for row in range(n):
        if label[row] < 0:
            continue
        template = family_grams[family_gram_offsets[label[row]] : family_gram_offsets[label[row] + 1]]
        begin = offsets[row]
        fixed = np.zeros(offsets[row + 1] - begin, dtype=np.bool_)
        for g in range(prompt_gram_offsets[row], prompt_gram_offsets[row + 1]):
            if holds(template, prompt_grams[g]):
                fixed[first[g] - begin : last[g] - begin] = True
        slot = 0
        run = np.uint64(0)
        length = 0
        for i in range(len(fixed) + 1):
            if i < len(fixed) and not fixed[i]:
                run = (run ^ tokens[begin + i]) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(1)
                whole[row] = (whole[row] ^ tokens[begin + i]) * np.uint64(0xD6E8FEB86659FD93) + np.uint64(1)
                length += 1
            elif length:
                if slot < MAX_SLOTS and length <= MAX_SLOT_TOKENS:
                    slots[row, slot] = run
                slot += 1
                run = np.uint64(0)
                length = 0
    return whole, slots
