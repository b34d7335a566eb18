"""Cuts texts into sentences, and takes the beginnings that are embedded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fingerprint.base.jit import kernel, njit
from fingerprint.base.strings import buffers, gather, plain, strings
from fingerprint.base.types import Bools, Bytes, IntArray
from fingerprint.domain.schemas import SYSTEM_END, TURN_END

HEAD, TAIL = 2000, 1000
"""Characters of a prompt that are read: a template stands before or after its payload, seldom inside."""

SYSTEM_HEAD = 1000
"""A longer system prompt leaves so much of HEAD to the beginning of what follows it, lest it hide what is asked (D-322)."""

FEWEST_WORDS = 3
"""Shorter parts say too little; but other scripts may write a sentence without a space."""

MOST_SENTENCES = 32
"""Sentences of a text that are compared: its first ones, and its last ones as the last quarter."""

_LAST = MOST_SENTENCES // 4
_SYSTEM = (MOST_SENTENCES - _LAST) // 2  # of many, the system prompt's that stay

EMBEDDED_CHARACTERS = 2000
"""Of a prompt embedded as a whole only the beginning is read: a long payload would drown what is asked."""

FEWEST_PROSE_WORDS, SHORTEST_PROSE, LONGEST_PROSE, LETTERS_SHARE = 5, 25, 1_200, 0.8
"""A sentence is prose if it has so many words, or letters that are not ASCII, so many bytes and no more than so many,
and if this share of them are letters or spaces. Code, tables and log lines are none."""

SECTION, TURN = ord(SYSTEM_END), ord(TURN_END)

Windows = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
"""Where each of three parts of a text that are read begins and ends, in bytes; some may be empty."""


def heads(texts: pa.Array | pa.ChunkedArray) -> pa.LargeStringArray:
    """Return the part of each text that is embedded as a whole, (n,) large_string."""
    whole = plain(texts)
    _, offsets = buffers(whole)
    # no more bytes, no more characters
    if len(whole) == 0 or int(np.diff(offsets).max()) <= EMBEDDED_CHARACTERS:
        return whole
    return pc.utf8_slice_codeunits(whole, 0, EMBEDDED_CHARACTERS)


@dataclass(frozen=True, slots=True)
class Ends:
    """As much of a text as `split_sentences` and `heads` read of it, and of what follows its system prompt.

    head: its first characters, at most HEAD + TAIL. tail: its last ones, at most TAIL. characters: how many it has. system:
    how many its system prompt has, with the mark behind it, 0 without one. asked: the first ones behind that, at most HEAD + TAIL.
    """

    head: str
    tail: str
    characters: int
    system: int = 0
    asked: str = ""

    def before(self, more: Ends) -> Ends:
        """Return the ends of this text and more behind it."""
        head, asked = _filled(self.head, more.head), _filled(self.asked, more.head)
        tail = more.tail if len(more.tail) == TAIL else (self.tail + more.tail)[-TAIL:]
        characters = self.characters + more.characters
        if self.system:
            return Ends(head, tail, characters, self.system, asked)
        system = self.characters + more.system if more.system else 0
        return Ends(head, tail, characters, system, more.asked)

    def as_text(self) -> str:
        """Return a text of which `split_sentences` reads the same; what it passes over is one space."""
        behind = self.characters - self.system
        if self.characters <= HEAD + TAIL:
            return self.head
        if self.system <= SYSTEM_HEAD:
            return f"{self.head[:HEAD]} {self.tail}"
        if behind <= HEAD + TAIL - SYSTEM_HEAD:
            return f"{self.head[: HEAD + TAIL - behind]} {SYSTEM_END}{self.asked}"
        rest = f"{self.asked[: HEAD - SYSTEM_HEAD]} {self.tail}"
        return f"{self.head[:SYSTEM_HEAD]} {SYSTEM_END}{rest}"

    def own(self) -> Ends:
        """Return the ends of what follows the system prompt, of all where there is none."""
        if not self.system:
            return self
        characters = self.characters - self.system
        tail = self.tail[max(0, len(self.tail) - characters) :]
        return Ends(self.asked, tail, characters)


def _filled(head: str, more: str) -> str:
    return head if len(head) == HEAD + TAIL else (head + more)[: HEAD + TAIL]


def ends_of(text: Bytes) -> Ends:
    """Take the ends of a normalised text, (n,) uint8 of UTF-8."""
    characters = _characters(text)
    marks = np.flatnonzero(text == SECTION)[:1]
    behind = text[marks[0] + 1 :] if len(marks) else text[:0]
    # a character has four bytes at most
    tail = text[-4 * TAIL :].tobytes().decode(errors="ignore")[-TAIL:]
    system = characters - _characters(behind) if len(marks) else 0
    return Ends(_first(text), tail, characters, system, _first(behind))


def _characters(text: Bytes) -> int:
    return len(text) - int(np.count_nonzero((text & 0xC0) == 0x80))


def _first(text: Bytes) -> str:
    return text[: 4 * (HEAD + TAIL)].tobytes().decode(errors="ignore")[: HEAD + TAIL]


def split_sentences(texts: pa.Array | pa.ChunkedArray) -> tuple[pa.LargeStringArray, IntArray]:
    """Cut normalised texts (q,) into sentences (s,); also return where each text's begin, (q + 1,) int64.

    Of a text of more than HEAD + TAIL characters only its beginning, the beginning of what follows a system prompt, and its end
    are read (`windows`), and of many sentences MOST_SENTENCES are kept.
    """
    flat, bounds, _ = split_parts(texts)
    return flat, bounds


def split_parts(texts: pa.Array | pa.ChunkedArray) -> tuple[pa.LargeStringArray, IntArray, IntArray]:
    """Cut texts (q,) as `split_sentences` does; also return which sentences are the first behind the system prompts, (q,) int64."""
    data, offsets = buffers(texts)
    flat, ends, bounds, own = _sentences(data, offsets)
    return strings(flat, ends), bounds, own


@njit(cache=True, nogil=True)
def _sentences(data: Bytes, offsets: IntArray) -> tuple[Bytes, IntArray, IntArray, IntArray]:
    """Return the bytes of the sentences, where each begins, (s + 1,), and as `split_parts`, (q + 1,) and (q,)."""
    spans = np.empty((4, 2 * MOST_SENTENCES * (len(offsets) - 1)), np.int64)
    count = _cut(data, offsets, spans)
    if count > spans.shape[1]:
        spans = np.empty((4, count), np.int64)
        _cut(data, offsets, spans)
    bounds, own = np.zeros(len(offsets), np.int64), np.zeros(len(offsets) - 1, np.int64)
    i, kept = 0, 0
    for row in range(len(offsets) - 1):
        first, system = i, i
        while i < count and spans[2, i] == row:
            system += spans[3, i]
            i += 1
        # of too many the first ones stay, and at the end the last ones; the system prompt's leave room for the others
        most = min(system - first, max(_SYSTEM, MOST_SENTENCES - (i - system)))
        left = MOST_SENTENCES - most
        own[row] = kept + most
        for k in range(first, i):
            if k - first < most if k < system else k - system < left - _LAST or k >= i - _LAST:
                spans[0, kept], spans[1, kept] = spans[0, k], spans[1, k]
                kept += 1
        bounds[row + 1] = kept
    flat, ends = gather(data, spans[0, :kept], spans[1, :kept])
    return flat, ends, bounds, own


def asked(texts: pa.Array | pa.ChunkedArray, chosen: Bools) -> pa.Array | pa.ChunkedArray:
    """Return texts (q,), of the chosen ones (q,) only what follows the system prompt, where they have one."""
    if not chosen.any():
        return texts
    return strings(*_after_system(*buffers(texts), chosen))


@njit(cache=True, nogil=True)
def _after_system(data: Bytes, offsets: IntArray, chosen: Bools) -> tuple[Bytes, IntArray]:
    begins = offsets[:-1].copy()
    for row in range(len(begins)):
        if chosen[row]:
            for i in range(offsets[row], offsets[row + 1]):
                if data[i] == SECTION:
                    begins[row] = i + 1
                    break
    return gather(data, begins, offsets[1:])


@kernel
def _cut(data: Bytes, offsets: IntArray, spans: IntArray) -> int:
    """Find the sentences of UTF-8 texts: where each begins and ends, whose it is, and whether of the system prompt, into spans (4, s).

    Returns how many there are; those beyond s are only counted.
    """
    count = 0
    for row in range(len(offsets) - 1):
        read, own = windows(data, offsets[row], offsets[row + 1])
        for part in range(3):
            start, stop = read[part]
            begin, i = start, start
            while i <= stop:
                width = 1 if i == stop else _end_mark(data, i, stop)
                if width:
                    a, b = _trim(data, begin, i)
                    if _says_enough(data, a, b):
                        if count < spans.shape[1]:
                            spans[0, count], spans[1, count], spans[2, count] = a, b, row
                            spans[3, count] = b < own
                        count += 1
                    begin = i + width
                i += max(width, 1)
    return count


@kernel
def windows(data: Bytes, first: int, last: int) -> tuple[Windows, int]:
    """Return which parts of a UTF-8 text are read, and where what follows the system prompt begins, `first` without one."""
    own, nothing = first, (last, last)
    for i in range(first, last):
        if data[i] == SECTION:
            own = i + 1
            break
    if last - first <= HEAD + TAIL:
        return ((first, last), nothing, nothing), own
    system, behind = _characters_in(data, first, own), _characters_in(data, own, last)
    if system + behind <= HEAD + TAIL:
        return ((first, last), nothing, nothing), own
    tail, seen = last, 0
    while seen < TAIL:
        tail -= 1
        seen += (data[tail] & 0xC0) != 0x80
    if system <= SYSTEM_HEAD:
        return ((first, _after(data, first, HEAD)), nothing, (tail, last)), own
    if behind <= HEAD + TAIL - SYSTEM_HEAD:
        return ((first, _after(data, first, HEAD + TAIL - behind)), (own, last), nothing), own
    begin = (first, _after(data, first, SYSTEM_HEAD))
    return (begin, (own, _after(data, own, HEAD - SYSTEM_HEAD)), (tail, last)), own


@kernel
def _characters_in(data: Bytes, i: int, end: int) -> int:
    characters = 0
    for k in range(i, end):
        characters += (data[k] & 0xC0) != 0x80
    return characters


@kernel
def _after(data: Bytes, i: int, characters: int) -> int:
    """Return where so many characters from `i` on end; there are more."""
    seen = 0
    while seen < characters or (data[i] & 0xC0) == 0x80:
        seen += (data[i] & 0xC0) != 0x80
        i += 1
    return i


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
def _trim(data: Bytes, begin: int, end: int) -> tuple[int, int]:
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


def is_prose(sentences: pa.Array | pa.ChunkedArray) -> Bools:
    """Tell which sentences (s,) are prose, in any script, and neither a word or two nor code."""
    data, offsets = buffers(sentences)
    return _are_prose(data, offsets)


@njit(cache=True, nogil=True)
def _are_prose(data: Bytes, offsets: IntArray) -> Bools:
    out = np.zeros(len(offsets) - 1, np.bool_)
    for row in range(len(out)):
        size = offsets[row + 1] - offsets[row]
        if size < SHORTEST_PROSE or size > LONGEST_PROSE:
            continue
        words, letters, wide = 1, 0, False
        for i in range(offsets[row], offsets[row + 1]):
            c = data[i]
            words += c == 32
            wide |= c >= 0x80
            letters += c == 32 or c >= 0x80 or 97 <= c <= 122 or 65 <= c <= 90
        out[row] = (wide or words >= FEWEST_PROSE_WORDS) and letters >= LETTERS_SHARE * size
    return out
