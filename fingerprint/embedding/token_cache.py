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

from fingerprint.base.hashing import FNV_OFFSET, FNV_PRIME, free_slot, xmx_mix
from fingerprint.base.jit import kernel, njit
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


class _Learnt(NamedTuple):
    """What is known of the first `size` words. Others are added behind these and become a new one; nothing before them changes.

    generation: how often all words were forgotten, after which they have other numbers.
    """

    generation: int
    size: int
    table: _KnownWords
    own: Readings
    foreign: Readings
    evidence: Ids


class TokenCache:
    """The words that a tokenizer has read; safe to use from several threads, which wait for one another only to add words.

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
        self._learnt = self._nothing(_FIRST_ROOM, generation=0)

    def _nothing(self, room: int, *, generation: int) -> _Learnt:
        own = _no_readings(room)
        foreign = own if self._languages is None else _no_readings(room)
        table = _table(room, 16 * room)
        return _Learnt(generation, 0, table, own, foreign, np.zeros(room, np.int32))

    def of(self, data: Bytes, offsets: IntArray) -> NumberedWords:
        """Return the words of n texts (their bytes, offsets (n + 1,)), which take room for four times as many bytes."""
        most = int(offsets[-1] - offsets[0]) // 2 + len(offsets)
        word, at = np.empty(most, np.int32), np.zeros(len(offsets), np.int64)
        begins = np.empty(most, np.int64)
        learnt = self._learnt
        unknown = _find(data, offsets, self._parts_han, learnt.table, learnt.size, word, at, begins)
        if unknown:
            with self._guard:
                while not self._has_room(unknown, int(offsets[-1] - offsets[0]), learnt.generation):
                    learnt = self._learnt  # others than before, where all were forgotten
                    unknown = _find(
                        data, offsets, self._parts_han, learnt.table, learnt.size, word, at, begins
                    )
                known = self._learnt
                count = _add(data, offsets, self._parts_han, known.table, known.size, word, begins[:unknown])
                learnt = self._learnt = self._with_readings(count)
        return NumberedWords(word[: at[-1]], at, learnt.own, learnt.foreign, learnt.evidence)

    def _has_room(self, words: int, size: int, generation: int) -> bool:
        """Make room for so many more words of so many bytes; False if words found in that generation are forgotten."""
        learnt, table = self._learnt, self._learnt.table
        room, letters = len(table.keys), len(table.spelled)
        used = int(table.ends[learnt.size])
        if learnt.size + words > room or used + size > letters:
            if 2 * room > max(self._most, 2 * words):
                most = max(room, words, size // 16 + 1)
                self._learnt = self._nothing(most, generation=learnt.generation + 1)
            else:
                room, letters = max(2 * room, learnt.size + words), max(2 * letters, used + size)
                bigger = _table(1 << (room - 1).bit_length(), letters)
                _rehash(table, bigger, learnt.size)
                self._learnt = learnt._replace(table=bigger)
        return self._learnt.generation == generation

    def _with_readings(self, count: int) -> _Learnt:
        """Return what is known with the words of the table up to `count`, and their tokens."""
        known = self._learnt
        begin, end = known.table.ends[known.size], known.table.ends[count]
        spelled, ends = (
            known.table.spelled[begin:end].copy(),
            known.table.ends[known.size : count + 1] - begin,
        )
        own = _after(known.own, known.size, *self._tokenise(spelled, ends))
        foreign, evidence = own, _with_room(known.evidence, count)
        if self._languages is not None:
            foreign = self._in_other_languages(spelled, ends, evidence)
        return known._replace(size=count, own=own, foreign=foreign, evidence=evidence)

    def _in_other_languages(self, spelled: Bytes, ends: IntArray, evidence: Ids) -> Readings:
        """Return all known words, and now these, as words of other languages; write the evidence of these."""
        assert self._languages is not None
        assert self._pieces is not None
        ids, id_ends = np.empty(len(spelled), np.int32), np.zeros(len(ends), np.int64)
        told = np.empty(len(ends) - 1, np.int32)
        read_words(self._languages, self._pieces, spelled, ends, ids, id_ends, told)
        count = self._learnt.size
        evidence[count : count + len(told)] = told
        return _after(self._learnt.foreign, count, ids[: id_ends[-1]], id_ends)

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


def _table(room: int, letters: int) -> _KnownWords:
    return _KnownWords(
        np.zeros(2 * room, np.int32),
        np.zeros(room, np.uint64),
        np.zeros(letters, np.uint8),
        np.zeros(room + 1, np.int64),
    )


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
def _word(data: Bytes, i: int, end: int, parts_han: bool) -> tuple[int, np.uint64]:
    """Return where the word ends that begins at `i` of a text, and its hash."""
    key = FNV_OFFSET
    last = i + 3 if parts_han and is_han(data, i, end) else end
    while i < last and not _is_space(data[i]):
        key = (key ^ np.uint64(data[i])) * FNV_PRIME
        i += 1
        if parts_han and last == end and is_han(data, i, end):
            break
    return i, xmx_mix(key)


@kernel
def _place(known: _KnownWords, count: int, key: np.uint64, data: Bytes, begin: int, end: int) -> int:
    """Return the slot where a word stands or would stand among the first `count`; others may be added meanwhile."""
    mask = np.uint64(len(known.slots) - 1)
    at = key & mask
    while known.slots[at] != 0:
        number = known.slots[at] - 1
        # what is known stands before what was added since
        if number >= count:
            break
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


@kernel
def _find(
    data: Bytes,
    offsets: IntArray,
    parts_han: bool,
    known: _KnownWords,
    count: int,
    word: Ids,
    at: IntArray,
    begins: IntArray,
) -> int:
    """Write the number of each word of n texts, -1 for one that is not among the first `count`, and where it begins.

    at: (n + 1,) where each text's words begin. Returns how many are unknown.
    """
    written, unknown = 0, 0
    for row in range(len(offsets) - 1):
        i, end = offsets[row], offsets[row + 1]
        while i < end:
            if _is_space(data[i]):
                i += 1
                continue
            begin = i
            i, key = _word(data, begin, end, parts_han)
            number = known.slots[_place(known, count, key, data, begin, i)] - 1
            if 0 <= number < count:
                word[written] = number
            else:
                word[written], begins[unknown] = -1, begin
                unknown += 1
            written += 1
        at[row + 1] = written
    return unknown


@kernel
def _add(
    data: Bytes,
    offsets: IntArray,
    parts_han: bool,
    known: _KnownWords,
    count: int,
    word: Ids,
    begins: IntArray,
) -> int:
    """Add the words that begin there and are not known yet, and write their numbers for -1; return how many are known then."""
    row, written = 0, 0
    nothing = np.int64(0)
    for n in range(len(begins)):
        begin = begins[n]
        while offsets[row + 1] <= begin:
            row += 1
        while word[written] >= 0:
            written += 1
        end, key = _word(data, begin, offsets[row + 1], parts_han)
        slot = _place(known, count, key, data, begin, end)
        if known.slots[slot] == nothing:
            known.ends[count + 1] = known.ends[count] + end - begin
            for b in range(begin, end):
                known.spelled[known.ends[count] + b - begin] = data[b]
            known.keys[count] = key
            count += 1
            known.slots[slot] = count
        word[written] = known.slots[slot] - 1
    return count


@njit(cache=True, nogil=True)
def _rehash(old: _KnownWords, new: _KnownWords, count: int) -> None:
    for b in range(old.ends[count]):
        new.spelled[b] = old.spelled[b]
    new.ends[0] = old.ends[0]
    for number in range(count):
        new.ends[number + 1], new.keys[number] = old.ends[number + 1], old.keys[number]
        new.slots[free_slot(new.slots, old.keys[number])] = number + 1
