"""Honest crowds that do the same without an operator: classes, jokes that go round, tutorials, benchmarks, relays."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fingerprint.simulate.families import Family
from fingerprint.simulate.lifelike.apps import App, any_topic
from fingerprint.simulate.lifelike.background import Background
from fingerprint.simulate.lifelike.people import draw_people
from fingerprint.simulate.lifelike.setup import Setup, Source
from fingerprint.simulate.lifelike.software import HONEST
from fingerprint.simulate.lifelike.turns import Turns, together
from fingerprint.simulate.render import TWEAK
from fingerprint.simulate.schedule import DAY_MS
from fingerprint.simulate.streams import HOUR_MS


def crowds(setup: Setup, background: Background, days: int) -> Iterator[Source]:
    """Yield what each crowd sends."""
    yield from (classroom(setup, number, number // 2 % days) for number in range(2 * days))
    yield viral(setup)
    yield habits(setup)
    yield tutorial(setup)
    yield from (benchmark(setup, number) for number in range(2))
    yield from (relay(setup, background, number) for number in range(2))


def classroom(setup: Setup, number: int, day_of_class: int) -> Source:
    """Return an assignment that a course pastes within 90 minutes, cut and edited, and its questions about it."""
    name = f"class:{number}"
    random = setup.random(name)
    family = setup.composer.compose("assignment", name)
    template = setup.template(family)._replace(instruction=_pasted(setup, family))
    size = setup.size(46, 8, random)
    # a school gives every second course accounts of its own, which send nothing else
    students = setup.register.add(size) if number % 2 else setup.some_persons(size, random)
    begin = int(random.integers(8, 18) * HOUR_MS)
    app = App(
        template,
        setup.labels.number(HONEST, "class", family=name),
        turns=2.2,
        pause=240,
        follow=(setup.grammar.number("student_follow"),),
    )
    topic = any_topic(setup, 1, random)

    def day(number: int) -> Turns:
        random = setup.random(name, number)
        who = random.permutation(students) if number == day_of_class else students[:0]
        start = begin + random.integers(0, 90 * 60_000, len(who))
        edited = np.where(random.random(len(who)) < 0.3, TWEAK, 0)
        return app.used(setup, who, start, random, topic=np.repeat(topic, len(who)), disguise=edited)

    return day


def _pasted(setup: Setup, family: Family) -> int:
    """Return the rule of an assignment as it is pasted: whole, or with something left out."""
    parts = [f"«fam/{family.name}/s{i}»" for i in range(len(family.sentences))]
    cut = [parts[1:], parts[:-1], parts[2:], parts[1:-1], parts[2:-1], parts[len(parts) // 2 :]]
    cut += [parts[:i] + parts[i + 1 :] for i in range(1, len(parts) - 1)]
    weights = [len(cut) * 0.8] + [1.0] * len(cut)
    return setup.grammar.add(f"fam/{family.name}/pasted", ["".join(part) for part in (parts, *cut)], weights)


def viral(setup: Setup) -> Source:
    """Return one joke that everybody sends within hours of seeing it, with a word or two of their own."""
    random = setup.random("viral")
    app = App(
        setup.composed("viral", "viral"), setup.labels.number(HONEST, "viral", family="viral"), own=False
    )
    count = setup.size(150, 15, random)
    seen = int(random.integers(2, 16) * HOUR_MS)

    def day(number: int) -> Turns:
        random = setup.random("viral", number)
        who = setup.some_persons(round(count * 0.45**number), random)
        late = random.lognormal(np.log(1.5 * HOUR_MS), 0.9, len(who))
        start = np.minimum(seen * (number == 0) + late, DAY_MS - 1)
        return app.used(setup, who, start.astype(np.int64), random)

    return day


def habits(setup: Setup) -> Source:
    """Return many popular prompts that go on being sent, each by few people a day."""
    number = round(30 * min(1.0, setup.scale**0.5))
    apps = []
    for i in range(max(6, number)):
        name = f"habit:{i:02d}"
        label = setup.labels.number(HONEST, "viral", family=name)
        apps.append(App(setup.composed("viral" if i % 3 else "honest_game", name), label))
    weight = 1 / (np.arange(len(apps)) + 2.0)
    expected = 240 * setup.scale * weight / weight.sum()

    def day(number: int) -> Turns:
        random = setup.random("habits", number)
        parts = []
        for app, count in zip(apps, random.poisson(expected), strict=True):
            who = setup.some_persons(int(count), random)
            parts.append(app.used(setup, who, setup.people.of(who).moments(random), random))
        return together(parts)

    return day


def tutorial(setup: Setup) -> Source:
    """Return the quick start of a framework, which beginners run once or twice, as it stands there."""
    random = setup.random("tutorial")
    label = setup.labels.number(HONEST, "tutorial", family="tutorial")
    again = setup.grammar.number("tut_word")
    app = App(setup.composed("tutorial", "tutorial"), label, turns=1.35, pause=45, follow=(again,), own=False)
    count = setup.size(200, 10, random)

    def day(number: int) -> Turns:
        random = setup.random("tutorial", number)
        who = setup.some_persons(count, random)
        return app.used(setup, who, setup.people.of(who).moments(random), random)

    return day


def benchmark(setup: Setup, number: int) -> Source:
    """Return a published set of questions, word for word, which unrelated accounts put within one evening."""
    name = f"bench:{number}"
    random = setup.random(name)
    app = App(setup.composed("bench", name), setup.labels.number(HONEST, "benchmark", family=name), own=False)
    runners = setup.register.add(int(random.integers(4, 9)))
    items = setup.size(60, 8, random)
    seeds = random.integers(1, 2**63, items).astype(np.uint64)
    topics = any_topic(setup, items, random)

    def day(number: int) -> Turns:
        random = setup.random(name, number)
        item = np.tile(np.arange(items), len(runners))
        begin = np.repeat(random.uniform(17, 21, len(runners)), items)
        pace = np.repeat(random.uniform(2, 30, len(runners)), items)  # seconds
        start = begin * HOUR_MS + 1000 * pace * (item + random.random(len(item)))
        who = np.repeat(runners, items)
        return app.used(setup, who, start.astype(np.int64), random, topic=topics[item], body_seed=seeds[item])

    return day


def relay(setup: Setup, background: Background, number: int) -> Source:
    """Return resold access: what unrelated people ask, dealt in turn over accounts, a conversation to one account."""
    name = f"relay:{number}"
    random = setup.random(name)
    pool = setup.register.add(setup.size(32, 6, random), agent="relay-gateway/1.4" if number else None)
    customers = draw_people(setup.size(320, 20, random), setup.topics, random)
    label = setup.labels.number("background", "relay")
    count = setup.size(480, 20, random)

    def day(number: int) -> Turns:
        random = setup.random(name, number)
        asking = customers.of(random.integers(0, len(customers.seed), count))
        start = asking.moments(random)
        order = np.argsort(start, kind="stable")
        # whoever comes next gets the next account
        return background.asked(
            asking.of(order), pool[np.arange(count) % len(pool)], start[order], label, random
        )

    return day
