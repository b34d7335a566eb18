from __future__ import annotations

import json
import unicodedata
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from fingerprint.cli.output.terminal import iso, json_line, plain
from fingerprint.domain.signature import Reason

ANY = st.text(st.characters(exclude_categories=()))
DANGEROUS = ("Cc", "Zl", "Zp", "Cs", "Co")


def test_escape_sequences_and_direction_marks_become_visible() -> None:
    assert plain("a\x1b]0;owned\x07b\x9b31mc") == "a\\u001b]0;owned\\u0007b\\u009b31mc"
    assert plain("abc\u202edcb\u200d\U000e0041") == "abc\\u202edcb\\u200d\\udb40\\udc41"


def test_line_breaks_become_blanks() -> None:
    assert plain("one\r\n\ttwo\u2028three") == "one two three"


def test_words_of_all_scripts_stay() -> None:
    for text in ("naïve café", "你好世界", "สวัสดี", "🦊❤️", "⟨…⟩ “quoted” – 1 000"):
        assert plain(text) == text


@given(ANY)
def test_nothing_a_terminal_obeys_is_left(text: str) -> None:
    assert not [c for c in plain(text) if unicodedata.category(c) in DANGEROUS]


@given(
    st.dictionaries(st.text(), st.text() | st.integers() | st.none() | st.booleans() | st.lists(st.text()))
)
def test_json_lines_are_safe_and_lose_nothing(value: dict[str, object]) -> None:
    line = json_line(value)
    assert not [c for c in line if unicodedata.category(c) in DANGEROUS]
    assert json.loads(line) == value


def test_json_lines_of_records_and_times() -> None:
    reason = Reason("synchrony", 1.5, 2.0, "many at once")
    line = json_line({"reasons": (reason,), "at": datetime(2026, 3, 2, 4, 5, tzinfo=UTC)})
    assert json.loads(line) == {
        "reasons": [
            {"name": "synchrony", "value": 1.5, "contribution": 2.0, "words": "many at once", "phrase": ""}
        ],
        "at": "2026-03-02T04:05:00Z",
    }


def test_times_are_in_utc() -> None:
    assert iso(datetime.fromisoformat("2026-03-02T01:00:00.5+02:00")) == "2026-03-01T23:00:00.500000Z"
