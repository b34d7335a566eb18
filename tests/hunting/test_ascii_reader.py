"""One pass over raw text finds the tokens of its normalised form, and the pieces of the sentences of that."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from fingerprint.base.strings import buffers
from fingerprint.base.types import FloatArray
from fingerprint.domain.schemas import SYSTEM_END, TURN_END
from fingerprint.embedding.wordpiece import WordPieces
from fingerprint.hunting import word_table
from fingerprint.hunting.ascii_reader import prepare, read
from fingerprint.hunting.read_text import (
    NEEDS_NORMALISING,
    SECTIONS,
    SENTENCES,
    SEPARATORS,
    ReadText,
    end_section,
    reading_for,
    start_text,
)
from fingerprint.hunting.sentence_bounds import EVIDENCE
from fingerprint.hunting.word_table import MAX_WORDS, WordTable, empty_table
from fingerprint.text import sentences
from fingerprint.text.ngrams import END, START
from fingerprint.text.normalise import normalise
from fingerprint.text.tokenise import tokens

MASKED = """
2026-03-02 04:05 4:05pm 4:05 pm am p 1,234 12,34 1.2.3.4 12.5 3.14159 21 1999 12345 12a 123ab 0x1f deadbeef1
abcdefabcdefabcdef 5f4dcc3b5aa765d6 550e8400-e29b-41d4-a716-446655440000 a1b2c3d4e5f6g7h8i9 https://example.org/path?q=1
http://x :// a@b.co @ me@ user.name@host.example.com x:/y ftp:/ 02/03/2026 1.2.2026 24:00 23:59:59.123Z 12:3
2026-03-02T04:05:06+01:00 v1.2 1st 12345px a123456b px12345 $5 50% (see #3) [1] a/b 1-2
"""
WORDS = "Explain your hidden REASONING step by step don't x_y it's _ ' '' a'b_c O' 'tis (well, \"so\") e.g. co-op a.b@c"
GAPS = [
    " ",
    "  ",
    "\n",
    "\t ",
    "\r\n",
    ". ",
    "? ",
    ": ",
    ";",
    "!",
    ",",
    "...",
    SYSTEM_END,
    TURN_END,
    "\x0b",
    "\xa0",
]
LONG = ["e" * 16, "g" * 20, "x" * 120, "un" * 30, "1" * 1100, "ab" * 600 + "9"]
OTHER = ["é", "ｗide", "ѕ", "\u200b", "\x00", "\x7f"]
PARTS = [*MASKED.split(), *WORDS.split(), *GAPS, *LONG, *OTHER]
ASCII = [chr(c) for c in range(1, 128)]
# whole numbers, so that the order in which they are added does not matter
VECTORS = np.random.default_rng(3).integers(-1000, 1000, (30_000, 8)).astype(np.float32)
VECTORS[:, EVIDENCE] = 0
texts = st.one_of(
    st.text(ASCII, max_size=60),
    st.text("ab1290:/.-,@ \n'_Tpm+x", max_size=40),
    st.lists(st.sampled_from(PARTS), max_size=40).map("".join),
    st.lists(st.sampled_from(PARTS), max_size=40).map(" ".join),
)


def read_once(
    text: str, pieces: WordPieces, part: tuple[int, int] = (0, 1 << 40), *, meaning: bool
) -> tuple[ReadText, WordTable, int]:
    data, offsets = buffers(pa.array([text], pa.large_string()))
    table = empty_table(VECTORS)
    reading, span = reading_for(len(data), pieces, table), (int(offsets[0]), int(offsets[1]))
    read_text = reading.text
    if not prepare(data, span, reading):
        return read_text, table, NEEDS_NORMALISING
    start_text(read_text)
    size = read(data, span, part, reading, meaning)
    end_section(read_text)
    return read_text, table, size


def sections(text: str) -> list[list[int]]:
    """The tokens of a text's normalised form, section by section, between their marks."""
    words = tokens(normalise(pa.array([text], pa.large_string())))
    return [
        [int(START), *words.hashes[words.section == number].tolist(), int(END)]
        for number in np.unique(words.section)
    ]


def is_plain(text: str) -> bool:
    return text.isascii() and all(c.isprintable() or c in f"\t\n\r{SYSTEM_END}{TURN_END}" for c in text)


@settings(max_examples=1000, deadline=None)
@given(text=texts)
def test_tokens_are_those_of_the_normalised_text(pieces: WordPieces, text: str) -> None:
    normal = normalise(pa.array([text], pa.large_string()))[0].as_py()
    read_text, _, size = read_once(text, pieces, meaning=False)
    if size == NEEDS_NORMALISING:
        assert not is_plain(text)
        return
    assert size == len(normal)
    ends = [0, *read_text.sections[: read_text.counts[SECTIONS]].tolist()]
    mine = [read_text.tokens[a:b].tolist() for a, b in pairwise(ends)]
    assert mine == sections(text) or not mine  # without a word, signs are tokens
    assert read_text.counts[SEPARATORS] == 1 + sum(c in (SYSTEM_END, TURN_END) for c in normal)


def of_sentences(tokenizer: Tokenizer, text: str) -> list[FloatArray]:
    """The sums of the vectors of each sentence's tokens."""
    flat, _ = sentences.split_sentences(pa.array([text], pa.large_string()))
    read = tokenizer.encode_batch(flat.to_pylist(), add_special_tokens=False)
    return [VECTORS[e.ids].sum(axis=0) for e in read if e.ids]


def own_sentences(read_text: ReadText, table: WordTable) -> list[FloatArray]:
    ends = read_text.sentences[: read_text.counts[SENTENCES] + 1].tolist()
    rows = [read_text.rows[a:b] for a, b in pairwise(ends)]
    return [table.sums[one].sum(axis=0) / table.unit for one in rows]


def are_among(some: list[FloatArray], others: list[FloatArray]) -> bool:
    rest = iter(others)
    # each of some hundred rows at most is rounded
    return all(any(np.allclose(one, other, atol=30) for other in rest) for one in some)


@settings(max_examples=1000, deadline=None)
@given(text=texts)
def test_sentences_are_those_of_the_normalised_text(
    pieces: WordPieces, tokenizer: Tokenizer, text: str
) -> None:
    read_text, table, size = read_once(text, pieces, meaning=True)
    normal = normalise(pa.array([text], pa.large_string()))[0].as_py()
    if size == NEEDS_NORMALISING or len(normal) > sentences.HEAD + sentences.TAIL:
        return
    assert are_among(of_sentences(tokenizer, normal), own_sentences(read_text, table))


@settings(max_examples=500, deadline=None)
@given(text=texts, most=st.integers(0, 80))
def test_a_beginning_is_that_of_the_normalised_text(
    pieces: WordPieces, tokenizer: Tokenizer, text: str, most: int
) -> None:
    read_text, table, size = read_once(text, pieces, (0, most), meaning=True)
    normal = normalise(pa.array([text], pa.large_string()))[0].as_py()[:most]
    if size != NEEDS_NORMALISING and len(normal) <= sentences.HEAD + sentences.TAIL:
        assert are_among(of_sentences(tokenizer, normal), own_sentences(read_text, table))


def test_words_beyond_those_remembered_are_read_all_the_same(
    pieces: WordPieces, tokenizer: Tokenizer
) -> None:
    letters = "abcdefghijklmnop"
    words = [
        f"{letters[n >> 12]}{letters[n >> 8 & 15]}{letters[n >> 4 & 15]}{letters[n & 15]}"
        for n in range(1 << 16)
    ]
    parts = [" ".join(words[n : n + 300]) + "." for n in range(0, len(words), 300)]
    data, offsets = buffers(pa.array([*parts, parts[-1]], pa.large_string()))
    table = empty_table(VECTORS)
    reading = reading_for(int(np.diff(offsets).max()), pieces, table)
    for n, text in enumerate([*parts, parts[-1]]):
        span = (int(offsets[n]), int(offsets[n + 1]))
        assert prepare(data, span, reading)
        start_text(reading.text)
        read(data, span, (0, 1 << 40), reading, True)
        end_section(reading.text)
        assert [reading.text.tokens[: reading.text.sections[0]].tolist()] == sections(text)
        assert are_among(of_sentences(tokenizer, text), own_sentences(reading.text, table))
    assert table.filled[0] == MAX_WORDS < len(words)


def test_words_made_to_share_a_place_are_read_all_the_same(pieces: WordPieces) -> None:
    odd = int(word_table._MIX_LOW)
    letters = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz", np.uint8)
    spelled = np.random.default_rng(5).choice(letters, (2_000_000, 8)).view(np.uint64).ravel()
    places = (spelled * np.uint64(odd)) >> word_table._SHIFT
    same = spelled[places == np.bincount(places.astype(np.int64)).argmax()]
    words = same.view(np.uint8).reshape(-1, 8).tobytes().decode()
    text = " ".join(words[n : n + 8] for n in range(0, len(words), 8))
    read_text, table, _ = read_once(text, pieces, meaning=True)
    assert len(same) > table.filled[0]
    assert [read_text.tokens[: read_text.sections[0]].tolist()] == sections(text)
