"""Families that are filled with the same things: one question in several frames is one template's work (D-160, D-357)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from fingerprint.base.hashing import hash_strings
from fingerprint.base.sparse import ranges
from fingerprint.base.stats import pick_evenly
from fingerprint.base.types import HashArray, IntArray, TextsOfPrompts
from fingerprint.evidence.slot_fillings import long_runs
from fingerprint.text.sentences import SHORTEST_PROSE, split_sentences

SAMPLE = 2_048
"""Prompts of a family whose fillings are read."""

AT_ONCE = 8_192
"""Prompts whose texts are in memory together."""

LONGEST = 4_096
"""A prompt of more bytes shows what fills it as sentences only: what is short, and runs into its template, is in short ones."""

OWN_SHARE = 0.2
"""A sentence that more of a family's prompts hold is its text, and no filling."""

SAME_SHARE, FEWEST_SAME = 0.5, 5
"""Two families are filled alike if they share this part of the fewer fillings, and so many of them."""

Parts = tuple[HashArray, IntArray]
"""Hashes of parts of texts, (h,) uint64, and which pair of a family and a prompt holds each, (h,) int64."""


def same_fillings(
    texts: TextsOfPrompts, members: sparse.csr_matrix, grams: Sequence[HashArray]
) -> sparse.csr_matrix:
    """Tell which families share most of what fills them, (f, f) symmetric CSR of bool.

    What fills a prompt is its sentences that few others of its family hold; or, as a question may be too short for one, or
    run into the template's text without a full stop, the runs of text that its family's n-grams leave.

    texts: of n prompts. members: (f, n) CSR, the prompts of each family. grams: its n-grams, sorted uint64, of each family.
    The texts of a large night are on disk, in pieces: all families' prompts are read together, so that each piece is
    unpacked once.
    """
    chosen = [pick_evenly(np.sort(members[f].indices), SAMPLE) for f in range(members.shape[0])]
    prompt = np.concatenate([np.empty(0, np.int64), *chosen])
    family = np.repeat(np.arange(len(chosen)), [len(own) for own in chosen])
    order = np.argsort(prompt, kind="stable")
    family = family[order]
    prompts, place = np.unique(prompt[order], return_inverse=True)
    sentences: list[Parts] = []
    runs: list[Parts] = []
    for begin in range(0, len(prompts), AT_ONCE):
        first, last = np.searchsorted(place, [begin, begin + AT_ONCE])
        read, row = texts(prompts[begin : begin + AT_ONCE].astype(np.int64)), place[first:last] - begin
        sentences.append(_long_sentences(read, row, first))
        runs.append(_runs(read, row, family[first:last], grams, first))
    return _alike(sentences, family, len(chosen)) + _alike(runs, family, len(chosen))


def _alike(parts: Sequence[Parts], family: IntArray, families: int) -> sparse.csr_matrix:
    """Tell which families share most of their parts, as `same_fillings`; family: (p,) of each pair."""
    hashes = np.concatenate([np.empty(0, np.uint64), *(part for part, _ in parts)])
    pair = np.concatenate([np.empty(0, np.int64), *(owner for _, owner in parts)])
    different, number = np.unique(hashes, return_inverse=True)
    # a part counts once a prompt
    once = np.unique(pair * len(different) + number)
    pair, number = once // max(len(different), 1), once % max(len(different), 1)
    count = sparse.csr_matrix((np.ones(len(once)), (family[pair], number)), shape=(families, len(different)))
    most = np.maximum(OWN_SHARE * np.bincount(family, minlength=families), 1.0)
    count.data = (count.data <= np.repeat(most, np.diff(count.indptr))).astype(np.float64)
    count.eliminate_zeros()
    shared = (count @ count.T).tocoo()
    size = np.diff(count.indptr)
    fewer = np.minimum(size[shared.row], size[shared.col])
    same = (shared.row != shared.col) & (shared.data >= FEWEST_SAME) & (shared.data >= SAME_SHARE * fewer)
    rows, columns = shared.row[same], shared.col[same]
    return sparse.csr_matrix((np.ones(len(rows), np.bool_), (rows, columns)), shape=(families,) * 2)


def _long_sentences(texts: pa.Array | pa.ChunkedArray, row: IntArray, first: int) -> Parts:
    """Return the sentences that are long enough to be told apart; row: (p,) which text is of each pair, from `first` on."""
    flat, offsets = split_sentences(texts)
    long = pc.greater_equal(pc.binary_length(flat), SHORTEST_PROSE).to_numpy(zero_copy_only=False)
    hashes = hash_strings(flat.filter(pa.array(long)))
    held, ends = ranges(np.append(0, np.cumsum(long))[offsets], row)
    return hashes[held], first + np.repeat(np.arange(len(row)), np.diff(ends))


def _runs(
    texts: pa.Array | pa.ChunkedArray,
    row: IntArray,
    family: IntArray,
    grams: Sequence[HashArray],
    first: int,
) -> Parts:
    """Return the runs of text that a family's n-grams leave of texts that are not too long; row, family: (p,) of each pair."""
    short = pc.less_equal(pc.binary_length(texts), LONGEST).to_numpy(zero_copy_only=False)
    pairs = np.flatnonzero(short[row])
    at = np.cumsum(short)[row[pairs]] - 1
    hashes, owner = long_runs(texts.filter(pa.array(short)), at, family[pairs], grams)
    return hashes, first + pairs[owner]
