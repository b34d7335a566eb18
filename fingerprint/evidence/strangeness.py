"""How strange single prompts are: how far each lies from its nearest honest ones, as a rank among honest prompts.

The mean of an account's prompts hardly moves where a tenth of them is strange; how strange each prompt is shows it
(D-135). The p-value of a prompt is conformal (Bates et al. 2023): the share of reference prompts that lie as far from
their own nearest ones. Distances are taken in two spaces. In that of the embedding itself far means of another subject;
in the whitened one, where all directions vary alike among honest prompts, far also means of another manner.

Accounts must not vouch for themselves, or for one another by sending much of the same: only prompts of other accounts
count, of each account one, and none of an account that is suspected.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from fingerprint.base.types import Bools, Doubles, FloatArray, IntArray
from fingerprint.clustering.faiss_index import make_index

Projection: TypeAlias = Callable[[FloatArray], FloatArray]
"""Vectors (n, d) into unit rows (n, d) float32."""

SPACES = 2
"""The space of the embedding, and the whitened one."""

REFERENCE = 2_048
"""Prompts that others are compared with, of all accounts in turn."""

NEAREST = 3
"""Accounts whose nearest prompt counts; their mean distance is how far a prompt lies from others."""

CANDIDATES = (16, 128, 1_024)
"""Nearest reference prompts that are looked up to find one each of NEAREST accounts; more where fewer are not enough."""

CHUNK = 16_384
"""Prompts compared at once."""


@dataclass(frozen=True, slots=True)
class Prompts:
    """m prompts: vectors (m, d), unit rows of any float type or zero rows, and an owner each (m,), an account's number.

    A prompt that several accounts sent has one of them as its owner.
    """

    vectors: FloatArray
    owner: IntArray


def reference_of(owner: IntArray, *, suspected: Bools, seed: int = 0) -> IntArray:
    """Choose at most REFERENCE prompts (r,), ascending: of every account one, then of every account another, and so on.

    owner: (m,) accounts of prompts. suspected: (accounts,) whose prompts are not taken. Of one account's prompts those
    that come first are random.
    """
    allowed = np.flatnonzero(~suspected[owner])
    shuffled = np.random.default_rng(seed).permutation(allowed)
    order = shuffled[np.argsort(owner[shuffled], kind="stable")]
    turn = np.empty(len(order), dtype=np.int64)
    turn[:] = np.arange(len(order)) - np.searchsorted(owner[order], owner[order])
    # within a turn accounts are in random order, or those of low numbers would always be in
    lot = np.random.default_rng(seed + 1).permutation(len(order))
    return np.sort(order[np.lexsort((lot, turn))][:REFERENCE])


def surprise(prompts: Prompts, reference: IntArray) -> Doubles:
    """Return -log p of each prompt in each space, (m, SPACES): its mean is 1 over honest prompts; 0 = unknown to the model.

    reference: (r,) the rows that are compared with, as `reference_of` chooses them. p is at least 1 / (r + 1). Without
    prompts of two other accounts among them nothing is strange.
    """
    out = np.zeros((len(prompts.owner), SPACES))
    points = np.asarray(prompts.vectors[reference], dtype=np.float32)
    if len(reference) <= NEAREST:
        return out
    for space, project in enumerate((_as_they_are, _whitening(points))):
        distance = _distances(prompts, reference, project)
        usual = np.sort(distance[reference])
        further = len(usual) - np.searchsorted(usual, distance, side="left")
        out[:, space] = -np.log(np.minimum((further + 1) / (len(usual) + 1), 1.0))
    out[~prompts.vectors.any(axis=1)] = 0.0
    return out


def _distances(prompts: Prompts, reference: IntArray, project: Projection) -> Doubles:
    """Return how far each prompt lies from others' nearest, (m,): the mean over NEAREST accounts of 1 - cosine."""
    index = make_index(project(prompts.vectors[reference]), "Flat", 0)
    out = np.empty(len(prompts.owner))
    for start in range(0, len(out), CHUNK):
        rows = np.arange(start, min(start + CHUNK, len(out)))
        for wide in CANDIDATES:
            similarity, neighbours = index.search(project(prompts.vectors[rows]), min(wide, len(reference)))
            neighbours = reference[neighbours]
            usable = (neighbours != rows[:, None]) & (prompts.owner[neighbours] != prompts.owner[rows, None])
            mean, missing = _of_different_accounts(similarity, prompts.owner[neighbours], usable)
            out[rows] = 1 - mean
            rows = rows[missing]
            if not len(rows) or wide >= len(reference):
                break
    return out


def _of_different_accounts(similarity: FloatArray, account: IntArray, usable: Bools) -> tuple[Doubles, Bools]:
    """Return the mean similarity (q,) of the nearest usable candidates (q, c) of NEAREST accounts, one of each.

    Also tell where there are fewer (q,); those missing count as near as the last candidate, and are no nearer.
    """
    row, left = np.arange(len(usable)), usable.copy()
    total, missing = np.zeros(len(row)), np.zeros(len(row), dtype=np.bool_)
    for _ in range(NEAREST):
        first, some = left.argmax(axis=1), left.any(axis=1)
        total += np.where(some, similarity[row, first], similarity[:, -1])
        missing |= ~some
        left &= account != account[row, first][:, None]
    return total / NEAREST, missing


def _as_they_are(vectors: FloatArray) -> FloatArray:
    return np.ascontiguousarray(vectors, dtype=np.float32)


def _whitening(points: FloatArray) -> Projection:
    """Return what maps vectors to unit rows of the space in which points (r, d) vary alike in all directions.

    The covariance's eigenvalues are raised by their mean (ridge), since a few thousand points do not give the small ones.
    """
    centre = points.mean(axis=0)
    value, direction = np.linalg.eigh(np.cov(points.T, dtype=np.float64))
    raised = np.maximum(value, 0) + max(float(value.mean()), 1e-12)
    matrix = (direction / np.sqrt(raised)).astype(np.float32)

    def project(vectors: FloatArray) -> FloatArray:
        rows = (np.asarray(vectors, dtype=np.float32) - centre) @ matrix
        length = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.ascontiguousarray(rows / np.where(length > 0, length, 1), dtype=np.float32)

    return project
