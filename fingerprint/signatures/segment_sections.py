"""In which sections of requests a segment stood: read from the marks in texts as they are shown."""

from __future__ import annotations

from typing import Final

import numpy as np

from fingerprint.base.jit import kernel
from fingerprint.base.types import Ids, IntArray
from fingerprint.domain.schemas import SECTION_MARK, SYSTEM_END, TURN_END
from fingerprint.domain.vocabulary import SECTIONS, Section
from fingerprint.signatures.spelling import SpelledText

LEAST_SHARE = 0.05
"""A section is named where this share of the members have the segment in it."""

_MARK: Final = ord(SECTION_MARK)
_SYSTEM_END: Final = ord(SYSTEM_END)
_TURN_END: Final = ord(TURN_END)
_USUAL = (SECTIONS.index("system"), SECTIONS.index("user"))


def sections_of(shown: SpelledText, rows: IntArray, first: IntArray) -> tuple[Section, ...]:
    """Return where in some texts (m,) rows the tokens `first` (m,) stand, the most frequent section first.

    Empty where none stands elsewhere than in the system prompt and the user's turns, as in plain rows.
    """
    number = np.zeros(len(rows), np.int32)
    _read(shown, rows, first, number)
    count = np.bincount(number, minlength=len(SECTIONS))
    named = [
        s for s in np.argsort(-count, kind="stable").tolist() if count[s] >= max(LEAST_SHARE * len(rows), 1)
    ]
    return () if set(named) <= set(_USUAL) else tuple(SECTIONS[s] for s in named)


@kernel
def _read(shown: SpelledText, rows: IntArray, first: IntArray, number: Ids) -> None:
    """Look back from each token for the last mark or separator before it."""
    for n in range(len(rows)):
        start = shown.text_at[rows[n]]
        i = start + shown.starts[first[n]] - 1
        while i >= start and shown.data[i] not in (_MARK, _SYSTEM_END, _TURN_END):
            i -= 1
        marks = 0
        while i >= start and shown.data[i] == _MARK:
            marks, i = marks + 1, i - 1
        if marks > 0:
            number[n] = min(marks, len(SECTIONS)) - 1
        elif i >= start:
            number[n] = _USUAL[1]
        else:  # the first section: the system prompt where one ends
            k = start + shown.starts[first[n]]
            while k < shown.text_at[rows[n] + 1] and shown.data[k] != _SYSTEM_END:
                k += 1
            number[n] = _USUAL[1] if k == shown.text_at[rows[n] + 1] else _USUAL[0]
