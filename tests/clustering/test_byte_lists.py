"""Lists of bytes find what the floats' products say, but for products that differ by less than a byte's rounding."""

from __future__ import annotations

import numpy as np
import pytest

from fingerprint.base.types import FloatArray
from fingerprint.clustering.byte_lists import make_lists, nearest

ROUNDING = 0.02
"""More than bytes move any product of unit rows of 24 numbers."""


def unit(rng: np.random.Generator, rows: int, dimension: int = 24) -> FloatArray:
    vectors = rng.standard_normal((rows, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("dimension", [24, 37])
def test_all_lists_find_the_nearest(seed: int, dimension: int) -> None:
    rng = np.random.default_rng(seed)
    points, queries = unit(rng, 900, dimension), unit(rng, 40, dimension)
    lists = make_lists(points, 0, 500)
    assert len(lists.centroid) == 120
    assert sorted(lists.number.tolist()) == list(range(900))
    numbers = nearest(lists, queries, 500, 6)
    products = queries @ points.T
    taken = np.take_along_axis(products, numbers.astype(np.int64), axis=1)
    best = -np.sort(-products, axis=1)[:, :6]
    assert (taken >= best - ROUNDING).all()
    assert (np.diff(taken, axis=1) <= ROUNDING).all()
    assert all(len(set(row)) == 6 for row in numbers.tolist())


def test_only_the_nearest_lists_are_read() -> None:
    rng = np.random.default_rng(4)
    points = unit(rng, 900)
    lists = make_lists(points, 0, 500)
    centroids = lists.centroid * lists.centroid_step[:, None]
    for query in unit(rng, 40):
        read = np.argsort(-(centroids @ query), kind="stable")[:6]
        own = [set(lists.number[lists.starts[c] : lists.starts[c + 1]].tolist()) for c in read.tolist()]
        found = set(nearest(lists, query[None], 5, 900)[0].tolist()) - {-1}
        # the fifth and the sixth centroid may be as near as a byte tells
        assert set().union(*own[:4]) <= found <= set().union(*own)
        assert len(found) < 900


def test_few_vectors_are_one_list_and_of_equals_the_first_are_given() -> None:
    points = np.repeat(np.eye(8, dtype=np.float32), 3, axis=0)[::-1].copy()
    lists = make_lists(points, 0, 100)
    assert len(lists.centroid) == 1
    assert nearest(lists, points[[0, 23]], 8, 2).tolist() == [[0, 1], [21, 22]]


def test_nothing_is_near_to_zeros_and_there_may_be_fewer() -> None:
    points = np.eye(4, dtype=np.float32)[:2]
    lists = make_lists(points, 0, 100)
    queries = np.array([[0, 0, 0, 0], [0, 1, 0, 0]], np.float32)
    assert nearest(lists, queries, 8, 3).tolist() == [[-1, -1, -1], [1, 0, -1]]
    assert nearest(make_lists(points[:0], 0, 100), queries, 8, 2).tolist() == [[-1, -1]] * 2
    assert nearest(lists, queries[:0], 8, 3).shape == (0, 3)
