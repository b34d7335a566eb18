"""A text's tokens are the tokenizer's own, whether its words were met before or not."""

from __future__ import annotations

import json

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
    out = []
    for part in words.of(*buffers(pa.array(texts, pa.large_string()))):
        for row in range(len(part.offsets) - 1):
            mine = part.word[part.offsets[row] : part.offsets[row + 1]]
            out.append([int(i) for w in mine for i in part.own.ids[part.own.ends[w] : part.own.ends[w + 1]]])
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
    assert numbered(learnt, texts) == read(tokenizer, texts)
    assert numbered(learnt, ["x" * 70_000 + " y", *texts[-3:]]) == read(
        tokenizer, ["x" * 70_000 + " y", *texts[-3:]]
    )
    assert len(learnt._known.keys) <= 80_000


def test_a_slice_and_nothing(tokenizer: Tokenizer) -> None:
    learnt = cache(tokenizer)
    column = pa.array(["left out", "the sea", "", "the ocean"], pa.large_string()).slice(1)
    (part,) = learnt.of(*buffers(column))
    assert part.offsets.tolist() == [0, 2, 2, 4]
    assert part.word.tolist() == [0, 1, 0, 2]
    assert learnt.of(*buffers(pa.array([], pa.large_string()))) == []


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
