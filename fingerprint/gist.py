"""Tells which texts may say what a template says, many times faster than by embedding their sentences.

A static model's vector of a sentence points where the sum of its words' vectors does. Let B hold an orthonormal
basis whose span holds the prototype p, and y be that sum in the basis. Then the sentence's cosine to p is y·Bp over
the length of the whole sum, which is at least |y|. So no cosine is above y·Bp / |y|, or above 0 where that is
negative; and y needs a few additions a word where the vector needs hundreds. An ASCII word is cut into the
vocabulary's pieces here (`pieces`), any other is given to the model's tokeniser once. What a text holds of a template (`meaning`) is bounded by the bounds of its sentences.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fingerprint.kernels import kernel, kernel_with
from fingerprint.known_words import KnownWords, known_words
from fingerprint.meaning import EMBEDDED_CHARACTERS, FEWEST_WORDS, HEAD, TAIL, heads, sentences
from fingerprint.normalise import normalise
from fingerprint.open_addressing import place
from fingerprint.pieces import Pieces, cut, piece
from fingerprint.records import FloatArray, HashArray, Ids, IntArray
from fingerprint.text_buffers import Bytes, buffers, strings
from fingerprint.tokenise import OFFSET, PRIME, finished
from fingerprint.word_ids import is_han

DIMENSIONS = 64
"""Of the basis, or more for many prototypes; the others are the main directions of some texts."""

NEAR, FEWEST_SPARE = 16, 8
"""Dimensions that are looked at first, for they exclude most texts, where so many are left beside the prototypes'."""

LANES = 8
"""Floats that a processor adds at once."""

SAMPLE = 512
"""Texts whose main directions complete the basis."""

SLACK = 1e-4
"""Cosines are float32 sums over hundreds of words; a bound this much too low is not trusted to exclude."""

MOST_WORDS = 1 << 19
"""Distinct words remembered (about 150 MB); beyond them all are forgotten and learnt anew."""

_PAIRS, _FRESH_BYTES, _FRESH_WORDS = 1 << 17, 1 << 20, 1 << 16
_LATER = 1 << 13  # sentences with new words, held until these are known

_JOINS, _APART, _SPACE, _STOP = range(4)
_ROLE = np.full(
    256, _JOINS, np.uint8
)  # of a byte: in a word, a word by itself, between words, between sentences
_ROLE[[b for b in range(33, 127) if not chr(b).isalnum()]] = _APART
_ROLE[32] = _SPACE
_ROLE[[ord(c) for c in ".;:!?\n\x1d\x1e"]] = _STOP
_WHOLE_ROLE = np.where(_ROLE == _STOP, np.uint8(_APART), _ROLE)  # where a text is one sentence
_WHOLE_ROLE[10] = _SPACE
_WHOLE_ROLE[[0x1D, 0x1E]] = _JOINS  # the tokeniser drops these
_IDEOGRAPHIC_STOP = (0xE3, 0x80, 0x82)  # NFKC leaves this one of the wide signs

Embed = Callable[[pa.Array], FloatArray]

NO_PIECES = Pieces(np.zeros(1, np.uint64), 0, 0, 0)
"""Of a tokeniser that is asked for every word."""


class Model(NamedTuple):
    """What bounds need of a static model: texts to unit rows, and to the sums of their tokens' vectors.

    pieces: how ASCII words are cut, and the pieces' vectors (v, d), or None where `sums` must be asked for each.
    """

    encode: Embed
    sums: Embed
    pieces: tuple[Pieces, FloatArray] | None = None


class Spoken(NamedTuple):
    """What is looked for by meaning, for texts of ASCII words; for one thread at a time.

    pieces: how words are cut; known: words that were met, and the vectors of pieces and words in the basis. targets:
    (p, q) the prototypes in it, zeros from column p on, owners: (f + 1,) where each template's begin. least: (f,) how
    much of each matters.
    """

    pieces: Pieces
    known: KnownWords
    targets: FloatArray
    owners: IntArray
    least: FloatArray


def nothing_spoken() -> Spoken:
    """Look for nothing."""
    nothing = np.empty((0, 0), np.float32)
    return Spoken(NO_PIECES, known_words(nothing, 0), nothing, np.zeros(1, np.int64), np.empty(0, np.float32))


class _Words(NamedTuple):
    """Open addressing: keys (c,) uint64 hashes of words, 0 where free; slots (c,) int32, their rows of the sums."""

    keys: HashArray
    slots: Ids


class _Fresh(NamedTuple):
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


class Gist:
    """Bounds what texts hold of templates from above; one thread at a time may use it.

    prototypes: (p, d) float32 unit rows, owners: (f + 1,) where each template's begin. least: (f,) how much of each
    matters, 0 to 1. whole: the beginning of a text counts as its one sentence, as it does for families of a meaning
    without text.
    """

    def __init__(
        self,
        prototypes: FloatArray,
        owners: IntArray,
        least: FloatArray,
        model: Model,
        *,
        whole: bool = False,
    ) -> None:
        self._prototypes, self._owners, self._least, self._whole = prototypes, owners, least, whole
        self._model = model
        self._pieces, self._piece_sums = NO_PIECES, np.empty((0, 0), np.float32)
        self._dimensions = max(DIMENSIONS, len(prototypes) + DIMENSIONS // 2)
        self._basis: FloatArray | None = None
        self._targets = np.empty((0, 0), np.float32)
        self._begin()

    def _begin(self) -> None:
        self._fresh = _Fresh(
            np.empty(_PAIRS, np.int64),
            np.empty(_PAIRS, np.int64),
            np.empty(_LATER, np.int64),
            np.empty((_LATER, self._dimensions), np.float32),
            np.empty(_FRESH_BYTES, np.uint8),
            np.zeros(_FRESH_WORDS + 1, np.int64),
            np.zeros(4, np.int64),
            np.zeros(1 if self._model.pieces is None else self._model.pieces[0].most + 1, np.int32),
        )
        self._forget(2 * _FRESH_WORDS)

    def _forget(self, room: int) -> None:
        self._words = _Words(np.zeros(2 * room, np.uint64), np.zeros(2 * room, np.int32))
        self._sums = np.zeros((room, self._dimensions), np.float32)
        self._known = 0

    def twin(self) -> Gist:
        """Return one with the same basis, for another thread."""
        other = copy.copy(self)
        other._begin()
        return other

    def may_hold(self, texts: pa.LargeStringArray) -> npt.NDArray[np.bool_]:
        """Tell which texts (n,) may hold `least` or more of a template; false only where none does."""
        if not len(texts) or not np.isfinite(self._least).any():
            return np.zeros(len(texts), np.bool_)
        self.prepare(texts)
        held = np.add.reduceat(self._bounds(texts), self._owners[:-1], axis=1) / np.diff(self._owners)
        return np.asarray((held >= self._least - SLACK).any(axis=1))

    def prepare(self, texts: pa.LargeStringArray) -> None:
        """Choose the basis, once, by some texts (n,), n > 0: which ones changes no answer but its sharpness."""
        if self._basis is None:
            some = normalise(texts.slice(0, SAMPLE))
            sample = heads(some) if self._whole else sentences(some)[0]
            self._basis = _basis(self._prototypes, self._model.encode(sample), self._dimensions)
            own = self._basis[: len(self._prototypes)]
            # loops over a multiple of the processor's lanes have no rest
            wide = -(-len(own) // LANES) * LANES
            self._targets = np.zeros((len(own), min(wide, self._dimensions)), np.float32)
            self._targets[:, : len(own)] = self._prototypes @ own.T
            if self._model.pieces is not None:
                self._pieces, vectors = self._model.pieces
                self._piece_sums = np.ascontiguousarray(vectors @ self._basis.T)

    def spoken(self) -> Spoken | None:
        """Return what is looked for in texts of ASCII words, once prepared, with room of its own for words.

        None where whole texts are looked for, or the tokeniser must be asked for every word.
        """
        if self._whole or not len(self._piece_sums):
            return None
        few = len(self._prototypes) + FEWEST_SPARE <= NEAR
        known = known_words(self._piece_sums, NEAR if few else self._dimensions)
        return Spoken(self._pieces, known, self._targets, self._owners, self._least)

    def _bounds(self, texts: pa.LargeStringArray) -> FloatArray:
        """Bound the cosine of each text's nearest sentence to each prototype, (n, p), 0 to 1."""
        data, offsets = buffers(texts)
        best = np.zeros((len(texts), len(self._prototypes)), np.float32)
        row, fresh = 0, self._fresh
        while row < len(texts):
            if self._known + _FRESH_WORDS > len(self._sums):
                self._grow()
            fresh.counts[:] = 0, 0, 0, self._known
            model = (self._words, self._sums, self._targets, self._pieces, self._piece_sums)
            row = _read((data, offsets), row, self._whole, model, best, fresh)
            self._learn()
            _finish(fresh, self._sums, self._targets, best)
        return best

    def _learn(self) -> None:
        fresh, words = self._fresh, int(self._fresh.counts[2])
        if words:
            assert self._basis is not None
            texts = strings(fresh.data[: fresh.ends[words]], fresh.ends[: words + 1])
            self._sums[self._known : self._known + words] = self._model.sums(texts) @ self._basis.T
        self._known += words

    def _grow(self) -> None:
        room = 2 * len(self._sums)
        if room > MOST_WORDS:
            self._forget(len(self._sums))
            return
        old, sums, known = self._words, self._sums, self._known
        self._forget(room)
        self._sums[:known], self._known = sums[:known], known
        _rehash(old, self._words)


def _basis(prototypes: FloatArray, sample: FloatArray, dimensions: int) -> FloatArray:
    """Return orthonormal rows (dimensions, d), the first p of which span the prototypes (p, d) and all most of a sample.

    Spare ones are zero.
    """
    own = np.linalg.qr(prototypes.T.astype(np.float64))[0].T
    rest = sample - (sample @ own.T) @ own
    main = np.linalg.eigh(rest.T @ rest)[1].T[::-1]
    found = np.linalg.qr(np.concatenate([own, main])[:dimensions].T)[0].T
    out = np.zeros((dimensions, prototypes.shape[1]), np.float32)
    out[: len(found)] = found
    return out


@kernel
def _rehash(old: _Words, new: _Words) -> None:
    for k in range(len(old.keys)):
        if old.keys[k] != 0:
            at = place(new.keys, old.keys[k])
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
def _read(
    texts: tuple[Bytes, IntArray],
    row: int,
    whole: bool,
    model: tuple[_Words, FloatArray, FloatArray, Pieces, FloatArray],
    best: FloatArray,
    fresh: _Fresh,
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
    model: tuple[_Words, FloatArray, FloatArray, Pieces, FloatArray],
    best: FloatArray,
    fresh: _Fresh,
) -> int:
    """Bound the sentence at `i`, or note it if it has new words; return where the next begins."""
    words, sums, targets, pieces, piece_sums = model
    pairs, later, known = fresh.counts[0], fresh.counts[1], fresh.counts[3]
    y = fresh.y[later]
    y[:] = 0
    roles = _WHOLE_ROLE if whole else _ROLE
    spaces, wide = 0, False
    while i < end and roles[data[i]] != _STOP:
        role = roles[data[i]]
        if role == _SPACE:
            spaces += 1
            i += 1
            continue
        a, key = i, (OFFSET ^ np.uint64(data[i])) * PRIME
        if data[i] == _IDEOGRAPHIC_STOP[0] and not whole and _is_stop(data, i, end):
            break
        plain = 32 < data[i] < 0x80
        # a tokeniser that cuts words as BERT's does cuts around these, too
        last = a + 3 if pieces.most > 0 and is_han(data, a, end) else end
        i += 1
        while role == _JOINS and i < last and roles[data[i]] == _JOINS:
            if not 32 < data[i] < 0x80:
                plain = False
                if data[i] == _IDEOGRAPHIC_STOP[0] and not whole and _is_stop(data, i, end):
                    break
                if last == end and pieces.most > 0 and is_han(data, i, end):
                    break
            key = (key ^ np.uint64(data[i])) * PRIME
            i += 1
        wide |= not plain
        if plain and pieces.most > 0:
            _add_pieces(pieces, piece_sums, data, (a, i), key, fresh.cut, y)
            continue
        key = finished(key)
        at = place(words.keys, key)
        slot = words.slots[at]
        if words.keys[at] == 0:
            slot = _noted(words, at, key, data, (a, i), fresh)
        if slot < known:
            for c in range(len(y)):
                y[c] += sums[slot, c]
        else:
            fresh.sentence[fresh.counts[0]], fresh.slot[fresh.counts[0]] = later, slot
            fresh.counts[0] += 1
    if not (whole or wide or spaces >= FEWEST_WORDS - 1):
        fresh.counts[0] = pairs
    elif fresh.counts[0] > pairs:
        fresh.row[later] = row
        fresh.counts[1] += 1
    else:
        bound(y, targets, best[row])
    return i + (1 if i == end or data[i] < 0x80 else 3)


@kernel
def _add_pieces(
    pieces: Pieces,
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
def _finish(fresh: _Fresh, sums: FloatArray, targets: FloatArray, best: FloatArray) -> None:
    """Bound the sentences that waited for new words."""
    for p in range(fresh.counts[0]):
        for c in range(fresh.y.shape[1]):
            fresh.y[fresh.sentence[p], c] += sums[fresh.slot[p], c]
    for s in range(fresh.counts[1]):
        bound(fresh.y[s], targets, best[fresh.row[s]])


@kernel
def _noted(words: _Words, at: int, key: np.uint64, data: Bytes, place: tuple[int, int], fresh: _Fresh) -> int:
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
