"""Long texts, and those whose beginning was looked up before: a conversation is sent again with every turn.

What a text holds of the signatures is the sum of what its turns hold, and of its meaning only both ends are read. So a
text that begins with all of an earlier one, and goes on with a new turn, is read from there: the answer is the same as
that to the whole, to the last bit.
"""

from __future__ import annotations

import sys
from bisect import bisect_right, insort
from collections import OrderedDict
from dataclasses import dataclass, replace
from threading import Lock

import numpy as np
import pyarrow as pa

from fingerprint.base.keyed_hash import Beginning
from fingerprint.base.strings import buffers
from fingerprint.base.types import HashArray
from fingerprint.domain.schemas import TURN_END
from fingerprint.matching.long_texts import Between, read_long
from fingerprint.matching.ngram_index import NOTHING_HELD, Held, NgramIndex, held_with
from fingerprint.matching.scattered import MOST_SCATTERED, filter_of, scattered_in_one
from fingerprint.text.ngrams import shingle
from fingerprint.text.normalise import normalise
from fingerprint.text.sentences import Ends, ends_of
from fingerprint.text.tokenise import LAST_SECTION, makes_token, tokens

LONG = 16_384
"""Characters from which on a text is read here: what is shorter is read as fast as it is looked for."""

VERY_LONG = 131_072
"""Characters from which on a text is read in pieces."""

KEPT = 2_048
"""Texts that are remembered, about 15 KB each; those that were not asked for longest go first."""

FIRST = 256
"""Characters that tell which conversations a text may go on with."""

BRANCHES = 8
"""Lengths that are tried of texts that begin with the same FIRST characters, the longest first."""

# a token that goes before new turns, lest one of nothing but signs be read as a text of nothing but signs; they begin with a
# separator, over which nothing is folded or masked together
_WORD = "x"
_NONE = np.empty(0, np.uint64)


@dataclass(frozen=True, slots=True)
class Read:
    """What was read of a text: what it holds of the signatures, its ends, its turns, and whether it has a word.

    more: its `scattered` n-grams, each once.
    """

    held: Held
    ends: Ends
    turns: int
    words: bool
    more: HashArray


def go_on() -> None:
    """Wait for no deadline."""


class Beginnings:
    """Reads texts for one index, and remembers what they held under a hash of each, and no text.

    The hash is keyed with secrets of the process (`base.keyed_hash`): an adversary cannot make one text be taken for
    another. Where PYTHONHASHSEED fixes one of them, nothing is remembered. Safe to use from several threads.
    """

    def __init__(self, index: NgramIndex, kept: int = KEPT, filter_: HashArray | None = None) -> None:
        self._index = index
        self.filter = filter_of(index.grams, []) if filter_ is None else filter_
        self._kept = kept if sys.flags.hash_randomization else 0
        self._known: OrderedDict[tuple[int, int, int], Read] = OrderedDict()
        self._lengths: dict[int, list[int]] = {}
        self._guard = Lock()

    def read(self, text: str, between: Between = go_on) -> Read:
        """Read a text, all of it or what it adds to one that is remembered; raises what `between` does (Between)."""
        beginning = Beginning(text)
        first = hash(text[:FIRST])
        known, size = self._longest(text, beginning, first)
        if size == len(text) and known is not None:
            return known
        read = None if known is None else self._continued(known, text[size:])
        if read is None:
            read = self._whole(text, between)
        self._remember(first, len(text), beginning.upto(len(text)), read)
        return read

    def _longest(self, text: str, beginning: Beginning, first: int) -> tuple[Read | None, int]:
        with self._guard:
            lengths = self._lengths.get(first, [])
            within = bisect_right(lengths, len(text))
            lengths = lengths[max(0, within - BRANCHES) : within]
        for size in reversed(lengths):
            if size < len(text) and text[size] != TURN_END:
                continue
            key = (first, size, beginning.upto(size))
            with self._guard:
                known = self._known.get(key)
                if known is not None:
                    self._known.move_to_end(key)
                    return known, size
        return None, 0

    def _remember(self, first: int, size: int, key: int, read: Read) -> None:
        with self._guard:
            if self._kept == 0:
                return
            if (first, size, key) not in self._known:
                insort(self._lengths.setdefault(first, []), size)
            self._known[first, size, key] = read
            while len(self._known) > self._kept:
                (gone, length, _), _ = self._known.popitem(last=False)
                self._lengths[gone].remove(length)
                if not self._lengths[gone]:
                    del self._lengths[gone]

    def _whole(self, text: str, between: Between) -> Read:
        if len(text) > VERY_LONG:
            held, ends, words = read_long(self._index, text, between)
            return Read(held, ends, text.count(TURN_END), words, _NONE)
        folded = normalise(pa.array([text], pa.large_string()))
        tokenised = tokens(folded)
        grams = shingle(tokenised.hashes, tokenised.section, tokenised.row_offsets)
        overlap = held_with(self._index, NOTHING_HELD, grams.hashes)
        data, _ = buffers(folded)
        words = len(tokenised.hashes) > 0 and makes_token(
            data[tokenised.starts[0] :][:4].tobytes().decode(errors="ignore")[0]
        )
        more = scattered_in_one(self._index.grams, self.filter, tokenised)[:MOST_SCATTERED]
        return Read(overlap, ends_of(data), text.count(TURN_END), words, more)

    def _continued(self, known: Read, added: str) -> Read | None:
        """Read what a text adds to a known one; None where only the whole tells."""
        turns = known.turns + added.count(TURN_END)
        if not known.words or turns >= LAST_SECTION or len(added) > VERY_LONG:
            return None
        folded = normalise(pa.array([_WORD + added], pa.large_string()))
        tokenised = tokens(folded)
        section, hashes = tokenised.section[1:], tokenised.hashes[1:]
        offsets = tokenised.row_offsets.copy()
        offsets[1] -= 1
        grams = shingle(hashes, section, offsets)
        overlap = held_with(self._index, known.held, grams.hashes)
        more = scattered_in_one(
            self._index.grams,
            self.filter,
            replace(tokenised, hashes=hashes, section=section, row_offsets=offsets),
        )
        ends = known.ends.before(ends_of(buffers(folded)[0][len(_WORD) :]))
        return Read(overlap, ends, turns, True, np.union1d(known.more, more)[:MOST_SCATTERED])
