"""Words that were met get numbers, and a number stands for the word's token and the sum of its pieces."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from fingerprint.embedding.wordpiece import WordPieces
from fingerprint.hunting.sentence_bounds import EVIDENCE
from fingerprint.hunting.word_bitmap import bitmap_for, mark_words
from fingerprint.hunting.word_table import (
    LONGEST,
    MAX_WORDS,
    WordTable,
    _bytes,
    _slot_of,
    empty_table,
    look_up_words,
    plain_word_hash,
    token_hash,
    word_number,
)
from fingerprint.text.tokenise import tokens

# whole numbers, so that the order in which they are added does not matter
VECTORS = np.random.default_rng(3).integers(-1000, 1000, (30_000, 8)).astype(np.float32)
VECTORS[:, EVIDENCE] = 0
VECTORS[0, 1] = 20_000  # so that no sum is too long to be remembered
WORDS = [
    "a",
    "Reasoning",
    "REASONING",
    "reasoning",
    "un",
    "unhidden",
    "0x1f",
    "x" * LONGEST,
    "zq" * 7,
    "2026",
]
words = st.one_of(
    st.sampled_from(WORDS),
    st.text("abcXYZ019", min_size=1, max_size=LONGEST),
)


def as_bytes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), np.uint8)


def numbers(table: WordTable, pieces: WordPieces, some: list[str], behind: str = "") -> list[int]:
    """Ask for the words one by one, each in bytes that go on after it."""
    room = np.zeros(pieces.most + 1, np.int32)
    return [word_number(table, pieces, as_bytes(word + behind), 0, len(word), room, 0) for word in some]


def looked_up(table: WordTable, text: str) -> list[int]:
    """The numbers of the words of a text, as the reader looks them up."""
    data = as_bytes(text)
    bitmap = bitmap_for(len(data))
    count = mark_words(data, 0, len(data), bitmap)
    look_up_words(table, data, bitmap, count)
    return bitmap.numbers[:count].tolist()


# the words behind decide whether 16 bytes are read at once, or one after the other at the end of the data
@given(some=st.lists(words, max_size=30), behind=st.sampled_from(["", " and", " and so on and on"]))
def test_words_are_numbered_in_the_order_in_which_they_are_met(
    pieces: WordPieces, some: list[str], behind: str
) -> None:
    table = empty_table(VECTORS)
    order: dict[str, int] = {}
    expected = [order.setdefault(word.lower(), len(order)) for word in some]
    assert numbers(table, pieces, some, behind) == expected
    assert numbers(table, pieces, [word.swapcase() for word in some]) == expected
    assert table.filled[0] == len(order)
    if some:
        # all but the last are read 16 bytes at a time
        found = [number if is_first(table, some[k], number) else -1 for k, number in enumerate(expected)]
        assert looked_up(table, " ".join(some)) == found


def is_first(table: WordTable, word: str, number: int) -> bool:
    """Tell whether a word lies in the slot of its hash, the only one that the reader looks into."""
    return bool(table.slots[_slot_of(*_bytes(as_bytes(word), 0, len(word)))] == number + 1)


@given(some=st.lists(words, min_size=1, max_size=20, unique_by=str.lower))
def test_a_number_stands_for_the_token_and_the_pieces_of_its_word(
    pieces: WordPieces, tokenizer: Tokenizer, some: list[str]
) -> None:
    table = empty_table(VECTORS)
    behind = len(VECTORS)
    for number, word in zip(numbers(table, pieces, some), some, strict=True):
        assert token_hash(table, number) == tokens(pa.array([word.lower()], pa.large_string())).hashes[0]
        own = VECTORS[tokenizer.encode(word.lower(), add_special_tokens=False).ids].sum(axis=0)
        assert np.linalg.norm(table.sums[behind + number] - own * table.unit) <= table.rounding
    assert (np.linalg.norm(table.sums[:behind] - VECTORS * table.unit, axis=1) <= table.rounding).all()


def test_a_word_whose_sum_is_too_long_is_not_remembered(pieces: WordPieces) -> None:
    alike = np.ones((30_000, 8), np.float32)
    alike[:, EVIDENCE] = 0
    table = empty_table(alike)
    # one piece, two and more
    assert numbers(table, pieces, ["reasoning", "zq" * 7, "explain"]) == [0, -1, 1]


def test_words_never_met_have_no_number(pieces: WordPieces) -> None:
    table = empty_table(VECTORS)
    assert looked_up(table, "nothing is known yet") == [-1] * 4
    numbers(table, pieces, ["known", "is"])
    assert looked_up(table, "nothing is known yet, IS it") == [-1, 1, 0, -1, -1, 1, -1]


def test_a_full_table_knows_its_words_and_takes_no_others(pieces: WordPieces) -> None:
    table = empty_table(VECTORS)
    assert numbers(table, pieces, ["first", "second"]) == [0, 1]
    table.filled[0] = MAX_WORDS
    assert numbers(table, pieces, ["third", "second", "first"]) == [-1, 1, 0]
    assert looked_up(table, "first third") == [0, -1]


def test_without_vectors_words_have_numbers_and_no_sums(pieces: WordPieces) -> None:
    table = empty_table(np.empty((0, 0), np.float32))
    assert numbers(table, pieces, ["one", "two", "One"]) == [0, 1, 0]
    assert table.sums.size == 0


@pytest.mark.parametrize("word", ["Reasoning", "x", "0x1F"])
def test_hashes_are_of_lower_case(word: str) -> None:
    lower = word.lower()
    assert plain_word_hash(as_bytes(word), 0, len(word)) == plain_word_hash(as_bytes(lower), 0, len(lower))
    assert plain_word_hash(as_bytes(f"a{word}"), 1, len(word) + 1) == plain_word_hash(
        as_bytes(word), 0, len(word)
    )
