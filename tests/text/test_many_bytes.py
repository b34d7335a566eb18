"""Texts that are normalised 64 bytes at a time come out as those that are looked at byte by byte."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from fingerprint.domain.schemas import SYSTEM_END, TURN_END
from fingerprint.text.characters import CLASS, LETTER, LOOSE, SYMBOL, matching, showing
from fingerprint.text.normalise import display, normalise


def test_printable_ascii_is_letters_and_signs_that_nothing_else_changes() -> None:
    for table in (matching(), showing()):
        kinds = table.kinds[33:127]
        assert set((kinds & CLASS).tolist()) == {SYMBOL, LETTER}
        assert not (kinds & LOOSE).any()
        assert not table.simple[33:127].any()
        assert not table.rules[33:127].any()


PARTS = st.sampled_from(
    [
        *(
            " ",
            "  ",
            "\n",
            "\t",
            "a",
            "Fox",
            "quick brown fox",
            "Z" * 63,
            "w " * 33,
            "deadbeef",
            "f" * 15,
            "f" * 16,
        ),
        *(
            "4:05",
            "2026-03-02",
            "1234567",
            "http://x.y/z",
            "a@b.com",
            ":",
            "://",
            "@",
            ".",
            "-",
            "abcdefabcdefabcd",
        ),
        *(
            "é",
            "’",
            "日本",
            "\u0301",
            "\u200b",
            "\x00",
            "\x7f",
            SYSTEM_END,
            TURN_END,
            "\x1f",
            "аbc",
            "раypal",
            "ﬁ",
        ),
        *("\u00a0", "`^~", "don't_do"),
    ]
)


@given(
    texts=st.lists(st.lists(PARTS, max_size=30).map("".join), min_size=1, max_size=4),
    before=st.integers(0, 70),
)
def test_texts_before_the_end_are_read_as_the_last_ones(texts: list[str], before: int) -> None:
    # 64 bytes at once are only looked at where so many follow in the array
    behind = [*texts, "x" * 200]
    for form in (normalise, display):
        alone = [form(pa.array(["x" * before, text]))[1].as_py() for text in texts]
        together = form(pa.array(["x" * before, *behind])).to_pylist()
        assert together[1:-1] == alone
    for text in texts:
        if text.isascii() and text.isprintable():
            assert display(pa.array([text, "x" * 200]))[0].as_py() == " ".join(text.split())
