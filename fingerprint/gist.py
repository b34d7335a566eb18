"""Tells which texts may mean what a prototype means, many times faster than by embedding them.

A static model's vector points where the sum of its words' vectors does. Let B hold an orthonormal basis whose
span holds the prototype p, and y be the text's sum in that basis. Then the text's cosine to p is y·Bp over the
whole sum's length, which is at least |y|. So y·Bp / |y| is a bound that no text's cosine exceeds, and y needs
a few additions a word where the vector needs hundreds, and the model's tokeniser once for each new word only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from fingerprint.records import FloatArray, HashArray, Ids, IntArray
from fingerprint.text_buffers import Bytes, buffers, strings
from fingerprint.tokenise import OFFSET, PRIME, finished

DIMENSIONS = 64
"""Of the basis; those beyond the prototypes are the main directions of some texts."""

SAMPLE = 1024
"""Texts whose main directions complete the basis."""

SLACK = 1e-4
"""Cosines are float32 sums over hundreds of words; a bound this much too low is not trusted to exclude."""

MOST_WORDS = 1 << 19
"""Distinct words remembered (about 150 MB); beyond them all are forgotten and learnt anew."""

_PAIRS, _FRESH_BYTES, _FRESH_WORDS = 1 << 17, 1 << 20, 1 << 16

Embed = Callable[[pa.Array], FloatArray]


class _Words(NamedTuple):
    """Open addressing: keys (c,) uint64 hashes of words, 0 where free; slots (c,) int32, their rows of the sums."""

    keys: HashArray
    slots: Ids


class _Fresh(NamedTuple):
    """What a pass over texts found beyond known words: uses of words without a sum yet, and those words' bytes.

    row, slot: pairs. data, ends: the new words. counts: (3,) int64, pairs, words and known words in use.
    """

    row: IntArray
    slot: IntArray
    data: Bytes
    ends: IntArray
    counts: IntArray


class Gist:
    """Bounds the cosine of texts to prototypes from above; one thread at a time may use it.

    prototypes: (p, d) float32 unit rows. least: (p,) the cosine to each that matters. embed: texts to unit rows.
    sums: texts to the sum of their tokens' vectors (Embedder.sums). characters: how much of a text is embedded.
    """

    def __init__(
        self, prototypes: FloatArray, least: FloatArray, embed: Embed, sums: Embed, *, characters: int
    ) -> None:
        self._prototypes, self._least = prototypes, least
        self._embed, self._embed_sums = embed, sums
        self._characters = characters
        self._dimensions = max(DIMENSIONS, len(prototypes) + DIMENSIONS // 2)
        self._basis: FloatArray | None = None
        self._fresh = _Fresh(
            np.empty(_PAIRS, np.int64),
            np.empty(_PAIRS, np.int64),
            np.empty(_FRESH_BYTES, np.uint8),
            np.zeros(_FRESH_WORDS + 1, np.int64),
            np.zeros(3, np.int64),
        )
        self._forget(2 * _FRESH_WORDS)

    def _forget(self, room: int) -> None:
        self._words = _Words(np.zeros(2 * room, np.uint64), np.zeros(2 * room, np.int32))
        self._sums = np.zeros((room, self._dimensions), np.float32)
        self._known = 0

    def may_reach(self, texts: pa.LargeStringArray) -> npt.NDArray[np.bool_]:
        """Tell which texts (n,) may have a cosine of `least` or more to a prototype; false only where none has."""
        if not len(texts) or not np.isfinite(self._least).any():
            return np.zeros(len(texts), np.bool_)
        if self._basis is None:
            self._basis = _basis(self._prototypes, self._embed(texts.slice(0, SAMPLE)), self._dimensions)
        y = self._projected(texts)
        bound = (self._least - SLACK)[None, :] * np.linalg.norm(y, axis=1)[:, None]
        return np.asarray((y @ (self._basis @ self._prototypes.T) >= bound).any(axis=1))

    def _projected(self, texts: pa.LargeStringArray) -> FloatArray:
        """Return the sum of each text's word vectors in the basis, (n, dimensions)."""
        data, offsets = buffers(texts)
        y = np.zeros((len(texts), self._dimensions), np.float32)
        row = 0
        while row < len(texts):
            if self._known + _FRESH_WORDS > len(self._sums):
                self._grow()
            fresh = self._fresh
            fresh.counts[:] = 0, 0, self._known
            row = _add_words((data, offsets), row, self._characters, self._words, self._sums, y, fresh)
            self._learn(fresh)
            pairs = fresh.counts[0]
            _add_pairs(y, fresh.row[:pairs], fresh.slot[:pairs], self._sums)
        return y

    def _learn(self, fresh: _Fresh) -> None:
        words = int(fresh.counts[1])
        if words:
            assert self._basis is not None
            texts = strings(fresh.data[: fresh.ends[words]], fresh.ends[: words + 1])
            self._sums[self._known : self._known + words] = self._embed_sums(texts) @ self._basis.T
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
    """Return orthonormal rows (dimensions, d) that span the prototypes and most of a sample; spare ones are zero."""
    own = np.linalg.qr(prototypes.T.astype(np.float64))[0].T
    rest = sample - (sample @ own.T) @ own
    _, _, main = np.linalg.svd(rest, full_matrices=False)
    found = np.linalg.qr(np.concatenate([own, main])[:dimensions].T)[0].T
    out = np.zeros((dimensions, prototypes.shape[1]), np.float32)
    out[: len(found)] = found
    return out


@njit(cache=True, nogil=True)
def _add_pairs(y: FloatArray, row: IntArray, slot: IntArray, sums: FloatArray) -> None:
    for p in range(len(row)):
        for c in range(y.shape[1]):
            y[row[p], c] += sums[slot[p], c]


@njit(cache=True, nogil=True)
def _rehash(old: _Words, new: _Words) -> None:
    for k in range(len(old.keys)):
        if old.keys[k] != 0:
            at = _find(new.keys, old.keys[k])
            new.keys[at], new.slots[at] = old.keys[k], old.slots[k]


@njit(cache=True, nogil=True)
def _find(keys: HashArray, key: np.uint64) -> int:
    """Return where a key stands or would stand; the length of keys is a power of two."""
    mask = np.uint64(len(keys) - 1)
    at = key & mask
    while keys[at] != key and keys[at] != 0:
        at = (at + np.uint64(1)) & mask
    return int(at)


@njit(cache=True, nogil=True)
def _joins(b: int) -> bool:
    """Whether a byte is inside a word: neither a space nor ASCII punctuation, which is a word of its own."""
    return b >= 0x80 or 48 <= b <= 57 or 97 <= b <= 122 or 65 <= b <= 90 or b < 32 or b == 127


@njit(cache=True, nogil=True)
def _head(data: Bytes, i: int, end: int, characters: int) -> int:
    """Return where the first `characters` of a text end."""
    if end - i <= characters:
        return end
    seen = 0
    while i < end:
        if data[i] & 0xC0 != 0x80:
            if seen == characters:
                return i
            seen += 1
        i += 1
    return end


@njit(cache=True, nogil=True)
def _add_words(
    texts: tuple[Bytes, IntArray],
    row: int,
    characters: int,
    words: _Words,
    sums: FloatArray,
    y: FloatArray,
    fresh: _Fresh,
) -> int:
    """Add up the known words of texts from `row` on, and note the others; return the row where room ended."""
    data, offsets = texts
    known = fresh.counts[2]
    inside = np.array([_joins(b) for b in range(256)])
    while row < len(offsets) - 1:
        i, end = offsets[row], _head(data, offsets[row], offsets[row + 1], characters)
        # a text has at most one word a byte
        new = fresh.counts[1]
        if (
            fresh.counts[0] + end - i > len(fresh.row)
            or fresh.ends[new] + end - i > len(fresh.data)
            or new + end - i > len(fresh.ends) - 1
        ):
            return row
        while i < end:
            if data[i] == 32:
                i += 1
                continue
            a, key = i, (OFFSET ^ np.uint64(data[i])) * PRIME
            i += 1
            while i < end and inside[data[i]] and inside[data[a]]:
                key = (key ^ np.uint64(data[i])) * PRIME
                i += 1
            key = finished(key)
            at = _find(words.keys, key)
            slot = words.slots[at]
            if words.keys[at] == 0:
                slot = _noted(words, at, key, data, (a, i), fresh)
            if slot < known:
                for c in range(y.shape[1]):
                    y[row, c] += sums[slot, c]
            else:
                fresh.row[fresh.counts[0]], fresh.slot[fresh.counts[0]] = row, slot
                fresh.counts[0] += 1
        row += 1
    return row


@njit(cache=True, nogil=True)
def _noted(words: _Words, at: int, key: np.uint64, data: Bytes, place: tuple[int, int], fresh: _Fresh) -> int:
    """Give a new word the next slot, note its spelling and return the slot."""
    number = fresh.counts[1]
    words.keys[at], words.slots[at] = key, fresh.counts[2] + number
    end = fresh.ends[number]
    for i in range(place[0], place[1]):
        fresh.data[end] = data[i]
        end += 1
    fresh.ends[number + 1] = end
    fresh.counts[1] += 1
    return int(words.slots[at])
