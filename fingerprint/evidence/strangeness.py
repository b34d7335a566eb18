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

from fingerprint.base.jit import inlined, kernel
from fingerprint.base.parallel import in_order, workers
from fingerprint.base.simd import highest
from fingerprint.base.types import Bools, Doubles, FloatArray, IntArray

Projection: TypeAlias = Callable[[FloatArray], FloatArray]
"""Vectors (n, d) into unit rows (n, d) float32."""

SPACES = 2
"""The space of the embedding, and the whitened one."""

REFERENCE = 2_048
"""Prompts that others are compared with, of all accounts in turn."""

NEAREST = 3
"""Accounts whose nearest prompt counts; their mean distance is how far a prompt lies from others."""

CHUNK = 512
"""Prompts that are compared with the reference at once."""

TOGETHER = 32
"""Cosines that are looked at together: mostly none of them is near enough."""


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
    points, owner = project(prompts.vectors[reference]), prompts.owner[reference]
    out = np.empty(len(prompts.owner))

    def compare(rows: slice) -> None:
        nearest, account = np.empty(NEAREST, dtype=np.float32), np.empty(NEAREST, dtype=np.int64)
        cosines = project(prompts.vectors[rows]) @ points.T
        _mean_of_nearest(cosines, prompts.owner[rows], owner, nearest, account, out[rows])

    parts = (slice(begin, begin + CHUNK) for begin in range(0, len(out), CHUNK))
    for _ in in_order(compare, parts, threads=workers()):
        pass
    return 1 - out


@kernel
def _mean_of_nearest(
    cosines: FloatArray, own: IntArray, owner: IntArray, nearest: FloatArray, account: IntArray, out: Doubles
) -> None:
    """Write the mean cosine of each prompt (m,) with the nearest prompt of each of the NEAREST accounts nearest to it.

    cosines: (m, r) with prompts of owners (r,); none of its own account counts. Where there are fewer accounts the missing
    ones count as near as the farthest prompt. nearest, account: (NEAREST,) to work in.
    """
    last = NEAREST - 1
    for row in range(len(own)):
        nearest[:], account[:] = np.float32(-np.inf), -1
        for begin in range(0, len(owner), TOGETHER):
            end = min(begin + TOGETHER, len(owner))
            if highest(cosines, row, begin, end) <= nearest[last]:
                continue
            for c in range(begin, end):
                if cosines[row, c] > nearest[last] and owner[c] != own[row]:
                    _insert(nearest, account, cosines[row, c], owner[c])
        farthest, total = np.float32(np.inf), 0.0
        if account[last] < 0:
            for c in range(len(owner)):
                farthest = min(farthest, cosines[row, c])
        for n in range(NEAREST):
            total += float(nearest[n] if account[n] >= 0 else farthest)
        out[row] = total / NEAREST


@inlined
def _insert(nearest: FloatArray, account: IntArray, cosine: np.float32, owner: int) -> None:
    """Keep a cosine that is higher than the lowest among the nearest, in descending order, each account's highest."""
    at = 0
    while at < len(account) - 1 and account[at] != owner:
        at += 1
    if account[at] == owner and nearest[at] >= cosine:
        return
    while at > 0 and nearest[at - 1] < cosine:
        nearest[at], account[at] = nearest[at - 1], account[at - 1]
        at -= 1
    nearest[at], account[at] = cosine, owner


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
