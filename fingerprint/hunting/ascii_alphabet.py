"""What each byte of a raw ASCII text is, and what the normaliser folds it to."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from fingerprint.base.types import Bytes
from fingerprint.text.characters import CLASS, LETTER, SEPARATOR, SPACE, matching

PLAIN_LETTER, DIGIT, BLANK, SIGN, STOP, AT, PARTING, OTHER, MASKED = range(9)
"""Kinds of bytes: what a word is made of, what ends a word or a sentence, what masks may hold, and what needs normalising."""


class Alphabet(NamedTuple):
    """What a byte of a raw text is, (256,), and what the normaliser folds it to, (256,)."""

    kind: Bytes
    fold: Bytes


@cache
def alphabet() -> Alphabet:
    """Make the table of bytes from that of characters."""
    table = matching()
    kinds = table.kinds[:0x80] & CLASS
    kind = np.full(256, OTHER, np.uint8)
    kind[:0x80] = np.select(
        [kinds == LETTER, kinds == SPACE, kinds == SEPARATOR], [PLAIN_LETTER, BLANK, PARTING], SIGN
    )
    kind[:0x80][table.ascii == 0] = OTHER
    for characters, what in ((b"0123456789", DIGIT), (b".;:!?", STOP), (b"@", AT), (b"\xee", MASKED)):
        kind[list(characters)] = what
    fold = np.arange(256, dtype=np.uint8)
    fold[:0x80] = table.ascii
    return Alphabet(kind, fold)
