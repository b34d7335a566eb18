"""Reads a raw ASCII text once, for the tokens and the pieces that its normalised form has, and writes no such form.

On ASCII the normaliser folds case and white space, and masks volatile tokens. So a part between two white spaces that
holds no digit, @ or :// and no long word is what it is but for case; one that may hold a mask is folded and masked by
the normaliser's own kernel, together with what follows where a date or a time may go on there. A text with any other
character, or with a control character that the normaliser drops, is left to it (`NEEDS_NORMALISING`).
"""

from __future__ import annotations

import numpy as np

from fingerprint.base.jit import kernel, kernel_with
from fingerprint.base.types import Bytes
from fingerprint.hunting.ascii_alphabet import DIGIT, PARTING, SIGN, STOP
from fingerprint.hunting.read_text import (
    MARKED,
    NEEDS_NORMALISING,
    ORIGIN,
    PLACES,
    ROWS,
    SPACES,
    TOKENS,
    Reading,
    ReadText,
    add_marked_word,
    end_section,
    end_sentence,
)
from fingerprint.hunting.unsure_parts import read_unsure
from fingerprint.hunting.word_bitmap import WordBitmap, is_unsure, mark_words
from fingerprint.hunting.word_table import LONGEST, MAX_WORDS, look_up_words, token_hash


@kernel_with(inline="always")
def prepare(data: Bytes, span: tuple[int, int], reading: Reading) -> bool:
    """Mark the words of the text data[span[0]:span[1]], uint8, to read it; False where it must be normalised."""
    counts = reading.text.counts
    counts[ORIGIN] = span[0]
    counts[MARKED] = mark_words(data, span[0], span[1], reading.bitmap)
    look_up_words(reading.words, data, reading.bitmap, counts[MARKED])
    return bool(counts[MARKED] >= 0)


@kernel
def read(data: Bytes, span: tuple[int, int], part: tuple[int, int], reading: Reading, meaning: bool) -> int:
    """Read a marked text in `span`, its first part from the character part[0] on, up to part[1] of the normalised text.

    data: (b,) uint8. meaning: whether pieces are wanted; otherwise the places of parts are noted.
    Returns how many characters of the normalised text were read, or NEEDS_NORMALISING.
    """
    i, end = span
    skip, most = part
    kind, text, bitmap = reading.alphabet.kind, reading.text, reading.bitmap
    counts = text.counts
    k, marked, origin = _first_mark(i, text, bitmap), counts[MARKED], counts[ORIGIN]
    at, after_separator = 0, True
    # counts of what each word adds to are kept at hand
    token, row, spaces = counts[TOKENS], counts[ROWS], counts[SPACES]
    while k < marked and at < most:
        if skip == 0 and not after_separator:
            k, i, at, token, row, spaces = _read_sure(
                data, (k, i, at, most), (token, row, spaces), reading, meaning
            )
            if k == marked or at >= most:
                break
        begin, stop = bitmap.begins[k], bitmap.ends[k]
        c = kind[data[begin]]
        if begin > i and not after_separator and c != PARTING:
            at += 1
            spaces += 1
        if not meaning and c != PARTING:
            text.places[0, counts[PLACES]], text.places[1, counts[PLACES]] = begin, at
            counts[PLACES] += 1
        after_separator = c == PARTING
        size = stop - begin
        fits = skip == 0 and size <= min(LONGEST, most - at)
        if after_separator or (fits and not is_unsure(bitmap, begin - origin, stop - origin)):
            if c <= DIGIT:
                row = add_marked_word(data, k, reading, meaning, (token, row))
                token += 1
            elif c == SIGN:
                if meaning:
                    text.rows[row] = reading.signs[data[begin]]
                    row += 1
            else:
                counts[TOKENS], counts[ROWS], counts[SPACES] = token, row, spaces
                if c == PARTING:
                    end_section(text)
                elif meaning:
                    end_sentence(text)
                token, row, spaces = counts[TOKENS], counts[ROWS], counts[SPACES]
            k, i, at = k + 1, stop, at + size
            continue
        counts[TOKENS], counts[ROWS], counts[SPACES] = token, row, spaces
        k, i, size = read_unsure(data, k, (begin, end), (skip, most - at), reading, meaning)
        if size == NEEDS_NORMALISING:
            return NEEDS_NORMALISING
        token, row, spaces = counts[TOKENS], counts[ROWS], counts[SPACES]
        at, skip = at + size, 0
        while k < marked and bitmap.begins[k] < i:
            k += 1
    counts[TOKENS], counts[ROWS], counts[SPACES] = token, row, spaces
    return at


@kernel_with(inline="always")
def _read_sure(
    data: Bytes,
    place: tuple[int, int, int, int],
    filled: tuple[int, int, int],
    reading: Reading,
    meaning: bool,
) -> tuple[int, int, int, int, int, int]:
    """Read the words that were met before and the signs that are what they are, up to the first mark that is neither.

    place: number of the mark, where the one before it ends, how many characters were read, and how many to read. filled:
    tokens, rows and spaces. Returns the first three and these as they are then.
    """
    k, i, at, most = place
    token, row, spaces = filled
    kind, words, bitmap, text = reading.alphabet.kind, reading.words, reading.bitmap, reading.text
    counts = text.counts
    marked, origin, first_word = counts[MARKED], counts[ORIGIN], len(words.sums) - MAX_WORDS
    while k < marked:
        begin, stop, number = bitmap.begins[k], bitmap.ends[k], bitmap.numbers[k]
        gap, size = int(begin > i), stop - begin
        if size > min(LONGEST, most - at - gap) or is_unsure(bitmap, begin - origin, stop - origin):
            break
        c = kind[data[begin]]
        if number < 0 and c != SIGN and c != STOP:
            break
        spaces += gap
        at += gap
        if not meaning:
            text.places[0, counts[PLACES]], text.places[1, counts[PLACES]] = begin, at
            counts[PLACES] += 1
        if number >= 0:
            text.tokens[token], text.rows[row] = token_hash(words, number), first_word + number
            token, row = token + 1, row + 1
        elif meaning and c == SIGN:
            text.rows[row] = reading.signs[data[begin]]
            row += 1
        elif meaning:
            counts[ROWS], counts[SPACES] = row, spaces
            end_sentence(text)
            row, spaces = counts[ROWS], counts[SPACES]
        k, i, at = k + 1, stop, at + size
    return k, i, at, token, row, spaces


@kernel_with(inline="always")
def _first_mark(i: int, text: ReadText, bitmap: WordBitmap) -> int:
    """Return which mark is the first from `i` on."""
    if i == text.counts[ORIGIN]:
        return 0
    return int(np.searchsorted(bitmap.begins[: text.counts[MARKED]], i))
