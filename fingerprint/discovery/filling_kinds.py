"""What the prompts of families of one pool show of each other: how unlike they are filled, and whether they mix (D-257, D-320)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy import sparse

from fingerprint.base.stats import pick_evenly
from fingerprint.base.types import Bools, Doubles, Embed, FloatArray, IntArray, TextsOfPrompts
from fingerprint.discovery.reworded import CLAIMED
from fingerprint.discovery.same_fillings import OWN_SHARE
from fingerprint.discovery.sentence_groups import EDGE
from fingerprint.text.sentences import split_sentences

SAMPLE, AT_ONCE = 48, 64
"""Prompts of a family that are read, and families whose prompts are read together: of a large night texts are packed in
pieces on disk (D-356)."""

FEWEST_FILLED = 4
"""Prompts with a filling from which on what fills a family is known."""

WORDED_ANEW, FEWEST_WORDINGS, COMPARED = 0.5, 3, 16
"""A sentence is the template's, however it is worded, if this share of the family's other prompts, so many at least, say the same
(cosine CLAIMED) within EDGE sentences of either end; of more prompts than the last number it is asked of so many (D-351)."""

IN_PART = 0.8
"""A prompt holds a sentence of another family's template if one of its own has this cosine with it."""

FEWEST_MIXED = 3
"""Prompts of a family that hold what another's template says from which on this is no chance."""


@dataclass(frozen=True, slots=True)
class Resemblance:
    """What the prompts of pairs (p,) of families show of each other.

    unlike: how unlike they are filled, about 0 for those of one kind, NaN where that is unknown. mixed: the larger share of
    one's prompts, 0 to 1, that hold a sentence which the other's template says, and their own does not.
    """

    unlike: Doubles
    mixed: Doubles


@dataclass(frozen=True, slots=True)
class _Read:
    """Sentences of some prompts of a family: vectors (s, d), unit rows; prompt (s,), of `prompts`; filling (s,), which are not the family's own."""

    vectors: FloatArray
    prompt: IntArray
    filling: Bools
    prompts: int


def resemblance(
    texts: TextsOfPrompts,
    members: sparse.csr_matrix,
    said: Sequence[FloatArray],
    one: IntArray,
    other: IntArray,
    embed: Embed,
) -> Resemblance:
    """Compare the prompts of pairs of families.

    How unlike they are filled is the unbiased squared maximum mean discrepancy (Gretton et al. 2012, JMLR 13, eq. 3)
    between the mean vectors of what each prompt says beside its family's text, with their cosine as kernel. texts: of the
    n prompts. members: (f, n) CSR. said: (f) what each family's template says, (c, d) unit rows. one, other: (p,) rows of
    families.
    """
    rows, place = np.unique(np.concatenate([one, other]), return_inverse=True)
    read: list[_Read] = []
    for begin in range(0, len(rows), AT_ONCE):
        some = rows[begin : begin + AT_ONCE].tolist()
        chosen = [pick_evenly(np.sort(members[row].indices), SAMPLE).astype(np.int64) for row in some]
        prompts = np.unique(np.concatenate(chosen))
        together = texts(prompts)
        for row, own in zip(some, chosen, strict=True):
            read.append(_read(together.take(pa.array(np.searchsorted(prompts, own))), said[row], embed))
    first, second = place[: len(one)].tolist(), place[len(one) :].tolist()
    mixed = [
        max(
            _mixed(read[i], said[rows[i]], said[rows[j]]),
            _mixed(read[j], said[rows[j]], said[rows[i]]),
        )
        for i, j in zip(first, second, strict=True)
    ]
    unlike = _discrepancies([_fillings(family) for family in read], first, second)
    return Resemblance(unlike, np.array(mixed, dtype=np.float64))


def _read(texts: pa.Array | pa.ChunkedArray, said: FloatArray, embed: Embed) -> _Read:
    flat, offsets = split_sentences(texts)
    vectors = embed(flat)
    code = flat.dictionary_encode().indices.to_numpy(zero_copy_only=False).astype(np.int64)
    own = np.bincount(code)[code] > max(OWN_SHARE * len(texts), 1.0) if len(code) else np.zeros(0, np.bool_)
    # a wording that few of them have is no filling, either
    own |= _nearest(vectors, said) >= CLAIMED
    prompt = np.repeat(np.arange(len(texts)), np.diff(offsets))
    filling = ~own & ~_worded_anew(vectors, offsets)
    # what all are filled with may be of one narrow kind, and is a filling all the same
    if len(np.unique(prompt[filling])) < len(np.unique(prompt[~own])) / 2:
        filling = ~own
    return _Read(vectors, prompt, filling, len(texts))


def _worded_anew(vectors: FloatArray, offsets: IntArray) -> Bools:
    """Tell which sentences (s, d) of some prompts, unit rows, most of the others say in other words, (s,).

    offsets: (p + 1,) where each prompt's begin.
    """
    count = np.diff(offsets)
    prompt = np.repeat(np.arange(len(count)), count)
    place = np.arange(len(vectors)) - offsets[prompt]
    at_end = (place < EDGE) | (place >= count[prompt] - EDGE)
    compared = pick_evenly(np.flatnonzero(count > 0), COMPARED)
    rows = np.flatnonzero(at_end & np.isin(prompt, compared))
    if not len(rows):
        return np.zeros(len(vectors), dtype=np.bool_)
    whose, first = np.unique(prompt[rows], return_index=True)
    said = np.logical_or.reduceat(vectors @ vectors[rows].T >= CLAIMED, first, axis=1)
    others = whose[None, :] != prompt[:, None]
    wordings = (said & others).sum(axis=1)
    return np.asarray((wordings >= FEWEST_WORDINGS) & (wordings >= WORDED_ANEW * others.sum(axis=1)))


def _nearest(vectors: FloatArray, said: FloatArray) -> FloatArray:
    """Return the cosine of each sentence (s,) with the nearest of what is said (c, d), -1 where that is nothing."""
    if not len(said) or not len(vectors):
        return np.full(len(vectors), -1.0, dtype=np.float32)
    return np.asarray((vectors @ said.T).max(axis=1))


def _mixed(read: _Read, own: FloatArray, others: FloatArray) -> float:
    """Return the share of some prompts that hold what others' template says (c, d) and their own (o, d) does not."""
    foreign = others[_nearest(others, own) < CLAIMED]
    prompts = len(np.unique(read.prompt[_nearest(read.vectors, foreign) >= IN_PART]))
    return prompts / read.prompts if prompts >= FEWEST_MIXED else 0.0


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


def _fillings(read: _Read) -> FloatArray:
    """Return the mean vector of what fills each prompt that is filled, (m, d) unit rows."""
    means = np.zeros((read.prompts, read.vectors.shape[1]), dtype=np.float32)
    np.add.at(means, read.prompt[read.filling], read.vectors[read.filling])
    length = np.linalg.norm(means, axis=1)
    known = length > 0
    return np.asarray(means[known] / length[known, None], dtype=np.float32)
