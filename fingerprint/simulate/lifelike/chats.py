"""Chats of many turns, each request of which holds all turns so far: some begin with a template."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fingerprint.base.types import IntArray
from fingerprint.simulate.lifelike.apps import any_topic, uneven
from fingerprint.simulate.lifelike.config import ChatsConfig
from fingerprint.simulate.lifelike.setup import Setup, Source, Template
from fingerprint.simulate.lifelike.turns import Turns, Value, chats, turns
from fingerprint.simulate.render import FIRST, NONE
from fingerprint.simulate.schedule import DAY_MS

TEMPLATED = 0.35
"""Share of the chats in which a template stands."""
_LATE = 0.2  # of those, the share in which it stands in a later turn
_POOL = (15, 40)
_PAUSE = 70.0


@dataclass(frozen=True, slots=True)
class _Kind:
    """Chats of one template: who has them, and what is true from the template's turn on."""

    template: Template
    label: int
    pool: IntArray
    campaign: bool


def growing_chats(setup: Setup, config: ChatsConfig) -> Source:
    """Return chats with a request for each turn, or for the last one only; half of the templates are campaigns'."""
    random = setup.random("chats")
    kinds = [_kind(setup, i, random) for i in range(config.templates)]
    plain = setup.labels.number("background", "chat")
    volume = uneven(len(setup.persons), random)
    rule = setup.grammar.number
    opening = rule("my_opening")
    later = np.array(
        [
            rule(name)
            for name in ("my_follow", "my_follow", "my_paste", "my_text", "my_page", "codes", "code_file")
        ]
    )

    def day(number: int) -> Turns:
        random = setup.random("chats", number)
        length = _lengths(config, number, random)
        count = len(length)
        kind = np.where(random.random(count) < TEMPLATED, random.integers(0, max(1, len(kinds)), count), -1)
        if not kinds:
            kind[:] = -1
        who = random.choice(setup.persons, count, p=volume)
        for i, one in enumerate(kinds):
            who[kind == i] = random.choice(one.pool, int((kind == i).sum()))
        people = setup.people.of(who)
        start = np.minimum(people.moments(random), DAY_MS - (length * 1000 * _PAUSE).astype(np.int64))
        chat = chats(np.maximum(start, 0), length, _PAUSE, random)
        of = chat.conversation
        at = np.where(random.random(count) < _LATE, random.integers(0, length), 0)[of]
        templated = (kind[of] >= 0) & (chat.place == at)
        own = np.array([True if i < 0 else not kinds[i].campaign for i in kind.tolist()])
        topic = np.where(own, people.subjects(setup.topics, random), any_topic(setup, count, random))
        body = np.where(chat.place == 0, opening, random.choice(later, len(of)))
        columns: dict[str, Value] = {}
        for name, usual in (
            ("instruction", NONE),
            ("lead", NONE),
            ("body", body),
            ("tail", NONE),
            ("layout", FIRST),
        ):
            rules = np.array([getattr(k.template, name) for k in kinds] + [NONE])
            columns[name] = np.where(templated, rules[kind[of]], usual)
        labels = np.array([k.label for k in kinds] + [plain])
        return turns(
            len(of),
            conversation=of,
            account=who[of],
            time=np.minimum(chat.time, DAY_MS - 1),
            sent=(chat.place == length[of] - 1) if config.once else 1,
            label=np.where(chat.place >= at, labels[kind[of]], plain),
            topic=topic[of],
            person=np.where(own, people.seed, np.uint64(0))[of],
            **columns,
        )

    return day


def _kind(setup: Setup, number: int, random: np.random.Generator) -> _Kind:
    campaign = number % 2 == 0
    name, size = f"chat:{number:02d}", int(random.integers(*_POOL))
    template = setup.composed("campaign" if campaign else "helper", name)
    if template.layout != FIRST:
        # an instruction of the system prompt or inside a genuine text goes before the body here
        template = template._replace(layout=FIRST)
    if campaign:
        truth = {"campaign": f"c{number + 1:02d}", "behaviour": "drip", "text": "clean"}
        label = setup.labels.number("campaign", "chat", family=name, **truth)
        return _Kind(template, label, setup.register.add(size), campaign)
    label = setup.labels.number("benign_template", "chat", family=name)
    return _Kind(template, label, setup.some_persons(size, random), campaign)


def _lengths(config: ChatsConfig, number: int, random: np.random.Generator) -> IntArray:
    """Return the turns of each chat of a day, from a fourth of the mean to seven fourths, all of them together as asked for."""
    rows, mean = config.rows_on(number), config.turns
    length = random.integers(max(2, mean // 4), 2 * mean - mean // 4 + 1, 2 * rows // mean + 2)
    reached = np.cumsum(length)
    length = length[: int(np.searchsorted(reached, rows)) + 1]
    length[-1] -= int(length.sum()) - rows
    return length
