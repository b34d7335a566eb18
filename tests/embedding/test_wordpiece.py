"""Words are cut into the very pieces that the tokenizer cuts them into."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from fingerprint.base.hashing import FNV_OFFSET, FNV_PRIME
from fingerprint.embedding.wordpiece import WordPieces, cut, piece, read_pieces

SIGNS = "abcdefghijklmnopqrstuvwxyz0123456789"
SYLLABLES = ["un", "fit", "ting", "ness", "over", "s", "q", "zx", "3d", "token", "izer", "0x1f"]


def numbers(pieces: WordPieces, word: str) -> list[int]:
    out = np.zeros(pieces.most + 1, np.int32)
    spelled = np.frombuffer(word.encode(), np.uint8)
    return out[: cut(pieces, spelled, (0, len(spelled)), out, 0)].tolist()


def fnv(word: str) -> np.uint64:
    h = int(FNV_OFFSET)
    for byte in word.encode():
        h = (h ^ byte) * int(FNV_PRIME) % 2**64
    return np.uint64(h)


words = st.one_of(
    st.text(SIGNS, min_size=1, max_size=30),
    st.lists(st.sampled_from(SYLLABLES), min_size=1, max_size=40).map("".join),
    st.sampled_from([chr(c) for c in range(33, 127) if not chr(c).isalnum()]),
)


@settings(max_examples=300, deadline=None)
@given(word=words)
def test_words_are_cut_as_the_tokenizer_does(pieces: WordPieces, tokenizer: Tokenizer, word: str) -> None:
    expected = tokenizer.encode(word, add_special_tokens=False).ids
    assert numbers(pieces, word) == expected
    assert numbers(pieces, word.upper()) == expected


def test_every_word_of_the_vocabulary_is_one_piece(pieces: WordPieces, tokenizer: Tokenizer) -> None:
    vocabulary = tokenizer.get_vocab()
    whole = [word for word in vocabulary if word.isascii() and word.isalnum()]
    assert len(whole) > 20_000
    assert all(piece(pieces.entries, fnv(word)) == vocabulary[word] for word in whole)
    assert piece(pieces.entries, fnv("zxqj")) == -1


def test_other_tokenizers_are_not_imitated(tokenizer_file: Path) -> None:
    facts: dict[str, Any] = json.loads(tokenizer_file.read_text())
    for changed in (
        {"normalizer": {**facts["normalizer"], "lowercase": False}},
        {"normalizer": None},
        {"pre_tokenizer": {"type": "Whitespace"}},
        {"added_tokens": [{**facts["added_tokens"][0], "content": "<mask>"}]},
        {"model": {**facts["model"], "continuing_subword_prefix": ""}},
    ):
        assert read_pieces(facts | changed) is None
