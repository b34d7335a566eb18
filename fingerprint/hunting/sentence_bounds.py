"""Bounds the cosines of sentences to prototypes from above, in one pass over the bytes of normalised texts.

What is bounded, and why by this, is told in `gist`, which learns the words that are new here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fingerprint.base.hashing import FNV_OFFSET, FNV_PRIME, finalise, find_slot
from fingerprint.base.jit import kernel, kernel_with
from fingerprint.base.types import Bytes, FloatArray, HashArray, Ids, IntArray
from fingerprint.embedding.token_cache import is_han
from fingerprint.embedding.wordpiece import WordPieces, cut, piece
from fingerprint.text.sentences import EMBEDDED_CHARACTERS, FEWEST_WORDS, HEAD, TAIL

_JOINS, _APART, _SPACE, _STOP = range(4)
# of a byte: in a word, a word by itself, between words, between sentences
_ROLE = np.full(256, _JOINS, np.uint8)
_ROLE[[b for b in range(33, 127) if not chr(b).isalnum()]] = _APART
_ROLE[32] = _SPACE
_ROLE[[ord(c) for c in ".;:!?\n\x1d\x1e"]] = _STOP
_WHOLE_ROLE = np.where(_ROLE == _STOP, np.uint8(_APART), _ROLE)  # where a text is one sentence
_WHOLE_ROLE[10] = _SPACE
_WHOLE_ROLE[[0x1D, 0x1E]] = _JOINS  # the tokeniser drops these
_IDEOGRAPHIC_STOP = (0xE3, 0x80, 0x82)  # NFKC leaves this one of the wide signs


class SentenceWords(NamedTuple):
    """Open addressing: keys (c,) uint64 hashes of words, 0 where free; slots (c,) int32, their rows of the sums."""

    keys: HashArray
    slots: Ids


class NewWords(NamedTuple):
    """What a pass over texts left for later: sentences with words that have no sum yet, and those words' bytes.

    sentence, slot: pairs of a sentence and a new word in it. row, y: of these sentences. data, ends: the new words.
    counts: (4,) int64, pairs, sentences, new words, and words that have a sum. cut: room for the pieces of a word.
    """

    sentence: IntArray
    slot: IntArray
    row: IntArray
    y: FloatArray
    data: Bytes
    ends: IntArray
    counts: IntArray
    cut: Ids


@kernel
def rehash(old: SentenceWords, new: SentenceWords) -> None:
    """Enter all words of a table in another."""
    for k in range(len(old.keys)):
        if old.keys[k] != 0:
            at = find_slot(new.keys, old.keys[k], old.keys[k])
            new.keys[at], new.slots[at] = old.keys[k], old.slots[k]


@kernel
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


@kernel
def _before(data: Bytes, start: int, i: int, characters: int) -> int:
    """Return where the last so many characters before `i` begin."""
    seen = 0
    while i > start and seen < characters:
        i -= 1
        seen += data[i] & 0xC0 != 0x80
    return i


@kernel
def _parts(data: Bytes, start: int, end: int, whole: bool) -> tuple[int, int]:
    """Return where the part of a text that is read ends, and where another begins, `end` if none does."""
    if whole or end - start > HEAD + TAIL:
        if whole:
            return _after(data, start, end, EMBEDDED_CHARACTERS), end
        if _after(data, start, end, HEAD + TAIL) < end:
            return _after(data, start, end, HEAD), _before(data, start, end, TAIL)
    return end, end


@kernel
def read(
    texts: tuple[Bytes, IntArray],
    row: int,
    whole: bool,
    model: tuple[SentenceWords, FloatArray, FloatArray, WordPieces, FloatArray],
    best: FloatArray,
    fresh: NewWords,
) -> int:
    """Bound the sentences of texts from `row` on, and note those with new words; return the row where room ended."""
    data, offsets = texts
    while row < len(offsets) - 1:
        start, end = offsets[row], offsets[row + 1]
        first, second = _parts(data, start, end, whole)
        size = first - start + end - second + 2
        # a text has at most one word a byte, and one sentence in two
        if (
            fresh.counts[0] + size > len(fresh.sentence)
            or fresh.counts[1] + size // 2 > len(fresh.row)
            or fresh.counts[2] + size > len(fresh.ends) - 1
            or fresh.ends[fresh.counts[2]] + size > len(fresh.data)
        ):
            return row
        i = start
        while i < first:
            i = _sentence(data, i, first, whole, row, model, best, fresh)
        i = second
        while i < end:
            i = _sentence(data, i, end, whole, row, model, best, fresh)
        row += 1
    return row


@kernel
def _sentence(
    data: Bytes,
    i: int,
    end: int,
    whole: bool,
    row: int,
    model: tuple[SentenceWords, FloatArray, FloatArray, WordPieces, FloatArray],
    best: FloatArray,
    fresh: NewWords,
) -> int:
    """Bound the sentence at `i`, or note it if it has new words; return where the next begins."""
    _, _, targets, pieces, piece_sums = model
    pairs, later = fresh.counts[0], fresh.counts[1]
    y = fresh.y[later]
    y[:] = 0
    roles = _WHOLE_ROLE if whole else _ROLE
    spaces, wide = 0, False
    while i < end and roles[data[i]] != _STOP:
        if roles[data[i]] == _SPACE:
            spaces += 1
            i += 1
            continue
        if not whole and _is_stop(data, i, end):
            break
        a = i
        i, key, plain = _word(data, a, end, whole, pieces.most > 0)
        wide |= not plain
        if plain and pieces.most > 0:
            _add_pieces(pieces, piece_sums, data, (a, i), key, fresh.cut, y)
        else:
            _add_word(data, (a, i), finalise(key), model, y, fresh)
    if not (whole or wide or spaces >= FEWEST_WORDS - 1):
        fresh.counts[0] = pairs
    elif fresh.counts[0] > pairs:
        fresh.row[later] = row
        fresh.counts[1] += 1
    else:
        bound(y, targets, best[row])
    return i + (1 if i == end or data[i] < 0x80 else 3)


@kernel_with(forceinline=True)
def _word(data: Bytes, a: int, end: int, whole: bool, cuts: bool) -> tuple[int, np.uint64, bool]:
    """Return where the word or sign at `a` ends, its FNV-1a, and whether all of it is ASCII.

    cuts: whether ideographs are words by themselves, as for a tokeniser that cuts words as BERT's does.
    """
    roles = _WHOLE_ROLE if whole else _ROLE
    i, key = a + 1, (FNV_OFFSET ^ np.uint64(data[a])) * FNV_PRIME
    plain = 32 < data[a] < 0x80
    last = a + 3 if cuts and is_han(data, a, end) else end
    joins = roles[data[a]] == _JOINS
    while joins and i < last and roles[data[i]] == _JOINS:
        if not 32 < data[i] < 0x80:
            plain = False
            if not whole and _is_stop(data, i, end):
                break
            if last == end and cuts and is_han(data, i, end):
                break
        key = (key ^ np.uint64(data[i])) * FNV_PRIME
        i += 1
    return i, key, plain


@kernel_with(forceinline=True)
def _add_word(
    data: Bytes,
    span: tuple[int, int],
    key: np.uint64,
    model: tuple[SentenceWords, FloatArray, FloatArray, WordPieces, FloatArray],
    y: FloatArray,
    fresh: NewWords,
) -> None:
    """Add the sum of a word, or note that its sentence waits for it."""
    words, sums = model[0], model[1]
    at = find_slot(words.keys, key, key)
    slot = words.slots[at]
    if words.keys[at] == 0:
        slot = _noted(words, at, key, data, span, fresh)
    if slot < fresh.counts[3]:
        for c in range(len(y)):
            y[c] += sums[slot, c]
    else:
        fresh.sentence[fresh.counts[0]], fresh.slot[fresh.counts[0]] = fresh.counts[1], slot
        fresh.counts[0] += 1


@kernel
def _add_pieces(
    pieces: WordPieces,
    sums: FloatArray,
    data: Bytes,
    place: tuple[int, int],
    key: np.uint64,
    room: Ids,
    y: FloatArray,
) -> None:
    """Add the vectors of an ASCII word's pieces; key: its FNV-1a."""
    count = 1
    room[0] = piece(pieces.entries, key)
    if room[0] < 0 or place[1] - place[0] > pieces.most:
        count = cut(pieces, data, place, room, 0)
    for n in range(count):
        row = room[n]
        for c in range(len(y)):
            y[c] += sums[row, c]


@kernel
def _is_stop(data: Bytes, i: int, end: int) -> bool:
    a, b, c = _IDEOGRAPHIC_STOP
    return i + 2 < end and data[i] == a and data[i + 1] == b and data[i + 2] == c


@kernel_with(fastmath=True, forceinline=True)
def bound(y: FloatArray, targets: FloatArray, best: FloatArray) -> None:
    """Raise the bounds of a text, (p,), to those of its sentence; y: the first dimensions of its sum, p or more."""
    length = np.float32(0.0)
    for c in range(len(y)):
        length += y[c] * y[c]
    scale = np.float32(1.0) / np.sqrt(max(length, np.float32(1e-12)))
    for p in range(len(targets)):
        dot = np.float32(0.0)
        for c in range(targets.shape[1]):
            dot += y[c] * targets[p, c]
        best[p] = max(best[p], min(dot * scale, np.float32(1.0)))


@kernel
def finish(fresh: NewWords, sums: FloatArray, targets: FloatArray, best: FloatArray) -> None:
    """Bound the sentences that waited for new words."""
    for p in range(fresh.counts[0]):
        for c in range(fresh.y.shape[1]):
            fresh.y[fresh.sentence[p], c] += sums[fresh.slot[p], c]
    for s in range(fresh.counts[1]):
        bound(fresh.y[s], targets, best[fresh.row[s]])


@kernel
def _noted(
    words: SentenceWords, at: int, key: np.uint64, data: Bytes, place: tuple[int, int], fresh: NewWords
) -> int:
    """Give a new word the next slot, note its spelling and return the slot."""
    number = fresh.counts[2]
    words.keys[at], words.slots[at] = key, fresh.counts[3] + number
    end = fresh.ends[number]
    for i in range(place[0], place[1]):
        fresh.data[end] = data[i]
        end += 1
    fresh.ends[number + 1] = end
    fresh.counts[2] += 1
    return int(words.slots[at])
