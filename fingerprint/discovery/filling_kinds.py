"""How unlike the things are that two families are filled with, by meaning: parts of one template are filled alike (D-257)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from scipy import sparse

from fingerprint.base.stats import pick_evenly
from fingerprint.base.types import Doubles, Embed, FloatArray, IntArray, TextsOfPrompts
from fingerprint.discovery.same_fillings import OWN_SHARE
from fingerprint.text.sentences import split_sentences

SAMPLE = 48
"""Prompts of a family that are read."""

FEWEST_FILLED = 4
"""Prompts with a filling from which on what fills a family is known."""


def filling_discrepancy(
    texts: TextsOfPrompts, members: sparse.csr_matrix, one: IntArray, other: IntArray, embed: Embed
) -> Doubles:
    """Return how unlike the fillings of pairs of families are, (p,) float64, about 0 for those of one kind, NaN unknown.

    The unbiased squared maximum mean discrepancy (Gretton et al. 2012, JMLR 13, eq. 3) between the mean vectors of what
    each prompt says beside its family's text, with their cosine as kernel. texts: of the n prompts. members: (f, n) CSR.
    one, other: (p,) rows of families.
    """
    rows, place = np.unique(np.concatenate([one, other]), return_inverse=True)
    vectors = [_fillings(texts, members[row].indices, embed) for row in rows.tolist()]
    first, second = place[: len(one)].tolist(), place[len(one) :].tolist()
    return _discrepancies(vectors, first, second)


def _discrepancies(vectors: Sequence[FloatArray], one: Sequence[int], other: Sequence[int]) -> Doubles:
    sizes = np.array([len(v) for v in vectors], dtype=np.float64)
    sums = [v.sum(axis=0, dtype=np.float64) for v in vectors]
    within = (
        np.array([s @ s for s in sums]) - sizes
    )  # of unit vectors: without each one's product with itself
    out = np.full(len(one), np.nan)
    for pair, (i, j) in enumerate(zip(one, other, strict=True)):
        if min(sizes[i], sizes[j]) >= FEWEST_FILLED:
            own = within[i] / (sizes[i] * (sizes[i] - 1)) + within[j] / (sizes[j] * (sizes[j] - 1))
            out[pair] = own - 2 * (sums[i] @ sums[j]) / (sizes[i] * sizes[j])
    return out


def _fillings(texts: TextsOfPrompts, prompts: IntArray, embed: Embed) -> FloatArray:
    """Return the mean vector of the sentences of each prompt that are not the family's own, (m, d) unit rows."""
    chosen = pick_evenly(np.sort(prompts), SAMPLE).astype(np.int64)
    flat, offsets = split_sentences(texts(chosen))
    code = flat.dictionary_encode().indices.to_numpy(zero_copy_only=False).astype(np.int64)
    filled = (
        np.flatnonzero(np.bincount(code)[code] <= max(OWN_SHARE * len(chosen), 1.0)) if len(code) else code
    )
    vectors = embed(flat.take(pa.array(filled)))
    prompt = np.repeat(np.arange(len(chosen)), np.diff(offsets))[filled]
    means = np.zeros((len(chosen), vectors.shape[1]), dtype=np.float32)
    np.add.at(means, prompt, vectors)
    length = np.linalg.norm(means, axis=1)
    known = length > 0
    return np.asarray(means[known] / length[known, None], dtype=np.float32)
