"""The spanning tree is SciPy's where lists are complete, and equal rows are one item."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st
from scipy.sparse.csgraph import minimum_spanning_tree

from fingerprint.base.types import Doubles, Ids
from fingerprint.clustering.spanning_tree import FAR, collapse, core_distances, find_root, spanning_tree


def complete_lists(points: np.ndarray) -> tuple[Ids, Doubles]:
    """All others of each point, nearest first, and how far they are."""
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distance, -1)
    order = np.argsort(distance, axis=1, kind="stable")[:, 1:].astype(np.int32)
    return order, np.take_along_axis(distance, order.astype(np.int64), axis=1)


@effort(max_examples=30)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 25), min_samples=st.integers(1, 4))
def test_a_tree_over_complete_lists_is_as_short_as_can_be(seed: int, n: int, min_samples: int) -> None:
    points = np.random.default_rng(seed).uniform(0, 1, (n, 2))
    ids, distance = complete_lists(points)
    core = core_distances(ids, distance, np.ones(n, np.int64), min(min_samples, n - 1))
    assert core.tolist() == distance[:, min(min_samples, n - 1) - 1].tolist()
    edges = spanning_tree(ids, distance, core)
    full = np.zeros((n, n))
    np.put_along_axis(full, ids.astype(np.int64), distance, axis=1)
    reach = np.maximum(full, np.maximum(core[:, None], core[None]))
    assert len(edges.length) == n - 1
    assert edges.length.sum() == pytest.approx(minimum_spanning_tree(reach).sum())
    assert (np.diff(edges.length) >= 0).all()
    assert (edges.low < edges.high).all()
    np.testing.assert_allclose(edges.length, reach[edges.low, edges.high])
    parent = np.arange(n)
    for low, high in zip(edges.low, edges.high, strict=True):
        parent[find_root(parent, low)] = find_root(parent, high)
    assert len({find_root(parent, i) for i in range(n)}) == 1


def test_lists_that_no_chain_joins_make_a_forest() -> None:
    ids = np.array([[1], [0], [3], [2]], np.int32)
    edges = spanning_tree(ids, np.full((4, 1), 0.1), np.full(4, 0.1))
    assert list(zip(edges.low, edges.high, strict=True)) == [(0, 1), (2, 3)]


def test_copies_count_for_core_distances() -> None:
    ids, distance = (
        np.array([[1, 2], [0, 2], [1, 0]], np.int32),
        np.array([[0.1, 0.4], [0.1, 0.3], [0.3, 0.4]]),
    )
    assert core_distances(ids, distance, np.array([1, 1, 1]), 2).tolist() == [0.4, 0.3, 0.4]
    assert core_distances(ids, distance, np.array([3, 1, 1]), 2).tolist() == [0.0, 0.1, 0.4]
    assert core_distances(ids, distance, np.array([1, 1, 1]), 3).tolist() == [FAR] * 3


@given(keys=st.lists(st.integers(0, 5), max_size=20))
def test_equal_keys_are_one_item_in_the_order_of_their_first(keys: list[int]) -> None:
    for rows in (np.array(keys, np.uint64), np.array([[k, 7] for k in keys], np.float32).reshape(-1, 2)):
        distinct = collapse(rows)
        order = list(dict.fromkeys(keys))
        assert [keys[i] for i in distinct.first] == order
        assert [order[i] for i in distinct.inverse] == keys
        assert distinct.weight.tolist() == [keys.count(k) for k in order]
