"""Turns of conversations as columns: what each says, who sends it and when, and what it really is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fingerprint.base.types import Bools, HashArray, Ids, IntArray
from fingerprint.simulate.render import FIRST, NONE
from fingerprint.simulate.schedule import DAY_MS


class Turns(NamedTuple):
    """One entry a turn; the turns of a conversation follow each other.

    conversation: (n,), its number, rising. account: (n,), whose request it is. time: (n,), ms since midnight. sent: (n,)
    bool, whether a request is sent upon this turn, holding it and all turns before it.
    label: (n,), the truth, a place in Labels. repeat: (n,), the number of the popular prompt, -1 for none.
    topic, person, body_seed, the rules, layout and disguise: as in render.Requests; a person or body_seed of 0 is the
    request's own. system_of: (n,) uint64, as system_seed there.
    """

    conversation: IntArray
    account: IntArray
    time: IntArray
    sent: Bools
    label: IntArray
    repeat: IntArray
    topic: Ids
    person: HashArray
    body_seed: HashArray
    system_of: HashArray
    instruction: Ids
    lead: Ids
    body: Ids
    tail: Ids
    aside: Ids
    system: Ids
    layout: npt.NDArray[np.int8]
    disguise: npt.NDArray[np.int8]

    def at(self, which: Bools | IntArray) -> Turns:
        """Return some of the turns, by a mask or by number."""
        return Turns._make(column[which] for column in self)


_DEFAULTS: dict[str, tuple[type, int]] = {
    "conversation": (np.int64, 0),
    "account": (np.int64, 0),
    "time": (np.int64, 0),
    "sent": (np.bool_, 1),
    "label": (np.int64, 0),
    "repeat": (np.int64, -1),
    "topic": (np.int32, 0),
    "person": (np.uint64, 0),
    "body_seed": (np.uint64, 0),
    "system_of": (np.uint64, 1),
    "instruction": (np.int32, NONE),
    "lead": (np.int32, NONE),
    "body": (np.int32, NONE),
    "tail": (np.int32, NONE),
    "aside": (np.int32, NONE),
    "system": (np.int32, NONE),
    "layout": (np.int8, FIRST),
    "disguise": (np.int8, 0),
}

Value = npt.NDArray[Any] | np.uint64 | int


def turns(count: int, **columns: Value) -> Turns:
    """Return `count` turns; a column is an array or one value for all, and what is not given means nothing there.

    Turns that would come after midnight are left out.
    """
    made: dict[str, npt.NDArray[Any]] = {
        name: np.broadcast_to(np.asarray(columns.get(name, usual), kind), count).copy()
        for name, (kind, usual) in _DEFAULTS.items()
    }
    return Turns._make(made[name] for name in Turns._fields).at(made["time"] < DAY_MS)


class Chats(NamedTuple):
    """Which turn is which: (n,) the number of its conversation, its place within it, and ms since midnight."""

    conversation: IntArray
    place: IntArray
    time: IntArray


def chats(start: IntArray, length: IntArray, pause: float, random: np.random.Generator) -> Chats:
    """Return the turns of conversations that begin at `start` (ms), `length` turns each, about `pause` seconds apart."""
    conversation = np.repeat(np.arange(len(length)), length)
    first = np.cumsum(length) - length
    place = np.arange(len(conversation)) - first[conversation]
    step = random.lognormal(np.log(1000 * pause), 0.9, len(conversation))
    step[place == 0] = 0
    passed = np.cumsum(step)
    return Chats(
        conversation, place, (start[conversation] + passed - passed[first[conversation]]).astype(np.int64)
    )


def lengths(count: int, mean: float, random: np.random.Generator) -> IntArray:
    """Return how many turns each conversation has: at least 1, `mean` on average, few of them long."""
    if mean <= 1:
        return np.ones(count, np.int64)
    # a geometric law whose own mean varies from one conversation to the next
    several = 1 + (mean - 1) * random.gamma(1.2, 1 / 1.2, count)
    return random.geometric(1 / several)


def together(parts: Sequence[Turns]) -> Turns:
    """Return all turns of a day, conversations numbered anew."""
    first = 0
    numbered = []
    for part in parts:
        numbered.append(part._replace(conversation=part.conversation + first))
        first += int(part.conversation[-1]) + 1 if len(part.conversation) else 0
    return Turns._make(np.concatenate(columns) for columns in zip(*numbered, strict=True))


class Labels:
    """What requests really are; equal ones are kept once."""

    COLUMNS = ("role", "family", "campaign", "evasion", "behaviour", "text", "kind", "variant")

    def __init__(self) -> None:
        self._number: dict[tuple[str | None, ...], int] = {}

    def number(self, role: str, kind: str, **more: str | None) -> int:
        """Return the number of what is true of a request; evasion is `none` unless given."""
        truth = {"evasion": "none", **more, "role": role, "kind": kind}
        row = tuple(truth.get(name) for name in self.COLUMNS)
        return self._number.setdefault(row, len(self._number))

    def column(self, name: str) -> list[str | None]:
        """Return one column, by number."""
        place = self.COLUMNS.index(name)
        return [row[place] for row in self._number]
