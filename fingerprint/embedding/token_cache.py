"""Numbers the tokens of texts through the words that were met before, so that the tokenizer reads each word once.

A WordPiece tokenizer after BERT's rules cuts texts at white space, and mostly around Chinese characters, first, and what it
makes of the part between depends on nothing around it. Traffic repeats its words: of a million of them a few thousand
are new.
"""

from __future__ import annotations

from itertools import chain
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from fingerprint.base.hashing import FNV_OFFSET, FNV_PRIME, free_slot, xmx_mix
from fingerprint.base.jit import kernel
from fingerprint.base.strings import strings
from fingerprint.base.types import Bytes, HashArray, Ids, IntArray
from fingerprint.embedding.languages import Languages, read_words
from fingerprint.embedding.wordpiece import WordPieces, WordRules, cut_words

MOST_WORDS = 1 << 19
"""Distinct words remembered (about 50 MB); beyond them all are forgotten and learnt anew (D-106)."""

_FIRST_ROOM = 1 << 14
_SPACE, _TAB, _LINE, _RETURN = 32, 9, 10, 13


class Readings(NamedTuple):
    """Tokens of the known words, one after the other: ids (t,) int32, and where each word's begin, ends (k + 1,) int64."""

    ids: Ids
    ends: IntArray


class NumberedWords(NamedTuple):
    """The words of n texts: word (w,) int32, which of the known ones each is, and offsets (n + 1,) where texts begin.

    own: the known words as the tokenizer reads them. foreign: as words of another language, and evidence (k,) int32 for
    that; without a table of languages, the same as `own`, and 0.
    """

    word: Ids
    offsets: IntArray
    own: Readings
    foreign: Readings
    evidence: Ids


class _KnownWords(NamedTuple):
    """Open addressing: slots (2 r,) int32, 1 + the number of a word, 0 where free. spelled: the bytes of words."""

    slots: Ids
    keys: HashArray
    spelled: Bytes
    ends: IntArray


class TokenCache:
    """The words that a tokenizer has read; safe to use from several threads.

    rules: what it takes for a word. pieces: how it cuts ASCII words, so that it need not be asked for these, which takes
    100 times as long. languages: words of other languages, for which pieces are needed, too.
    """

    def __init__(
        self,
        tokenizer: Any,
        rules: WordRules,
        pieces: WordPieces | None = None,
        languages: Languages | None = None,
        *,
        most: int = MOST_WORDS,
    ) -> None:
        self._tokenizer, self._pieces, self._languages, self._most = tokenizer, pieces, languages, most
        self._parts_han = rules.parts_han if pieces is None else pieces.parts_han
        self._guard = Lock()
        self._forget(_FIRST_ROOM)

    def _forget(self, room: int) -> None:
        self._known = _KnownWords(
            np.zeros(2 * room, np.int32),
            np.zeros(room, np.uint64),
            np.zeros(16 * room, np.uint8),
            np.zeros(room + 1, np.int64),
        )
        self._count = 0
        self._own = _no_readings(room)
        self._foreign = self._own if self._languages is None else _no_readings(room)
        self._evidence = np.zeros(room, np.int32)

    def of(self, data: Bytes, offsets: IntArray) -> list[NumberedWords]:
        """Return the words of n texts (their bytes, offsets (n + 1,)) in parts that follow each other."""
        parts, row = [], 0
        with self._guard:
            while row < len(offsets) - 1:
                self._make_room(int(offsets[row + 1] - offsets[row]))
                word = np.empty(int(offsets[-1] - offsets[row]) // 2 + len(offsets) - row, np.int32)
                at = np.zeros(len(offsets) - row, np.int64)
                done, count = _read(data, offsets, row, self._parts_han, self._known, self._count, word, at)
                self._learn(count)
                parts.append(
                    NumberedWords(
                        word[: at[done - row]],
                        at[: done - row + 1],
                        self._own,
                        self._foreign,
                        self._evidence,
                    )
                )
                row = done
        return parts

    def _make_room(self, size: int) -> None:
        """See to it that a text of so many bytes fits, whatever its words."""
        known, words = self._known, size // 2 + 1
        room, letters = len(known.keys), len(known.spelled)
        if self._count + words <= room and known.ends[self._count] + size <= letters:
            return
        if 2 * room > max(self._most, 2 * words):
            self._forget(max(room, words, size // 16 + 1))
            return
        room, letters = (
            max(2 * room, self._count + words),
            max(2 * letters, int(known.ends[self._count]) + size),
        )
        room = 1 << (room - 1).bit_length()
        bigger = _KnownWords(
            np.zeros(2 * room, np.int32),
            np.zeros(room, np.uint64),
            np.zeros(letters, np.uint8),
            np.zeros(room + 1, np.int64),
        )
        _rehash(known, bigger, self._count)
        self._known = bigger

    def _learn(self, count: int) -> None:
        """Note the tokens of the words from the last known one on."""
        if count == self._count:
            return
        known = self._known
        begin, end = known.ends[self._count], known.ends[count]
        spelled, ends = known.spelled[begin:end].copy(), known.ends[self._count : count + 1] - begin
        own = _after(self._own, self._count, *self._tokenise(spelled, ends))
        if self._languages is None:
            self._own = self._foreign = own
            self._evidence = _with_room(self._evidence, count)
        else:
            self._foreign, self._evidence = self._in_other_languages(spelled, ends, count)
            self._own = own
        self._count = count

    def _in_other_languages(self, spelled: Bytes, ends: IntArray, count: int) -> tuple[Readings, Ids]:
        """Return all known words, and now these, as words of other languages, and their evidence."""
        assert self._languages is not None
        assert self._pieces is not None
        ids, id_ends = np.empty(len(spelled), np.int32), np.zeros(len(ends), np.int64)
        evidence = _with_room(self._evidence, count)
        told = np.empty(len(ends) - 1, np.int32)
        read_words(self._languages, self._pieces, spelled, ends, ids, id_ends, told)
        evidence[self._count : count] = told
        return _after(self._foreign, self._count, ids[: id_ends[-1]], id_ends), evidence

    def _tokenise(self, spelled: Bytes, ends: IntArray) -> tuple[Ids, IntArray]:
        """Return the tokens of some words, and where each one's begin, (k + 1,)."""
        cut, cut_ends = np.empty(len(spelled), np.int32), np.zeros(len(ends), np.int64)
        if self._pieces is not None:
            cut_words(self._pieces, spelled, ends, cut, cut_ends)
        sizes = np.diff(cut_ends)
        is_cut = sizes > 0
        if is_cut.all():
            return cut[: cut_ends[-1]], cut_ends
        unread = strings(spelled, ends).filter(pa.array(~is_cut)).to_pylist()
        read = [e.ids for e in self._tokenizer.encode_batch_fast(unread, add_special_tokens=False)]
        sizes[~is_cut] = np.fromiter(map(len, read), np.int64, len(read))
        of_cut = np.repeat(is_cut, sizes)
        ids = np.empty(len(of_cut), np.int32)
        ids[of_cut] = cut[: cut_ends[-1]]
        ids[~of_cut] = np.fromiter(chain.from_iterable(read), np.int32)
        return ids, np.concatenate([[0], np.cumsum(sizes)])


def _no_readings(room: int) -> Readings:
    return Readings(np.zeros(room, np.int32), np.zeros(room + 1, np.int64))


def _after(known: Readings, count: int, ids: Ids, ends: IntArray) -> Readings:
    """Put the readings of further words behind those of the first `count`; what was handed out lies before, and stays."""
    ends = ends + known.ends[count]
    all_ids, all_ends = _with_room(known.ids, int(ends[-1])), _with_room(known.ends, count + len(ends))
    all_ids[ends[0] : ends[-1]] = ids
    all_ends[count + 1 : count + len(ends)] = ends[1:]
    return Readings(all_ids, all_ends)


def _with_room(column: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
    if size <= len(column):
        return column
    wider = np.zeros(2 * size, column.dtype)
    wider[: len(column)] = column
    return wider


@kernel
def is_han(data: Bytes, i: int, end: int) -> bool:
    """Tell whether one of the CJK unified ideographs (U+4E00 to U+9FFF) stands at `i` of UTF-8 bytes: a word of its own."""
    if i + 3 > end or not 0xE4 <= data[i] <= 0xE9:
        return False
    return bool(data[i] > 0xE4 or data[i + 1] >= 0xB8)


@kernel
def _is_space(byte: np.uint8) -> bool:
    return byte in (_SPACE, _LINE, _TAB, _RETURN)


@kernel
def _place(known: _KnownWords, key: np.uint64, data: Bytes, begin: int, end: int) -> int:
    """Return the slot where a word stands or would stand."""
    mask = np.uint64(len(known.slots) - 1)
    at = key & mask
    while known.slots[at] != 0:
        number = known.slots[at] - 1
        first = known.ends[number]
        if known.keys[number] == key and known.ends[number + 1] - first == end - begin:
            same = True
            for i in range(end - begin):
                if known.spelled[first + i] != data[begin + i]:
                    same = False
                    break
            if same:
                break
        at = (at + np.uint64(1)) & mask
    return int(at)


@njit(cache=True, nogil=True)
def _read(
    data: Bytes,
    offsets: IntArray,
    row: int,
    parts_han: bool,
    known: _KnownWords,
    count: int,
    word: Ids,
    at: IntArray,
) -> tuple[int, int]:
    """Give texts from `row` on the numbers of their words; return the row where room ended, and how many words are known then."""
    first, written = row, 0
    nothing = np.int64(0)
    while row < len(offsets) - 1:
        size = offsets[row + 1] - offsets[row]
        if count + size // 2 + 1 > len(known.keys) or known.ends[count] + size > len(known.spelled):
            break
        i, end = offsets[row], offsets[row + 1]
        while i < end:
            if _is_space(data[i]):
                i += 1
                continue
            begin, key = i, FNV_OFFSET
            last = begin + 3 if parts_han and is_han(data, i, end) else end
            while i < last and not _is_space(data[i]):
                key = (key ^ np.uint64(data[i])) * FNV_PRIME
                i += 1
                if parts_han and last == end and is_han(data, i, end):
                    break
            key = xmx_mix(key)
            slot = _place(known, key, data, begin, i)
            if known.slots[slot] == nothing:
                known.ends[count + 1] = known.ends[count] + i - begin
                for b in range(begin, i):
                    known.spelled[known.ends[count] + b - begin] = data[b]
                known.keys[count] = key
                count += 1
                known.slots[slot] = count
            word[written] = known.slots[slot] - 1
            written += 1
        row += 1
        at[row - first] = written
    return row, count


@njit(cache=True, nogil=True)
def _rehash(old: _KnownWords, new: _KnownWords, count: int) -> None:
    for b in range(old.ends[count]):
        new.spelled[b] = old.spelled[b]
    new.ends[0] = old.ends[0]
    for number in range(count):
        new.ends[number + 1], new.keys[number] = old.ends[number + 1], old.keys[number]
        new.slots[free_slot(new.slots, old.keys[number])] = number + 1
