from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from fingerprint import word_ids
from fingerprint.embed import Embedder
from fingerprint.word_ids import WordIds, splits_at_spaces

FOLDER = Embedder.load("static").folder
TOKENIZER = Tokenizer.from_file(str(next(Path(FOLDER).rglob("tokenizer.json"))))
TOKENIZER.no_padding()
ODD = st.sampled_from([" ", "  ", "\n", "\x1d", "\u0301", "[MASK]", "##s", "don't", "資料", "x" * 120, "A.b"])
TEXTS = st.lists(st.lists(ODD | st.text(max_size=8), max_size=8).map("".join), max_size=6)
REMEMBERED = WordIds(TOKENIZER)


def whole(texts: list[str]) -> list[list[int]]:
    return [e.ids for e in TOKENIZER.encode_batch_fast(texts, add_special_tokens=False)]


def parted(words: WordIds, texts: list[str]) -> list[list[int]]:
    ids, offsets = words.of(texts)
    assert len(offsets) == len(texts) + 1
    return [ids[a:b].tolist() for a, b in pairwise(offsets.tolist())]


@given(TEXTS)
def test_ids_are_those_of_the_whole_text(texts: list[str]) -> None:
    assert splits_at_spaces(TOKENIZER)
    assert parted(REMEMBERED, texts) == whole(texts)
    assert parted(REMEMBERED, texts) == whole(texts), "the second time they are remembered"


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_ids, "MOST", 100)
    words = WordIds(TOKENIZER)
    rng = np.random.default_rng(0)
    for _ in range(20):
        texts = [" ".join(map(str, rng.integers(0, 10**6, 30))) for _ in range(3)]
        assert parted(words, texts) == whole(texts)
        assert len(words._known) <= 100
    long = ["a" * 65 + " b"]
    assert parted(words, long) == whole(long)
    assert "b" in words._known
    assert "a" * 65 not in words._known


def test_tokenizers_that_see_over_spaces_are_told_apart() -> None:
    other = Tokenizer(models.BPE())
    other.pre_tokenizer = pre_tokenizers.ByteLevel()
    other.decoder = decoders.ByteLevel()
    assert not splits_at_spaces(other)
    cut = Tokenizer.from_str(TOKENIZER.to_str())
    cut.enable_truncation(8)
    assert not splits_at_spaces(cut)
    joined = Tokenizer.from_str(TOKENIZER.to_str())
    joined.add_tokens(["two words"])
    assert not splits_at_spaces(joined)
