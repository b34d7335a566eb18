"""Families that are filled with the same things: one question in several frames is one template's work (D-160)."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from scipy import sparse

from fingerprint.base.stats import pick_evenly
from fingerprint.base.types import IntArray, TextsOfPrompts
from fingerprint.text.sentences import SHORTEST_PROSE, split_sentences

SAMPLE = 2_048
"""Prompts of a family whose sentences are read."""

OWN_SHARE = 0.2
"""A sentence that more of a family's prompts hold is its text, and no filling."""

SAME_SHARE, FEWEST_SAME = 0.5, 5
"""Two families are filled alike if they share this part of the fewer fillings, and so many sentences."""


def same_fillings(texts: TextsOfPrompts, members: sparse.csr_matrix) -> sparse.csr_matrix:
    """Tell which families share most of what fills them, sentence by sentence, (f, f) symmetric CSR of bool.

    texts: of n prompts. members: (f, n) CSR, the prompts of each family.
    """
    flat, family, prompt = _sentences(texts, members)
    coded = flat.dictionary_encode()
    number = coded.indices.to_numpy().astype(np.int64)
    shape = (members.shape[0], len(coded.dictionary))
    # a sentence counts once a prompt
    key = np.unique(np.stack([prompt, number]), axis=1, return_index=True)[1]
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


def _sentences(
    texts: TextsOfPrompts, members: sparse.csr_matrix
) -> tuple[pa.LargeStringArray, IntArray, IntArray]:
    """Return the sentences (s,) of some prompts of each family that are long enough to be told apart, whose, and of which."""
    parts, family, prompt = [], [], []
    for f in range(members.shape[0]):
        chosen = pick_evenly(np.sort(members[f].indices), SAMPLE).astype(np.int64)
        flat, offsets = split_sentences(texts(chosen))
        _, ends, _ = flat.buffers()
        length = np.diff(np.frombuffer(ends, np.int64)[: len(flat) + 1]) if len(flat) else np.empty(0)
        long = np.flatnonzero(length >= SHORTEST_PROSE)
        parts.append(flat.take(pa.array(long)))
        family.append(np.full(len(long), f, dtype=np.int64))
        prompt.append(np.repeat(chosen, np.diff(offsets))[long])
    nothing = np.empty(0, dtype=np.int64)
    return (
        pa.concat_arrays([pa.array([], pa.large_string()), *parts]),
        np.concatenate([nothing, *family]),
        np.concatenate([nothing, *prompt]),
    )
