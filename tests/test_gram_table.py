"""Distinct grams and their places are those that sorting finds."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fingerprint.gram_table import distinct, member, places

HASHES = st.lists(st.integers(1, 2**64 - 1) | st.integers(1, 20), max_size=60)


@given(HASHES)
def test_distinct_is_unique(given_hashes: list[int]) -> None:
    hashes = np.array(given_hashes, dtype=np.uint64)
    found, number = distinct(hashes)
    expected, inverse = np.unique(hashes, return_inverse=True)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(number, inverse)


def test_many_hashes_outgrow_the_table() -> None:
    hashes = np.random.default_rng(1).integers(1, 50_000, 200_000).astype(np.uint64) << np.uint64(40)
    found, number = distinct(hashes)
    np.testing.assert_array_equal(found, np.unique(hashes))
    np.testing.assert_array_equal(found[number], hashes)


@given(HASHES, st.sets(st.integers(1, 2**64 - 1) | st.integers(1, 20), max_size=30))
def test_places_are_those_of_a_plain_search(asked: list[int], known: set[int]) -> None:
    among = sorted(known)
    expected = [among.index(h) if h in known else -1 for h in asked]
    hashes, names = np.array(asked, dtype=np.uint64), np.array(among, dtype=np.uint64)
    assert places(hashes, names).tolist() == expected
    assert member(hashes, names).tolist() == [h in known for h in asked]
