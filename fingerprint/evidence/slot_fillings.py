"""What a template is filled with in each prompt: the filling as a whole, and the values of its slots.

A filling is what a prompt holds beside the grams of its family. Its runs of text, in order, are the slots. Both are
kept as hashes; what they tell is measured in `evidence.statistics.slot_values`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa
from numba import njit

from fingerprint.base.hashing import mix
from fingerprint.base.sorting import holds
from fingerprint.base.types import Bools, Bytes, HashArray, Ids, IntArray
from fingerprint.text.masking import MASKS
from fingerprint.text.ngrams import Shingles, Spans, shingle, spans
from fingerprint.text.tokenise import tokens

MAX_SLOT_TOKENS = 8
"""Tokens of a slot up to which its value is kept: longer ones are taken from no list."""

MAX_SLOTS = 6
"""Slots of a prompt whose values are kept."""

FEWEST_TOKENS, FEWEST_BYTES = 3, 15
"""A run of text that says something of its own has so many tokens, masks apart, and so many bytes: three words, or five
characters of Chinese. Shorter ones, as names and numbers, are alike by chance."""

CUT_AT_ONCE = 1_024
"""Texts whose grams are in memory together where they are cut into runs."""


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


def long_runs(
    texts: pa.Array | pa.ChunkedArray, row: IntArray, family: IntArray, grams: Sequence[HashArray]
) -> tuple[HashArray, IntArray]:
    """Take a family's grams out of texts, and return what is left as runs long enough to say something of their own.

    texts: normalised. row, family: (p,) int64, which text each pair is of, ascending, and which family's grams are taken out
    of it; grams: sorted, of each family. Returns the hashes of the runs (r,) uint64 and the pair that holds each, (r,) int64
    ascending. A run ends where a section does (the system prompt, a turn).
    """
    templates = np.concatenate([*grams, np.empty(0, dtype=np.uint64)])
    offsets = np.cumsum([0, *(len(g) for g in grams)]).astype(np.int64)
    runs, owners = [np.empty(0, dtype=np.uint64)], [np.empty(0, dtype=np.int64)]
    for begin in range(0, len(texts), CUT_AT_ONCE):
        words = tokens(texts.slice(begin, CUT_AT_ONCE))
        shingles = shingle(words.hashes, words.section, words.row_offsets)
        covered = spans(words.section, words.row_offsets)
        first, last = np.searchsorted(row, [begin, begin + CUT_AT_ONCE])
        run, owner = _hash_long_runs(
            (words.hashes, words.section, words.starts, words.ends, words.row_offsets),
            (shingles.hashes, covered.first, covered.last, shingles.offsets),
            (row[first:last] - begin, family[first:last]),
            templates,
            offsets,
            _masks(),
        )
        runs.append(run)
        owners.append(owner + first)
    return np.concatenate(runs), np.concatenate(owners)


@cache
def _masks() -> HashArray:
    """Return the hashes of the tokens that masks are, sorted."""
    return np.sort(tokens(pa.array(sorted(MASKS), pa.large_string())).hashes)


@njit(cache=True, nogil=True)
def _fixed(
    template: HashArray, grams: HashArray, first: IntArray, last: IntArray, tokens: tuple[int, int]
) -> Bools:
    """Tell which tokens of a text the template's grams cover; tokens: where the text's begin and end."""
    fixed = np.zeros(tokens[1] - tokens[0], dtype=np.bool_)
    for g in range(len(grams)):
        if holds(template, grams[g]):
            fixed[first[g] - tokens[0] : last[g] - tokens[0]] = True
    return fixed


@njit(cache=True, nogil=True)
def _hash_long_runs(
    token: tuple[HashArray, Bytes, Ids, Ids, IntArray],
    gram: tuple[HashArray, IntArray, IntArray, IntArray],
    pair: tuple[IntArray, IntArray],
    family_grams: HashArray,
    family_gram_offsets: IntArray,
    masks: HashArray,
) -> tuple[HashArray, IntArray]:
    hashes, section, starts, ends, offsets = token
    prompt_grams, first, last, prompt_gram_offsets = gram
    row, family = pair
    room = 0
    for p in range(len(row)):
        room += (offsets[row[p] + 1] - offsets[row[p]]) // FEWEST_TOKENS
    out, owner = np.empty(room, dtype=np.uint64), np.empty(room, dtype=np.int64)
    o = 0
    for p in range(len(row)):
        template = family_grams[family_gram_offsets[family[p]] : family_gram_offsets[family[p] + 1]]
        begin, end = offsets[row[p]], offsets[row[p] + 1]
        at = slice(prompt_gram_offsets[row[p]], prompt_gram_offsets[row[p] + 1])
        fixed = _fixed(template, prompt_grams[at], first[at], last[at], (begin, end))
        run, count, start = np.uint64(0), 0, begin
        for i in range(begin, end + 1):
            if i == end or fixed[i - begin] or (i > start and section[i] != section[i - 1]):
                if count >= FEWEST_TOKENS and ends[i - 1] - starts[start] >= FEWEST_BYTES:
                    out[o], owner[o] = run, p
                    o += 1
                run, count = np.uint64(0), 0
                start = i + 1 if i < end and fixed[i - begin] else i
            if i < end and not fixed[i - begin]:
                run = (run ^ hashes[i]) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(1)
                count += not holds(masks, hashes[i])
    return out[:o].copy(), owner[:o].copy()


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
        at = slice(prompt_gram_offsets[row], prompt_gram_offsets[row + 1])
        fixed = _fixed(template, prompt_grams[at], first[at], last[at], (begin, offsets[row + 1]))
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
