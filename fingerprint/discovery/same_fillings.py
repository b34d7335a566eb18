"""Families that are filled with the same things: one question in several frames is one template's work (D-160)."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from fingerprint.base.hashing import hash_strings
from fingerprint.base.sparse import ranges
from fingerprint.base.stats import pick_evenly
from fingerprint.base.types import HashArray, IntArray, TextsOfPrompts
from fingerprint.text.sentences import SHORTEST_PROSE, split_sentences

SAMPLE = 2_048
"""Prompts of a family whose sentences are read."""

AT_ONCE = 8_192
"""Prompts whose texts are in memory together."""

OWN_SHARE = 0.2
"""A sentence that more of a family's prompts hold is its text, and no filling."""

SAME_SHARE, FEWEST_SAME = 0.5, 5
"""Two families are filled alike if they share this part of the fewer fillings, and so many sentences."""


def same_fillings(texts: TextsOfPrompts, members: sparse.csr_matrix) -> sparse.csr_matrix:
    """Tell which families share most of what fills them, sentence by sentence, (f, f) symmetric CSR of bool.

    texts: of n prompts. members: (f, n) CSR, the prompts of each family.
    """
    sentence, family, prompt = _sentences(texts, members)
    different, number = np.unique(sentence, return_inverse=True)
    shape = (members.shape[0], len(different))
    # a sentence counts once a prompt
    key = np.unique(prompt * len(different) + number, return_index=True)[1]
    count = sparse.csr_matrix((np.ones(len(key)), (family[key], number[key])), shape=shape)
    read = np.minimum(np.diff(members.indptr), SAMPLE)
    most = np.maximum(OWN_SHARE * read, 1.0)
    count.data = (count.data <= most[np.repeat(np.arange(shape[0]), np.diff(count.indptr))]).astype(
        np.float64
    )
    count.eliminate_zeros()
    shared = (count @ count.T).tocoo()
    size = np.diff(count.indptr)
    fewer = np.minimum(size[shared.row], size[shared.col])
    same = (shared.row != shared.col) & (shared.data >= FEWEST_SAME) & (shared.data >= SAME_SHARE * fewer)
    rows, columns = shared.row[same], shared.col[same]
    return sparse.csr_matrix((np.ones(len(rows), np.bool_), (rows, columns)), shape=(shape[0],) * 2)


def _sentences(texts: TextsOfPrompts, members: sparse.csr_matrix) -> tuple[HashArray, IntArray, IntArray]:
    """Return the sentences (s,) of some prompts of each family that are long enough to be told apart, whose, and of which.

    The texts of a large night are on disk, in pieces: all families' prompts are read together, so that each piece is
    unpacked once.
    """
    chosen = [pick_evenly(np.sort(members[f].indices), SAMPLE) for f in range(members.shape[0])]
    family = np.repeat(np.arange(len(chosen)), [len(own) for own in chosen])
    prompts, place = np.unique(np.concatenate([np.empty(0, np.int64), *chosen]), return_inverse=True)
    parts, counts = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
    for begin in range(0, len(prompts), AT_ONCE):
        hashes, count = _long_sentences(texts(prompts[begin : begin + AT_ONCE].astype(np.int64)))
        parts.append(hashes)
        counts.append(count)
    offsets = np.append(0, np.cumsum(np.concatenate(counts)))
    held, ends = ranges(offsets, place)
    each = np.diff(ends)
    return np.concatenate(parts)[held], np.repeat(family, each), np.repeat(prompts[place], each)


def _long_sentences(texts: pa.Array | pa.ChunkedArray) -> tuple[HashArray, IntArray]:
    """Return the hashes of the sentences of some texts (q,) that are long enough, text by text, and how many each has, (q,)."""
    flat, offsets = split_sentences(texts)
    long = pc.greater_equal(pc.binary_length(flat), SHORTEST_PROSE).to_numpy(zero_copy_only=False)
    counts = np.diff(np.append(0, np.cumsum(long))[offsets])
    return hash_strings(flat.filter(pa.array(long))), counts
