"""A text's tokens are the tokenizer's own, whether its words were met before or not."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from fingerprint.base.strings import buffers
from fingerprint.embedding.embedder import Embedder
from fingerprint.embedding.token_cache import MOST_WORDS, TokenCache
from fingerprint.embedding.wordpiece import read_pieces, word_rules

FOLDER = Embedder.load("static").folder
FACTS = json.loads((FOLDER / "tokenizer.json").read_bytes())
RULES, PIECES = word_rules(FACTS), read_pieces(FACTS)
TOKENIZER = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))


def cache(tokenizer: object, *, pieces: bool = False, most: int = MOST_WORDS) -> TokenCache:
    assert RULES is not None
    return TokenCache(tokenizer, RULES, PIECES if pieces else None, most=most)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return TOKENIZER


def numbered(words: TokenCache, texts: list[str]) -> list[list[int]]:
    read = words.of(*buffers(pa.array(texts, pa.large_string())))
    out = []
    for row in range(len(texts)):
        mine = read.word[read.offsets[row] : read.offsets[row + 1]]
        out.append([int(i) for w in mine for i in read.own.ids[read.own.ends[w] : read.own.ends[w + 1]]])
    return out


def read(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    return [list(e.ids) for e in tokenizer.encode_batch(texts, add_special_tokens=False)]


SIGNS = "aZé é你好のกว한жﬁ\u0301\u200b\x1d\x1e\x00\ufffd \u00a0\u2003\n\t\r.,[]-'#😀"
words = st.sampled_from(
    ["[SEP]", "[UNK]", "[sep]", "unbelievable", "x1", "Σς", "##ing", "##", "don't", "q" * 120]
)
ascii_only = st.text(st.characters(min_codepoint=1, max_codepoint=127), max_size=60)
texts = st.lists(
    st.one_of(st.text(max_size=40), st.text(SIGNS, max_size=40), ascii_only, st.lists(words).map(" ".join)),
    max_size=12,
)


@settings(max_examples=200, deadline=None)
@given(first=texts, second=texts)
def test_tokens_are_the_tokenizers_own(first: list[str], second: list[str]) -> None:
    for pieces in (False, True):
        learnt = cache(TOKENIZER, pieces=pieces)
        assert numbered(learnt, first) == read(TOKENIZER, first)
        assert numbered(learnt, second + first) == read(TOKENIZER, second + first)


class Silent:
    """A tokenizer that must not be asked for any word."""

    def encode_batch_fast(self, texts: list[str], **_: bool) -> list[object]:
        assert texts == []
        return []


def test_words_of_ascii_are_cut_without_the_tokenizer(tokenizer: Tokenizer) -> None:
    texts = ["it's well-known: 3.14 (or so) ~ `x_1`!", "unbelievableness " + "z" * 101]
    assert numbered(cache(Silent(), pieces=True), texts) == read(tokenizer, texts)


def test_more_words_than_are_remembered(tokenizer: Tokenizer) -> None:
    random = np.random.default_rng(3)
    texts = [" ".join(map(str, random.integers(0, 10**6, 60).tolist())) for _ in range(3_000)]
    learnt = cache(tokenizer, most=40_000)
    for begin in range(0, len(texts), 500):
        part = texts[begin : begin + 500]
        assert numbered(learnt, part) == read(tokenizer, part)
    assert numbered(learnt, ["x" * 70_000 + " y", *texts[-3:]]) == read(
        tokenizer, ["x" * 70_000 + " y", *texts[-3:]]
    )
    assert len(learnt._learnt.table.keys) <= 80_000


@pytest.mark.parametrize("most", [20_000, MOST_WORDS])
def test_threads_read_the_same_tokens_while_words_are_added_and_forgotten(
    most: int, tokenizer: Tokenizer
) -> None:
    random = np.random.default_rng(5)
    texts = [" ".join(map(str, random.integers(0, 10**6, 40).tolist())) for _ in range(1_200)]
    learnt = cache(tokenizer, most=most)
    parts = [texts[begin : begin + 30] for begin in range(0, len(texts), 30)]
    with ThreadPoolExecutor(4) as pool:
        tokens = list(pool.map(lambda part: numbered(learnt, part), parts))
    assert tokens == [read(tokenizer, part) for part in parts]
    assert (learnt._learnt.generation > 0) == (most < MOST_WORDS)


def test_a_slice_and_nothing(tokenizer: Tokenizer) -> None:
    learnt = cache(tokenizer)
    column = pa.array(["left out", "the sea", "", "the ocean"], pa.large_string()).slice(1)
    read = learnt.of(*buffers(column))
    assert read.offsets.tolist() == [0, 2, 2, 4]
    assert read.word.tolist() == [0, 1, 0, 2]
    assert learnt.of(*buffers(pa.array([], pa.large_string()))).offsets.tolist() == [0]


def test_only_tokenizers_that_cut_at_spaces_first_are_read_so() -> None:
    assert RULES is not None
    assert RULES.parts_han
    cuts = [FACTS["pre_tokenizer"], {"type": "Digits", "individual_digits": True}]
    for change in (
        {"pre_tokenizer": {"type": "Metaspace"}},
        {"pre_tokenizer": {"type": "Sequence", "pretokenizers": cuts}},
        {"normalizer": None},
        {"added_tokens": [{**FACTS["added_tokens"][0], "lstrip": True}]},
    ):
        assert word_rules({**FACTS, **change}) is None
