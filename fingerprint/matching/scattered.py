"""N-grams of signatures whose words a text has in their order, with others between them.

A client that puts a word of its own after every few of a template leaves no n-gram of it whole. What is found here counts only
where nearly all of a template is in the text (WHOLE): a few of its words in this order are in many an honest text (D-243).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from fingerprint.base.growing import widened
from fingerprint.base.jit import njit
from fingerprint.base.sorting import holds
from fingerprint.base.types import HashArray, IntArray
from fingerprint.text.masking import remask
from fingerprint.text.ngrams import GRAM, MULTIPLIER, shingle, spans
from fingerprint.text.normalise import normalise
from fingerprint.text.tokenise import Tokens, tokens

STEP, SPAN = 3, 7
"""How far from a word of the n-gram the next one may stand, 1 being beside it, and how far from the first the last: so up to two
others between any two, and four in all."""

LEAST = 8
"""N-grams with words between them that a text needs: a shorter template may be held by chance."""

MOST_SCATTERED = 4_096
"""N-grams of them that are remembered of a long text: more than a template has."""

WHOLE = 0.75
"""Share of a signature's weight that the text must hold of it."""

_SHIFT, _ONE = np.uint64(29), np.uint64(1)
_BLOCK = 8  # words of 64 bits: a line of the cache


def filter_of(grams: HashArray, templates: Sequence[str]) -> HashArray:
    """Return a set of bits that tells of most n-grams that they are in no template (`_BLOCK` + 1 words for each of 2^b blocks).

    Bits of n-grams that begin with the same two words lie in one block, so that a text's words with whatever stands before others
    are looked up in few lines of the processor's cache. A word for each block comes after all blocks and tells of most pairs of
    words that no n-gram begins with them, so that most of a text is never looked up in the blocks. grams: (g,) uint64, sorted, those that count. templates: segments as they
    are shown.
    """
    folded = normalise(pa.array(templates, pa.large_string())).to_pylist()
    words = tokens(pa.array([remask(text) for text in folded], pa.large_string()))
    every = shingle(words.hashes, words.section, words.row_offsets)
    # those with a mark of a beginning or an end have fewer words
    covered = spans(words.section, words.row_offsets)
    kept = np.flatnonzero((covered.last - covered.first == GRAM) & np.isin(every.hashes, grams))
    first, known = covered.first[kept], every.hashes[kept]
    pair = _mixed_all(
        _mixed_all(np.full(len(first), GRAM, np.uint64), words.hashes[first]), words.hashes[first + 1]
    )
    bits = max(4, int(len(known) // 16).bit_length())
    out = np.zeros((_BLOCK + 1) << bits, np.uint64)
    block = pair >> np.uint64(64 - bits)
    _set_bits(
        out,
        block * np.uint64(_BLOCK) + (known & np.uint64(_BLOCK - 1)),
        known >> np.uint64(3) & np.uint64(63),
    )
    _set_bits(out, block + np.uint64(_BLOCK << bits), pair & np.uint64(63))
    return out


@njit(cache=True, nogil=True)
def _set_bits(words: HashArray, place: HashArray, bit: HashArray) -> None:
    for i in range(len(place)):
        words[place[i]] |= _ONE << bit[i]


def _mixed_all(state: HashArray, token: HashArray) -> HashArray:
    """Mix (n,) words into hashes of n-grams, as `shingle` does."""
    mixed = (state ^ token) * MULTIPLIER
    return np.asarray(mixed ^ (mixed >> _SHIFT))


def several_of(every: HashArray, ends: IntArray, rows: IntArray) -> tuple[IntArray, list[HashArray]]:
    """Return those of some texts, rows (r,), that have LEAST or more of them, and the hashes of each, ascending.

    every: uint64, those of text rows[n] from ends[n] to ends[n + 1], as `find_scattered` returns them.
    """
    several = np.flatnonzero(np.diff(ends) >= LEAST)
    distinct = [np.unique(every[ends[n] : ends[n + 1]]) for n in several]
    enough_of = [n for n, found in enumerate(distinct) if len(found) >= LEAST]
    return rows[several[enough_of]], [distinct[n] for n in enough_of]


def scattered_in_one(grams: HashArray, kept: HashArray, words: Tokens) -> HashArray:
    """Find them in the one text of `words`, however few; returns their hashes, ascending."""
    every, _ = find_scattered(
        grams, kept, words.hashes, words.section, words.row_offsets, np.zeros(1, np.int64)
    )
    return np.unique(every)


@njit(cache=True, nogil=True)
def find_scattered(
    grams: HashArray,
    kept: HashArray,
    hashes: HashArray,
    section: np.ndarray,
    offsets: IntArray,
    rows: IntArray,
) -> tuple[HashArray, IntArray]:
    """Find n-grams of signatures with words between theirs in some texts; returns their hashes, and where each text's begin, (r + 1,).

    grams: (g,) uint64, sorted, those of the index; kept: `filter_of` them. hashes, section, offsets: of all texts' tokens, as
    in `Tokens`. rows: (r,) which texts.
    """
    bits = 0
    while ((_BLOCK + 1) << bits) < len(kept):
        bits += 1
    shift, pairs = np.uint64(64 - bits), np.uint64(_BLOCK << bits)
    out, n = np.empty(64, np.uint64), 0
    ends = np.zeros(len(rows) + 1, np.int64)
    for r in range(len(rows)):
        end = offsets[rows[r] + 1]
        for i in range(offsets[rows[r]], end):
            one = _mixed(np.uint64(GRAM), hashes[i])
            for j in range(i + 1, min(i + STEP, end - 1) + 1):
                two = _mixed(one, hashes[j])
                block = two >> shift
                if kept[pairs + block] >> (two & np.uint64(63)) & _ONE == 0:
                    continue
                block *= np.uint64(_BLOCK)
                for k in range(j + 1, min(j + STEP, end - 1) + 1):
                    three = _mixed(two, hashes[k])
                    for m in range(k + 1, min(k + STEP, i + SPAN, end - 1) + 1):
                        if m == i + GRAM - 1 or section[m] != section[i]:
                            continue
                        gram = max(_mixed(three, hashes[m]), _ONE)
                        word = kept[block + (gram & np.uint64(_BLOCK - 1))]
                        if word >> (gram >> np.uint64(3) & np.uint64(63)) & _ONE == 0:
                            continue
                        if not holds(grams, gram):
                            continue
                        if n == len(out):
                            out = widened(out, 2 * n)
                        out[n] = gram
                        n += 1
        ends[r + 1] = n
    return out[:n], ends


@njit(cache=True, nogil=True, inline="always")
def _mixed(state: np.uint64, token: np.uint64) -> np.uint64:
    mixed = (state ^ token) * MULTIPLIER
    return mixed ^ (mixed >> _SHIFT)
