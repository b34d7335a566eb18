"""The nearest of all points by one comparison a pair, against brute force."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import combinations

import numpy as np
import pytest

from fingerprint.base.types import FloatArray, Ids
from fingerprint.clustering import all_pairs


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(all_pairs, "TILE", 96)


def points(n: int, d: int = 16) -> FloatArray:
    x = np.random.default_rng(0).standard_normal((n, d))
    return np.ascontiguousarray(x / np.linalg.norm(x, axis=1, keepdims=True), dtype=np.float32)


def nearest(x: FloatArray, wide: int, threads: int = 2) -> Ids:
    with ThreadPoolExecutor(threads) as pool:
        return np.sort(all_pairs.nearest(x, wide, pool=pool), axis=1)


@pytest.mark.parametrize("n", [60, 96, 97, 500])
def test_all_of_the_nearest_are_found(n: int) -> None:
    x = points(n)
    products = x @ x.T
    np.fill_diagonal(products, -2)
    expected = np.sort(np.argsort(-products, axis=1, kind="stable")[:, :20], axis=1)
    np.testing.assert_array_equal(nearest(x, 20), expected)


def test_of_equal_points_the_first_are_taken_whatever_the_threads() -> None:
    x = np.tile(np.eye(4, dtype=np.float32), (100, 1))
    found = nearest(x, 5)
    assert found[0].tolist() == [4, 8, 12, 16, 20]
    assert found[399].tolist() == [3, 7, 11, 15, 19]
    np.testing.assert_array_equal(found, nearest(x, 5, threads=1))


def test_places_for_which_there_are_no_points_stay_empty() -> None:
    assert nearest(points(3), 4).tolist() == [[-1, -1, 1, 2], [-1, -1, 0, 2], [-1, -1, 0, 1]]


@pytest.mark.parametrize("tiles", [1, 2, 5, 6])
def test_each_tile_meets_each_other_once_and_is_in_no_round_twice(tiles: int) -> None:
    first, *rounds = all_pairs._rounds(tiles)
    assert first == [(t, t) for t in range(tiles)]
    assert sorted(pair for pairs in rounds for pair in pairs) == list(combinations(range(tiles), 2))
    for pairs in rounds:
        playing = [tile for pair in pairs for tile in pair]
        assert len(playing) == len(set(playing))
