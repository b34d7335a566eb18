"""Reads sentences of other languages by their own words, and leaves English ones as they are.

A word of the table has a row of the model's matrix, where another language uses it, and evidence: how much oftener
other languages use it than English does (eighths of a nat, at most 4 nats either way, 9 for one with other letters than ASCII). A text of which the words'
evidence sums up to more than FOREIGN is not English: a naive Bayes of two classes with the odds against the second.
Its words have the rows of the table then; all other texts have the pieces of the English tokenizer, to the last bit.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from fingerprint.base.hashing import FNV_OFFSET, FNV_PRIME, free_slot, xmx_mix
from fingerprint.base.jit import inlined, kernel, njit
from fingerprint.base.strings import buffers
from fingerprint.base.types import Bytes, HashArray, Ids, IntArray
from fingerprint.domain.errors import ModelError
from fingerprint.embedding.model_files import WORDS
from fingerprint.embedding.wordpiece import WordPieces, cut, piece

FOREIGN = 64
"""Evidence above which a text is not English: more than two words of ASCII letters can give."""

NEVER = np.iinfo(np.int64).max
"""For FOREIGN, where every text is to be read as English."""

MOST_EVIDENCE = 72
"""Of a word: one of other letters than ASCII tells by itself that a text is not English, unless others say it is."""

MOST_ROWS = (1 << 16) - 1

_PAYLOAD_BITS = np.uint64(24)
_PAYLOAD = np.uint64((1 << 24) - 1)
_ZERO = 128  # evidence is stored above this

LONGEST_PART = 16
"""Characters of the longest word that is looked for in a run without spaces."""

LEAST_BEGINNING, BEGINNING_SHARE = 4, 0.6
"""Characters, and share of a word's, that its beginning must have to stand for it, where the word is not known."""


class Languages(NamedTuple):
    """Words of other languages in open addressing, and those of English that tell it from them.

    entries (c,) uint64: the upper 40 bits of a word's hash, 1 + its row (0 = none, 16 bits) and 128 + its evidence (8
    bits); 0 where free; c is a power of two. first: the number of row 0 among all rows of the matrix.
    """

    entries: HashArray
    first: int


def packed(words: list[str], rows: IntArray, evidence: IntArray) -> HashArray:
    """Return a table to be stored, (n,) uint64, sorted: words as normalised texts have them, their rows (n,), -1 = none, and evidence (n,)."""
    hashes = np.empty(len(words), np.uint64)
    _hash(*buffers(pa.array(words, pa.large_string())), hashes)
    payload = (rows + 1).astype(np.uint64) << np.uint64(8) | (evidence + _ZERO).astype(np.uint64)
    return np.unique((hashes & ~_PAYLOAD) | payload)


def read_languages(folder: Path, rows: int) -> Languages | None:
    """Read the table of a model whose matrix has so many rows; None where it has none. Raises ModelError for a damaged one."""
    path = folder / WORDS
    if not path.is_file():
        return None
    try:
        stored = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ModelError(f"{path}: a table of words expected, found: {error}") from error
    if stored.dtype != np.uint64 or stored.ndim != 1 or not len(stored):
        raise ModelError(f"{path}: words of 64 bits expected, {stored.dtype} of shape {stored.shape} found")
    own = int((stored >> np.uint64(8) & np.uint64(MOST_ROWS)).max())
    if own > rows:
        raise ModelError(f"{path}: {own:,} rows or more expected, {rows:,} found")
    entries = np.zeros(1 << int(2 * len(stored)).bit_length(), np.uint64)
    _enter(entries, stored)
    return Languages(entries, rows - own)


@njit(cache=True)
def _hash(data: Bytes, ends: IntArray, out: HashArray) -> None:
    for n in range(len(out)):
        h = FNV_OFFSET
        for i in range(ends[n], ends[n + 1]):
            h = (h ^ np.uint64(data[i])) * FNV_PRIME
        out[n] = xmx_mix(h)


@njit(cache=True)
def _enter(entries: HashArray, stored: HashArray) -> None:
    for entry in stored:
        entries[free_slot(entries, entry >> _PAYLOAD_BITS)] = entry


@kernel
def entry_of(entries: HashArray, h: np.uint64) -> int:
    """Return what is known of the word with this FNV-1a, 0 for nothing."""
    h = xmx_mix(h)
    mask = np.uint64(len(entries) - 1)
    at = (h >> _PAYLOAD_BITS) & mask
    while entries[at] != 0:
        if (entries[at] ^ h) >> _PAYLOAD_BITS == 0:
            return np.int64(entries[at] & _PAYLOAD)  # type: ignore[return-value]
        at = (at + np.uint64(1)) & mask
    return np.int64(0)  # type: ignore[return-value]


@kernel
def evidence_of(entry: int) -> int:
    """Return the evidence of a word that is known."""
    return (entry & 0xFF) - _ZERO


@kernel
def evidence_in(entries: HashArray, h: np.uint64) -> int:
    """Return the evidence of the word with this FNV-1a, 0 of one that is not known."""
    entry = entry_of(entries, h)
    return evidence_of(entry) if entry > 0 else 0


@njit(cache=True, nogil=True)
def read_words(
    languages: Languages,
    pieces: WordPieces,
    data: Bytes,
    ends: IntArray,
    out: Ids,
    out_ends: IntArray,
    evidence: Ids,
) -> None:
    """Write the rows of words (k,), which may hold punctuation, as another language's, and their evidence.

    data, ends (k + 1,): the words' bytes. out: int32, with room for as many rows as there are bytes; out_ends (k + 1,),
    where each word's end, behind a first number that is set. evidence (k,) int32.
    """
    o = out_ends[0]
    for n in range(len(ends) - 1):
        i, end = ends[n], ends[n + 1]
        evidence[n] = 0
        while i < end:
            size = _letter(data, i, end)
            if size == 0:
                if data[i] < 0x80:
                    number = piece(pieces.entries, (FNV_OFFSET ^ np.uint64(data[i])) * FNV_PRIME)
                    out[o] = number if number >= 0 else pieces.unknown
                    o += 1
                i += 1
                continue
            last, is_ascii = i, True
            while size > 0:
                is_ascii &= size == 1
                last += size
                size = _letter(data, last, end)
            o, told = _run(languages, pieces, data, (i, last), is_ascii, out, o)
            evidence[n] += told
            i = last
        out_ends[n + 1] = o


@kernel
def _letter(data: Bytes, i: int, end: int) -> int:
    """Return how many bytes the letter or digit at `i` has; 0 where something else stands there."""
    if i >= end:
        return 0
    byte = data[i]
    if byte < 0x80:
        folded = byte | 0x20
        return 1 if 97 <= folded <= 122 or 48 <= byte <= 57 else 0
    if byte < 0xC0:
        return 0  # in the midst of a character that is none
    size = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
    if i + size > end:
        return 0
    if byte == 0xC2 or (byte == 0xE2 and data[i + 1] in (0x80, 0x81)):
        return 0  # signs of Latin-1; dashes, quotes
    if byte == 0xE3 and data[i + 1] == 0x80 and data[i + 2] not in (0x85, 0x86, 0x87):
        return 0  # signs of Chinese and Japanese, but not those that repeat a character
    if byte == 0xEE or (byte == 0xEF and data[i + 1] < 0xA4):
        return 0  # private use: masks
    return size


@kernel
def _run(
    languages: Languages,
    pieces: WordPieces,
    data: Bytes,
    place: tuple[int, int],
    is_ascii: bool,
    out: Ids,
    o: int,
) -> tuple[int, int]:
    """Write the rows of a run of letters; return where they end, and its evidence."""
    entries, begin, end = languages.entries, place[0], place[1]
    h, characters, best, stop, best_characters = FNV_OFFSET, 0, 0, begin, 0
    for i in range(begin, end):
        byte = data[i]
        h = (h ^ np.uint64(byte | 0x20 if 65 <= byte <= 90 else byte)) * FNV_PRIME
        if i + 1 < end and data[i + 1] & 0xC0 == 0x80:
            continue
        characters += 1
        if characters < LEAST_BEGINNING and i + 1 < end:
            continue
        entry = entry_of(entries, h)
        if entry >> 8 > 0 or (entry > 0 and i + 1 == end):
            best, stop, best_characters = entry, i + 1, characters
    whole = best if stop == end else 0
    if whole >> 8 > 0:
        out[o] = languages.first + (whole >> 8) - 1
        return o + 1, evidence_of(whole)
    told = evidence_of(whole) if whole > 0 else 0
    if is_ascii:
        if whole == 0 and best > 0 and best_characters >= BEGINNING_SHARE * characters:
            out[o] = languages.first + (best >> 8) - 1
            return o + 1, 0
        return cut(pieces, data, place, out, o), told
    if _has_no_spaces(data, place):
        return _parts(languages, pieces, data, place, out, o)
    if best > 0 and best_characters >= BEGINNING_SHARE * characters:
        out[o] = languages.first + (best >> 8) - 1
        return o + 1, evidence_of(best)
    return o, told


@inlined
def _has_no_spaces(data: Bytes, place: tuple[int, int]) -> bool:
    """Tell whether a run has letters of a script that puts no spaces between words: Thai, kana, Han; or of Hangul."""
    for i in range(place[0], place[1]):
        byte = data[i]
        if 0xE3 <= byte <= 0xED or (byte == 0xE0 and 0xB8 <= data[i + 1] <= 0xB9):
            return True
    return False


@kernel
def _parts(
    languages: Languages, pieces: WordPieces, data: Bytes, place: tuple[int, int], out: Ids, o: int
) -> tuple[int, int]:
    """Write the rows of the longest words that stand one behind the other in a run; return where they end, and their evidence."""
    entries, end = languages.entries, place[1]
    i, told = place[0], 0
    while i < end:
        if data[i] < 0x80:
            last = i
            while last < end and data[last] < 0x80:
                last += 1
            o = cut(pieces, data, (i, last), out, o)
            i = last
            continue
        h, characters, best, stop = FNV_OFFSET, 0, 0, i
        k = i
        while k < end and characters < LONGEST_PART and data[k] >= 0x80:
            h = (h ^ np.uint64(data[k])) * FNV_PRIME
            k += 1
            if k < end and data[k] & 0xC0 == 0x80:
                continue
            characters += 1
            # one letter behind others is a word in Han only
            if characters == 1 and i > place[0] and not 0xE4 <= data[i] <= 0xE9:
                continue
            entry = entry_of(entries, h)
            if entry >> 8 > 0:
                best, stop = entry, k
        if best > 0:
            out[o] = languages.first + (best >> 8) - 1
            o += 1
            told += evidence_of(best)
            i = stop
            continue
        i += 1
        while i < end and data[i] & 0xC0 == 0x80:
            i += 1
    return o, told
