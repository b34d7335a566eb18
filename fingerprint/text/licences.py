"""Text that is known to be public before anybody sends it: open-source licences (`licences.npy`).

Thousands of strangers have the same licence header in the code that they send. Where only a campaign sends it on a night,
nobody else's requests show that it is public, and it would make most of the campaign's signature.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from importlib.resources import as_file, files

import numpy as np
import pyarrow as pa

from fingerprint.base.jit import njit
from fingerprint.base.types import Bools, HashArray
from fingerprint.text.ngram_table import PlaceTable, is_member
from fingerprint.text.ngrams import GRAM, Shingles, shingle
from fingerprint.text.tokenise import tokens

FEWEST = 16
"""N-grams in a row (19 words) from which on a text is a licence's; fewer are in anybody's English."""

OF_LICENCE = 0.7
"""Share of a sentence's n-grams from which on it is a licence's."""


@cache
def licence_grams() -> HashArray:
    """Return the n-grams of the licences that the Open Source Initiative approved, (g,) uint64, sorted."""
    with as_file(files(__package__).joinpath("licences.npy")) as path:
        return np.asarray(np.load(path), dtype=np.uint64)


@cache
def _licence_table() -> PlaceTable:
    return PlaceTable.of(licence_grams())


def without_licences(shingles: Shingles) -> Shingles:
    """Give each n-gram that holds words of a licence a hash that no other place has: it stays, but nobody shares it."""
    public = in_licences(shingles)
    at = np.flatnonzero(public)
    if not len(at):
        return shingles
    hashes = shingles.hashes.copy()
    hashes[at] = np.maximum(_own_hashes(hashes[at], at.astype(np.uint64)), 1)
    return replace(shingles, hashes=hashes)


def in_licences(shingles: Shingles) -> Bools:
    """Tell which n-grams (p,) hold words of a licence: FEWEST and more of a licence's in a row, and those that overlap them.

    One word may be another than in the licence, such as a name or a year.
    """
    known = is_member(shingles.hashes, _licence_table())
    return np.asarray(_runs(known, shingles.joined, FEWEST, GRAM), dtype=np.bool_)


def are_of_licences(sentences: pa.LargeStringArray) -> Bools:
    """Tell which normalised sentences (s,) are of a licence: OF_LICENCE of their n-grams, those at their edges apart, are."""
    read = tokens(sentences)
    shingles = shingle(read.hashes, read.section, read.row_offsets)
    known = np.append(0, np.cumsum(is_member(shingles.hashes, _licence_table())))
    held = known[shingles.offsets[1:]] - known[shingles.offsets[:-1]]
    return np.asarray((held > 0) & (held >= OF_LICENCE * (np.diff(shingles.offsets) - 2)))


def own_grams(grams: HashArray) -> HashArray:
    """Return a stored core (g,) without what it holds of licences, if that is FEWEST n-grams or more."""
    public = is_member(grams, _licence_table())
    return grams[~public] if np.count_nonzero(public) >= FEWEST else grams


def _own_hashes(hashes: HashArray, place: HashArray) -> HashArray:
    mixed = (hashes ^ (place + np.uint64(1))) * np.uint64(0xD6E8FEB86659FD93)
    return np.asarray(mixed ^ (mixed >> np.uint64(32)), dtype=np.uint64)


@njit(cache=True, nogil=True)
def _runs(known: Bools, joined: Bools, fewest: int, gram: int) -> Bools:
    """Mark runs with at least so many known n-grams (p,) and no gap wider than `gram`, and what overlaps them."""
    out = np.zeros(len(known), np.bool_)
    begin = 0  # of the section
    while begin < len(known):
        end = begin + 1
        while end < len(known) and joined[end - 1]:
            end += 1
        i = begin
        while i < end:
            if not known[i]:
                i += 1
                continue
            first, last, count, i = i, i, 1, i + 1
            while i < end and i - last <= gram + 1:
                if known[i]:
                    last, count = i, count + 1
                i += 1
            if count >= fewest:
                out[max(begin, first - gram + 1) : min(end, last + gram)] = True
            i = last + 1
        begin = end
    return out
