"""Which runs of words of its fillings an account has in common with others: what they all ask, beside the same template.

A pool that harvests answers asks each thing once. People who read the same news, run the same benchmark or sit in the same
class ask the same things, each with something of their own around them, so that their prompts are not copies. Only requests
in one wording of the template are compared: a question that is asked in several wordings is a campaign's probe.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from fingerprint.base.hashing import GOLDEN, mix
from fingerprint.base.types import Doubles, HashArray, Ids, IntArray
from fingerprint.text.ngram_table import PlaceTable, is_member
from fingerprint.text.ngrams import Shingles, shingle
from fingerprint.text.tokenise import tokens

RUN_TOKENS = 8
"""Tokens of a run: as many hardly come twice by chance."""

MOST_RUNS, KEPT_OF = 64, np.uint64(4)
"""Of a filling with more runs one in so many is looked at, whichever their hashes choose."""

UNKNOWN = np.iinfo(np.uint64).max
"""A wording that is not the family's own, but was joined to it by meaning."""


def of_families(grams: list[HashArray]) -> HashArray:
    """Return the grams of all families as one sorted array, each with its family mixed in; grams: of f families."""
    family = np.repeat(np.arange(len(grams)), [len(g) for g in grams])
    return np.unique(_within(np.concatenate([*grams, np.empty(0, dtype=np.uint64)]), family))


def wordings(shingles: Shingles, row: IntArray, family: IntArray, known: PlaceTable) -> HashArray:
    """Return which wording of its family's template each request has, (p,) uint64: the least of the family's grams in it.

    UNKNOWN where it has none, as another wording has. row: (p,) prompts of `shingles`. family: (p,) of each. known: what
    `of_families` returns.
    """
    count = np.diff(shingles.offsets)[row]
    first = np.cumsum(count) - count
    at = np.arange(int(count.sum())) + np.repeat(shingles.offsets[row] - first, count)
    held = _within(shingles.hashes[at], np.repeat(family, count))
    least = np.where(is_member(held, known), held, UNKNOWN)
    out = np.full(len(row), UNKNOWN, dtype=np.uint64)
    out[count > 0] = np.minimum.reduceat(least, first[count > 0]) if len(least) else UNKNOWN
    return out


def runs_of(fillings: pa.LargeStringArray, wording: HashArray) -> tuple[HashArray, IntArray]:
    """Return the hashed runs of fillings (p,), each with its wording mixed in, and the filling of each, both (k,).

    Fillings of unknown wordings have none.
    """
    words = tokens(fillings)
    runs = shingle(words.hashes, words.section, words.row_offsets, gram=RUN_TOKENS)
    count = np.diff(runs.offsets)
    filling = np.repeat(np.arange(len(count)), count)
    kept = (count[filling] <= MOST_RUNS) | (runs.hashes % KEPT_OF == 0)
    kept &= wording[filling] != UNKNOWN
    return mix(runs.hashes[kept] ^ wording[filling[kept]]), filling[kept]


def share_in_common(run: HashArray, request: IntArray, account: Ids, requests: int) -> Doubles:
    """Return which share of the runs of each request some other account has, too, (requests,), NaN where it has none.

    run: (k,) hashes, with family and wording mixed in. request: (k,) of each, 0 to requests - 1. account: (requests,).
    """
    sender = account[request]
    order = np.lexsort((sender, run))
    new_run = np.diff(run[order], prepend=~run[order[:1]]) != 0
    new_sender = new_run | (np.diff(sender[order], prepend=-1) != 0)
    group = np.cumsum(new_run) - 1
    several = np.empty(len(run), dtype=np.bool_)
    several[order] = (np.bincount(group, new_sender) > 1)[group] if len(group) else False
    total = np.bincount(request, minlength=requests)
    common = np.bincount(request, several, minlength=requests)
    return np.where(total > 0, common / np.maximum(total, 1), np.nan)


def _within(hashes: HashArray, family: IntArray) -> HashArray:
    return mix(hashes ^ mix((family.astype(np.uint64) + np.uint64(1)) * GOLDEN))
