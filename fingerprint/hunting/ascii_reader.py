"""Reads a raw ASCII text once, for the tokens and the pieces that its normalised form has, and writes no such form.

On ASCII the normaliser folds case and white space, and masks volatile tokens. So a part between two white spaces that
holds no digit, @ or :// and no long word is what it is but for case; one that may hold a mask is folded and masked by
the normaliser's own kernel, together with what follows where a date or a time may go on there. A text with any other
character, or with a control character that the normaliser drops, is left to it (`ASK`).
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from fingerprint.base.hashing import FNV_OFFSET, FNV_PRIME, finalise
from fingerprint.base.jit import kernel, kernel_with
from fingerprint.base.types import Bytes, HashArray, Ids, IntArray
from fingerprint.embedding.wordpiece import WordPieces, cut, piece
from fingerprint.hunting.word_bitmap import CALM_DIGITS, WordBitmap, is_unsure, mark, marks_for
from fingerprint.hunting.word_table import LONGEST, MOST, WordTable, look_up, number_of, spelled, token_of
from fingerprint.text.characters import CLASS, LETTER, SEPARATOR, SPACE, matching
from fingerprint.text.masking import mask_part
from fingerprint.text.ngrams import END, START

ASK = -1
"""Instead of a length: this text must be normalised."""

_LETTER, _DIGIT, _SPACE, _SIGN, _STOP, _AT, _SEPARATOR, _OTHER, _MASK = range(9)
_CALM_RUN, _LONG_RUN = 5, 16  # shorter runs than the masks' own least lengths
_QUOTE, _LINE, _COLON, _SLASH = 39, 95, 58, 47

_BETWEEN = np.zeros(256, np.bool_)  # in dates, times, addresses and numbers
_BETWEEN[[ord(c) for c in "-/.:,"]] = True
_GOES_ON = np.zeros(256, np.bool_)  # after a date or a time and a space
_GOES_ON[[ord(c) for c in "0123456789ap"]] = True

# places in counts
TOKENS, SECTIONS, _BEGUN, ROWS, SENTENCES, _SPACES, _WIDE, PLACES, ENDS, MARKED, _ORIGIN = range(11)
_KEPT = MARKED  # from here on they hold while a text is read again


class Alphabet(NamedTuple):
    """What a byte of a raw text is, (256,), and what the normaliser folds it to, (256,)."""

    kind: Bytes
    fold: Bytes


class ReadText(NamedTuple):
    """What was read of one text.

    tokens: hashes, each section's between a start and an end mark; sections: where each ends. rows: the numbers of
    pieces, or of known words behind them; sentences: where each one's end, behind a first 0. places: (2, m) where words
    and signs begin, in the raw text and in characters of the normalised one. scratch: room for a part while it is
    masked. counts: (11,), how many of each, of separators and marks, and where the text begins.
    """

    tokens: HashArray
    sections: IntArray
    rows: Ids
    sentences: IntArray
    places: IntArray
    scratch: Bytes
    counts: IntArray


class Reading(NamedTuple):
    """What reading needs: what bytes are, how words are cut, those met before, and room for marks and what is found."""

    abc: Alphabet
    pieces: WordPieces
    known: WordTable
    marks: WordBitmap
    found: ReadText


@cache
def alphabet() -> Alphabet:
    """Make the table of bytes from that of characters."""
    table = matching()
    kinds = table.kinds[:0x80] & CLASS
    kind = np.full(256, _OTHER, np.uint8)
    kind[:0x80] = np.select(
        [kinds == LETTER, kinds == SPACE, kinds == SEPARATOR], [_LETTER, _SPACE, _SEPARATOR], _SIGN
    )
    kind[:0x80][table.ascii == 0] = _OTHER
    for characters, what in ((b"0123456789", _DIGIT), (b".;:!?", _STOP), (b"@", _AT), (b"\xee", _MASK)):
        kind[list(characters)] = what
    fold = np.arange(256, dtype=np.uint8)
    fold[:0x80] = table.ascii
    return Alphabet(kind, fold)


def reading_for(longest: int, pieces: WordPieces, known: WordTable) -> Reading:
    """Make room for texts of at most so many bytes; known: words of texts that were read for the same pieces."""
    found = ReadText(
        np.empty(2 * longest + 16, np.uint64),
        np.empty(longest + 2, np.int64),
        np.empty(longest + pieces.most + 2, np.int32),
        np.zeros(longest + 2, np.int64),
        np.empty((2, longest + 2), np.int64),
        np.empty(longest + 16, np.uint8),
        np.zeros(11, np.int64),
    )
    return Reading(alphabet(), pieces, known, marks_for(longest), found)


@kernel
def prepare(data: Bytes, span: tuple[int, int], reading: Reading) -> bool:
    """Mark the words of a text, to read it; False where it must be normalised."""
    counts = reading.found.counts
    counts[_ORIGIN] = span[0]
    counts[MARKED] = mark(data, span[0], span[1], reading.marks)
    look_up(reading.known, data, reading.marks, counts[MARKED])
    return bool(counts[MARKED] >= 0)


@kernel
def begin(found: ReadText) -> None:
    """Forget what was read."""
    found.counts[:_KEPT] = 0
    found.tokens[0], found.counts[TOKENS] = START, 1


@kernel
def read(data: Bytes, span: tuple[int, int], part: tuple[int, int], reading: Reading, meaning: bool) -> int:
    """Read a marked text in `span`, its first part from the character part[0] on, up to part[1] of the normalised text.

    meaning: whether pieces are wanted; otherwise the places of parts are noted. Returns the characters, or ASK.
    """
    i, end = span
    skip, most = part
    kind, found, marks = reading.abc.kind, reading.found, reading.marks
    counts, tokens, known = found.counts, found.tokens, reading.known
    learnt = len(known.sums) - MOST  # the row of the first word
    k, marked, origin = _first_mark(i, found, marks), counts[MARKED], counts[_ORIGIN]
    at, bare = 0, True
    # counts of what each word adds to are kept at hand
    token, row, spaces = counts[TOKENS], counts[ROWS], counts[_SPACES]
    while k < marked and at < most:
        begin, stop = marks.begins[k], marks.ends[k]
        c = kind[data[begin]]
        if begin > i and not bare and c != _SEPARATOR:
            at += 1
            spaces += 1
        if not meaning and c != _SEPARATOR:
            found.places[0, counts[PLACES]], found.places[1, counts[PLACES]] = begin, at
            counts[PLACES] += 1
        bare = c == _SEPARATOR
        size = stop - begin
        fits = skip == 0 and size <= min(LONGEST, most - at)
        if bare or (fits and not is_unsure(marks, begin - origin, stop - origin)):
            if c <= _DIGIT:
                word = marks.numbers[k]
                if word < 0:
                    word = number_of(known, reading.pieces, data, begin, size, found.rows, row)
                if word >= 0:
                    tokens[token], found.rows[row] = token_of(known, word), learnt + word
                    row += 1
                else:
                    tokens[token] = finalise(spelled(data, begin, stop))
                    if meaning:
                        row = cut(reading.pieces, data, (begin, stop), found.rows, row)
                token += 1
            elif c == _SIGN:
                if meaning:
                    found.rows[row] = _piece_of_sign(reading.pieces, data[begin])
                    row += 1
            else:
                counts[TOKENS], counts[ROWS], counts[_SPACES] = token, row, spaces
                if c == _SEPARATOR:
                    end_section(found)
                elif meaning:
                    end_sentence(found)
                token, row, spaces = counts[TOKENS], counts[ROWS], counts[_SPACES]
            k, i, at = k + 1, stop, at + size
            continue
        counts[TOKENS], counts[ROWS], counts[_SPACES] = token, row, spaces
        i, size = _slowly(data, (begin, end), (skip, most - at), reading, meaning)
        if size == ASK:
            return ASK
        token, row, spaces = counts[TOKENS], counts[ROWS], counts[_SPACES]
        at, skip = at + size, 0
        while k < marked and marks.begins[k] < i:
            k += 1
    counts[TOKENS], counts[ROWS], counts[_SPACES] = token, row, spaces
    return at


@kernel_with(forceinline=True)
def _first_mark(i: int, found: ReadText, marks: WordBitmap) -> int:
    """Return which mark is the first from `i` on."""
    if i == found.counts[_ORIGIN]:
        return 0
    return int(np.searchsorted(marks.begins[: found.counts[MARKED]], i))


@kernel_with(forceinline=True)
def _piece_of_sign(pieces: WordPieces, sign: np.uint8) -> int:
    number = piece(pieces.entries, (FNV_OFFSET ^ np.uint64(sign)) * FNV_PRIME)
    return number if number >= 0 else pieces.unknown


@kernel
def _slowly(
    data: Bytes, span: tuple[int, int], part: tuple[int, int], reading: Reading, meaning: bool
) -> tuple[int, int]:
    """Read what stands before the next white space, or more where a mask may; return where it ends and its characters."""
    skip, most = part
    abc, found = reading.abc, reading.found
    stop, calm = _calm(data, span[0], span[1], abc.kind)
    if calm:
        first, last = min(span[0] + skip, stop), min(stop, span[0] + most)
        good = _words(data, first, last, reading, meaning)
        return stop, (stop - span[0] if good else ASK)
    stop, size = _folded(data, span[0], span[1], abc, found.scratch)
    if size == ASK:
        return stop, ASK
    first, last = _after(found.scratch, size, skip), _after(found.scratch, size, most)
    good = _words(found.scratch, first, last, reading, meaning)
    characters = 0
    for k in range(size):
        characters += found.scratch[k] & 0xC0 != 0x80
    return stop, (characters if good else ASK)


@kernel_with(forceinline=True)
def _calm(data: Bytes, i: int, end: int, kind: Bytes) -> tuple[int, bool]:
    """Return where the part at `i` ends, and whether it surely holds no mask and only characters that stay."""
    run, digits, calm, first = 0, 0, True, i
    while i < end:
        c = kind[data[i]]
        if c == _LETTER:
            run += 1
        elif c == _DIGIT:
            run, digits = run + 1, digits + 1
            calm &= i < first + 2 or not _BETWEEN[data[i - 1]] or kind[data[i - 2]] != _DIGIT
        elif c in (_SPACE, _SEPARATOR):
            break
        else:
            calm &= run < _LONG_RUN and (digits == 0 or (run <= _CALM_RUN and digits <= CALM_DIGITS))
            calm &= c in (_SIGN, _STOP)
            calm &= data[i] != _COLON or i + 1 == end or data[i + 1] != _SLASH
            run, digits = 0, 0
        i += 1
    return i, calm and run < _LONG_RUN and (digits == 0 or (run <= _CALM_RUN and digits <= CALM_DIGITS))


@kernel
def _folded(data: Bytes, i: int, end: int, abc: Alphabet, out: Bytes) -> tuple[int, int]:
    """Fold and mask the part at `i` into `out`; return where what was read ends, and the bytes written or ASK."""
    kind, fold = abc
    o = 0
    while True:
        c = kind[data[i]]
        while c not in (_SPACE, _SEPARATOR):
            if c in (_OTHER, _MASK):
                return i, ASK
            out[o] = fold[data[i]]
            i, o = i + 1, o + 1
            c = kind[data[i]] if i < end else np.uint8(_SPACE)
        after = i
        while after < end and kind[data[after]] == _SPACE:
            after += 1
        # only a date or a time may go on behind a space, and these end in a digit
        if after in (i, end) or kind[data[i - 1]] != _DIGIT or not _GOES_ON[fold[data[after]]]:
            return i, mask_part(out, 0, o, 0)
        out[o] = 32
        i, o = after, o + 1


@kernel_with(forceinline=True)
def _after(data: Bytes, end: int, characters: int) -> int:
    """Return where so many characters end."""
    i = 0
    while i < end and characters > 0:
        i += 3 if data[i] >= 0x80 else 1
        characters -= 1
    return i


@kernel_with(forceinline=True)
def _words(data: Bytes, i: int, end: int, reading: Reading, meaning: bool) -> bool:
    """Read bytes in which nothing is left to mask; False where only the tokeniser knows a word's pieces."""
    (kind, fold), pieces, _, _, found = reading
    first, joins = i, False  # the tokeniser drops masks, and so joins words that stand beside them
    while i < end:
        c = kind[data[i]]
        if c in (_LETTER, _DIGIT):
            if meaning and joins and data[i - 1] >= 0x80:
                return False
            h = FNV_OFFSET
            while True:
                begins, own = i, FNV_OFFSET
                while i < end and kind[data[i]] in (_LETTER, _DIGIT):
                    byte = np.uint64(fold[data[i]])
                    h, own = (h ^ byte) * FNV_PRIME, (own ^ byte) * FNV_PRIME
                    i += 1
                if meaning:
                    _piece(found, pieces, data, (begins, i), own)
                joined = i + 1 < end and data[i] in (_QUOTE, _LINE) and kind[data[i + 1]] in (_LETTER, _DIGIT)
                if not joined:
                    break
                h = (h ^ np.uint64(data[i])) * FNV_PRIME
                if meaning:
                    _sign(found, pieces, data[i], _SIGN)
                i += 1
            _token(found, finalise(h))
            continue
        if c == _MASK:
            joins |= i > first and kind[data[i - 1]] in (_LETTER, _DIGIT)
            h = FNV_OFFSET
            for k in range(i, i + 3):
                h = (h ^ np.uint64(data[k])) * FNV_PRIME
            _token(found, finalise(h))
            found.counts[_WIDE] = 1
            i += 3
            continue
        joins = False
        if c == _SPACE:
            found.counts[_SPACES] += 1
        elif meaning:
            _sign(found, pieces, data[i], c)
        i += 1
    return True


@kernel_with(forceinline=True)
def _token(found: ReadText, h: np.uint64) -> None:
    found.tokens[found.counts[TOKENS]] = h
    found.counts[TOKENS] += 1


@kernel_with(forceinline=True)
def _piece(found: ReadText, pieces: WordPieces, data: Bytes, place: tuple[int, int], h: np.uint64) -> None:
    """Add the pieces of a word; h: its FNV-1a."""
    number = piece(pieces.entries, h)
    if number >= 0:
        found.rows[found.counts[ROWS]] = number
        found.counts[ROWS] += 1
    else:
        found.counts[ROWS] = cut(pieces, data, place, found.rows, found.counts[ROWS])


@kernel_with(forceinline=True)
def _sign(found: ReadText, pieces: WordPieces, sign: np.uint8, c: int) -> None:
    """Add a sign's piece, or end the sentence."""
    if c == _STOP:
        end_sentence(found)
        return
    found.rows[found.counts[ROWS]] = _piece_of_sign(pieces, sign)
    found.counts[ROWS] += 1


@kernel_with(forceinline=True)
def end_section(found: ReadText) -> None:
    """Close a section, and the sentence with it; one without tokens is none."""
    counts = found.counts
    if counts[TOKENS] > counts[_BEGUN] + 1:
        found.tokens[counts[TOKENS]], found.tokens[counts[TOKENS] + 1] = END, START
        counts[_BEGUN] = counts[TOKENS] + 1
        counts[TOKENS] += 2
        found.sections[counts[SECTIONS]] = counts[_BEGUN]
        counts[SECTIONS] += 1
    counts[ENDS] += 1
    end_sentence(found)


@kernel_with(forceinline=True)
def end_sentence(found: ReadText) -> None:
    """Close a sentence; one of a word or two is none."""
    counts = found.counts
    if counts[_SPACES] >= 2 or counts[_WIDE]:
        if counts[ROWS] > found.sentences[counts[SENTENCES]]:
            counts[SENTENCES] += 1
            found.sentences[counts[SENTENCES]] = counts[ROWS]
    else:
        counts[ROWS] = found.sentences[counts[SENTENCES]]
    counts[_SPACES], counts[_WIDE] = 0, 0
