"""What a prompt says, sentence by sentence: how much of a template's meaning it holds, in whatever words.

A template is a few sentences, and a reworded one says the same few things; the payload around it says others. So
each sentence of the template is compared with the prompt's nearest sentence, and the mean of these cosines is
what the prompt holds of the template (the directed part of BERTScore's recall over sentences; Zhang et al. 2020,
eq. 1). Whole-prompt vectors are mostly payload.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from fingerprint.kernels import kernel, kernel_with
from fingerprint.parallel import in_order, workers
from fingerprint.records import SYSTEM_END, TURN_END, FloatArray, Ids, IntArray
from fingerprint.text_buffers import Bytes, buffers, gathered, plain, strings

HEAD, TAIL = 2000, 1000
"""Characters of a prompt that are read: a template stands before or after its payload, seldom inside."""

FEWEST_WORDS = 3
"""Shorter parts say too little; but other scripts may write a sentence without a space."""

MOST_SENTENCES = 32
"""Sentences of a text that are compared: its first ones, and its last ones as the last quarter."""

EMBEDDED_CHARACTERS = 2000
"""Of a prompt embedded as a whole only the beginning is read: a long payload would drown what is asked."""

SECTION, TURN = ord(SYSTEM_END), ord(TURN_END)

MATRIX = 1 << 24
"""Cosines held at once while prompts are compared with all templates."""


def heads(texts: pa.Array | pa.ChunkedArray) -> pa.LargeStringArray:
    """Return the part of each text that is embedded as a whole."""
    whole = plain(texts)
    _, offsets = buffers(whole)
    # no more bytes, no more characters
    if len(whole) == 0 or int(np.diff(offsets).max()) <= EMBEDDED_CHARACTERS:
        return whole
    return pc.utf8_slice_codeunits(whole, 0, EMBEDDED_CHARACTERS)


def sentences(texts: pa.Array | pa.ChunkedArray) -> tuple[pa.LargeStringArray, IntArray]:
    """Cut normalised texts (q,) into sentences; also return where each text's begin, offsets (q + 1,)."""
    data, offsets = buffers(texts)
    found = np.empty((3, _cut(data, offsets, np.empty((3, 0), dtype=np.int64))), dtype=np.int64)
    _cut(data, offsets, found)
    begins, ends, owner = found
    kept = _within(owner, len(offsets) - 1)
    counts = np.bincount(owner[kept], minlength=len(offsets) - 1)
    return (
        strings(*gathered(data, begins[kept], ends[kept])),
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
    )


@kernel
def _cut(data: Bytes, offsets: IntArray, found: IntArray) -> int:
    """Find the sentences of UTF-8 texts: where each begins and ends, and whose it is, into found (3, s).

    Returns how many there are; those beyond s are only counted.
    """
    count = 0
    for row in range(len(offsets) - 1):
        first, last = offsets[row], offsets[row + 1]
        head, tail = _middle(data, first, last)
        for start, stop in ((first, head), (tail, last)):
            begin, i = start, start
            while i <= stop:
                width = 1 if i == stop else _end_mark(data, i, stop)
                if width:
                    a, b = _trimmed(data, begin, i)
                    if _says_enough(data, a, b):
                        if count < found.shape[1]:
                            found[0, count], found[1, count], found[2, count] = a, b, row
                        count += 1
                    begin = i + width
                i += max(width, 1)
    return count


@kernel
def _middle(data: Bytes, first: int, last: int) -> tuple[int, int]:
    """Where the part of a long text that is not read begins and ends; a short one has none."""
    characters = 0
    for i in range(first, last):
        characters += (data[i] & 0xC0) != 0x80
    if characters <= HEAD + TAIL:
        return last, last
    head, seen = first, 0
    while seen < HEAD or (data[head] & 0xC0) == 0x80:
        seen += (data[head] & 0xC0) != 0x80
        head += 1
    tail, seen = last, 0
    while seen < TAIL:
        tail -= 1
        seen += (data[tail] & 0xC0) != 0x80
    return head, tail


@kernel
def _end_mark(data: Bytes, i: int, stop: int) -> int:
    """Tell how many bytes the mark takes that ends a sentence here, one of `.;:!?。！？；：`, a line or a section; 0 for none."""
    c = data[i]
    if c in (46, 59, 58, 33, 63, 10, SECTION, TURN):
        return 1
    if i + 2 < stop:
        if c == 0xE3 and data[i + 1] == 0x80 and data[i + 2] == 0x82:
            return 3
        if c == 0xEF and data[i + 1] == 0xBC and data[i + 2] in (0x81, 0x9F, 0x9B, 0x9A):
            return 3
    return 0


@kernel
def _trimmed(data: Bytes, begin: int, end: int) -> tuple[int, int]:
    while begin < end and (data[begin] == 32 or 9 <= data[begin] <= 13):
        begin += 1
    while begin < end and (data[end - 1] == 32 or 9 <= data[end - 1] <= 13):
        end -= 1
    return begin, end


@kernel
def _says_enough(data: Bytes, begin: int, end: int) -> bool:
    """Tell whether a part has FEWEST_WORDS words, or two characters one of which is not ASCII."""
    words, characters, wide, in_space = 1, 0, False, False
    for i in range(begin, end):
        space = data[i] == 32 or 9 <= data[i] <= 13
        words += space and not in_space
        in_space = space
        wide |= data[i] >= 0x80
        characters += (data[i] & 0xC0) != 0x80
    return characters > 1 and (wide or words >= FEWEST_WORDS)


def held(vectors: FloatArray, offsets: IntArray, prototypes: FloatArray, owners: IntArray) -> FloatArray:
    """How much of each of f templates each of q prompts holds, (q, f) float32; -1 for a prompt without sentences.

    vectors: (s, d) of the prompts' sentences, offsets (q + 1,). prototypes: (p, d) of the templates' sentences,
    owners (f + 1,) where each template's begin; every template has at least one. Rows are of unit length.
    """
    out = np.full((len(offsets) - 1, len(owners) - 1), -1.0, dtype=np.float32)
    said = np.flatnonzero(np.diff(offsets))
    # templates that a product or a campaign has several of share sentences
    distinct, which = _distinct(prototypes)
    step = max(1, MATRIX // max(len(prototypes) * MOST_SENTENCES, 1))

    def compare(rows: IntArray) -> None:
        first = offsets[rows[0]]
        cosines = vectors[first : offsets[rows[-1] + 1]] @ distinct.T
        nearest = _highest(cosines, np.append(offsets[rows], offsets[rows[-1] + 1]) - first)
        out[rows] = np.add.reduceat(nearest[:, which], owners[:-1], axis=1) / np.diff(owners)

    parts = (said[begin : begin + step] for begin in range(0, len(said), step))
    for _ in in_order(compare, parts, threads=workers()):
        pass
    return out


def _distinct(rows: FloatArray) -> tuple[FloatArray, IntArray]:
    """Return the different rows, in the order they first appear, and which of them each row is."""
    places: dict[bytes, int] = {}
    which = np.array([places.setdefault(row.tobytes(), len(places)) for row in rows], dtype=np.int64)
    first = np.full(len(places), len(rows), dtype=np.int64)
    np.minimum.at(first, which, np.arange(len(rows)))
    return rows[first], which


@njit(cache=True, nogil=True)
def _highest(cosines: FloatArray, offsets: IntArray) -> FloatArray:
    """Return the highest of some consecutive rows, column by column; no group (offsets) is empty."""
    out = np.empty((len(offsets) - 1, cosines.shape[1]), dtype=np.float32)
    for group in range(len(out)):
        best = out[group]
        best[:] = cosines[offsets[group]]
        for row in range(offsets[group] + 1, offsets[group + 1]):
            for c in range(len(best)):
                best[c] = max(best[c], cosines[row, c])
    return out


@njit(cache=True, nogil=True)
def held_of(
    vectors: FloatArray, offsets: IntArray, prototypes: FloatArray, owners: IntArray, candidates: Ids
) -> FloatArray:
    """As `held`, of c candidate templates for each prompt (q, c) only, -1 = none; returns (q, c)."""
    rows, width = candidates.shape
    out = np.full((rows, width), np.float32(-1.0), dtype=np.float32)
    for r in range(rows):
        for c in range(width):
            f = candidates[r, c]
            if f < 0 or offsets[r] == offsets[r + 1]:
                continue
            total = np.float32(0.0)
            for p in range(owners[f], owners[f + 1]):
                nearest = np.float32(-1.0)
                for s in range(offsets[r], offsets[r + 1]):
                    nearest = max(nearest, _cosine(vectors, s, prototypes, p))
                total += nearest
            out[r, c] = total / np.float32(max(owners[f + 1] - owners[f], 1))
    return out


# the sum may be taken in any order, so in vector registers; a call of BLAS takes longer than such a short product
@kernel_with(fastmath=True)
def _cosine(vectors: FloatArray, s: int, prototypes: FloatArray, p: int) -> np.float32:
    total = np.float32(0.0)
    for i in range(vectors.shape[1]):
        total += vectors[s, i] * prototypes[p, i]
    return total


def _within(owner: IntArray, texts: int) -> npt.NDArray[np.bool_]:
    """Tell which sentences stay where a text has too many: its first ones, and at the end its last ones."""
    count = np.bincount(owner, minlength=texts)
    first = np.cumsum(count) - count
    place = np.arange(len(owner)) - first[owner]
    last = MOST_SENTENCES // 4
    return (place < MOST_SENTENCES - last) | (place >= count[owner] - last)
