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

from fingerprint.characters import CLASS, LETTER, SEPARATOR, SPACE, matching
from fingerprint.kernels import kernel
from fingerprint.masks import mask_part
from fingerprint.pieces import Pieces, cut, piece
from fingerprint.records import HashArray, Ids, IntArray
from fingerprint.shingle import END, START
from fingerprint.text_buffers import Bytes
from fingerprint.tokenise import OFFSET, PRIME, finished

ASK = -1
"""Instead of a length: this text must be normalised."""

_LETTER, _DIGIT, _SPACE, _SIGN, _STOP, _AT, _SEPARATOR, _OTHER, _MASK = range(9)
_CALM_RUN, _CALM_DIGITS, _LONG_RUN = 5, 4, 16  # shorter runs than the masks' own least lengths
_QUOTE, _LINE, _COLON, _SLASH = 39, 95, 58, 47
_LOWER = np.uint8(32)  # in an ASCII letter

_BETWEEN = np.zeros(256, np.bool_)  # in dates, times, addresses and numbers
_BETWEEN[[ord(c) for c in "-/.:,"]] = True
_GOES_ON = np.zeros(256, np.bool_)  # after a date or a time and a space
_GOES_ON[[ord(c) for c in "0123456789ap"]] = True

_TIES = np.zeros(
    256, np.bool_
)  # what may stand between a letter or a digit and the rest of a mask or a token
_TIES[[ord(c) for c in "._%+-@:/,'"]] = True

# places in counts
TOKENS, SECTIONS, _BEGUN, ROWS, SENTENCES, _SPACES, _WIDE, PLACES, ENDS = range(9)


class Alphabet(NamedTuple):
    """What a byte of a raw text is, (256,), and what the normaliser folds it to, (256,)."""

    kind: Bytes
    fold: Bytes


class Found(NamedTuple):
    """What was read of one text.

    tokens: hashes, each section's between a start and an end mark; sections: where each ends. rows: the numbers of
    pieces; sentences: where each one's end, behind a first 0. places: (2, m) where parts between white spaces begin,
    in the raw text and in characters of the normalised one. scratch: room for a part while it is masked. counts: (9,), how
    many of each, and of separators.
    """

    tokens: HashArray
    sections: IntArray
    rows: Ids
    sentences: IntArray
    places: IntArray
    scratch: Bytes
    counts: IntArray


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


def room(longest: int, pieces: Pieces) -> Found:
    """Make room for texts of at most so many bytes."""
    return Found(
        np.empty(2 * longest + 16, np.uint64),
        np.empty(longest + 2, np.int64),
        np.empty(longest + pieces.most + 2, np.int32),
        np.zeros(longest + 2, np.int64),
        np.empty((2, longest + 2), np.int64),
        np.empty(longest + 16, np.uint8),
        np.zeros(9, np.int64),
    )


@kernel
def begin(found: Found) -> None:
    """Forget what was read."""
    found.counts[:] = 0
    found.tokens[0], found.counts[TOKENS] = START, 1


@kernel
def read(
    data: Bytes,
    span: tuple[int, int],
    part: tuple[int, int],
    abc: Alphabet,
    pieces: Pieces,
    found: Found,
    meaning: bool,
) -> int:
    """Read the raw text in `span`, its first part from the character part[0] on, up to part[1] of the normalised text.

    meaning: whether pieces are wanted; otherwise the places of parts are noted. Returns the characters, or ASK.
    """
    i, end = span
    skip, most = part
    kind, _ = abc
    tokens, rows, counts, entries = found.tokens, found.rows, found.counts, pieces.entries
    at, gap, bare = 0, False, True
    while i < end and at < most:
        c = kind[data[i]]
        if c == _SPACE:
            i, gap = i + 1, True
            continue
        if c == _SEPARATOR:
            end_section(found)
            i, at, gap, bare = i + 1, at + 1, False, True
            continue
        if gap and not bare:
            at += 1
            counts[_SPACES] += 1
        gap, bare = False, False
        if not meaning:
            found.places[0, counts[PLACES]], found.places[1, counts[PLACES]] = i, at
            counts[PLACES] += 1
        first, h = i, OFFSET
        while c == _LETTER:
            h = (h ^ np.uint64(data[i] | _LOWER)) * PRIME
            i += 1
            c = kind[data[i]] if i < end else np.uint8(_SPACE)
        while c == _DIGIT and i < first + _CALM_DIGITS and (i == first or kind[data[i - 1]] == _DIGIT):
            h = (h ^ np.uint64(data[i])) * PRIME
            i += 1
            c = kind[data[i]] if i < end else np.uint8(_SPACE)
        size = i - first
        if skip == 0 and size < min(_LONG_RUN, most - at) and _is_apart(data, i, end, c, kind):
            if size == 0:
                if meaning:
                    _sign(found, pieces, data[i], c)
                i, at = i + 1, at + 1
                continue
            tokens[counts[TOKENS]] = finished(h)
            counts[TOKENS] += 1
            at += size
            if meaning:
                number = piece(entries, h)
                if number < 0:
                    counts[ROWS] = cut(pieces, data, (first, i), rows, counts[ROWS])
                else:
                    rows[counts[ROWS]] = number
                    counts[ROWS] += 1
            continue
        i, size = _slowly(data, (first, end), (skip, most - at), abc, pieces, found, meaning)
        if size == ASK:
            return ASK
        at, skip = at + size, 0
    return at


@kernel
def _is_apart(data: Bytes, i: int, end: int, c: int, kind: Bytes) -> bool:
    """Tell whether what follows at `i`, of kind c, surely belongs to no token or mask with the word or sign before it."""
    if c in (_SPACE, _SEPARATOR):
        return True
    if c not in (_SIGN, _STOP):
        return False
    return not _TIES[data[i]] or i + 1 == end or kind[data[i + 1]] == _SPACE


@kernel
def _slowly(
    data: Bytes,
    span: tuple[int, int],
    part: tuple[int, int],
    abc: Alphabet,
    pieces: Pieces,
    found: Found,
    meaning: bool,
) -> tuple[int, int]:
    """Read what stands before the next white space, or more where a mask may; return where it ends and its characters."""
    skip, most = part
    stop, calm = _calm(data, span[0], span[1], abc.kind)
    if calm:
        first, last = min(span[0] + skip, stop), min(stop, span[0] + most)
        good = _words(data, first, last, abc, pieces, found, meaning)
        return stop, (stop - span[0] if good else ASK)
    stop, size = _folded(data, span[0], span[1], abc, found.scratch)
    if size == ASK:
        return stop, ASK
    first, last = _after(found.scratch, size, skip), _after(found.scratch, size, most)
    good = _words(found.scratch, first, last, abc, pieces, found, meaning)
    characters = 0
    for k in range(size):
        characters += found.scratch[k] & 0xC0 != 0x80
    return stop, (characters if good else ASK)


@kernel
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
            calm &= run < _LONG_RUN and (digits == 0 or (run <= _CALM_RUN and digits <= _CALM_DIGITS))
            calm &= c in (_SIGN, _STOP)
            calm &= data[i] != _COLON or i + 1 == end or data[i + 1] != _SLASH
            run, digits = 0, 0
        i += 1
    return i, calm and run < _LONG_RUN and (digits == 0 or (run <= _CALM_RUN and digits <= _CALM_DIGITS))


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


@kernel
def _after(data: Bytes, end: int, characters: int) -> int:
    """Return where so many characters end."""
    i = 0
    while i < end and characters > 0:
        i += 3 if data[i] >= 0x80 else 1
        characters -= 1
    return i


@kernel
def _words(data: Bytes, i: int, end: int, abc: Alphabet, pieces: Pieces, found: Found, meaning: bool) -> bool:
    """Read bytes in which nothing is left to mask; False where only the tokeniser knows a word's pieces."""
    kind, fold = abc
    first, joins = i, False  # the tokeniser drops masks, and so joins words that stand beside them
    while i < end:
        c = kind[data[i]]
        if c in (_LETTER, _DIGIT):
            if meaning and joins and data[i - 1] >= 0x80:
                return False
            h = OFFSET
            while True:
                begins, own = i, OFFSET
                while i < end and kind[data[i]] in (_LETTER, _DIGIT):
                    byte = np.uint64(fold[data[i]])
                    h, own = (h ^ byte) * PRIME, (own ^ byte) * PRIME
                    i += 1
                if meaning:
                    _piece(found, pieces, data, (begins, i), own)
                joined = i + 1 < end and data[i] in (_QUOTE, _LINE) and kind[data[i + 1]] in (_LETTER, _DIGIT)
                if not joined:
                    break
                h = (h ^ np.uint64(data[i])) * PRIME
                if meaning:
                    _sign(found, pieces, data[i], _SIGN)
                i += 1
            _token(found, finished(h))
            continue
        if c == _MASK:
            joins |= i > first and kind[data[i - 1]] in (_LETTER, _DIGIT)
            h = OFFSET
            for k in range(i, i + 3):
                h = (h ^ np.uint64(data[k])) * PRIME
            _token(found, finished(h))
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


@kernel
def _token(found: Found, h: np.uint64) -> None:
    found.tokens[found.counts[TOKENS]] = h
    found.counts[TOKENS] += 1


@kernel
def _piece(found: Found, pieces: Pieces, data: Bytes, place: tuple[int, int], h: np.uint64) -> None:
    """Add the pieces of a word; h: its FNV-1a."""
    number = piece(pieces.entries, h)
    if number >= 0:
        found.rows[found.counts[ROWS]] = number
        found.counts[ROWS] += 1
    else:
        found.counts[ROWS] = cut(pieces, data, place, found.rows, found.counts[ROWS])


@kernel
def _sign(found: Found, pieces: Pieces, sign: np.uint8, c: int) -> None:
    """Add a sign's piece, or end the sentence."""
    if c == _STOP:
        end_sentence(found)
        return
    number = piece(pieces.entries, (OFFSET ^ np.uint64(sign)) * PRIME)
    found.rows[found.counts[ROWS]] = number if number >= 0 else pieces.unknown
    found.counts[ROWS] += 1


@kernel
def end_section(found: Found) -> None:
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


@kernel
def end_sentence(found: Found) -> None:
    """Close a sentence; one of a word or two is none."""
    counts = found.counts
    if counts[_SPACES] >= 2 or counts[_WIDE]:
        if counts[ROWS] > found.sentences[counts[SENTENCES]]:
            counts[SENTENCES] += 1
            found.sentences[counts[SENTENCES]] = counts[ROWS]
    else:
        counts[ROWS] = found.sentences[counts[SENTENCES]]
    counts[_SPACES], counts[_WIDE] = 0, 0
