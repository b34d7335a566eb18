"""Conversations with software: one template, many users, each request filled in by its user."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fingerprint.base.types import Doubles, HashArray, Ids, IntArray
from fingerprint.simulate.lifelike.setup import Setup, Template
from fingerprint.simulate.lifelike.turns import Turns, Value, chats, lengths, turns
from fingerprint.simulate.render import FIRST, NONE


@dataclass(frozen=True, slots=True)
class App:
    """A template and how it is used.

    label: the truth of its requests. turns: of a conversation, on average. pause: seconds between them. follow: the
    rules of later turns, one of which is drawn for each. own: whether topics and words are the account's.
    """

    template: Template
    label: int
    turns: float = 1.0
    pause: float = 60.0
    follow: tuple[int, ...] = (NONE,)
    own: bool = True

    def used(
        self,
        setup: Setup,
        who: IntArray,
        start: IntArray,
        random: np.random.Generator,
        *,
        topic: Ids | None = None,
        **first: Value,
    ) -> Turns:
        """Return conversations of these accounts that begin at `start`, ms since midnight.

        topic: (conversations,), what each is about, if not what its account or chance would choose. first: columns of
        first turns, in place of the template's.
        """
        count = len(who)
        chat = chats(start, lengths(count, self.turns, random), self.pause, random)
        people = setup.people.of(who)
        if topic is None:
            topic = people.subjects(setup.topics, random) if self.own else any_topic(setup, count, random)
        person: HashArray = people.seed if self.own else random.integers(1, 2**63, count).astype(np.uint64)
        opening = chat.place == 0
        later = np.array(self.follow)[random.integers(0, len(self.follow), len(opening))]
        then: dict[str, Value] = {
            "body": later,
            "layout": FIRST,
            "body_seed": np.uint64(0),
            "system_of": np.uint64(0),
            "disguise": 0,
        }
        columns = {
            name: np.where(opening, np.broadcast_to(value, count)[chat.conversation], then.get(name, NONE))
            for name, value in {**self.template._asdict(), **first}.items()
        }
        return turns(
            len(opening),
            conversation=chat.conversation,
            account=who[chat.conversation],
            time=chat.time,
            label=self.label,
            topic=topic[chat.conversation],
            person=person[chat.conversation],
            **columns,
        )


def any_topic(setup: Setup, count: int, random: np.random.Generator) -> Ids:
    """Return topics drawn anew for each request, whoever sends it."""
    return random.integers(0, setup.topics, count).astype(np.int32)


def uneven(count: int, random: np.random.Generator, skew: float = 1.0) -> Doubles:
    """Return how much each of `count` accounts sends: shares that sum to 1, the larger the skew the more uneven."""
    weight = random.pareto(2.0 / skew, count) + 0.3
    shares: Doubles = weight / weight.sum()
    return shares


def dealt(accounts: IntArray, count: int, random: np.random.Generator) -> IntArray:
    """Return `count` requests dealt in turn, each round in an order of its own: (count,) accounts."""
    rounds = -(-count // len(accounts))
    return np.concatenate([random.permutation(accounts) for _ in range(rounds)])[:count]
