"""The texts whose meaning is looked up: whole, or as the ends that were read of long ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from fingerprint.base.types import Bools, IntArray
from fingerprint.text.sentences import Ends, asked

Read = tuple[pa.LargeStringArray, pa.LargeStringArray]
"""Texts of which `split_sentences` reads what it reads of the whole ones, and texts of which `heads` does."""


@dataclass(frozen=True, slots=True)
class Whole:
    """Normalised texts, (q,)."""

    texts: pa.LargeStringArray

    def __len__(self) -> int:
        """How many they are."""
        return len(self.texts)

    def read(self, rows: IntArray, own: Bools) -> Read:
        """Return some of them, rows (u,), without the system prompt where `own` (u,) says so."""
        every = len(rows) == len(self.texts)
        texts = asked(self.texts if every else self.texts.take(pa.array(rows)), own)
        return texts, texts


@dataclass(frozen=True, slots=True)
class OfEnds:
    """The ends of texts, (q)."""

    ends: Sequence[Ends]

    def __len__(self) -> int:
        """How many they are."""
        return len(self.ends)

    def read(self, rows: IntArray, own: Bools) -> Read:
        """Return some of them, rows (u,), without the system prompt where `own` (u,) says so."""
        chosen = [
            self.ends[row].own() if only else self.ends[row]
            for row, only in zip(rows.tolist(), own.tolist(), strict=True)
        ]
        return (
            pa.array([ends.as_text() for ends in chosen], pa.large_string()),
            pa.array([ends.head for ends in chosen], pa.large_string()),
        )
