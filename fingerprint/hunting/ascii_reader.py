"""Reads a raw ASCII text once, for the tokens and the pieces that its normalised form has, and writes no such form.

On ASCII the normaliser folds case and white space, and masks volatile tokens. So a part between two white spaces that
holds no digit, @ or :// and no long word is what it is but for case; one that may hold a mask is folded and masked by
the normaliser's own kernel, together with what follows where a date or a time may go on there. A text with any other
character, or with a control character that the normaliser drops, is left to it (`NEEDS_NORMALISING`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fingerprint.base.hashing import FNV_OFFSET, FNV_PRIME, finalise
from fingerprint.base.jit import kernel, kernel_with
from fingerprint.base.types import Bytes, HashArray, Ids, IntArray
from fingerprint.embedding.wordpiece import WordPieces, cut, piece
from fingerprint.hunting.ascii_alphabet import (
    BLANK,
    DIGIT,
    MASKED,
    OTHER,
    PARTING,
    PLAIN_LETTER,
    SIGN,
    STOP,
    Alphabet,
    alphabet,
)
from fingerprint.hunting.word_bitmap import MAX_PLAIN_DIGITS, WordBitmap, bitmap_for, is_unsure, mark_words
from fingerprint.hunting.word_table import (
    LONGEST,
    MAX_WORDS,
    WordTable,
    add_evidence,
    look_up_words,
    plain_word_hash,
    token_hash,
    word_number,
)
from fingerprint.text.masking import NO_VALUE, mask_part
from fingerprint.text.ngrams import END, START

NEEDS_NORMALISING = -1
"""Instead of a length: this text must be normalised."""

_MAX_PLAIN_RUN, _MIN_MASKED_RUN = 5, 16  # less than the shortest runs that a mask stands for
_QUOTE, _LINE, _COLON, _SLASH = 39, 95, 58, 47

_INSIDE_MASKS = np.zeros(256, np.bool_)  # in dates, times, addresses and numbers
_INSIDE_MASKS[[ord(c) for c in "-/.:,"]] = True
_MAY_GO_ON = np.zeros(256, np.bool_)  # after a date or a time and a space
_MAY_GO_ON[[ord(c) for c in "0123456789ap"]] = True

# places in counts
TOKENS, SECTIONS, _SECTION_START, ROWS, SENTENCES, _SPACES = range(6)
_NOT_ASCII, PLACES, SEPARATORS, MARKED, _ORIGIN = range(6, 11)
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
    """What reading needs: what bytes are, how words are cut, those met before, and room for marks and what is read."""

    alphabet: Alphabet
    pieces: WordPieces
    words: WordTable
    bitmap: WordBitmap
    text: ReadText


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
    return Reading(alphabet(), pieces, words, bitmap_for(longest), text)


@kernel
def prepare(data: Bytes, span: tuple[int, int], reading: Reading) -> bool:
    """Mark the words of the text data[span[0]:span[1]], uint8, to read it; False where it must be normalised."""
    counts = reading.text.counts
    counts[_ORIGIN] = span[0]
    counts[MARKED] = mark_words(data, span[0], span[1], reading.bitmap)
    look_up_words(reading.words, data, reading.bitmap, counts[MARKED])
    return bool(counts[MARKED] >= 0)


@kernel
def start_text(text: ReadText) -> None:
    """Forget what was read, and open the first section."""
    text.counts[:_KEPT] = 0
    text.tokens[0], text.counts[TOKENS] = START, 1


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
    k, marked, origin = _first_mark(i, text, bitmap), counts[MARKED], counts[_ORIGIN]
    at, after_separator = 0, True
    # counts of what each word adds to are kept at hand
    token, row, spaces = counts[TOKENS], counts[ROWS], counts[_SPACES]
    while k < marked and at < most:
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
                row = _add_marked_word(data, k, reading, meaning, (token, row))
                token += 1
            elif c == SIGN:
                if meaning:
                    text.rows[row] = _piece_of_sign(reading.pieces, data[begin])
                    row += 1
            else:
                counts[TOKENS], counts[ROWS], counts[_SPACES] = token, row, spaces
                if c == PARTING:
                    end_section(text)
                elif meaning:
                    end_sentence(text)
                token, row, spaces = counts[TOKENS], counts[ROWS], counts[_SPACES]
            k, i, at = k + 1, stop, at + size
            continue
        counts[TOKENS], counts[ROWS], counts[_SPACES] = token, row, spaces
        i, size = _read_unsure(data, (begin, end), (skip, most - at), reading, meaning)
        if size == NEEDS_NORMALISING:
            return NEEDS_NORMALISING
        token, row, spaces = counts[TOKENS], counts[ROWS], counts[_SPACES]
        at, skip = at + size, 0
        while k < marked and bitmap.begins[k] < i:
            k += 1
    counts[TOKENS], counts[ROWS], counts[_SPACES] = token, row, spaces
    return at


@kernel_with(forceinline=True)
def _add_marked_word(data: Bytes, k: int, reading: Reading, meaning: bool, place: tuple[int, int]) -> int:
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
def _first_mark(i: int, text: ReadText, bitmap: WordBitmap) -> int:
    """Return which mark is the first from `i` on."""
    if i == text.counts[_ORIGIN]:
        return 0
    return int(np.searchsorted(bitmap.begins[: text.counts[MARKED]], i))


@kernel_with(forceinline=True)
def _piece_of_sign(pieces: WordPieces, sign: np.uint8) -> int:
    number = piece(pieces.entries, (FNV_OFFSET ^ np.uint64(sign)) * FNV_PRIME)
    return number if number >= 0 else pieces.unknown


@kernel
def _read_unsure(
    data: Bytes, span: tuple[int, int], part: tuple[int, int], reading: Reading, meaning: bool
) -> tuple[int, int]:
    """Read what stands before the next white space, or more where a mask may; return where it ends and its characters."""
    skip, most = part
    alphabet, text = reading.alphabet, reading.text
    stop, plain = _is_plain(data, span[0], span[1], alphabet.kind)
    if plain:
        first, last = min(span[0] + skip, stop), min(stop, span[0] + most)
        good = _read_words(data, first, last, reading, meaning)
        return stop, (stop - span[0] if good else NEEDS_NORMALISING)
    stop, size = _fold_and_mask(data, span[0], span[1], alphabet, text.scratch)
    if size == NEEDS_NORMALISING:
        return stop, NEEDS_NORMALISING
    first, last = _byte_at(text.scratch, size, skip), _byte_at(text.scratch, size, most)
    good = _read_words(text.scratch, first, last, reading, meaning)
    characters = 0
    for k in range(size):
        characters += text.scratch[k] & 0xC0 != 0x80
    return stop, (characters if good else NEEDS_NORMALISING)


@kernel_with(forceinline=True)
def _is_plain(data: Bytes, i: int, end: int, kind: Bytes) -> tuple[int, bool]:
    """Return where the part at `i` ends, and whether it surely holds no mask and only characters that stay."""
    run, digits, plain, first = 0, 0, True, i
    while i < end:
        c = kind[data[i]]
        if c == PLAIN_LETTER:
            run += 1
        elif c == DIGIT:
            run, digits = run + 1, digits + 1
            plain &= i < first + 2 or not _INSIDE_MASKS[data[i - 1]] or kind[data[i - 2]] != DIGIT
        elif c in (BLANK, PARTING):
            break
        else:
            plain &= run < _MIN_MASKED_RUN and (
                digits == 0 or (run <= _MAX_PLAIN_RUN and digits <= MAX_PLAIN_DIGITS)
            )
            plain &= c in (SIGN, STOP)
            plain &= data[i] != _COLON or i + 1 == end or data[i + 1] != _SLASH
            run, digits = 0, 0
        i += 1
    return i, plain and run < _MIN_MASKED_RUN and (
        digits == 0 or (run <= _MAX_PLAIN_RUN and digits <= MAX_PLAIN_DIGITS)
    )


@kernel
def _fold_and_mask(data: Bytes, i: int, end: int, alphabet: Alphabet, out: Bytes) -> tuple[int, int]:
    """Fold and mask the part at `i` into `out`; return where what was read ends, and how many bytes it has now.

    Returns NEEDS_NORMALISING instead of these where it has a character that is not ASCII.
    """
    kind, fold = alphabet
    o = 0
    while True:
        c = kind[data[i]]
        while c not in (BLANK, PARTING):
            if c in (OTHER, MASKED):
                return i, NEEDS_NORMALISING
            out[o] = fold[data[i]]
            i, o = i + 1, o + 1
            c = kind[data[i]] if i < end else np.uint8(BLANK)
        after = i
        while after < end and kind[data[after]] == BLANK:
            after += 1
        # only a date or a time may go on behind a space, and these end in a digit
        if after in (i, end) or kind[data[i - 1]] != DIGIT or not _MAY_GO_ON[fold[data[after]]]:
            return i, mask_part(out, 0, o, 0, NO_VALUE)[0]
        out[o] = 32
        i, o = after, o + 1


@kernel_with(forceinline=True)
def _byte_at(data: Bytes, end: int, characters: int) -> int:
    """Return where so many characters end."""
    i = 0
    while i < end and characters > 0:
        i += 3 if data[i] >= 0x80 else 1
        characters -= 1
    return i


@kernel_with(forceinline=True)
def _read_words(data: Bytes, i: int, end: int, reading: Reading, meaning: bool) -> bool:
    """Read bytes in which nothing is left to mask; False where only the tokeniser knows a word's pieces."""
    (kind, fold), pieces, _, _, text = reading
    first, joins = i, False  # the tokeniser drops masks, and so joins words that stand beside them
    while i < end:
        c = kind[data[i]]
        if c in (PLAIN_LETTER, DIGIT):
            if meaning and joins and data[i - 1] >= 0x80:
                return False
            h = FNV_OFFSET  # of the token; own: of each part of it that the model cuts by itself
            while True:
                begins, own = i, FNV_OFFSET
                while i < end and kind[data[i]] in (PLAIN_LETTER, DIGIT):
                    byte = np.uint64(fold[data[i]])
                    h, own = (h ^ byte) * FNV_PRIME, (own ^ byte) * FNV_PRIME
                    i += 1
                if meaning:
                    _add_piece(reading, data, (begins, i), own)
                joined = (
                    i + 1 < end and data[i] in (_QUOTE, _LINE) and kind[data[i + 1]] in (PLAIN_LETTER, DIGIT)
                )
                if not joined:
                    break
                h = (h ^ np.uint64(data[i])) * FNV_PRIME
                if meaning:
                    _add_sign(text, pieces, data[i], SIGN)
                i += 1
            _add_token(text, finalise(h))
            continue
        if c == MASKED:
            joins |= i > first and kind[data[i - 1]] in (PLAIN_LETTER, DIGIT)
            h = FNV_OFFSET
            for k in range(i, i + 3):
                h = (h ^ np.uint64(data[k])) * FNV_PRIME
            _add_token(text, finalise(h))
            text.counts[_NOT_ASCII] = 1
            i += 3
            continue
        joins = False
        if c == BLANK:
            text.counts[_SPACES] += 1
        elif meaning:
            _add_sign(text, pieces, data[i], c)
        i += 1
    return True


@kernel_with(forceinline=True)
def _add_token(text: ReadText, h: np.uint64) -> None:
    text.tokens[text.counts[TOKENS]] = h
    text.counts[TOKENS] += 1


@kernel_with(forceinline=True)
def _add_piece(reading: Reading, data: Bytes, place: tuple[int, int], h: np.uint64) -> None:
    """Add the pieces of a word; h: its FNV-1a."""
    text, pieces = reading.text, reading.pieces
    number = piece(pieces.entries, h)
    if number >= 0:
        text.rows[text.counts[ROWS]] = number
        text.counts[ROWS] += 1
    else:
        text.counts[ROWS] = cut(pieces, data, place, text.rows, text.counts[ROWS])
    text.counts[ROWS] = add_evidence(reading.words, pieces, h, text.rows, text.counts[ROWS])


@kernel_with(forceinline=True)
def _add_sign(text: ReadText, pieces: WordPieces, sign: np.uint8, c: int) -> None:
    """Add a sign's piece, or end the sentence."""
    if c == STOP:
        end_sentence(text)
        return
    text.rows[text.counts[ROWS]] = _piece_of_sign(pieces, sign)
    text.counts[ROWS] += 1


@kernel_with(forceinline=True)
def end_section(text: ReadText) -> None:
    """Close a section, and the sentence with it; one without tokens is none."""
    counts = text.counts
    if counts[TOKENS] > counts[_SECTION_START] + 1:
        text.tokens[counts[TOKENS]], text.tokens[counts[TOKENS] + 1] = END, START
        counts[_SECTION_START] = counts[TOKENS] + 1
        counts[TOKENS] += 2
        text.sections[counts[SECTIONS]] = counts[_SECTION_START]
        counts[SECTIONS] += 1
    counts[SEPARATORS] += 1
    end_sentence(text)


@kernel_with(forceinline=True)
def end_sentence(text: ReadText) -> None:
    """Close a sentence; one of a word or two is none."""
    counts = text.counts
    if counts[_SPACES] >= 2 or counts[_NOT_ASCII]:
        if counts[ROWS] > text.sentences[counts[SENTENCES]]:
            counts[SENTENCES] += 1
            text.sentences[counts[SENTENCES]] = counts[ROWS]
    else:
        counts[ROWS] = text.sentences[counts[SENTENCES]]
    counts[_SPACES], counts[_NOT_ASCII] = 0, 0
