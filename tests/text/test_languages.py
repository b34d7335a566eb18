"""The language of a text, or none where it is uncertain."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprint.text.languages import language_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("please say in your own words what the letter of the landlord asks for", "English"),
        ("bitte sage mit eigenen worten, was im brief des vermieters verlangt wird", "German"),
        ("dis avec tes propres mots ce que demande la lettre du propriétaire", "French"),
        ("请用自己的话说明房东来信的要求，并列出需要在本周完成的事项", "Chinese"),
        ("請用自己的話說明房東來信的要求，並列出需要在本週完成的事項", "Chinese"),
        ("家主からの手紙が何を求めているのか、自分の言葉で説明してください", "Japanese"),
        ("⟨uuid⟩ ⟨number⟩ ⟨date⟩", None),
        ("x = [f(y) for y in z]", None),
        ("", None),
    ],
)
def test_languages_are_told(text: str, language: str | None) -> None:
    assert language_of(text) == language


def test_a_long_text_is_read_at_both_ends() -> None:
    text = "wir lesen den anfang und das ende von langen texten " * 1_000
    assert language_of(text) == "German"


@given(st.text(max_size=300))
def test_any_text_has_a_language_or_none(text: str) -> None:
    found = language_of(text)
    assert found is None or found
