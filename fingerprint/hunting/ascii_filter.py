"""Tells which raw texts a family may match, in one pass over their bytes; what it cannot tell it leaves to `prefilter`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from fingerprint.base.jit import kernel
from fingerprint.base.strings import buffers
from fingerprint.base.types import Bools, Bytes, FloatArray, IntArray
from fingerprint.hunting import ascii_reader
from fingerprint.hunting.ascii_reader import (
    ASK,
    Reading,
    ReadText,
    begin,
    end_section,
    prepare,
    read,
    reading_for,
)
from fingerprint.hunting.meaning_bounds import SLACK, Spoken
from fingerprint.hunting.ngram_weights import NgramWeights, add, marked
from fingerprint.hunting.sentence_bounds import bound
from fingerprint.text.ngrams import GRAM, MULTIPLIER
from fingerprint.text.sentences import HEAD, TAIL

NO, YES, UNKNOWN = np.uint8(0), np.uint8(1), np.uint8(2)

_EVERYTHING = 1 << 62
_ROOM = 1 << 16  # bytes of a text (6 MB); room for longer ones is made when they come, and not kept
_MOST_SECTIONS = 250  # tokens number no more

Verdicts = Bytes


class _Tools(NamedTuple):
    """What the pass needs: tables, what to look for, and room."""

    reading: Reading
    sums: NgramWeights
    spoken: Spoken
    y: FloatArray
    best: FloatArray


class AsciiFilter:
    """Tells which texts may match; one thread at a time may use it.

    spoken: what is looked for by meaning; without targets meaning does not count.
    """

    def __init__(self, sums: NgramWeights, spoken: Spoken) -> None:
        self._sums, self._spoken = sums, spoken
        self._tools = self._with_room(_ROOM)

    def _with_room(self, longest: int) -> _Tools:
        spoken = self._spoken
        return _Tools(
            reading_for(longest, spoken.pieces, spoken.known),
            self._sums,
            spoken,
            np.empty(spoken.known.sums.shape[1], np.float32),
            np.empty(len(spoken.targets), np.float32),
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
        _sieve(data, offsets, tools, out)
        return out


@kernel
def _sieve(data: Bytes, offsets: IntArray, tools: _Tools, out: Verdicts) -> None:
    tools.sums.seen_in[:] = -1
    for row in range(len(out)):
        if out[row] == UNKNOWN:
            out[row] = _verdict(data, offsets[row], offsets[row + 1], row, tools)


@kernel
def _verdict(data: Bytes, start: int, end: int, row: int, tools: _Tools) -> np.uint8:
    reading, sums, spoken, _, _ = tools
    found = reading.found
    says = len(spoken.targets) > 0
    long = end - start > HEAD + TAIL
    if not prepare(data, (start, end), reading):
        return UNKNOWN
    begin(found)
    size = read(data, (start, end), (0, _EVERYTHING), reading, says and not long)
    if size == ASK:
        return UNKNOWN
    end_section(found)
    # a text without words is read by its signs
    if found.counts[ascii_reader.SECTIONS] == 0 or found.counts[ascii_reader.ENDS] > _MOST_SECTIONS:
        return UNKNOWN
    if _holds(found, sums, row):
        return YES
    if not says:
        return NO
    if long and _reread(data, (start, end), size, tools) == ASK:
        return UNKNOWN
    # few dimensions exclude most texts
    return YES if _may_say(tools, spoken.known.near) and _may_say(tools, spoken.known.sums) else NO


@kernel
def _holds(found: ReadText, sums: NgramWeights, row: int) -> bool:
    """Tell whether the grams of a text weigh enough."""
    sums.held[:] = 0
    tokens, bits = found.tokens, sums.bits
    first = 0
    for s in range(found.counts[ascii_reader.SECTIONS]):
        last = found.sections[s]
        width = min(GRAM, last - first)
        for i in range(first, last - width + 1):
            mixed = np.uint64(width)
            for k in range(width):
                mixed = (mixed ^ tokens[i + k]) * MULTIPLIER
                mixed ^= mixed >> np.uint64(29)
            gram = max(mixed, np.uint64(1))
            if marked(bits, gram) and add(sums, gram, row):
                return True
        first = last
    return False


@kernel
def _reread(data: Bytes, span: tuple[int, int], size: int, tools: _Tools) -> int:
    """Read the pieces of a long text: those of the beginning and the end of its normalised form."""
    reading = tools.reading
    found = reading.found
    places, count = found.places, found.counts[ascii_reader.PLACES]
    begin(found)
    if size <= HEAD + TAIL:
        got = read(data, span, (0, _EVERYTHING), reading, True)
        end_section(found)
        return got
    if read(data, span, (0, HEAD), reading, True) == ASK:
        return ASK
    end_section(found)
    n = np.searchsorted(places[1, :count], size - TAIL, side="right") - 1
    skip = size - TAIL - places[1, n]
    got = read(data, (places[0, n], span[1]), (skip, _EVERYTHING), reading, True)
    end_section(found)
    return got


@kernel
def _may_say(tools: _Tools, sums: FloatArray) -> bool:
    """Tell by these dimensions of pieces whether the sentences of a text may hold enough of a template's meaning."""
    reading, _, spoken, y, best = tools
    found = reading.found
    y = y[: sums.shape[1]]
    best[:] = 0
    rows = found.rows
    for s in range(found.counts[ascii_reader.SENTENCES]):
        y[:] = 0
        for n in range(found.sentences[s], found.sentences[s + 1]):
            number = rows[n]
            for c in range(len(y)):
                y[c] += sums[number, c]
        bound(y, spoken.targets, best)
    for f in range(len(spoken.least)):
        held = np.float32(0.0)
        for p in range(spoken.owners[f], spoken.owners[f + 1]):
            held += best[p]
        if held / (spoken.owners[f + 1] - spoken.owners[f]) >= spoken.least[f] - SLACK:
            return True
    return False
