"""What a template is filled with: whether fillings come back as those of honest software do, and cover a list evenly.

A filling is what a prompt holds beside the family's grams; its runs of text, in order, are the slots.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy import sparse

from fingerprint.base import stats
from fingerprint.base.sparse import family_of
from fingerprint.base.types import Bools, Doubles, HashArray, Ids, IntArray
from fingerprint.evidence.null_models import Trait
from fingerprint.text.ngrams import Shingles

SHORT = 8
"""Tokens that a slot's value has at most to be taken from a list."""

SLOTS = 6
"""Slots of a prompt that are looked at."""

OFTEN = 1.5
"""Requests for each value of a list, below which its coverage says nothing."""

FEWEST_VALUES = 4


@dataclass(frozen=True, slots=True)
class Fillings:
    """What n prompts are filled with: whole (n,) uint64 and slots (n, SLOTS) uint64; 0 where there is nothing."""

    whole: HashArray
    slots: HashArray


def fillings(
    shingles: Shingles, token_hashes: HashArray, offsets: IntArray, label: Ids, grams: Sequence[HashArray]
) -> Fillings:
    """Take the grams of its family, label (n,) int32, -1 = none, from each prompt; grams: sorted, of each family."""
    ends = np.cumsum([0, *(len(g) for g in grams)]).astype(np.int64)
    every = np.concatenate([*grams, np.empty(0, dtype=np.uint64)])
    whole, slots = _taken(
        shingles.hashes,
        shingles.first,
        shingles.last,
        shingles.offsets,
        token_hashes,
        offsets,
        label,
        every,
        ends,
    )
    return Fillings(whole, slots)


@njit(cache=True, nogil=True)
def _taken(
    grams: HashArray,
    first: IntArray,
    last: IntArray,
    gram_offsets: IntArray,
    tokens: HashArray,
    offsets: IntArray,
    label: Ids,
    every: HashArray,
    ends: IntArray,
) -> tuple[HashArray, HashArray]:
    n = len(offsets) - 1
    whole = np.zeros(n, dtype=np.uint64)
    slots = np.zeros((n, SLOTS), dtype=np.uint64)
    for row in range(n):
        if label[row] < 0:
            continue
        mine = every[ends[label[row]] : ends[label[row] + 1]]
        begin = offsets[row]
        held = np.zeros(offsets[row + 1] - begin, dtype=np.bool_)
        for g in range(gram_offsets[row], gram_offsets[row + 1]):
            at = np.searchsorted(mine, grams[g])
            if at < len(mine) and mine[at] == grams[g]:
                held[first[g] - begin : last[g] - begin] = True
        slot = 0
        run = np.uint64(0)
        length = 0
        for i in range(len(held) + 1):
            if i < len(held) and not held[i]:
                run = (run ^ tokens[begin + i]) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(1)
                whole[row] = (whole[row] ^ tokens[begin + i]) * np.uint64(0xD6E8FEB86659FD93) + np.uint64(1)
                length += 1
            elif length:
                if slot < SLOTS and length <= SHORT:
                    slots[row, slot] = run
                slot += 1
                run = np.uint64(0)
                length = 0
    return whole, slots


def repeats(rows: sparse.csr_matrix, account: Ids, filling: HashArray) -> Trait:
    """Pairs of a family's requests with the same filling, against the rate of the other families; few are campaign-like.

    Null: as often as two requests of one account, and of two accounts, have one filling elsewhere; families differ,
    so the count is geometric (negative binomial of size 1). filling: (r,) of each request.
    """
    f = rows.shape[0]
    family, request = family_of(rows), rows.indices
    requests = np.diff(rows.indptr).astype(np.float64)
    sent, same_account = _pairs(family, account[request].astype(np.uint64), f)
    _, alike = _pairs(family, filling[request], f)
    key = filling[request] ^ (account[request].astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    _, both = _pairs(family, key, f)
    across, between = alike - both, requests * (requests - 1) / 2 - same_account
    expected = _elsewhere(both, same_account) * same_account + _elsewhere(across, between) * between
    known = (sent >= 2) & (expected > 0)
    chance = stats.geometric_below(alike, np.maximum(expected, 1e-9))
    nan = np.where(known, 0.0, np.nan)
    return Trait(alike + nan, expected + nan, np.where(known, -np.log10(np.maximum(chance, 1e-300)), 0.0))


def _elsewhere(seen: Doubles, pairs: Doubles) -> Doubles:
    """Return the share of pairs in all other families that are alike."""
    return np.asarray((seen.sum() - seen) / np.maximum(pairs.sum() - pairs, 1.0))


def _pairs(family: IntArray, value: HashArray, families: int) -> tuple[Doubles, Doubles]:
    """Count each family's different values, and pairs of equal ones."""
    order = np.lexsort((value, family))
    starts = np.ones(len(order), dtype=np.bool_)
    starts[1:] = (np.diff(family[order]) != 0) | (value[order][1:] != value[order][:-1])
    first = np.flatnonzero(starts)
    size = np.diff(np.append(first, len(order))).astype(np.float64)
    of = family[order][first]
    different = np.bincount(of, minlength=families).astype(np.float64)
    return different, np.bincount(of, size * (size - 1) / 2, families).astype(np.float64)


def coverage(rows: sparse.csr_matrix, slots: HashArray) -> Trait:
    """Index of dispersion of how often a slot has each of its values; lists that are worked through are even.

    Null: values are drawn at random with one rate (the most even of all random ways), those seen at least once:
    zero-truncated Poisson, sum of squares over its variance ~ chi², lower tail (Fisher 1936). Of the family's slots
    the most even counts, Bonferroni-corrected. slots: (r, SLOTS) of each request.
    """
    f = rows.shape[0]
    family, value = family_of(rows), np.full(f, np.nan)
    evidence, tried = np.zeros(f), np.zeros(f)
    for slot in range(SLOTS):
        has = slots[rows.indices, slot] != 0
        dispersion, tail, known = _even(family[has], slots[rows.indices, slot][has], f)
        tried += known
        better = known & (np.isnan(value) | (-tail > evidence))
        value[better], evidence[better] = dispersion[better], -tail[better]
    return Trait(
        value,
        np.where(np.isnan(value), np.nan, 1.0),
        np.maximum(evidence - np.log10(np.maximum(tried, 1)), 0),
    )


def _even(family: IntArray, value: HashArray, families: int) -> tuple[Doubles, Doubles, Bools]:
    """Return variance over that by chance, log10 of the chance of less, and where both are known, each (families,)."""
    order = np.lexsort((value, family))
    starts = np.ones(len(order), dtype=np.bool_)
    starts[1:] = (np.diff(family[order]) != 0) | (value[order][1:] != value[order][:-1])
    first = np.flatnonzero(starts)
    count = np.diff(np.append(first, len(order))).astype(np.float64)
    of = family[order][first]
    values = np.bincount(of, minlength=families)
    mean = np.bincount(of, count, families) / np.maximum(values, 1)
    squares = np.bincount(of, (count - mean[of]) ** 2, families)
    rate = np.maximum(mean, 1.0)
    for _ in range(60):
        rate = np.maximum(mean * -np.expm1(-rate), 1e-9)
    usual = np.maximum(mean * (1 + rate - mean), 1e-9)
    known = (values >= FEWEST_VALUES) & (mean >= OFTEN)
    tail = stats.log_chi_squared_below(squares / usual, np.maximum(values - 1, 1)) / np.log(10)
    dispersion = squares / usual / np.maximum(values - 1, 1)
    return dispersion, np.where(known, np.maximum(tail, -300.0), 0.0), known
