"""Hashes of beginnings: the same for the same characters, however wide they lie in memory, and else different."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fingerprint.base import keyed_hash
from fingerprint.base.keyed_hash import BLOCK, HALF, Beginning, _hash_blocks

CHARACTERS = st.text(st.sampled_from("ab é漢\U0001f600\0\U0010ffff"), max_size=12)
TEXTS = st.tuples(CHARACTERS, st.integers(1, 400)).map(lambda part: part[0] * part[1])


def nh(text: str, key: np.ndarray) -> int:
    """NH of at most one block, number by number."""
    codes = [ord(c) for c in text] + [0] * (BLOCK - len(text))
    terms = (
        (codes[i] + int(key[i])) % 2**32 * ((codes[HALF + i] + int(key[HALF + i])) % 2**32)
        for i in range(HALF)
    )
    return sum(terms) % 2**64


@given(CHARACTERS.map(lambda part: (part * BLOCK)[:BLOCK]))
def test_a_block_is_hashed_as_it_is_written_down(text: str) -> None:
    out = np.empty((1, 2), np.uint64)
    _hash_blocks(text, 0, len(text), keyed_hash._KEYS, out)
    assert out[0].tolist() == [nh(text, key) for key in keyed_hash._KEYS]


@given(TEXTS, TEXTS)
def test_a_beginning_has_one_hash_whatever_follows(text: str, more: str) -> None:
    # what follows may make all characters of a text wider
    alone, longer = Beginning(text), Beginning(text + more)
    for size in {0, 1, len(text) // 2, min(BLOCK, len(text)), len(text)}:
        if size <= len(text):
            assert alone.upto(size) == longer.upto(size) == Beginning(text[:size]).upto(size)


@given(st.integers(0, 3 * BLOCK), st.sampled_from("b\0é漢\U0001f600"))
def test_any_other_character_makes_another_hash(place: int, other: str) -> None:
    text = "a" * (3 * BLOCK + 1)
    changed = text[:place] + other + text[place + 1 :]
    assert Beginning(changed).upto(len(text)) != Beginning(text).upto(len(text))
    assert Beginning(changed).upto(place) == Beginning(text).upto(place)


def test_a_text_that_goes_on_with_nothing_is_another() -> None:
    assert len({Beginning("a" + "\0" * n).upto(1 + n) for n in range(2 * BLOCK)}) == 2 * BLOCK
