from __future__ import annotations

from fingerprint.domain import word_pairs
from fingerprint.domain.word_pairs import made_name, word_pair


def test_an_id_always_has_the_same_two_words() -> None:
    assert word_pair("c5776d2826a") == word_pair("c5776d2826a") == "clay eider"
    assert made_name("c5776d2826a", "reasoning traces") == "reasoning traces · clay eider"
    assert made_name("c5776d2826a") == "clay eider"


def test_ids_of_somebodys_own_are_their_names() -> None:
    assert made_name("graders of March", "reasoning traces") == "graders of March"
    assert made_name("c-1a2b3c4d", None) == word_pair("c-1a2b3c4d")


def test_few_of_many_ids_share_their_words() -> None:
    pairs = {word_pair(f"c{number:010x}") for number in range(1000)}
    assert len(pairs) > 950
    words = [*word_pairs._FIRST, *word_pairs._SECOND]
    assert len(words) == len(set(words)) == 256
