"""One pass over raw text finds the tokens of its normalised form, and the pieces of the sentences of that."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from fingerprint import meaning
from fingerprint.normalise import normalise
from fingerprint.pieces import Pieces
from fingerprint.raw_words import (
    ASK,
    ENDS,
    SECTIONS,
    SENTENCES,
    Found,
    alphabet,
    begin,
    end_section,
    read,
    room,
)
from fingerprint.records import SYSTEM_END, TURN_END
from fingerprint.shingle import END, START
from fingerprint.text_buffers import buffers
from fingerprint.tokenise import tokens

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
texts = st.one_of(
    st.text(ASCII, max_size=60),
    st.text("ab1290:/.-,@ \n'_Tpm+x", max_size=40),
    st.lists(st.sampled_from(PARTS), max_size=40).map("".join),
    st.lists(st.sampled_from(PARTS), max_size=40).map(" ".join),
)


def scanned(
    text: str, pieces: Pieces, part: tuple[int, int] = (0, 1 << 40), *, says: bool
) -> tuple[Found, int]:
    data, offsets = buffers(pa.array([text], pa.large_string()))
    found = room(len(data), pieces)
    begin(found)
    size = read(data, (int(offsets[0]), int(offsets[1])), part, alphabet(), pieces, found, says)
    end_section(found)
    return found, size


def sections(text: str) -> list[list[int]]:
    """The tokens of a text's normalised form, section by section, between their marks."""
    found = tokens(normalise(pa.array([text], pa.large_string())))
    return [
        [int(START), *found.hashes[found.section == number].tolist(), int(END)]
        for number in np.unique(found.section)
    ]


def is_plain(text: str) -> bool:
    return text.isascii() and all(c.isprintable() or c in f"\t\n\r{SYSTEM_END}{TURN_END}" for c in text)


@settings(max_examples=1000, deadline=None)
@given(text=texts)
def test_tokens_are_those_of_the_normalised_text(pieces: Pieces, text: str) -> None:
    normal = normalise(pa.array([text], pa.large_string()))[0].as_py()
    found, size = scanned(text, pieces, says=False)
    if size == ASK:
        assert not is_plain(text)
        return
    assert size == len(normal)
    ends = [0, *found.sections[: found.counts[SECTIONS]].tolist()]
    mine = [found.tokens[a:b].tolist() for a, b in pairwise(ends)]
    assert mine == sections(text) or not mine  # without a word, signs are tokens
    assert found.counts[ENDS] == 1 + sum(c in (SYSTEM_END, TURN_END) for c in normal)


def of_sentences(tokenizer: Tokenizer, text: str) -> list[list[int]]:
    flat, _ = meaning.sentences(pa.array([text], pa.large_string()))
    read = tokenizer.encode_batch(flat.to_pylist(), add_special_tokens=False)
    return [list(e.ids) for e in read if e.ids]


def own_sentences(found: Found) -> list[list[int]]:
    ends = found.sentences[: found.counts[SENTENCES] + 1].tolist()
    return [found.rows[a:b].tolist() for a, b in pairwise(ends)]


def are_among(some: list[list[int]], others: list[list[int]]) -> bool:
    rest = iter(others)
    return all(any(one == other for other in rest) for one in some)


@settings(max_examples=1000, deadline=None)
@given(text=texts)
def test_sentences_are_those_of_the_normalised_text(pieces: Pieces, tokenizer: Tokenizer, text: str) -> None:
    found, size = scanned(text, pieces, says=True)
    normal = normalise(pa.array([text], pa.large_string()))[0].as_py()
    if size == ASK or len(normal) > meaning.HEAD + meaning.TAIL:
        return
    assert are_among(of_sentences(tokenizer, normal), own_sentences(found))


@settings(max_examples=500, deadline=None)
@given(text=texts, most=st.integers(0, 80))
def test_a_beginning_is_that_of_the_normalised_text(
    pieces: Pieces, tokenizer: Tokenizer, text: str, most: int
) -> None:
    found, size = scanned(text, pieces, (0, most), says=True)
    normal = normalise(pa.array([text], pa.large_string()))[0].as_py()[:most]
    if size != ASK and len(normal) <= meaning.HEAD + meaning.TAIL:
        assert are_among(of_sentences(tokenizer, normal), own_sentences(found))
