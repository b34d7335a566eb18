"""Reads parts of a raw ASCII text, between two white spaces, that may hold a mask.

One that holds none after all is read by its marks; another is folded and masked by the normaliser's own kernel, together with
what follows where a date or a time may go on there.
"""

from __future__ import annotations

import numpy as np

from fingerprint.base.hashing import FNV_OFFSET, FNV_PRIME, finalise
from fingerprint.base.jit import kernel_with
from fingerprint.base.types import Bytes
from fingerprint.embedding.wordpiece import cut, piece
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
)
from fingerprint.hunting.read_text import (
    MARKED,
    NEEDS_NORMALISING,
    NOT_ASCII,
    ROWS,
    SPACES,
    TOKENS,
    Reading,
    add_marked_word,
    add_sign,
    add_token,
)
from fingerprint.hunting.word_bitmap import MAX_PLAIN_DIGITS
from fingerprint.hunting.word_table import add_evidence
from fingerprint.text.masking import NO_VALUE, mask_part

_MAX_PLAIN_RUN, _MIN_MASKED_RUN = 5, 16  # less than the shortest runs that a mask stands for
_QUOTE, _LINE, _COLON, _SLASH = 39, 95, 58, 47

_INSIDE_MASKS = np.zeros(256, np.bool_)  # in dates, times, addresses and numbers
_INSIDE_MASKS[[ord(c) for c in "-/.:,"]] = True
_MAY_GO_ON = np.zeros(256, np.bool_)  # after a date or a time and a space
_MAY_GO_ON[[ord(c) for c in "0123456789ap"]] = True


@kernel_with(inline="always")
def read_unsure(
    data: Bytes, k: int, span: tuple[int, int], part: tuple[int, int], reading: Reading, meaning: bool
) -> tuple[int, int, int]:
    """Read what stands from mark k on before the next white space, or more where a mask may.

    Returns a mark that is not behind the first one left, where what was read ends, and how many characters it has.
    """
    skip, most = part
    alphabet, text = reading.alphabet, reading.text
    stop, plain = _is_plain(data, span[0], span[1], alphabet.kind)
    if plain and skip == 0 and stop - span[0] <= most:
        return _read_plain_part(data, k, stop, reading, meaning), stop, stop - span[0]
    if plain:
        first, last = min(span[0] + skip, stop), min(stop, span[0] + most)
        good = _read_words(data, first, last, reading, meaning)
        return k, stop, (stop - span[0] if good else NEEDS_NORMALISING)
    stop, size = _fold_and_mask(data, span[0], span[1], alphabet, text.scratch)
    if size == NEEDS_NORMALISING:
        return k, stop, NEEDS_NORMALISING
    first, last = _byte_at(text.scratch, size, skip), _byte_at(text.scratch, size, most)
    good = _read_words(text.scratch, first, last, reading, meaning)
    characters = 0
    for n in range(size):
        characters += text.scratch[n] & 0xC0 != 0x80
    return k, stop, (characters if good else NEEDS_NORMALISING)


@kernel_with(inline="always")
def _read_plain_part(data: Bytes, k: int, end: int, reading: Reading, meaning: bool) -> int:
    """Read the marks from k on that begin before `end`, where nothing is left to mask; return which is the first behind."""
    (kind, fold), text, bitmap = reading.alphabet, reading.text, reading.bitmap
    counts = text.counts
    while k < counts[MARKED] and bitmap.begins[k] < end:
        begin, stop = bitmap.begins[k], bitmap.ends[k]
        c = kind[data[begin]]
        if c > DIGIT:
            if meaning:
                add_sign(text, reading.signs, data[begin], c)
            k += 1
            continue
        counts[ROWS] = add_marked_word(data, k, reading, meaning, (counts[TOKENS], counts[ROWS]))
        # words that are joined are one token, and each has its pieces
        joined = False
        while stop + 1 < end and data[stop] in (_QUOTE, _LINE) and kind[data[stop + 1]] <= DIGIT:
            if meaning:
                add_sign(text, reading.signs, data[stop], SIGN)
            k, joined = k + 2, True
            stop = bitmap.ends[k]
            counts[ROWS] = add_marked_word(data, k, reading, meaning, (counts[TOKENS], counts[ROWS]))
        if joined:
            h = FNV_OFFSET
            for i in range(begin, stop):
                h = (h ^ np.uint64(fold[data[i]])) * FNV_PRIME
            text.tokens[counts[TOKENS]] = finalise(h)
        counts[TOKENS] += 1
        k += 1
    return k


@kernel_with(inline="always")
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


@kernel_with(inline="always")
def _fold_and_mask(data: Bytes, i: int, end: int, alphabet: Alphabet, out: Bytes) -> tuple[int, int]:
    """Fold and mask the part at `i` into `out`; return where what was read ends, and how many bytes it has now.

    Returns NEEDS_NORMALISING instead of these where it has a character that is not ASCII.
    """
    kind, fold = alphabet
    o, begin = 0, int(np.int64(0))
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
            return i, mask_part(out, begin, o, begin, NO_VALUE)[0]
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
    (kind, fold), text, signs = reading.alphabet, reading.text, reading.signs
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
                    add_sign(text, signs, data[i], SIGN)
                i += 1
            add_token(text, finalise(h))
            continue
        if c == MASKED:
            joins |= i > first and kind[data[i - 1]] in (PLAIN_LETTER, DIGIT)
            h = FNV_OFFSET
            for k in range(i, i + 3):
                h = (h ^ np.uint64(data[k])) * FNV_PRIME
            add_token(text, finalise(h))
            text.counts[NOT_ASCII] = 1
            i += 3
            continue
        joins = False
        if c == BLANK:
            text.counts[SPACES] += 1
        elif meaning:
            add_sign(text, signs, data[i], c)
        i += 1
    return True


@kernel_with(inline="always")
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
