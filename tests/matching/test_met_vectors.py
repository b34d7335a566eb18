"""What was met is told as it was searched for, and only what is new is searched for."""

from __future__ import annotations

import numpy as np

from fingerprint.base.types import FloatArray, Ids
from fingerprint.matching import met_vectors
from fingerprint.matching.met_vectors import MetVectors


def test_each_vector_is_searched_for_once_while_it_is_kept() -> None:
    asked: list[int] = []

    def search(vectors: FloatArray) -> Ids:
        asked.append(len(vectors))
        return np.stack([vectors[:, 0] * 100, vectors[:, 1] * 100], axis=1).round().astype(np.int32)

    met = MetVectors(search, 3, 2)
    rng = np.random.default_rng(0)
    vectors = rng.random((50, 3)).astype(np.float32)
    expected = search(vectors)
    asked.clear()
    assert (met.owners(vectors[:30]) == expected[:30]).all()
    assert (met.owners(vectors) == expected).all()
    assert (met.owners(vectors[::-1]) == expected[::-1]).all()
    # vectors that share a place take it from each other
    assert asked[:2] == [30, 20]
    assert sum(asked[2:]) <= 2
    nearly = vectors.copy()
    nearly[:, 2] = np.nextafter(nearly[:, 2], np.float32(2))
    assert (met.owners(nearly) == search(nearly)).all()


def test_vectors_of_one_place_are_told_apart_and_zeros_are_near_to_nothing(monkeypatch) -> None:
    monkeypatch.setattr(met_vectors, "PLACES", 1)
    met = MetVectors(lambda vectors: (vectors[:, :1] * 8).astype(np.int32), 2, 1)
    zeros = np.zeros((1, 2), np.float32)
    assert met.owners(zeros).tolist() == [[-1]]
    for value in (0.25, 0.5, 0.25):
        assert met.owners(np.full((2, 2), value, np.float32)).tolist() == [[int(8 * value)]] * 2
    assert met.owners(np.zeros((0, 2), np.float32)).shape == (0, 1)
