"""A text that goes on with an earlier one is read from there, with the result of the whole."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.bare_signatures import signature

from fingerprint.base.strings import buffers
from fingerprint.domain.schemas import SYSTEM_END, TURN_END
from fingerprint.matching import beginnings
from fingerprint.matching.beginnings import Beginnings, Read
from fingerprint.matching.ngram_index import Hits, NgramIndex, best_hits, best_of, index_ngrams
from fingerprint.matching.said_texts import OfEnds, Whole
from fingerprint.matching.scattered import filter_of, scattered_in_one
from fingerprint.text.ngrams import Shingles, shingle
from fingerprint.text.normalise import normalise
from fingerprint.text.sentences import HEAD, TAIL, ends_of, heads, split_sentences
from fingerprint.text.tokenise import tokens

PIECES = st.sampled_from(
    [
        "act as a tax adviser and review what follows",
        "Answer in one short TABLE",
        " ",
        "\n",
        "?!",
        "…",
        "é",
        "e\u0301",
        "\u0301",
        "ｆｕｌｌ",
        "漢字",
        "👩‍👩‍👧",
        "\u200b",
        "2026-03-02",
        "04:05 pm",
        "7",
        "https://example.org/a?b",
        "somebody",
        "@example.org",
        "deadbeefdeadbeefdeadbeef",
        "o'clock_",
        "word " * 40,
    ]
)
TURNS = st.lists(st.lists(PIECES, max_size=6).map("".join), min_size=1, max_size=6)


def shingled(text: str) -> Shingles:
    found = tokens(normalise(pa.array([text], pa.large_string())))
    return shingle(found.hashes, found.section, found.row_offsets)


def index_of(*texts: str) -> NgramIndex:
    """Two signatures for each text: one holds all of its n-grams, one every other."""
    grams = [np.unique(shingled(text).hashes) for text in texts]
    held = [g for every in grams for g in (every, every[::2]) if len(g)]
    return index_ngrams(
        [signature({int(h): 0.3 + (int(h) % 7) / 10 for h in g}, f"f{n}") for n, g in enumerate(held)]
    )


def all_of(hits: Hits) -> list[list[float]]:
    return [c.tolist() for c in (hits.family, hits.score, hits.coverage, *hits.also)]


def alike(read: Read, text: str, index: NgramIndex) -> bool:
    """Tell whether what was read of a text is what the whole gives."""
    folded = normalise(pa.array([text], pa.large_string()))
    grams = shingled(text)
    hits = best_hits(index, grams.hashes, grams.offsets)
    every = np.zeros(1, np.int64)
    for own in (np.array([False]), np.array([True])):
        said, first = OfEnds([read.ends]).read(every, own)
        whole, begins = Whole(folded).read(every, own)
        if not split_sentences(said)[0].equals(split_sentences(whole)[0]):
            return False
        if heads(first)[0].as_py()[:HEAD] != heads(begins)[0].as_py()[:HEAD]:
            return False
    return all_of(best_of(index, [read.held])) == all_of(hits)


@settings(max_examples=200, deadline=None)
@given(TURNS, st.none() | PIECES, st.integers(1, 6))
def test_turn_by_turn_gives_what_the_whole_gives(turns: list[str], system: str | None, repeated: int) -> None:
    # long enough that only the ends are read, in some
    begin = f"{system * (60 if repeated > 3 else 1)}{SYSTEM_END}" if system else ""
    turns = [turn * (40 if n == repeated else 1) for n, turn in enumerate(turns)]
    texts = [begin + TURN_END.join(turns[:size]) for size in range(1, len(turns) + 1)]
    index = index_of(*texts)
    remembering = Beginnings(index, filter_=filter_of(index.grams, texts))
    for text in [*texts, *texts]:
        read = remembering.read(text)
        assert alike(read, text, index)
        words = tokens(normalise(pa.array([text], pa.large_string())))
        assert read.more.tolist() == scattered_in_one(index.grams, remembering.filter, words).tolist()


def test_only_what_is_new_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def counted(texts: pa.Array) -> pa.LargeStringArray:
        read.append(len(texts[0].as_py()))
        return normalise(texts)

    monkeypatch.setattr(beginnings, "normalise", counted)
    remembering = Beginnings(index_of("one two three four five"))
    text = "some words of a first turn. " * 4000
    remembering.read(text)
    remembering.read(text)
    assert read == [len(text)]
    remembering.read(f"{text}{TURN_END}a second turn")
    remembering.read(f"{text}{TURN_END}another second turn")
    remembering.read(f"{text}{TURN_END}a second turn{TURN_END}a third")
    # with the end of the turn before, and a word that stands for it
    assert read[1:] == [len("x/a second turn"), len("x/another second turn"), len("x/a third")]
    # the same beginning, but no turn ends there
    remembering.read(f"{text}and more")
    # another text of the same length that begins alike
    remembering.read(f"{text[:-2]}! ")
    assert read[4:] == [len(text) + 8, len(text)]


def test_the_oldest_are_forgotten() -> None:
    remembering = Beginnings(index_of("one two three four five"), kept=3)
    for number in range(10):
        remembering.read(f"conversation {number}")
    assert len(remembering._known) == 3
    assert sum(map(len, remembering._lengths.values())) == 3


def test_a_text_of_many_turns_is_read_as_a_whole() -> None:
    turns = [f"turn {n} of a conversation that is long" for n in range(300)]
    texts = [TURN_END.join(turns[:size]) for size in (250, 252, 253, 254, 255, 256, 258, 300)]
    index = index_of(texts[-1])
    remembering = Beginnings(index)
    for text in texts:
        assert alike(remembering.read(text), text, index)


LETTERS = st.text(st.sampled_from(f"aé漢😀. {SYSTEM_END}"), max_size=60)


@given(LETTERS, LETTERS)
def test_ends_of_a_text_are_those_of_its_parts(first: str, second: str) -> None:
    first, second = first * 90, second * 30
    ends = [ends_of(buffers(pa.array([t], pa.large_string()))[0]) for t in (first, second, first + second)]
    assert ends[0].before(ends[1]) == ends[2]
    assert ends[2].characters == len(first + second)
    assert ends[2].head == (first + second)[: HEAD + TAIL]
    assert ends[2].tail == (first + second)[-TAIL:]
    system, mark, behind = (first + second).partition(SYSTEM_END)
    assert ends[2].system == (len(system) + 1 if mark else 0)
    assert ends[2].asked == (behind[: HEAD + TAIL] if mark else "")
