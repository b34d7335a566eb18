from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from fingerprint.base.types import FloatArray
from fingerprint.embedding import similarity


def unit(random: np.random.Generator, rows: int) -> np.ndarray:
    made = random.standard_normal((rows, 8)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def test_held_is_the_mean_over_a_templates_sentences_of_the_nearest_in_the_prompt() -> None:
    random = np.random.default_rng(0)
    said, templates = unit(random, 9), unit(random, 6)
    offsets, bounds = np.array([0, 4, 4, 9]), np.array([0, 1, 6])
    cosines = said @ templates.T
    wanted = [
        [cosines[a:b, c:d].max(axis=0).mean() for c, d in ((0, 1), (1, 6))] for a, b in ((0, 4), (4, 9))
    ]
    found = similarity.held_similarity(said, offsets, templates, bounds)
    np.testing.assert_allclose(found[[0, 2]], wanted, rtol=1e-5)
    assert found[1].tolist() == [-1, -1]
    candidates = np.array([[1, -1, 0], [0, 1, -1], [-1, -1, 1]], dtype=np.int32)
    some = similarity.held_of(said, offsets, templates, bounds, candidates)
    np.testing.assert_allclose(some[0], [found[0, 1], -1, found[0, 0]], rtol=1e-5)
    assert some[1].tolist() == [-1, -1, -1]
    np.testing.assert_allclose(some[2], [-1, -1, found[2, 1]], rtol=1e-5)


def test_held_does_not_depend_on_how_much_is_compared_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(1)
    said, templates = unit(random, 60), unit(random, 5)
    offsets, bounds = np.arange(0, 61, 3), np.array([0, 2, 5])
    whole = similarity.held_similarity(said, offsets, templates, bounds)
    monkeypatch.setattr(similarity, "MATRIX", 1)
    np.testing.assert_allclose(similarity.held_similarity(said, offsets, templates, bounds), whole, rtol=1e-6)


def test_sentences_are_embedded_as_they_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similarity, "MOST_PROMPTS", 4)
    random = np.random.default_rng(2)
    said, templates = unit(random, 30), unit(random, 5)
    offsets, bounds = np.arange(0, 31, 3), np.array([0, 2, 5])
    at_once: list[int] = []

    def embed(texts: pa.Array | pa.ChunkedArray) -> FloatArray:
        at_once.append(len(texts))
        return np.asarray(said[[int(text) for text in texts.to_pylist()]])

    lazy = similarity.Sentences(pa.array([str(n) for n in range(30)], pa.large_string()), embed)
    found = similarity.held_similarity(lazy, offsets, templates, bounds)
    np.testing.assert_array_equal(found, similarity.held_similarity(said, offsets, templates, bounds))
    assert sorted(at_once) == [6, 12, 12]


def test_what_cannot_reach_the_least_is_given_up_and_nothing_else() -> None:
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((60, 8)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    given_up = 0
    for begin in range(0, 40, 4):
        span, own = (begin, begin + 1 + begin % 4), (begin + 4, begin + 8)
        whole = similarity.held_by(rows, span, rows, own)
        for least in (-1.0, float(whole), float(whole) - 0.05, 0.3, 0.6, 0.9):
            part = similarity.held_from(rows, span, rows, own, np.float32(least))
            assert part == whole or (part == -1 and whole < least)
            given_up += part == -1
    assert given_up > 10
