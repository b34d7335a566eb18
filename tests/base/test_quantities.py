from __future__ import annotations

import pytest

from fingerprint.base.quantities import bytes_words, count_words


@pytest.mark.parametrize(
    ("number", "plural", "words"),
    [
        (0, "families", "0 families"),
        (1, "families", "1 family"),
        (1_200, "families", "1,200 families"),
    ],
)
def test_a_count_agrees_with_its_noun(number: int, plural: str, words: str) -> None:
    assert count_words(number, "family", plural) == words
    assert count_words(number, "row") == words.replace("families", "rows").replace("family", "row")


@pytest.mark.parametrize(
    ("size", "words"), [(0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (63_700, "63.7 kB"), (2.5e9, "2.5 GB")]
)
def test_bytes_are_said_in_the_largest_unit_that_they_fill(size: float, words: str) -> None:
    assert bytes_words(size) == words
