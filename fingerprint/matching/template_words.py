"""The words of the templates' sentences, for texts that are compared with them word by word."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import NamedTuple, TypeVar

import numpy as np
import pyarrow as pa

from fingerprint.base.types import FloatArray, Ids, IntArray
from fingerprint.embedding.embedder import Embedder
from fingerprint.embedding.word_similarity import Words
from fingerprint.text.normalise import normalise
from fingerprint.text.sentences import split_sentences

NOT_READ, NONE = -2, -1
SAME = 0.999
"""Cosine from which on a sentence is the one that a prototype was made of: an analyst may have changed the text since."""

_FIRST_ROOM = 1 << 10
Row = TypeVar("Row", Ids, IntArray)


class AskedWords(NamedTuple):
    """The words of some templates' sentences.

    first: (f,) int64, the number of each family's first sentence among `words`, NONE where they are not known, and
    NOT_READ. Sentences follow each other as the family's prototypes do.
    """

    first: IntArray
    words: Words


class TemplateWords:
    """Reads the words of f templates when texts first come near to them; safe to use from several threads.

    segments: the templates' texts. prototypes (p, d), bounds (f + 1,): as in `meanings.Meanings`.
    """

    def __init__(
        self, segments: Sequence[Sequence[str]], prototypes: FloatArray, bounds: IntArray, embedder: Embedder
    ) -> None:
        self._segments, self._prototypes, self._bounds = segments, prototypes, bounds
        self._embedder, self._guard = embedder, Lock()
        self._first = np.full(len(segments), NOT_READ, np.int64)
        self._rows, self._ends = np.empty(_FIRST_ROOM, np.int32), np.zeros(_FIRST_ROOM, np.int64)
        self._sentences = 0

    def of(self, families: Ids) -> AskedWords:
        """Return what holds the words of these families, at least."""
        with self._guard:
            for family in np.unique(families[self._first[families] == NOT_READ]).tolist():
                self._first[family] = self._read(family)
            return AskedWords(self._first, Words(self._rows, self._ends))

    def _read(self, family: int) -> int:
        own = self._prototypes[self._bounds[family] : self._bounds[family + 1]]
        flat, _ = split_sentences(normalise(pa.array(self._segments[family], pa.large_string())))
        chosen = _places(self._embedder.encode(flat), own)
        model = self._embedder.word_model
        if model is None or chosen is None:
            return NONE
        words, first = model.words(flat.take(pa.array(chosen))), self._sentences
        self._sentences += len(chosen)
        begin = int(self._ends[first])
        self._rows = _with_room(self._rows, begin + len(words.rows))
        self._ends = _with_room(self._ends, self._sentences + 1)
        self._rows[begin : begin + len(words.rows)] = words.rows
        self._ends[first + 1 : self._sentences + 1] = begin + words.ends[1:]
        return first


def _places(vectors: FloatArray, prototypes: FloatArray) -> list[int] | None:
    """Return which sentence (s, d) each prototype (p, d) is of, in their order; None where one is of none.

    Of a template that users' turns tell, the sentences of its system prompt are no prototypes.
    """
    same = vectors @ prototypes.T >= SAME
    out: list[int] = []
    for p in range(len(prototypes)):
        behind = out[-1] + 1 if out else 0
        at = np.flatnonzero(same[behind:, p])
        if not len(at):
            return None
        out.append(behind + int(at[0]))
    return out


def _with_room(rows: Row, size: int) -> Row:
    """Return rows, or a copy with room for so many: what others have of the old ones does not change."""
    if size <= len(rows):
        return rows
    out = np.zeros(2 * size, rows.dtype)
    out[: len(rows)] = rows
    return out
