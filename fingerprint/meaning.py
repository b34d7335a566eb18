"""What a prompt says, sentence by sentence: how much of a template's meaning it holds, in whatever words.

A template is a few sentences, and a reworded one says the same few things; the payload around it says others. So
each sentence of the template is compared with the prompt's nearest sentence, and the mean of these cosines is
what the prompt holds of the template (the directed part of BERTScore's recall over sentences; Zhang et al. 2020,
eq. 1). Whole-prompt vectors are mostly payload.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from fingerprint.records import SYSTEM_END, TURN_END, FloatArray, Ids, IntArray

HEAD, TAIL = 2000, 1000
"""Characters of a prompt that are read: a template stands before or after its payload, seldom inside."""

FEWEST_WORDS = 3
"""Shorter parts say too little; but other scripts may write a sentence without a space."""

MOST_SENTENCES = 32
"""Sentences of a text that are compared: its first ones, and its last ones as the last quarter."""

MATRIX = 1 << 24
"""Cosines held at once while prompts are compared with all templates."""

_BETWEEN = rf"[.;:!?\n{SYSTEM_END}{TURN_END}。！？；：]+\s*"


def sentences(texts: pa.Array | pa.ChunkedArray) -> tuple[pa.LargeStringArray, IntArray]:
    """Cut normalised texts (q,) into sentences; also return where each text's begin, offsets (q + 1,)."""
    whole = _combined(texts)
    long = pc.greater(pc.utf8_length(whole), HEAD + TAIL)
    ends = pc.binary_join_element_wise(
        pc.utf8_slice_codeunits(whole, 0, HEAD),
        pc.utf8_slice_codeunits(whole, -TAIL),
        pa.scalar("\n", whole.type),
    )
    parts = pc.split_pattern_regex(pc.if_else(long, ends, whole), _BETWEEN)
    flat = pc.utf8_trim_whitespace(parts.flatten())
    spaces = pc.count_substring_regex(flat, r"\s+").to_numpy()
    wordy = (spaces >= FEWEST_WORDS - 1) | (
        pc.binary_length(flat).to_numpy() > pc.utf8_length(flat).to_numpy()
    )
    owner = np.repeat(np.arange(len(whole)), pc.list_value_length(parts).to_numpy())
    kept = np.flatnonzero(wordy & (pc.utf8_length(flat).to_numpy() > 1))
    kept = kept[_within(owner[kept], len(whole))]
    offsets = np.concatenate([[0], np.cumsum(np.bincount(owner[kept], minlength=len(whole)))]).astype(
        np.int64
    )
    return flat.take(pa.array(kept)), offsets


def held(vectors: FloatArray, offsets: IntArray, prototypes: FloatArray, owners: IntArray) -> FloatArray:
    """How much of each of f templates each of q prompts holds, (q, f) float32; -1 for a prompt without sentences.

    vectors: (s, d) of the prompts' sentences, offsets (q + 1,). prototypes: (p, d) of the templates' sentences,
    owners (f + 1,) where each template's begin; every template has at least one. Rows are of unit length.
    """
    out = np.full((len(offsets) - 1, len(owners) - 1), -1.0, dtype=np.float32)
    said = np.flatnonzero(np.diff(offsets))
    step = max(1, MATRIX // max(len(prototypes) * MOST_SENTENCES, 1))
    for begin in range(0, len(said), step):
        rows = said[begin : begin + step]
        first = offsets[rows[0]]
        cosines = vectors[first : offsets[rows[-1] + 1]] @ prototypes.T
        nearest = np.maximum.reduceat(cosines, offsets[rows] - first, axis=0)
        out[rows] = np.add.reduceat(nearest, owners[:-1], axis=1) / np.diff(owners)
    return out


@njit(cache=True, nogil=True)
def held_of(
    vectors: FloatArray, offsets: IntArray, prototypes: FloatArray, owners: IntArray, candidates: Ids
) -> FloatArray:
    """As `held`, of c candidate templates for each prompt (q, c) only, -1 = none; returns (q, c)."""
    rows, width = candidates.shape
    out = np.full((rows, width), np.float32(-1.0), dtype=np.float32)
    for r in range(rows):
        for c in range(width):
            f = candidates[r, c]
            if f < 0 or offsets[r] == offsets[r + 1]:
                continue
            total = np.float32(0.0)
            for p in range(owners[f], owners[f + 1]):
                nearest = np.float32(-1.0)
                for s in range(offsets[r], offsets[r + 1]):
                    nearest = max(nearest, np.dot(vectors[s], prototypes[p]))
                total += nearest
            out[r, c] = total / np.float32(max(owners[f + 1] - owners[f], 1))
    return out


def _within(owner: IntArray, texts: int) -> npt.NDArray[np.bool_]:
    """Tell which sentences stay where a text has too many: its first ones, and at the end its last ones."""
    count = np.bincount(owner, minlength=texts)
    first = np.cumsum(count) - count
    place = np.arange(len(owner)) - first[owner]
    last = MOST_SENTENCES // 4
    return (place < MOST_SENTENCES - last) | (place >= count[owner] - last)


def _combined(texts: pa.Array | pa.ChunkedArray) -> pa.LargeStringArray:
    whole = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    return whole.cast(pa.large_string())
