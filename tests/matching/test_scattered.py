"""Words put between those of a template: what is nearly all there is matched, and a few of its words are not."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.matched import ASK, END, family

from fingerprint.domain.schemas import TURN_END
from fingerprint.embedding.embedder import Embedder, stamp_of
from fingerprint.matching.beginnings import LONG
from fingerprint.matching.matcher import Matcher
from fingerprint.matching.scattered import (
    LEAST,
    SPAN,
    STEP,
    filter_of,
    find_scattered,
    scattered_in_one,
    several_of,
)
from fingerprint.matching.snapshot_build import publish
from fingerprint.text.ngrams import GRAM, shingle
from fingerprint.text.normalise import normalise
from fingerprint.text.tokenise import Tokens, tokens

LETTERS = st.text(st.sampled_from("abcde"), min_size=1, max_size=14).map(" ".join)
TEMPLATE = f"{ASK} {END}"
OTHERS = "of in to a that was it with they have"


def read(*texts: str) -> Tokens:
    return tokens(normalise(pa.array(texts, pa.large_string())))


def by_hand(grams: set[int], text: str) -> set[int]:
    """Look for n-grams in every choice of four words of each turn that stand near enough to each other."""
    found = set()
    for turn in text.split(TURN_END):
        words = turn.split()
        for at in combinations(range(len(words)), GRAM):
            steps = np.diff(at)
            if steps.max() <= STEP and at[-1] - at[0] <= SPAN and at[-1] - at[0] > GRAM - 1:
                # among other words, or it would be one with the marks of a beginning and an end
                alone = read(" ".join(["zz", *(words[i] for i in at), "zz"]))
                found.add(int(shingle(alone.hashes, alone.section, alone.row_offsets).hashes[2]))
    return found & grams


@settings(max_examples=60, deadline=None)
@given(LETTERS, LETTERS, LETTERS)
def test_it_finds_what_a_search_by_hand_finds(known: str, first: str, second: str) -> None:
    words = read(known)
    grams = np.unique(shingle(words.hashes, words.section, words.row_offsets).hashes)
    text = first + TURN_END + second
    found = scattered_in_one(grams, filter_of(grams, [known]), read(text))
    assert set(found.tolist()) == by_hand(set(grams.tolist()), text)
    three, some = read("x", text, text), np.array([0, 2])
    columns = three.hashes, three.section, three.row_offsets
    rows, each = several_of(*find_scattered(grams, filter_of(grams, [known]), *columns, some), some)
    assert rows.tolist() == ([2] if len(found) >= LEAST else [])
    assert [one.tolist() for one in each] == ([found.tolist()] if len(found) >= LEAST else [])


def test_an_empty_home_and_an_empty_text_hold_nothing() -> None:
    none = np.empty(0, np.uint64)
    assert not len(scattered_in_one(none, filter_of(none, []), read("a b c d e f")))
    assert not len(scattered_in_one(none, filter_of(none, []), read("")))


def between(every: int, count: int, words: str = OTHERS, template: str = TEMPLATE) -> str:
    """Return the template with so many words, in turn, after every few of its own."""
    others = words.split() * 40
    out = []
    for i, word in enumerate(template.split()):
        out.append(word)
        if i % every == every - 1:
            out += [others.pop() for _ in range(count)]
    return " ".join(out)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Matcher:
    embedder = Embedder.load("static")
    home: Path = tmp_path_factory.mktemp("home")
    publish(home, [family(embedder, ASK, END, label="campaign")], stamp_of(embedder), night="n1")
    return Matcher.open(home)


@pytest.mark.parametrize(("every", "count"), [(3, 1), (3, 2), (2, 1), (2, 2), (1, 1)])
def test_a_template_with_words_between_its_own_is_matched(found: Matcher, every: int, count: int) -> None:
    plain, spoilt = found.one(TEMPLATE), found.one(between(every, count))
    assert (spoilt.family_id, spoilt.label) == (plain.family_id, plain.label)
    assert spoilt.coverage is not None
    assert spoilt.coverage > 0.75
    padding = "how shall we prune a tree in winter? " * (LONG // 30)
    assert found.one(f"{padding}{between(every, count)}").family_id == plain.family_id
    turns = [padding, between(every, count), "and another turn"]
    for size in (2, 3):
        assert found.one(TURN_END.join(turns[:size])).family_id == plain.family_id


def test_half_a_template_and_its_words_far_apart_are_not(found: Matcher) -> None:
    half = " ".join(TEMPLATE.split()[: len(TEMPLATE.split()) // 2])
    assert found.one(between(2, 1, template=half)).family_id is None
    assert found.one(between(1, 3)).family_id is None
    assert found.one(" ".join(reversed(between(2, 1).split()))).family_id is None
