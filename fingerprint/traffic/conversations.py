"""Conversations: requests of one account, each of which begins with all that an earlier one sent.

A chat client sends a conversation again with every turn, and an agent with every tool result. What such a request adds
is what follows the text of the request before; the conversation is the sum of what its requests add.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from fingerprint.base.hashing import FNV_OFFSET, FNV_PRIME, GOLDEN, finalise, find_slot
from fingerprint.base.jit import kernel
from fingerprint.base.strings import buffers
from fingerprint.base.times import HOUR_SECONDS
from fingerprint.base.types import Bytes, Doubles, HashArray, IntArray

CONVERSATION_HOURS = 24.0
"""A request continues one that came so many hours before, or less."""

MAX_BRANCHES = 4
"""A text that is continued in more ways than a person edits and asks again is a template: each way is a conversation."""

_FIRST_ROOM = 1 << 12
_FIRST_BREAK, _LAST_BREAK = 10, 30  # line feed, carriage return, SYSTEM_END, TURN_END and what stands between


@dataclass(frozen=True, slots=True)
class Turns:
    """What n requests are in their conversations.

    conversation: (n,) int64, numbered over all calls in the order of their first requests.
    known: (n,) int64, bytes at the beginning of each text that an earlier request of its conversation sent, 0 for the
    first request of a conversation.
    """

    conversation: IntArray
    known: IntArray


class Conversations:
    """Tells, call by call, which conversation each request belongs to.

    A request continues an earlier one of its account if its text begins with all of that one's, and a line or a turn
    ends there; the longest such text counts. The same text sent again adds nothing, as a retry or an agent's step whose
    tool result is not read. Requests come in about the order of their times. Memory: 34 to 68 bytes a distinct text.
    Two different beginnings of an account share a hash with a probability of about n² / 2⁶⁵ (birthday bound).
    """

    def __init__(self, hours: float = CONVERSATION_HOURS) -> None:
        self._seconds = hours * HOUR_SECONDS
        self._table = _empty(_FIRST_ROOM)
        self._counts = np.zeros(2, np.int64)  # texts in the table, conversations

    @property
    def count(self) -> int:
        """How many conversations there are so far."""
        return int(self._counts[1])

    def follow(self, accounts: HashArray, second: Doubles, texts: pa.LargeStringArray) -> Turns:
        """Place n more requests: hashes of their accounts (n,), Unix times (n,), and whole texts (n,)."""
        data, offsets = buffers(texts)
        turns = Turns(np.zeros(len(texts), np.int64), np.zeros(len(texts), np.int64))
        row = 0
        while row < len(texts):
            row = _follow(
                data,
                offsets,
                accounts,
                second,
                self._seconds,
                row,
                self._table,
                self._counts,
                turns.conversation,
                turns.known,
            )
            if row < len(texts):
                self._table = _grown(self._table)
        return turns


Table = tuple[HashArray, IntArray, Doubles, IntArray]
"""Open addressing over (c,): key of a whole text (0 = free), its conversation, when it was last sent, continuations."""


def _empty(room: int) -> Table:
    return np.zeros(room, np.uint64), np.zeros(room, np.int64), np.zeros(room), np.zeros(room, np.int64)


def _grown(table: Table) -> Table:
    larger = _empty(2 * len(table[0]))
    _moved(table, larger)
    return larger


@kernel
def _moved(table: Table, larger: Table) -> None:
    for at in range(len(table[0])):
        if table[0][at] != 0:
            to = find_slot(larger[0], table[0][at], table[0][at])
            larger[0][to], larger[1][to] = table[0][at], table[1][at]
            larger[2][to], larger[3][to] = table[2][at], table[3][at]


@kernel
def _follow(
    data: Bytes,
    offsets: IntArray,
    accounts: HashArray,
    second: Doubles,
    seconds: float,
    row: int,
    table: Table,
    counts: IntArray,
    conversation: IntArray,
    known: IntArray,
) -> int:
    """Place the requests from `row` on; returns the row where the table is half full, or the number of rows."""
    keys, owner, last, branches = table
    none = np.int64(-1)
    while row < len(conversation):
        if 2 * counts[0] >= len(keys):
            return row
        key, parent, length = _longest(
            data, offsets[row], offsets[row + 1], accounts[row], second[row], seconds, table
        )
        whole = offsets[row + 1] - offsets[row]
        if parent >= 0 and length < whole:
            branches[parent] += 1
            if branches[parent] > MAX_BRANCHES:
                parent = none
        if parent >= 0:
            conversation[row], known[row] = owner[parent], length
        else:
            conversation[row], known[row] = counts[1], 0
            counts[1] += 1
        at = find_slot(keys, key, key)
        if keys[at] == 0:
            counts[0] += 1
            keys[at], branches[at] = key, 0
        owner[at], last[at] = conversation[row], second[row]
        row += 1
    return row


@kernel
def _longest(
    data: Bytes, first: int, end: int, account: np.uint64, second: float, seconds: float, table: Table
) -> tuple[np.uint64, np.int64, np.int64]:
    """Return the key of a text, the place of the longest earlier one that it begins with (-1: none), and its length."""
    keys, _, last, _ = table
    h = (FNV_OFFSET ^ account) * GOLDEN
    parent, length = np.int64(-1), np.int64(0)
    for i in range(first, end):
        h = (h ^ np.uint64(data[i])) * FNV_PRIME
        if i + 1 == end or _FIRST_BREAK <= data[i + 1] <= _LAST_BREAK:
            key = finalise(h)
            at = find_slot(keys, key, key)
            if keys[at] != 0 and abs(second - last[at]) <= seconds:
                parent, length = np.int64(at), np.int64(i + 1 - first)
    return finalise(h), parent, length
