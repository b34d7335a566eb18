"""Bounds the cosines of sentences to prototypes from above, in one pass over the bytes of normalised texts.

What is bounded, and why by this, is told in `meaning_bounds`, which has the words embedded that are new here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fingerprint.base.hashing import FNV_OFFSET, FNV_PRIME, finalise, find_slot
from fingerprint.base.jit import kernel, kernel_with
from fingerprint.base.simd import product, squares_behind_first
from fingerprint.base.types import Bytes, FloatArray, HashArray, Ids, IntArray
from fingerprint.embedding.languages import FOREIGN, evidence_in
from fingerprint.embedding.token_cache import is_han
from fingerprint.embedding.wordpiece import WordPieces, cut, piece
from fingerprint.text.sentences import EMBEDDED_CHARACTERS, FEWEST_WORDS, Windows, windows

_JOINS, _APART, _SPACE, _STOP = range(4)
# of a byte: in a word, a word by itself, between words, between sentences
_ROLE = np.full(256, _JOINS, np.uint8)
_ROLE[[b for b in range(33, 127) if not chr(b).isalnum()]] = _APART
_ROLE[32] = _SPACE
_ROLE[[ord(c) for c in ".;:!?\n\x1d\x1e"]] = _STOP
_WHOLE_ROLE = np.where(_ROLE == _STOP, np.uint8(_APART), _ROLE)  # where a text is one sentence
_WHOLE_ROLE[10] = _SPACE
_WHOLE_ROLE[[0x1D, 0x1E]] = _JOINS  # the tokeniser drops these
_IDEOGRAPHIC_STOP = (0xE3, 0x80, 0x82)  # NFKC leaves this one of the not_ascii signs


class SentenceWords(NamedTuple):
    """Open addressing. keys: (c,) uint64 hashes of words, 0 where free; slots: (c,) int32, their rows of the sums."""

    keys: HashArray
    slots: Ids


EVIDENCE = 0
"""The column of sums that has the evidence that words are of another language, instead of a dimension."""

PAIRS, SENTENCES, WORDS, KNOWN = range(4)
"""Places in NewWords.counts."""


class NewWords(NamedTuple):
    """What a pass over texts left for later: sentences with words that have no sum yet, and those words' bytes.

    sentence, slot: (c,) int64, pairs of a sentence and a new word in it.
    row: (s,) int64 and y: (s, b) float32, each sentence's text, and the sum of those of its words that have one.
    data, ends: the bytes of the new words, and (w + 1,) int64, where each ends, behind a first 0.
    counts: (4,) int64, how many pairs, sentences and new words there are, and how many words have a sum.
    cut: int32, room for the pieces of a word.
    """

    sentence: IntArray
    slot: IntArray
    row: IntArray
    y: FloatArray
    data: Bytes
    ends: IntArray
    counts: IntArray
    cut: Ids


class SentenceModel(NamedTuple):
    """What sentences are bounded by, in a basis of b dimensions.

    words: those that were met; sums: (w, b) float32, their vectors. targets: (p, q) float32, the prototypes.
    pieces: how ASCII words are cut, and piece_sums: (v, b) float32, the pieces' vectors; v 0 where words are not cut here.
    """

    words: SentenceWords
    sums: FloatArray
    targets: FloatArray
    pieces: WordPieces
    piece_sums: FloatArray


@kernel_with(inline="always")
def rehash(old: SentenceWords, new: SentenceWords) -> None:
    """Enter all words of a table in a larger one."""
    for k in range(len(old.keys)):
        if old.keys[k] != 0:
            at = find_slot(new.keys, old.keys[k], old.keys[k])
            new.keys[at], new.slots[at] = old.keys[k], old.slots[k]


@kernel_with(inline="always")
def _after(data: Bytes, i: int, end: int, characters: int) -> int:
    """Return where so many characters from `i` on end."""
    seen = 0
    while i < end:
        if data[i] & 0xC0 != 0x80:
            if seen == characters:
                return i
            seen += 1
        i += 1
    return end


@kernel_with(inline="always")
def _parts(data: Bytes, start: int, end: int, whole: bool) -> Windows:
    """Return which parts of a text are read."""
    if whole:
        return (start, _after(data, start, end, EMBEDDED_CHARACTERS)), (end, end), (end, end)
    return windows(data, start, end)[0]


@kernel
def read(
    texts: tuple[Bytes, IntArray],
    row: int,
    whole: bool,
    model: SentenceModel,
    best: FloatArray,
    new: NewWords,
) -> int:
    """Bound the sentences of texts from `row` on, and note those with new words in `new`.

    texts: bytes and offsets (n + 1,). whole: each text is one sentence. best: (n, p) float32, the bounds, raised here.
    Returns the row where room ended, n after the last text.
    """
    data, offsets = texts
    while row < len(offsets) - 1:
        parts = _parts(data, offsets[row], offsets[row + 1], whole)
        size = parts[0][1] - parts[0][0] + parts[1][1] - parts[1][0] + parts[2][1] - parts[2][0] + 2
        size += parts[1][0] < parts[1][1]
        # a text has at most one word a byte, and one sentence in two
        if (
            new.counts[PAIRS] + size > len(new.sentence)
            or new.counts[SENTENCES] + size // 2 > len(new.row)
            or new.counts[WORDS] + size > len(new.ends) - 1
            or new.ends[new.counts[WORDS]] + size > len(new.data)
        ):
            return row
        for part in range(3):
            i, end = parts[part]
            while i < end:
                i = _sentence(data, i, end, whole, row, model, best, new)
        row += 1
    return row


@kernel_with(inline="always")
def _sentence(
    data: Bytes,
    i: int,
    end: int,
    whole: bool,
    row: int,
    model: SentenceModel,
    best: FloatArray,
    new: NewWords,
) -> int:
    """Bound the sentence at `i`, or note it if it has new words; return where the next begins."""
    _, _, targets, pieces, piece_sums = model
    pairs, later = new.counts[PAIRS], new.counts[SENTENCES]
    y = new.y[later]
    y[:] = 0
    roles = _WHOLE_ROLE if whole else _ROLE
    spaces, not_ascii = 0, False
    while i < end and roles[data[i]] != _STOP:
        if roles[data[i]] == _SPACE:
            spaces += 1
            i += 1
            continue
        if not whole and _is_stop(data, i, end):
            break
        begin = i
        i, key, is_ascii = _word(data, begin, end, whole, pieces.parts_han)
        not_ascii |= not is_ascii
        if is_ascii and pieces.most > 0:
            _add_pieces(pieces, piece_sums, data, (begin, i), key, new.cut, y)
        else:
            _add_word(data, (begin, i), finalise(key), model, y, new)
    if not (whole or not_ascii or spaces >= FEWEST_WORDS - 1):
        new.counts[PAIRS] = pairs
    elif new.counts[PAIRS] > pairs:
        new.row[later] = row
        new.counts[SENTENCES] += 1
    else:
        bound(y, targets, best[row], np.float32(0))
    return i + (1 if i == end or data[i] < 0x80 else 3)


@kernel_with(inline="always")
def _word(data: Bytes, begin: int, end: int, whole: bool, cuts: bool) -> tuple[int, np.uint64, bool]:
    """Return where the word or sign at `begin` ends, its FNV-1a, and whether all of it is ASCII.

    cuts: whether ideographs are words by themselves, as for a tokeniser that cuts words as BERT's does.
    """
    roles = _WHOLE_ROLE if whole else _ROLE
    i, key = begin + 1, (FNV_OFFSET ^ np.uint64(data[begin])) * FNV_PRIME
    is_ascii = 32 < data[begin] < 0x80
    last = begin + 3 if cuts and is_han(data, begin, end) else end
    joins = roles[data[begin]] == _JOINS
    while joins and i < last and roles[data[i]] == _JOINS:
        if not 32 < data[i] < 0x80:
            is_ascii = False
            if not whole and _is_stop(data, i, end):
                break
            if last == end and cuts and is_han(data, i, end):
                break
        key = (key ^ np.uint64(data[i])) * FNV_PRIME
        i += 1
    return i, key, is_ascii


@kernel_with(inline="always")
def _add_word(
    data: Bytes,
    span: tuple[int, int],
    key: np.uint64,
    model: SentenceModel,
    y: FloatArray,
    new: NewWords,
) -> None:
    """Add the sum of a word, or note that its sentence waits for it."""
    words, sums = model.words, model.sums
    at = find_slot(words.keys, key, key)
    slot = words.slots[at]
    if words.keys[at] == 0:
        slot = _add_new_word(words, at, key, data, span, new)
    if slot < new.counts[KNOWN]:
        for c in range(len(y)):
            y[c] += sums[slot, c]
    else:
        new.sentence[new.counts[PAIRS]], new.slot[new.counts[PAIRS]] = new.counts[SENTENCES], slot
        new.counts[PAIRS] += 1


@kernel_with(inline="always")
def _add_pieces(
    pieces: WordPieces,
    sums: FloatArray,
    data: Bytes,
    place: tuple[int, int],
    key: np.uint64,
    room: Ids,
    y: FloatArray,
) -> None:
    """Add the vectors of an ASCII word's pieces, and its evidence; key: its FNV-1a."""
    count = 1
    room[0] = piece(pieces.entries, key)
    if room[0] < 0 or place[1] - place[0] > pieces.most:
        count = cut(pieces, data, place, room, 0)
    for n in range(count):
        row = room[n]
        for c in range(len(y)):
            y[c] += sums[row, c]
    y[EVIDENCE] += np.float32(evidence_in(pieces.told, key))


@kernel
def _is_stop(data: Bytes, i: int, end: int) -> bool:
    a, b, c = _IDEOGRAPHIC_STOP
    return i + 2 < end and data[i] == a and data[i + 1] == b and data[i + 2] == c


@kernel_with(forceinline=True)
def bound(y: FloatArray, targets: FloatArray, best: FloatArray, slip: np.float32) -> None:
    """Raise the bounds of a text, best (p,), to those of one of its sentences.

    y: (b,) float32, the evidence of the sentence's words and the first dimensions of their sum, b > p. targets: (p, q)
    float32, the prototypes, 0 in the column EVIDENCE. b >= q, and both are multiples of LANES. slip: how far off y may be.
    """
    if y[EVIDENCE] > FOREIGN:
        best[:] = 1  # other vectors than these count
        return
    length = np.sqrt(max(squares_behind_first(y), np.float32(1e-12))) - slip
    if length <= 0:
        best[:] = 1
        return
    scale, width = np.float32(1.0) / length, targets.shape[1]
    for p in range(len(targets)):
        dot = product(y, 0, targets, p * width, width)
        best[p] = max(best[p], min((dot + slip) * scale, np.float32(1.0)))


@kernel
def finish(new: NewWords, sums: FloatArray, targets: FloatArray, best: FloatArray) -> None:
    """Bound the sentences that waited for new words, which have their sums (w, b) now; best: (n, p), raised here."""
    for p in range(new.counts[PAIRS]):
        for c in range(new.y.shape[1]):
            new.y[new.sentence[p], c] += sums[new.slot[p], c]
    for s in range(new.counts[SENTENCES]):
        bound(new.y[s], targets, best[new.row[s]], np.float32(0))


@kernel_with(inline="always")
def _add_new_word(
    words: SentenceWords, at: int, key: np.uint64, data: Bytes, place: tuple[int, int], new: NewWords
) -> int:
    """Give a new word the next slot, note its spelling and return the slot."""
    number = new.counts[WORDS]
    words.keys[at], words.slots[at] = key, new.counts[KNOWN] + number
    end = new.ends[number]
    for i in range(place[0], place[1]):
        new.data[end] = data[i]
        end += 1
    new.ends[number + 1] = end
    new.counts[WORDS] += 1
    return int(words.slots[at])
