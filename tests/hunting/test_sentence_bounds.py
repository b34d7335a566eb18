"""Sentences are bounded by the cosines of their words' sums, however little room there is for new words."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fingerprint.base.simd import LANES
from fingerprint.base.strings import buffers, strings
from fingerprint.embedding.languages import FOREIGN
from fingerprint.embedding.wordpiece import WordPieces
from fingerprint.hunting.meaning_bounds import NO_PIECES
from fingerprint.hunting.sentence_bounds import (
    EVIDENCE,
    KNOWN,
    WORDS,
    NewWords,
    SentenceModel,
    SentenceWords,
    bound,
    finish,
    read,
    rehash,
)
from fingerprint.text.sentences import FEWEST_WORDS

WIDE = LANES
VOCABULARY = ["explain", "your", "hidden", "reasoning", "step", "by", "a1", "dont"]
OTHER = ["ünï", "日本"]
TARGETS = np.random.default_rng(5).normal(size=(3, WIDE)).astype(np.float32)
TARGETS[:, EVIDENCE] = 0
TARGETS /= np.linalg.norm(TARGETS, axis=1, keepdims=True)

sentences = st.lists(st.sampled_from([*VOCABULARY, *OTHER]), max_size=9).map(" ".join)
texts = st.lists(st.lists(sentences, max_size=4).map(". ".join), min_size=1, max_size=6)


def vector(word: str) -> np.ndarray:
    """A word's vector, the same whenever it is asked for, without evidence of another language."""
    out = np.random.default_rng(list(word.encode())).normal(size=WIDE).astype(np.float32)
    out[EVIDENCE] = 0
    return out


def new_words(room: int) -> NewWords:
    return NewWords(
        np.empty(room, np.int64),
        np.empty(room, np.int64),
        np.empty(room, np.int64),
        np.empty((room, WIDE), np.float32),
        np.empty(room, np.uint8),
        np.zeros(room + 1, np.int64),
        np.zeros(4, np.int64),
        np.zeros(2, np.int32),
    )


def bounds(
    some: Sequence[str], room: int, *, whole: bool = False, pieces: WordPieces = NO_PIECES
) -> np.ndarray:
    """Bound texts in as many passes as the room for new words takes."""
    data, offsets = buffers(pa.array(some, pa.large_string()))
    words = SentenceWords(np.zeros(1 << 10, np.uint64), np.zeros(1 << 10, np.int32))
    sums = np.zeros((1 << 9, WIDE), np.float32)
    best = np.zeros((len(some), len(TARGETS)), np.float32)
    new, row, known = new_words(room), 0, 0
    while row < len(some):
        new.counts[:] = 0
        new.counts[KNOWN] = known
        model = SentenceModel(words, sums, TARGETS, pieces, np.empty((0, 0), np.float32))
        after = read((data, offsets), row, whole, model, best, new)
        assert after > row, "a pass reads a text at least"
        count = int(new.counts[WORDS])
        for number, word in enumerate(strings(new.data, new.ends[: count + 1]).to_pylist()):
            sums[known + number] = vector(word)
        row, known = after, known + count
        finish(new, sums, TARGETS, best)
    return best


def expected(some: Sequence[str], *, whole: bool = False) -> np.ndarray:
    out = np.zeros((len(some), len(TARGETS)), np.float32)
    for row, text in enumerate(some):
        for sentence in [text] if whole else text.split("."):
            words = re.findall(r"[^\s.]+|\.", sentence)
            # as `split_sentences` does, but what it would drop for other reasons may be bounded, too
            enough = sentence.count(" ") >= FEWEST_WORDS - 1 or not sentence.isascii()
            if words and (whole or enough):
                y = np.sum([vector(word) for word in words], axis=0)
                out[row] = np.maximum(out[row], TARGETS @ y / np.linalg.norm(y))
    return out


@given(some=texts, whole=st.booleans())
def test_each_text_has_the_cosine_of_its_nearest_sentence(some: list[str], whole: bool) -> None:
    np.testing.assert_allclose(bounds(some, 1 << 12, whole=whole), expected(some, whole=whole), atol=1e-5)


@given(some=texts)
def test_bounds_do_not_depend_on_the_room_for_new_words(some: list[str]) -> None:
    longest = max(len(text.encode()) for text in some) + 2
    np.testing.assert_allclose(bounds(some, longest), bounds(some, 1 << 12), atol=1e-6)


def test_one_text_that_does_not_fit_is_not_begun() -> None:
    data, offsets = buffers(pa.array(["explain your reasoning"], pa.large_string()))
    words = SentenceWords(np.zeros(64, np.uint64), np.zeros(64, np.int32))
    model = SentenceModel(
        words, np.zeros((64, WIDE), np.float32), TARGETS, NO_PIECES, np.empty((0, 0), np.float32)
    )
    new, best = new_words(8), np.zeros((1, len(TARGETS)), np.float32)
    assert read((data, offsets), 0, False, model, best, new) == 0
    assert not new.counts.any()
    assert not words.keys.any()


def test_short_sentences_say_nothing() -> None:
    assert not bounds(["explain.your hidden.step"], 1 << 10).any()
    assert bounds(["explain your hidden reasoning."], 1 << 10).any()


floats = st.floats(-100, 100, width=32)


@given(
    y=arrays(np.float32, WIDE, elements=floats),
    before=arrays(np.float32, 3, elements=st.floats(0, 1, width=32)),
)
def test_a_bound_is_a_cosine_and_never_falls(y: np.ndarray, before: np.ndarray) -> None:
    best = before.copy()
    y[EVIDENCE] = 0
    bound(y, TARGETS, best, np.float32(0))
    assert (best >= before).all()
    assert (best <= 1).all()
    length = np.linalg.norm(y.astype(np.float64))
    if length > 1e-3:
        cosines = np.minimum(TARGETS @ y / length, 1)
        np.testing.assert_allclose(best, np.maximum(before, cosines), atol=1e-4)


@given(
    y=arrays(np.float32, WIDE, elements=floats),
    off=arrays(np.float32, WIDE, elements=st.floats(-3, 3, width=32)),
)
def test_a_bound_holds_for_what_is_off_by_the_slip(y: np.ndarray, off: np.ndarray) -> None:
    y[EVIDENCE] = off[EVIDENCE] = 0
    best, true = np.zeros(len(TARGETS), np.float32), (y + off).astype(np.float64)
    bound(y, TARGETS, best, np.float32(np.linalg.norm(off) * 1.0001))
    if (length := np.linalg.norm(true)) > 1e-3:
        assert (best >= np.minimum(TARGETS @ true / length, 1) - 1e-4).all()


def test_sentences_of_other_languages_are_not_bounded() -> None:
    for evidence, bounded in ((-9, True), (FOREIGN, True), (FOREIGN + 1, False)):
        y, best = vector("explain"), np.zeros(len(TARGETS), np.float32)
        y[EVIDENCE] = evidence
        bound(y, TARGETS, best, np.float32(0))
        assert (best < 1).all() == bounded
        expected = TARGETS @ vector("explain") / np.linalg.norm(vector("explain"))
        assert not bounded or np.allclose(best, np.maximum(expected, 0), atol=1e-6)


@pytest.mark.parametrize("size", [1, 500])
def test_a_larger_table_has_the_same_words(size: int) -> None:
    random = np.random.default_rng(size)
    keys = np.unique(random.integers(1, 1 << 63, size, dtype=np.uint64))
    first = SentenceWords(np.zeros(1024, np.uint64), np.zeros(1024, np.int32))
    at = random.permutation(1024)[: len(keys)]
    first.keys[at], first.slots[at] = keys, np.arange(len(keys))
    larger = SentenceWords(np.zeros(4096, np.uint64), np.zeros(4096, np.int32))
    rehash(first, larger)
    again = SentenceWords(np.zeros(8192, np.uint64), np.zeros(8192, np.int32))
    rehash(larger, again)
    for table in (larger, again):
        places = np.flatnonzero(table.keys)
        assert dict(zip(table.keys[places].tolist(), table.slots[places].tolist(), strict=True)) == dict(
            zip(keys.tolist(), range(len(keys)), strict=True)
        )
