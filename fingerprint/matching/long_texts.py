"""Reads very long texts piece by piece, with the result of the whole: in bounded memory, and so that a reader can stop.

A piece ends where nothing before it changes what stands after it: at a space between ASCII letters that no mask goes on
beyond. A run without such a place, such as a blob of a million letters, is cut all the same: a few of its n-grams are others
than those of the whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa

from fingerprint.domain.schemas import SYSTEM_END, TURN_END
from fingerprint.matching.ngram_index import NOTHING_HELD, Held, NgramIndex, held_with
from fingerprint.text.ngrams import GRAM, shingle
from fingerprint.text.normalise import normalise
from fingerprint.text.sentences import Ends, ends_of
from fingerprint.text.tokenise import LAST_SECTION, tokens

PIECE = 65_536
"""Characters of a piece: 2 ms of English, 0.2 s of the characters that take longest. It ends within the next quarter."""

Between = Callable[[], None]
"""Called between pieces; whoever has waited long enough raises."""

# a letter, a space, a letter; after a space an a or a p may belong to a time of day
_SAFE = re.compile(r"(?<=[A-Za-z]) (?=[B-OQ-Zb-oq-z])")
_ANYWHERE = re.compile("[ \t\r\n]+")
# goes before each piece, lest one of nothing but signs be read as a text of nothing but signs
_WORD = "x "
_KEPT = GRAM - 1


def read_long(index: NgramIndex, text: str, between: Between) -> tuple[Held, Ends, bool]:
    """Return what a text holds of the signatures, the ends of its normalised form, and whether it has a word.

    Raises what `between` does.
    """
    held, ends, any_token = _read(index, text, between, _WORD)
    # a text of nothing but signs is read sign by sign
    return (held, ends, True) if any_token else (*_read(index, text, between, "")[:2], False)


def _read(index: NgramIndex, text: str, between: Between, prefix: str) -> tuple[Held, Ends, bool]:
    held, ends, any_token = NOTHING_HELD, Ends("", "", 0), False
    section = 0 if SYSTEM_END in text else 1
    # tokens of the section that goes on, as many as its next n-gram needs, and whether it has had others
    kept, of, others = np.empty(0, np.uint64), section, False
    for piece, spaced in pieces(text):
        between()
        folded = normalise(pa.array([piece], pa.large_string()))[0].as_py()
        begin = " " if spaced and folded else ""
        ends = ends.before(ends_of(np.frombuffer((begin + folded).encode(), np.uint8)))
        scanned = tokens(pa.array([prefix + folded], pa.large_string()))
        skipped = 1 if prefix else 0
        local = scanned.section[skipped:].astype(np.int64) - (0 if SYSTEM_END in piece else 1)
        sections = np.minimum(section + local, LAST_SECTION)
        section += piece.count(TURN_END) + piece.count(SYSTEM_END)
        if not len(sections):
            continue
        any_token = True
        hashes = np.concatenate([kept, scanned.hashes[skipped:]])
        sections = np.concatenate([np.full(len(kept), of), sections])
        grams = _grams(hashes, sections)[1 if others else 0 : -1]
        held = held_with(index, held, grams)
        same = int(np.argmax(sections[::-1] != sections[-1])) or (
            len(sections) if sections[0] == sections[-1] else 0
        )
        others = same > _KEPT or (others and same == len(sections))
        kept, of = hashes[len(hashes) - min(same, _KEPT) :], int(sections[-1])
    if len(kept):
        last = _grams(kept, np.full(len(kept), of, sections.dtype))[1 if others else 0 :]
        held = held_with(index, held, last)
    return held, ends, any_token


def _grams(hashes: np.ndarray, sections: np.ndarray) -> np.ndarray:
    return shingle(hashes, sections, np.array([0, len(hashes)])).hashes


def pieces(text: str) -> Iterator[tuple[str, bool]]:
    """Cut a text; yields each piece, and whether white space stood before it that is in none."""
    begin, spaced = 0, False
    while begin < len(text):
        cut = _SAFE.search(text, begin + PIECE, begin + PIECE + PIECE // 4)
        if cut is None and len(text) - begin > 2 * PIECE:
            cut = _ANYWHERE.search(text, begin + PIECE, begin + PIECE + PIECE // 4)
        end = len(text) if cut is None else cut.start()
        after = end if cut is None else cut.end()
        if cut is None and len(text) - begin > 2 * PIECE:
            end = after = begin + PIECE
        yield text[begin:end], spaced
        begin, spaced = after, after > end
