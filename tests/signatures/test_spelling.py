"""Runs of tokens are found word for word, and shown as a text wrote them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from fingerprint.base.strings import buffers
from fingerprint.signatures.spelling import MOST_SIGNS, SpelledText, find, spelled, spellings
from fingerprint.text.tokenise import tokens

rows = st.lists(st.lists(st.integers(1, 4), max_size=10), min_size=1, max_size=5)


@given(some=rows, wanted=st.lists(st.integers(1, 4), min_size=1, max_size=3))
def test_the_first_place_of_a_run(some: list[list[int]], wanted: list[int]) -> None:
    offsets = np.cumsum([0, *map(len, some)]).astype(np.int64)
    hashes = np.array([x for row in some for x in row], np.uint64)
    expected = [next((i for i in range(len(row)) if row[i : i + len(wanted)] == wanted), -1) for row in some]
    assert find(hashes, offsets, np.array(wanted, np.uint64)).tolist() == expected


def texts_of(texts: list[str]) -> SpelledText:
    column = pa.array(texts, pa.large_string())
    found = tokens(column)
    return SpelledText(*buffers(column), found.row_offsets, found.starts, found.ends)


def test_a_run_is_shown_with_its_signs_and_without_long_ones() -> None:
    signs = "-" * (MOST_SIGNS + 1)
    texts = texts_of([f'Say "hello", World {signs} again', "x"])
    assert spelled(texts, 0, 0, 3) == 'Say "hello", World'
    assert spelled(texts, 0, 2, 4) == "World again"
    assert spelled(texts, 1, 4, 5) == "x"


def test_texts_that_spell_a_run_alike_are_one_group() -> None:
    texts = texts_of(["Hello, World", "hello world", "Hello, World!", "hello  world", "hello world"])
    first = texts.row_offsets[:-1]
    assert spellings(texts, np.arange(5), first, 2).tolist() == [0, 1, 0, 2, 1]
    assert spellings(texts, np.array([1, 0]), first[[1, 0]], 1).tolist() == [0, 1]
    assert spellings(texts, np.arange(0), first[:0], 2).tolist() == []
