"""Very long texts are read in pieces, with the result of the whole, and reading stops when it is told to."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from matching.test_beginnings import PIECES, TURNS, alike, index_of

from fingerprint.domain.schemas import SYSTEM_END, TURN_END
from fingerprint.matching import long_texts
from fingerprint.matching.beginnings import Beginnings, Read
from fingerprint.matching.long_texts import pieces, read_long
from fingerprint.text.normalise import normalise

PROSE = [
    "act as a tax adviser and review",
    "what follows here",
    "o'clock or so",
    "bread, river; stone",
    "end it now",
]


def never() -> None:
    """Go on."""


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_texts, "PIECE", 60)


NONE = np.empty(0, np.uint64)


@pytest.mark.usefixtures("short")
@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PROSE) | PIECES | st.just(TURN_END), min_size=8, max_size=60), st.booleans())
def test_pieces_that_end_between_words_give_what_the_whole_gives(parts: list[str], with_system: bool) -> None:
    text = " ".join([f"a system prompt of words{SYSTEM_END}" if with_system else "", *parts])
    index = index_of(text, " ".join(PROSE))
    held, ends, words = read_long(index, text, never)
    whole = normalise(pa.array([text], pa.large_string()))[0].as_py()
    apart = "".join(
        (" " if spaced else "") + normalise(pa.array([piece], pa.large_string()))[0].as_py()
        for piece, spaced in pieces(text)
    )
    # cut in the middle of a run, a text may be normalised to another; else everything is the same
    assert alike(Read(held, ends, text.count(TURN_END), words, NONE), text, index) or whole != apart


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("turns", [1, 3, 260, 600])
def test_prose_of_many_turns_gives_what_the_whole_gives(turns: int) -> None:
    rng = np.random.default_rng(turns)
    said = [" ".join(rng.choice(PROSE, rng.integers(1, 12))) for _ in range(turns)]
    text = f"be brief and kind{SYSTEM_END}" + TURN_END.join(said)
    index = index_of(text, *PROSE)
    assert len(list(pieces(text))) > 1 or turns == 1
    held, ends, words = read_long(index, text, never)
    assert words
    assert alike(Read(held, ends, turns - 1, words, NONE), text, index)


@pytest.mark.usefixtures("short")
def test_a_text_of_nothing_but_signs() -> None:
    text = "?! ... ;:-" * 50
    index = index_of(text)
    held, _, words = read_long(index, text, never)
    assert not words
    assert len(held.places)


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("letter", ["a", "\ufdfa", "漢", "1", "abcdefghijklmno12345", "\u0301", "\x1f", " "])
def test_every_piece_is_bounded(letter: str) -> None:
    text = letter * (10_000 // len(letter))
    assert max(len(piece) for piece, _ in pieces(text)) <= 2 * 60
    assert sum(len(piece) for piece, _ in pieces(text)) <= len(text)


def test_reading_stops_when_it_is_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_texts, "PIECE", 1000)
    left = [5]

    def stop() -> None:
        left[0] -= 1
        if left[0] == 0:
            raise TimeoutError

    text = "blobish12345" * 400_000
    remembering = Beginnings(index_of("one two three four"))
    with pytest.raises(TimeoutError):
        remembering.read(text, stop)
    assert left == [0]


def has_safe_cuts(text: str, within: int) -> bool:
    """Whether a text has a space between two ASCII letters at every so many characters; else it is cut in a run."""
    spaces = [match.start() for match in re.finditer("(?<=[A-Za-z]) (?=[B-OQ-Zb-oq-z])", text)]
    return bool(np.diff([0, *spaces, len(text)]).max() <= within)


@settings(max_examples=30, deadline=None)
@given(TURNS)
def test_what_goes_on_from_a_very_long_text_is_read_from_there(turns: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fingerprint.matching.beginnings.VERY_LONG", 200)
        patch.setattr(long_texts, "PIECE", 400)
        texts = [
            "some plain words of prose here. " * 30 + TURN_END.join(turns[:n]) for n in range(len(turns) + 1)
        ]
        texts = [" ".join([PROSE[0]] * 20), *(" ".join([PROSE[0]] * 20) + TURN_END + t for t in texts)]
        assume(has_safe_cuts(texts[-1], within=100))
        index = index_of(*texts)
        remembering = Beginnings(index)
        for text in texts:
            read = remembering.read(text)
            assert alike(read, text, index)
