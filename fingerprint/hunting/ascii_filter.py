"""Tells which raw texts a family may match, in one pass over their bytes; what it cannot tell it leaves to `prefilter`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from fingerprint.base.jit import kernel, kernel_with
from fingerprint.base.simd import LANES, sum_rows
from fingerprint.base.strings import buffers
from fingerprint.base.types import Bools, Bytes, FloatArray, IntArray
from fingerprint.hunting import read_text
from fingerprint.hunting.ascii_reader import prepare, read
from fingerprint.hunting.meaning_bounds import SLACK, MeaningTargets
from fingerprint.hunting.ngram_weights import NgramWeights, add, may_be_wanted
from fingerprint.hunting.read_text import (
    NEEDS_NORMALISING,
    Reading,
    ReadText,
    end_section,
    reading_for,
    start_text,
)
from fingerprint.hunting.sentence_bounds import bound
from fingerprint.text.ngrams import GRAM, MULTIPLIER
from fingerprint.text.sentences import HEAD, SECTION, SYSTEM_HEAD, TAIL, TURN

NO, YES, UNKNOWN = np.uint8(0), np.uint8(1), np.uint8(2)

_EVERYTHING = 1 << 62
_ROOM = 1 << 16  # bytes of a text (6 MB); room for longer ones is made when they come, and not kept
_MAX_SECTIONS = 250  # tokens number no more

Verdicts = Bytes
"""NO, YES or UNKNOWN for each of some texts, uint8."""


class _Tools(NamedTuple):
    """What the pass needs: what reads a text, what to look for, and room.

    y: (b,) float32, the sum of a sentence's words in the basis of `targets`. best: (p,) float32, the bounds of the
    text at hand.
    """

    reading: Reading
    weights: NgramWeights
    targets: MeaningTargets
    y: FloatArray
    best: FloatArray


class AsciiFilter:
    """Tells which texts may match; one thread at a time may use it.

    targets: what is looked for by meaning; without prototypes meaning does not count.
    """

    def __init__(self, weights: NgramWeights, targets: MeaningTargets) -> None:
        self._weights, self._targets = weights, targets
        self._tools = self._with_room(_ROOM)

    def _with_room(self, longest: int) -> _Tools:
        targets = self._targets
        return _Tools(
            reading_for(longest, targets.pieces, targets.words),
            self._weights,
            targets,
            np.empty(targets.words.sums.shape[1], np.float32),
            np.empty(len(targets.prototypes), np.float32),
        )

    def verdicts(self, texts: pa.LargeStringArray, known: Bools | None = None) -> Verdicts:
        """Tell of each text as it came (n,) whether it may match: NO, YES, or UNKNOWN where it must be normalised for that.

        known: (n,) texts that are known to match in no way, and are not read.
        """
        data, offsets = buffers(texts)
        longest = int(np.diff(offsets).max(initial=0))
        tools = self._tools if longest <= _ROOM else self._with_room(longest)
        out = np.full(len(offsets) - 1, UNKNOWN)
        if known is not None:
            out[known] = NO
        _judge(data, offsets, tools, out)
        return out


@kernel
def _judge(data: Bytes, offsets: IntArray, tools: _Tools, out: Verdicts) -> None:
    """Replace what is UNKNOWN in `out`, where one pass over the text can tell."""
    tools.weights.last_row[:] = -1
    for row in range(len(out)):
        if out[row] == UNKNOWN:
            out[row] = _verdict(data, offsets[row], offsets[row + 1], row, tools)


@kernel_with(inline="always")
def _verdict(data: Bytes, start: int, end: int, row: int, tools: _Tools) -> np.uint8:
    reading, weights, targets, _, _ = tools
    text = reading.text
    by_meaning = len(targets.prototypes) > 0
    long = end - start > HEAD + TAIL
    if not prepare(data, (start, end), reading):
        return UNKNOWN
    start_text(text)
    size = read(data, (start, end), _everything(), reading, by_meaning and not long)
    if size == NEEDS_NORMALISING:
        return UNKNOWN
    end_section(text)
    # a text without words is read by its signs
    if text.counts[read_text.SECTIONS] == 0 or text.counts[read_text.SEPARATORS] > _MAX_SECTIONS:
        return UNKNOWN
    if _holds_ngrams(text, weights, row):
        return YES
    if not by_meaning:
        return NO
    if long and _reread(data, (start, end), size, tools) == NEEDS_NORMALISING:
        return UNKNOWN
    for columns in targets.stages:
        if not _may_hold_meaning(tools, columns):
            return NO
    return YES


@kernel_with(inline="always")
def _holds_ngrams(text: ReadText, weights: NgramWeights, row: int) -> bool:
    """Tell whether the n-grams of text number `row` weigh enough for a signature."""
    weights.held[:] = 0
    tokens, bits = text.tokens, weights.bits
    first = 0
    for s in range(text.counts[read_text.SECTIONS]):
        last = text.sections[s]
        width = min(GRAM, last - first)
        for i in range(first, last - width + 1):
            mixed = np.uint64(width)
            for k in range(width):
                mixed = (mixed ^ tokens[i + k]) * MULTIPLIER
                mixed ^= mixed >> np.uint64(29)
            ngram = max(mixed, np.uint64(1))
            if may_be_wanted(bits, ngram) and add(weights, ngram, row):
                return True
        first = last
    return False


@kernel_with(inline="always")
def _reread(data: Bytes, span: tuple[int, int], size: int, tools: _Tools) -> int:
    """Read the pieces of a long text: those of the beginning and the end of its normalised form.

    size: characters of that form. Returns NEEDS_NORMALISING where they cannot be read here, else another number.
    """
    reading = tools.reading
    text = reading.text
    places, count = text.places, text.counts[read_text.PLACES]
    everything, meaning = _everything(), len(tools.targets.prototypes) > 0
    start_text(text)
    if size <= HEAD + TAIL:
        characters = read(data, span, everything, reading, meaning)
        end_section(text)
        return characters
    n = _behind_system(data, span, places[0, :count])
    if n == NEEDS_NORMALISING:
        return NEEDS_NORMALISING
    system = 0 if n == 0 else size if n == count else places[1, n]
    behind = size - system
    head = HEAD if system <= SYSTEM_HEAD else max(SYSTEM_HEAD, HEAD + TAIL - behind)
    if read(data, span, (everything[0], head), reading, meaning) == NEEDS_NORMALISING:
        return NEEDS_NORMALISING
    end_section(text)
    if system > SYSTEM_HEAD and behind > 0:
        most = everything[1] if behind <= HEAD + TAIL - SYSTEM_HEAD else HEAD - SYSTEM_HEAD
        characters = read(data, (places[0, n], span[1]), (everything[0], most), reading, meaning)
        end_section(text)
        if most == everything[1] or characters == NEEDS_NORMALISING:
            return characters
    if behind == 0:
        return size
    n = int(np.searchsorted(places[1, :count], size - TAIL, side="right")) - 1
    skip = size - TAIL - places[1, n]
    characters = read(data, (places[0, n], span[1]), (skip, everything[1]), reading, meaning)
    end_section(text)
    return characters


@kernel_with(forceinline=True)
def _everything() -> tuple[int, int]:
    """Return the part of a text that is all of it; numbers as they are written are types of their own to numba (D-270)."""
    return int(np.int64(0)), int(np.int64(_EVERYTHING))


@kernel_with(inline="always")
def _behind_system(data: Bytes, span: tuple[int, int], begins: IntArray) -> int:
    """Return which of the words and signs, that begin at begins (m,), is the first behind the system prompt, 0 without one.

    NEEDS_NORMALISING where other separators stand before it.
    """
    mark = span[0]
    while mark < span[1] and data[mark] != SECTION:
        mark += 1
    if mark == span[1]:
        return 0
    n = int(np.searchsorted(begins, mark, side="right"))
    for i in range(mark + 1, begins[n] if n < len(begins) else span[1]):
        if data[i] == SECTION or data[i] == TURN:
            return NEEDS_NORMALISING
    return n


@kernel_with(inline="always")
def _may_hold_meaning(tools: _Tools, columns: int) -> bool:
    """Tell by the first columns of sums whether the sentences of the text that was read may hold enough of a template's meaning."""
    reading, _, targets, y, best = tools
    text = reading.text
    y = y[:columns]
    best[:] = 0
    rows, sums = text.rows, targets.words.sums
    for s in range(text.counts[read_text.SENTENCES]):
        first, last = text.sentences[s], text.sentences[s + 1]
        for column in range(0, len(y), LANES):
            sum_rows(sums, rows, first, last, column, y)
        bound(y, targets.prototypes, best, np.float32((last - first) * targets.words.rounding))
    for f in range(len(targets.least)):
        total = np.float32(0.0)
        for p in range(targets.owners[f], targets.owners[f + 1]):
            total += best[p]
        if total / (targets.owners[f + 1] - targets.owners[f]) >= targets.least[f] - SLACK:
            return True
    return False
