"""Conversations: requests of one account, each of which begins with all that an earlier one sent, or with its last turns.

A chat client sends a conversation again with every turn, and an agent with every tool result. What such a request adds
is what follows the text of the request before; the conversation is the sum of what its requests add. When it grows too
long for the model, clients drop its oldest turns or put a summary in their place, and go on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fingerprint.base.growing import widened
from fingerprint.base.hashing import FNV_OFFSET, GOLDEN, finalise, find_slot
from fingerprint.base.jit import inlined, kernel, njit
from fingerprint.base.simd import copy
from fingerprint.base.strings import buffers, strings
from fingerprint.base.times import HOUR_SECONDS
from fingerprint.base.types import Bytes, Doubles, FloatArray, HashArray, Ids, IntArray
from fingerprint.domain.schemas import SYSTEM_END, TURN_END
from fingerprint.traffic.beginning_hashes import break_after, text_hash, with_words

CONVERSATION_HOURS = 24.0
"""A request continues one that came so many hours before, or less."""

MAX_BRANCHES = 4
"""A text that is continued in more ways than a person edits and asks again is a template: each way is a conversation."""

LEAST_TURNS = 3
"""User turns from which on a conversation may be cut: with fewer nothing can be dropped, and two turns stay."""

LEAST_KEPT = 40
"""Bytes that the turns kept of a conversation that was cut must have, lest a "yes" and a "go on" join two."""

_FIRST_ROOM = 1 << 12
_SYSTEM_END: Final = ord(SYSTEM_END)
_TURN_END: Final = ord(TURN_END)
_TEXTS, _ENDINGS, _SENT, _CONVERSATIONS, _PIECES = range(5)  # what `counts` counts


@dataclass(frozen=True, slots=True)
class Turns:
    """What n requests are in their conversations.

    conversation: (n,) int64, numbered over all calls in the order of their first requests.
    known: (n,) int64, bytes at the beginning of each text that an earlier request of its conversation sent, 0 for the
    first request of a conversation. All bytes of a request that goes on after a cut count as known, for what it adds
    may stand at both ends.
    cut: (k,) int64, ascending, which requests these are. added: (k,) large_string, what they add, each turn with
    TURN_END before it.
    """

    conversation: IntArray
    known: IntArray
    cut: IntArray
    added: pa.LargeStringArray


class Conversations:
    """Tells, call by call, which conversation each request belongs to.

    A request continues an earlier one of its account if its text begins with all of that one's, and a line or a turn
    ends there; the longest such text counts. The same text sent again adds nothing, as a retry or an agent's step whose
    tool result is not read. A request also continues one of the same system prompt whose last two turns or more it
    repeats after fewer turns than that one had (D-175); it adds what of it the conversation has not sent. Requests come
    in about the order of their times. Memory: 32 to 64 bytes a distinct text; from LEAST_TURNS turns on 25 to 51 more, and
    11 to 21 a turn that such a conversation adds. Two different beginnings of an account share a hash with a probability
    of about n² / 2⁶⁵ (birthday bound).
    """

    def __init__(self, hours: float = CONVERSATION_HOURS) -> None:
        self._seconds = float(hours * HOUR_SECONDS)
        self._state: list[Any] = [
            no_texts(_FIRST_ROOM),
            _no_endings(_FIRST_ROOM),
            np.zeros(_FIRST_ROOM, np.uint64),
        ]
        self._counts = np.zeros(5, np.int64)

    @property
    def count(self) -> int:
        """How many conversations there are so far."""
        return int(self._counts[_CONVERSATIONS])

    def end(self) -> Texts:
        """Return the texts of all requests, and keep none: no more follow."""
        texts: Texts = self._state[0]
        self._state.clear()
        return texts

    def follow(self, accounts: HashArray, second: Doubles, texts: pa.LargeStringArray) -> Turns:
        """Place n more requests: hashes of their accounts (n,), Unix times (n,), and whole texts (n,)."""
        data, offsets = buffers(texts)
        conversation, known = np.zeros(len(texts), np.int64), np.zeros(len(texts), np.int64)
        self._counts[_PIECES] = 0
        *self._state, pieces = _follow(
            (data, offsets),
            (accounts, second, self._seconds),
            (*self._state, self._counts),
            (conversation, known),
        )
        row, begin, end = (column[: self._counts[_PIECES]] for column in pieces)
        cut, first = np.unique(row, return_index=True)
        return Turns(conversation, known, cut, _added(data, begin, end, np.append(first, len(row))))


class Texts(NamedTuple):
    """Open addressing over (c,): the texts of accounts.

    key: 0 where free. conversation, second: of the request that sent it last. ways: in how many it was continued.
    """

    key: HashArray
    conversation: Ids
    second: Doubles
    ways: Ids


class Endings(NamedTuple):
    """Open addressing over (c,): the last two turns of requests with enough turns, after an account and a system prompt.

    key, conversation, ways: as of texts. second: to two minutes. turns: of the request that sent it last.
    """

    key: HashArray
    conversation: Ids
    second: FloatArray
    ways: Bytes
    turns: npt.NDArray[np.uint16]


State = tuple[Texts, Endings, HashArray, IntArray]
"""Texts, endings, keys of the turns of conversations that may be cut, and how many of each there are."""

Spans = tuple[IntArray, IntArray, HashArray]
"""Of the turns of one request: where they begin and end, and their hashes."""

Head = tuple[np.uint64, np.uint64, np.int64, np.int64]
"""Of one request: its key, the hash of what stands before its turns, and the longest earlier text that it begins with:
its place among the texts (-1: none) and its bytes."""


@njit(cache=True, nogil=True)
def no_texts(room: int) -> Texts:
    """Return an empty table with room for fewer than so many texts, a power of two."""
    return Texts(
        np.zeros(room, np.uint64), np.zeros(room, np.int32), np.zeros(room), np.zeros(room, np.int32)
    )


@njit(cache=True, nogil=True)
def _no_endings(room: int) -> Endings:
    return Endings(
        np.zeros(room, np.uint64),
        np.zeros(room, np.int32),
        np.zeros(room, np.float32),
        np.zeros(room, np.uint8),
        np.zeros(room, np.uint16),
    )


@njit(cache=True, nogil=True)
def _more_texts(texts: Texts) -> Texts:
    larger = no_texts(2 * len(texts.key))
    for at in range(len(texts.key)):
        if texts.key[at] != 0:
            to = find_slot(larger.key, texts.key[at], texts.key[at])
            larger.key[to], larger.conversation[to] = texts.key[at], texts.conversation[at]
            larger.second[to], larger.ways[to] = texts.second[at], texts.ways[at]
    return larger


@njit(cache=True, nogil=True)
def _more_endings(endings: Endings) -> Endings:
    larger = _no_endings(2 * len(endings.key))
    for at in range(len(endings.key)):
        if endings.key[at] != 0:
            to = find_slot(larger.key, endings.key[at], endings.key[at])
            larger.key[to], larger.conversation[to] = endings.key[at], endings.conversation[at]
            larger.second[to], larger.ways[to] = endings.second[at], endings.ways[at]
            larger.turns[to] = endings.turns[at]
    return larger


@njit(cache=True, nogil=True)
def _more_sent(keys: HashArray) -> HashArray:
    larger = np.zeros(2 * len(keys), np.uint64)
    for key in keys:
        if key != 0:
            larger[find_slot(larger, key, key)] = key
    return larger


@njit(cache=True, nogil=True)
def _follow(
    requests: tuple[Bytes, IntArray],
    senders: tuple[HashArray, Doubles, float],
    state: State,
    placed: tuple[IntArray, IntArray],
) -> tuple[Texts, Endings, HashArray, tuple[IntArray, IntArray, IntArray]]:
    """Place all requests; returns the tables as they grew, and which parts of requests that were cut are new."""
    data, offsets = requests
    accounts, second, seconds = senders
    texts, endings, sent, counts = state
    room = 64
    turns = (np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.uint64))
    pieces = (np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.int64))
    for row in range(len(accounts)):
        if 4 * (counts[_TEXTS] + 1) > 3 * len(texts.key):
            texts = _more_texts(texts)
        if 4 * (counts[_ENDINGS] + 1) > 3 * len(endings.key):
            endings = _more_endings(endings)
        sender, text = (accounts[row], second[row], seconds), (offsets[row], offsets[row + 1])
        head, number = read_text(data, text, sender, texts, turns)
        if number > len(turns[0]):
            more = 2 * number
            turns = (np.empty(more, np.int64), np.empty(more, np.int64), np.empty(more, np.uint64))
            read_text(data, text, sender, texts, turns)
        while 4 * (counts[_SENT] + number) > 3 * len(sent):
            sent = _more_sent(sent)
        if counts[_PIECES] + number > len(pieces[0]):
            more = 2 * (counts[_PIECES] + number)
            pieces = (widened(pieces[0], more), widened(pieces[1], more), widened(pieces[2], more))
        request = (row, text[0], text[1], number)
        state = (texts, endings, sent, counts)
        _place(request, head, turns, (second[row], seconds), state, placed, pieces)
    return texts, endings, sent, pieces


@kernel
def read_text(
    data: Bytes, text: tuple[int, int], sender: tuple[np.uint64, float, float], texts: Texts, turns: Spans
) -> tuple[Head, np.int64]:
    """Read a text: what tells where it goes on, and how many turns it has; writes those for which there is room."""
    (first, end), (account, second, seconds), (begins, ends, hashes) = text, sender, turns
    whole = (FNV_OFFSET ^ account) * GOLDEN
    h, done, begin, stop = whole, first, first, first
    key = before = finalise(whole)
    parent, length, number = np.int64(-1), np.int64(0), np.int64(0)
    while stop < end:
        if _SYSTEM_END <= data[stop] <= _TURN_END:
            begin = stop + 1
        stop = break_after(data, stop + 1, end)
        h, done = with_words(data, done, stop, h)
        key = text_hash(data, done, stop, h)
        at = find_slot(texts.key, key, key)
        if texts.key[at] != 0 and abs(second - texts.second[at]) <= seconds:
            parent, length = np.int64(at), np.int64(stop - first)
        if stop < end and data[stop] == _SYSTEM_END:
            before = key
        elif stop == end or data[stop] == _TURN_END:
            if number < len(ends):
                part, rest = with_words(data, begin, stop, FNV_OFFSET)
                begins[number], ends[number] = begin, stop
                hashes[number] = text_hash(data, rest, stop, part)
            number += 1
    return (key, before, parent, length), number


@kernel
def _place(
    request: tuple[int, int, int, np.int64],
    head: Head,
    turns: Spans,
    time: tuple[float, float],
    state: State,
    placed: tuple[IntArray, IntArray],
    pieces: tuple[IntArray, IntArray, IntArray],
) -> None:
    """Say which conversation a request is of and what it adds, and remember its text and its turns."""
    (row, begin, end, number), (key, before, parent, length) = request, head
    (texts, endings, sent, counts), (conversation, known) = state, placed
    kept, ending = _kept(request, head, turns, time, state)
    if kept >= 0 and endings.ways[ending] == MAX_BRANCHES:
        kept = np.int64(-1)
    if kept >= 0:
        endings.ways[ending] += 1
        conversation[row], known[row] = endings.conversation[ending], end - begin
        for n in range(number):
            new = _note(sent, counts, conversation[row], turns[2][n])
            if new or n > kept:
                at = counts[_PIECES]
                pieces[0][at], pieces[1][at], pieces[2][at] = row, turns[0][n], turns[1][n]
                counts[_PIECES] += 1
    else:
        if parent >= 0 and length < end - begin:
            texts.ways[parent] += 1
            if texts.ways[parent] > MAX_BRANCHES:
                parent = np.int64(-1)
        if parent >= 0:
            conversation[row], known[row] = texts.conversation[parent], length
        else:
            conversation[row] = counts[_CONVERSATIONS]
            counts[_CONVERSATIONS] += 1
        if number >= LEAST_TURNS:
            earlier = 0
            while earlier < number and turns[1][earlier] <= begin + known[row]:
                earlier += 1
            for n in range(earlier if earlier >= LEAST_TURNS else 0, number):
                _note(sent, counts, conversation[row], turns[2][n])
    at = find_slot(texts.key, key, key)
    counts[_TEXTS] += texts.key[at] == 0
    texts.key[at], texts.conversation[at], texts.second[at] = key, conversation[row], time[0]
    if number >= LEAST_TURNS:
        last = _ending(before, turns[2][number - 2], turns[2][number - 1])
        at = find_slot(endings.key, last, last)
        counts[_ENDINGS] += endings.key[at] == 0
        endings.key[at], endings.conversation[at], endings.second[at] = last, conversation[row], time[0]
        endings.turns[at] = number if number < 65536 else 65535


@kernel
def _kept(
    request: tuple[int, int, int, np.int64],
    head: Head,
    turns: Spans,
    time: tuple[float, float],
    state: State,
) -> tuple[np.int64, np.int64]:
    """Return the last turn of a request that an earlier one ended with, if the conversation was cut, and its place.

    (-1, -1) where it was not: where all that was repeated stands at the beginning, as `head` has it.
    """
    (_, begin, _, number), (_, before, parent, length), (begins, ends, hashes) = request, head, turns
    texts, endings, sent, _ = state
    for n in range(number - 1, 0, -1):
        if ends[n] <= begin + length:
            break
        key = _ending(before, hashes[n - 1], hashes[n])
        at = find_slot(endings.key, key, key)
        if endings.key[at] == 0 or abs(time[0] - endings.second[at]) > time[1]:
            continue
        same = parent >= 0 and texts.conversation[parent] == endings.conversation[at]
        if not same and endings.turns[at] <= n + 1:
            continue
        size, k = 0, n
        while k >= 0 and _was_sent(sent, endings.conversation[at], hashes[k]):
            size, k = size + ends[k] - begins[k], k - 1
        if size >= LEAST_KEPT and n - k >= 2:
            return np.int64(n), np.int64(at)
    return np.int64(-1), np.int64(-1)


@kernel
def _ending(before: np.uint64, last_but_one: np.uint64, last: np.uint64) -> np.uint64:
    """Return the key of the last two turns of a request after what stands before its turns."""
    h = (before ^ finalise(last_but_one)) * GOLDEN
    return finalise((h ^ finalise(last)) * GOLDEN)


@kernel
def _turn_key(conversation: int, turn: np.uint64) -> np.uint64:
    return finalise((turn ^ finalise(np.uint64(conversation) + GOLDEN)) * GOLDEN)


@inlined
def _was_sent(sent: HashArray, conversation: int, turn: np.uint64) -> bool:
    key = _turn_key(conversation, turn)
    return bool(sent[find_slot(sent, key, key)] != 0)


@kernel
def _note(sent: HashArray, counts: IntArray, conversation: int, turn: np.uint64) -> bool:
    """Note a turn of a conversation; tells whether it is new."""
    key = _turn_key(conversation, turn)
    at = find_slot(sent, key, key)
    new = sent[at] == 0
    if new:
        sent[at] = key
        counts[_SENT] += 1
    return bool(new)


def _added(data: Bytes, begins: IntArray, ends: IntArray, first: IntArray) -> pa.LargeStringArray:
    """Return parts (p,) of some bytes as texts, (k,), TURN_END before each; first: (k + 1,), where those of each begin."""
    to = np.concatenate([[0], np.cumsum(ends - begins + 1)]).astype(np.int64)
    out = np.full(to[-1], _TURN_END, np.uint8)
    _copy(data, begins, ends, to, out)
    return strings(out, to[first])


@kernel
def _copy(data: Bytes, begins: IntArray, ends: IntArray, to: IntArray, out: Bytes) -> None:
    for n in range(len(begins)):
        copy(out, to[n] + 1, data, begins[n], ends[n] - begins[n])
