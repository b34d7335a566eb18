"""Shared grams and their places are those of a plain count."""

from __future__ import annotations

from collections import Counter
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprint.text import ngram_table
from fingerprint.text.ngram_table import PlaceTable, find_places, find_shared, is_member

HASHES = st.lists(st.integers(1, 2**64 - 1) | st.integers(1, 20), max_size=60)


def naive(rows: list[list[int]], known: set[int], least: int) -> tuple[list[int], list[int]]:
    counts = Counter(gram for row in rows for gram in set(row))
    found = sorted(known | {gram for gram, count in counts.items() if count >= least})
    place = {gram: number for number, gram in enumerate(found)}
    return found, [place.get(gram, -1) for row in rows for gram in row]


GRAMS = st.integers(1, 20) | st.integers(1, 12).map(lambda n: n * 0x9E3779B97F4A7C15 % 2**64)


@given(st.lists(st.lists(GRAMS, max_size=12), max_size=12), st.sets(GRAMS, max_size=5), st.integers(1, 4))
@pytest.mark.parametrize("part", [2, 1 << 15])
def test_shared_grams_are_those_of_a_plain_count(
    part: int, rows: list[list[int]], known: set[int], least: int
) -> None:
    hashes = np.array([gram for row in rows for gram in row], dtype=np.uint64)
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    with mock.patch.object(ngram_table, "PART", part):
        found, ids = find_shared(hashes, offsets, np.array(sorted(known), dtype=np.uint64), least)
    assert (found.tolist(), ids.tolist()) == naive(rows, known, least)


def test_many_grams() -> None:
    random = np.random.default_rng(1)
    rows = [random.integers(1, 60_000, 500).tolist() for _ in range(400)]
    rows = [[gram * 0x9E3779B97F4A7C15 % 2**64 for gram in row] for row in rows]
    hashes = np.array([gram for row in rows for gram in row], dtype=np.uint64)
    offsets = np.arange(0, 200_001, 500)
    found, ids = find_shared(hashes, offsets, np.empty(0, np.uint64), 5)
    assert (found.tolist(), ids.tolist()) == naive(rows, set(), 5)


@given(HASHES, st.sets(st.integers(1, 2**64 - 1) | st.integers(1, 20), max_size=30))
def test_places_are_those_of_a_plain_search(asked: list[int], known: set[int]) -> None:
    among = sorted(known)
    expected = [among.index(h) if h in known else -1 for h in asked]
    hashes, names = np.array(asked, dtype=np.uint64), np.array(among, dtype=np.uint64)
    assert find_places(hashes, names).tolist() == expected
    assert find_places(hashes, PlaceTable.of(names)).tolist() == expected
    assert is_member(hashes, names).tolist() == [h in known for h in asked]
