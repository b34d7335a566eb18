"""What is read of a raw text, and the room for it: tokens by section, and the rows of words and pieces by sentence."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fingerprint.base.hashing import FNV_OFFSET, FNV_PRIME, finalise
from fingerprint.base.jit import kernel, kernel_with, njit
from fingerprint.base.types import Bytes, HashArray, Ids, IntArray
from fingerprint.embedding.wordpiece import WordPieces, cut, piece
from fingerprint.hunting.ascii_alphabet import STOP, Alphabet, alphabet
from fingerprint.hunting.word_bitmap import WordBitmap, bitmap_for
from fingerprint.hunting.word_table import (
    MAX_WORDS,
    WordTable,
    add_evidence,
    plain_word_hash,
    token_hash,
    word_number,
)
from fingerprint.text.ngrams import END, START

NEEDS_NORMALISING = -1
"""Instead of a length: this text must be normalised."""

# places in counts
TOKENS, SECTIONS, SECTION_START, ROWS, SENTENCES, SPACES = range(6)
NOT_ASCII, PLACES, SEPARATORS, MARKED, ORIGIN = range(6, 11)
_KEPT = MARKED  # these and the next stay while a text is read again


class ReadText(NamedTuple):
    """What was read of one text; counts says how much of the room is filled.

    tokens: uint64 hashes, each section's between a start and an end mark; sections: int64, where each ends.
    rows: int32 rows of WordTable.sums, of pieces, or of known words behind them; sentences: int64, where each one's
    rows end, behind a first 0.
    places: (2, m) int64, where words and signs begin, in the raw text and in characters of the normalised one.
    scratch: uint8, room for a part while it is masked.
    counts: (11,) int64, by the names above: of each of these, of separators and marks, and where the text begins.
    """

    tokens: HashArray
    sections: IntArray
    rows: Ids
    sentences: IntArray
    places: IntArray
    scratch: Bytes
    counts: IntArray


class Reading(NamedTuple):
    """What reading needs: what bytes are, how words are cut, those met before, and room for marks and what is read.

    signs: (256,) int32, the piece of each byte that is a sign.
    """

    alphabet: Alphabet
    pieces: WordPieces
    words: WordTable
    bitmap: WordBitmap
    text: ReadText
    signs: Ids


def reading_for(longest: int, pieces: WordPieces, words: WordTable) -> Reading:
    """Make room for texts of at most so many bytes; words: those of texts that were read for the same pieces."""
    text = ReadText(
        np.empty(2 * longest + 16, np.uint64),
        np.empty(longest + 2, np.int64),
        np.empty(2 * longest + pieces.most + 2, np.int32),
        np.zeros(longest + 2, np.int64),
        np.empty((2, longest + 2), np.int64),
        np.empty(longest + 16, np.uint8),
        np.zeros(11, np.int64),
    )
    return Reading(alphabet(), pieces, words, bitmap_for(longest), text, _pieces_of_signs(pieces))


@njit(cache=True)
def _pieces_of_signs(pieces: WordPieces) -> Ids:
    out = np.empty(256, np.int32)
    for sign in range(256):
        number = piece(pieces.entries, (FNV_OFFSET ^ np.uint64(sign)) * FNV_PRIME)
        out[sign] = number if number >= 0 else pieces.unknown
    return out


@kernel
def start_text(text: ReadText) -> None:
    """Forget what was read, and open the first section."""
    text.counts[:_KEPT] = 0
    text.tokens[0], text.counts[TOKENS] = START, 1


@kernel_with(forceinline=True)
def add_marked_word(data: Bytes, k: int, reading: Reading, meaning: bool, place: tuple[int, int]) -> int:
    """Write the token and the pieces of the k-th mark, a plain word, to `place`; return how many rows there are then."""
    words, pieces, bitmap, text = reading.words, reading.pieces, reading.bitmap, reading.text
    token, row = place
    begin, stop = bitmap.begins[k], bitmap.ends[k]
    number = bitmap.numbers[k]
    if number < 0:
        number = word_number(words, pieces, data, begin, stop - begin, text.rows, row)
    if number >= 0:
        text.tokens[token], text.rows[row] = token_hash(words, number), len(words.sums) - MAX_WORDS + number
        return int(row + 1)
    text.tokens[token] = finalise(plain_word_hash(data, begin, stop))
    if meaning:
        row = cut(pieces, data, (begin, stop), text.rows, row)
        row = add_evidence(words, pieces, plain_word_hash(data, begin, stop), text.rows, row)
    return int(row)


@kernel_with(forceinline=True)
def add_token(text: ReadText, h: np.uint64) -> None:
    """Add a token, h its hash."""
    text.tokens[text.counts[TOKENS]] = h
    text.counts[TOKENS] += 1


@kernel_with(forceinline=True)
def add_sign(text: ReadText, signs: Ids, sign: np.uint8, c: int) -> None:
    """Add a sign's piece, or end the sentence."""
    if c == STOP:
        end_sentence(text)
        return
    text.rows[text.counts[ROWS]] = signs[sign]
    text.counts[ROWS] += 1


@kernel_with(forceinline=True)
def end_section(text: ReadText) -> None:
    """Close a section, and the sentence with it; one without tokens is none."""
    counts = text.counts
    if counts[TOKENS] > counts[SECTION_START] + 1:
        text.tokens[counts[TOKENS]], text.tokens[counts[TOKENS] + 1] = END, START
        counts[SECTION_START] = counts[TOKENS] + 1
        counts[TOKENS] += 2
        text.sections[counts[SECTIONS]] = counts[SECTION_START]
        counts[SECTIONS] += 1
    counts[SEPARATORS] += 1
    end_sentence(text)


@kernel_with(forceinline=True)
def end_sentence(text: ReadText) -> None:
    """Close a sentence; one of a word or two is none."""
    counts = text.counts
    if counts[SPACES] >= 2 or counts[NOT_ASCII]:
        if counts[ROWS] > text.sentences[counts[SENTENCES]]:
            counts[SENTENCES] += 1
            text.sentences[counts[SENTENCES]] = counts[ROWS]
    else:
        counts[ROWS] = text.sentences[counts[SENTENCES]]
    counts[SPACES], counts[NOT_ASCII] = 0, 0
