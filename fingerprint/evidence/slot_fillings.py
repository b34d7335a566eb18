"""What a template is filled with in each prompt: the filling as a whole, and the values of its slots.

A filling is what a prompt holds beside the grams of its family. Its runs of text, in order, are the slots. Both are
kept as hashes; what they tell is measured in `evidence.statistics.slot_values`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fingerprint.base.hashing import mix
from fingerprint.base.jit import njit
from fingerprint.base.types import Bools, HashArray, Ids, IntArray
from fingerprint.text.ngrams import Spans

MAX_SLOT_TOKENS = 8
"""Tokens of a slot up to which its value is kept: longer ones are taken from no list."""

MAX_SLOTS = 6
"""Slots of a prompt whose values are kept."""


@dataclass(frozen=True, slots=True)
class Fillings:
    """What n prompts are filled with: whole (n,) uint64 and slots (n, MAX_SLOTS) uint64 hashes; 0 = nothing."""

    whole: HashArray
    slots: HashArray


def fillings(own: Bools, covered: Spans, token_hashes: HashArray, offsets: IntArray, label: Ids) -> Fillings:
    """Take the grams of its family from each of n prompts.

    own: (p,), which of the prompts' grams are of their families. covered: the tokens of each gram. token_hashes: (t,)
    uint64, of which prompt i has offsets[i] to offsets[i + 1]; offsets (n + 1,). label: (n,) int32, each prompt's family,
    -1 = none.
    """
    grams = own, covered.first, covered.last, covered.offsets
    return Fillings(*_hash_fillings(grams, token_hashes, offsets, label))


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
    grams: tuple[Bools, IntArray, IntArray, IntArray], tokens: HashArray, offsets: IntArray, label: Ids
) -> tuple[HashArray, HashArray]:
    own, first, last, gram_offsets = grams
    n = len(offsets) - 1
    whole = np.zeros(n, np.uint64)
    slots = np.zeros((n, MAX_SLOTS), np.uint64)
    for row in range(n):
        if label[row] < 0:
            continue
        begin = offsets[row]
        fixed = np.zeros(offsets[row + 1] - begin, np.bool_)
        for g in range(gram_offsets[row], gram_offsets[row + 1]):
            if own[g]:
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
