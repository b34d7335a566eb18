"""The family whose meaning a text says best is the one that the formulas name, family by family."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from fingerprint.base.jit import read_only
from fingerprint.base.types import FloatArray
from fingerprint.matching.meanings import Meanings, best_meaning
from fingerprint.signatures.match_score import meaning

FAMILIES, TEXTS, DIMENSION, NEAREST = 40, 30, 16, 3


def unit(rng: np.random.Generator, rows: int) -> FloatArray:
    vectors = rng.standard_normal((rows, DIMENSION)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def made(*arrays: npt.NDArray[Any]) -> Meanings:
    return Meanings(*map(read_only, arrays))


@pytest.mark.parametrize("seed", range(5))
def test_best_of_all_that_are_near(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 4, FAMILIES)
    meanings = made(
        unit(rng, sizes.sum()),
        np.append(0, np.cumsum(sizes)),
        rng.uniform(0.0, 0.4, FAMILIES).astype(np.float32),
        rng.uniform(-0.2, 0.3, FAMILIES).astype(np.float32),
        rng.random(FAMILIES) < 0.3,
        rng.random(FAMILIES) < 0.5,
        np.ones(FAMILIES, np.float32),
    )
    offsets = np.append(0, np.cumsum(rng.integers(0, 4, TEXTS)))
    vectors = unit(rng, offsets[-1] + TEXTS)
    owner = rng.integers(-1, FAMILIES, (len(vectors), NEAREST)).astype(np.int32)
    carrier = np.where(rng.random(TEXTS) < 0.3, 0, -1).astype(np.int32)
    nowhere = np.zeros(len(vectors), np.bool_)
    (family, similarity, _), to_read = best_meaning(meanings, vectors, offsets, owner, carrier, nowhere)
    assert (to_read == -1).all()
    for row in range(TEXTS):
        worth = [
            worth_of(meanings, f, vectors, owner, (offsets[row], offsets[row + 1], offsets[-1] + row))
            for f in range(FAMILIES)
        ]
        for f in range(FAMILIES):
            if carrier[row] >= 0 and not meanings.campaign[f]:
                worth[f] = (0.0, 0.0)
        most = max(beyond for beyond, _ in worth)
        assert (family[row] >= 0) == (most > 0)
        if family[row] >= 0:
            assert worth[family[row]][0] == pytest.approx(most, abs=1e-6)
            assert similarity[row] == pytest.approx(worth[family[row]][1], abs=1e-6)
    assert {True, False} == set(meanings.topical[family[family >= 0]].tolist())
    assert (family < 0).any()


def worth_of(
    meanings: Meanings, f: int, vectors: FloatArray, owner: np.ndarray, parts: tuple[int, int, int]
) -> tuple[float, float]:
    """Return how far a text lies beyond what others hold of a family, and what it holds, 0 where it is not near."""
    begin, end, whole = parts
    rows = [whole] if meanings.topical[f] else list(range(begin, end))
    if not rows or not (owner[rows] == f).any():
        return 0.0, 0.0
    own = meanings.prototypes[meanings.bounds[f] : meanings.bounds[f + 1]]
    shared = (own @ vectors[rows].T).max(axis=1).mean(dtype=np.float32)
    beyond = meaning(np.array([shared]), meanings.similarity[f : f + 1], meanings.usual[f : f + 1])
    return float(beyond[0]), float(shared)


def test_without_whole_texts_only_sentences_count() -> None:
    one = np.ones((1, 1), np.float32)
    meanings = made(
        one, np.array([0, 1]), *np.zeros((2, 1), np.float32), np.array([True]), np.array([False]), one[0]
    )
    nobody, english = np.array([-1], np.int32), np.array([False])
    meant, _ = best_meaning(meanings, one, np.array([0, 1]), np.zeros((1, 1), np.int32), nobody, english)
    assert meant.family.tolist() == [-1]
