"""Texts that earlier nights' requests sent, as hashes, so that a conversation goes on over midnight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from fingerprint.base.hashing import find_slot
from fingerprint.base.jit import njit
from fingerprint.base.strings import buffers
from fingerprint.base.times import HOUR_SECONDS
from fingerprint.base.types import Bytes, Doubles, HashArray, Ids, IntArray
from fingerprint.traffic.conversations import MAX_BRANCHES, Texts, no_texts, read_text

MAX_TEXTS = 1_000_000
"""Texts of one night that are remembered: those that were sent last."""


LEAST_WHOLE = 2
"""User turns from which on a text that an earlier night sent, sent again as it was, goes on and does not begin anew."""


@dataclass(frozen=True, slots=True)
class SentTexts:
    """Texts that requests sent.

    key: (t,) uint64, of account and text (`beginning_hashes`). conversation: (t,) int32. second: (t,) float64, Unix time when it was
    sent last. ways: (t,) int32, in how many it was continued.
    """

    key: HashArray
    conversation: Ids
    second: Doubles
    ways: Ids

    @classmethod
    def none(cls) -> SentTexts:
        """Return no texts."""
        return cls(
            np.empty(0, np.uint64), np.empty(0, np.int32), np.empty(0, np.float64), np.empty(0, np.int32)
        )


def newest(texts: Texts, hours: float) -> SentTexts:
    """Return the MAX_TEXTS texts that were sent last, the newest first, no more than so many hours before the last of all."""
    at = np.flatnonzero(texts.key)
    if not len(at):
        return SentTexts.none()
    second = texts.second[at]
    least = second.max() - hours * HOUR_SECONDS
    if len(at) > MAX_TEXTS:
        least = max(least, np.partition(second, len(at) - MAX_TEXTS)[len(at) - MAX_TEXTS])
    at = at[second >= least]
    at = at[np.lexsort((texts.key[at], -texts.second[at]))[:MAX_TEXTS]]
    return SentTexts(texts.key[at], texts.conversation[at], texts.second[at], texts.ways[at])


class EarlierTexts:
    """Tells which of tonight's conversations go on from which of t texts of earlier nights.

    key, ways: (t,) as of SentTexts; second: (t,) float64. hours: after so many nothing goes on.
    """

    def __init__(self, key: HashArray, second: Doubles, ways: Ids, hours: float) -> None:
        room = 1 << max(4, int(2 * len(key)).bit_length())
        self._texts = _filled(no_texts(room), key, second, ways)
        self._seconds = float(hours * HOUR_SECONDS)

    def follow(
        self, accounts: HashArray, second: Doubles, texts: pa.LargeStringArray, first: IntArray
    ) -> tuple[IntArray, IntArray]:
        """Place n more conversations, in about the order of their times.

        accounts, second: (n,), hashes, and Unix times of the first requests. texts: (n,), all that each sends. first: (n,),
        how many bytes of it the first request sends.
        A conversation goes on if its first request begins with all that an account's earlier one sent, and adds to it, or
        sends LEAST_WHOLE user turns or more again as they were: less than that is what a new conversation begins with, too.
        A text that is continued in more than MAX_BRANCHES ways is a template here as within a night, which counts over
        all calls.
        Returns the text from which each goes on, (n,) int64, -1 for none, and the bytes of it that were sent before, (n,).
        """
        data, offsets = buffers(texts)
        place, known = np.full(len(texts), -1, np.int64), np.zeros(len(texts), np.int64)
        ends = offsets[:-1] + first
        _go_on((data, offsets[:-1], ends), (accounts, second, self._seconds), self._texts, (place, known))
        return place, known


@njit(cache=True, nogil=True)
def _filled(texts: Texts, keys: HashArray, second: Doubles, ways: Ids) -> Texts:
    """Put texts into an empty table, by their places among all; of one that was sent twice the last counts."""
    for row in range(len(keys)):
        at = find_slot(texts.key, keys[row], keys[row])
        if texts.key[at] == 0 or second[row] > texts.second[at]:
            texts.key[at], texts.conversation[at] = keys[row], row
            texts.second[at], texts.ways[at] = second[row], ways[row]
    return texts


@njit(cache=True, nogil=True)
def _go_on(
    requests: tuple[Bytes, IntArray, IntArray],
    senders: tuple[HashArray, Doubles, float],
    texts: Texts,
    placed: tuple[IntArray, IntArray],
) -> None:
    (data, begins, ends), (accounts, second, seconds), (place, known) = requests, senders, placed
    nowhere = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.uint64))
    for row in range(len(accounts)):
        sender = (accounts[row], second[row], seconds)
        head, turns = read_text(data, (begins[row], ends[row]), sender, texts, nowhere)
        parent, length = head[2], head[3]
        if parent < 0 or texts.second[parent] >= second[row]:
            continue
        adds = length < ends[row] - begins[row]
        if adds:
            texts.ways[parent] += 1
        if texts.ways[parent] <= MAX_BRANCHES if adds else turns >= LEAST_WHOLE:
            place[row], known[row] = texts.conversation[parent], length
