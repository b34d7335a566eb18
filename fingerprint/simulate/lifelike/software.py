"""Honest software: schedulers, helpers, extensions, agents, search, games and jobs, with the users of each."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fingerprint.base.types import IntArray
from fingerprint.simulate.families import Family
from fingerprint.simulate.lifelike.apps import App, any_topic, dealt, uneven
from fingerprint.simulate.lifelike.people import clock
from fingerprint.simulate.lifelike.setup import Setup, Source
from fingerprint.simulate.lifelike.turns import Turns
from fingerprint.simulate.streams import HOUR_MS

HONEST = "benign_template"
_RHYTHMS: tuple[tuple[int, tuple[int, ...]], ...] = (
    (58, tuple(range(0, 24, 2))),
    (72, tuple(range(7, 19))),
    (150, (5, 17)),
    (105, (6, 12, 18)),
    (90, (7,)),
    (26, tuple(range(24))),
)
"""Customers of scheduled software, and the hours at which it runs for them."""


def software(setup: Setup) -> Iterator[Source]:
    """Yield what each piece of honest software sends."""
    rhythms = setup.random("rhythms").permutation(len(_RHYTHMS))[:5].tolist()
    yield from (scheduler(setup, number, *_RHYTHMS[which]) for number, which in enumerate(rhythms))
    yield from (helper(setup, number, users) for number, users in enumerate((420, 180)))
    yield extension(setup)
    yield mail(setup)
    yield search(setup)
    yield game(setup)
    yield agency(setup)
    yield retry(setup)
    yield from (batch(setup, number) for number in range(4))


def scheduler(setup: Setup, number: int, usual: int, hours: tuple[int, ...]) -> Source:
    """Return an app that runs for each customer at full hours, or a quarter or half past, on the customer's things."""
    name = f"scheduler:{number}"
    random = setup.random(name)
    template = setup.composed("scheduler", name)
    customers = setup.register.add(setup.size(usual, 6, random), agent=f"{_coined(random)}-jobs/1.{number}")
    minute = int(random.choice([0, 0, 15, 30, 45]))
    app = App(template, setup.labels.number(HONEST, "scheduler", family=name))

    def day(number: int) -> Turns:
        random = setup.random(name, number)
        grid = np.repeat(customers, len(hours)), np.tile(np.array(hours), len(customers))
        runs = random.random(len(grid[0])) < 0.96
        who, hour = (column[runs] for column in grid)
        # a queue is worked off: some seconds for most, a minute or two for the last
        late = np.minimum(random.exponential(20_000, len(who)), 150_000)
        return app.used(setup, who, (hour * HOUR_MS + minute * 60_000 + late).astype(np.int64), random)

    return day


def helper(setup: Setup, number: int, usual: int) -> Source:
    """Return a template that many people fill with what they really did, when they did it."""
    name = f"helper:{number}"
    random = setup.random(name)
    users = setup.some_persons(setup.size(usual, 12, random), random)
    share = uneven(len(users), random)
    app = App(setup.composed("helper", name), setup.labels.number(HONEST, "helper", family=name))
    return _at_own_hours(setup, app, name, users, share, 3.2)


def extension(setup: Setup) -> Source:
    """Return a browser extension on whatever page its user reads."""
    random = setup.random("extension")
    users = setup.some_persons(setup.size(260, 12, random), random)
    app = App(
        setup.composed("extension", "extension"),
        setup.labels.number(HONEST, "extension", family="extension"),
    )
    return _at_own_hours(setup, app, "extension", users, uneven(len(users), random, 1.3), 5.0)


def search(setup: Setup) -> Source:
    """Return a document search, whose users each ask about a few documents, which overlap."""
    random = setup.random("search")
    users = setup.register.add(setup.size(95, 10, random), agent="docsearch-backend/0.9")
    documents = max(8, 2 * len(users) // 3)
    seeds = random.integers(1, 2**63, documents).astype(np.uint64)
    topics = any_topic(setup, documents, random)
    own = random.integers(0, documents, (len(users), 5))
    excerpts = np.array([setup.grammar.number(name) for name in ("doc", "doc_next", "doc_rest")])
    template = setup.template(setup.composer.compose("rag", "search"))
    app = App(template, setup.labels.number(HONEST, "search", family="search"))
    share = uneven(len(users), random)

    def day(number: int) -> Turns:
        random = setup.random("search", number)
        which = random.choice(len(users), round(12 * len(users)), p=share)
        document = own[which, random.integers(0, own.shape[1], len(which))]
        who = users[which]
        return app.used(
            setup,
            who,
            setup.people.of(who).moments(random),
            random,
            topic=topics[document],
            body=random.choice(excerpts, len(which)),
            body_seed=seeds[document],
        )

    return day


def mail(setup: Setup) -> Source:
    """Return a plug-in whose button is pressed at nine, wherever its user lives."""
    random = setup.random("mail")
    users = setup.register.add(setup.size(220, 12, random), agent="mailbutton/3.2")
    app = App(setup.composed("mail", "mail"), setup.labels.number(HONEST, "mail", family="mail"))

    def day(number: int) -> Turns:
        random = setup.random("mail", number)
        who = np.concatenate([users[random.random(len(users)) < share] for share in (0.95, 0.25)])
        local = 9 + np.abs(random.normal(0, 0.12, len(who)))
        return app.used(setup, who, clock(local, setup.people.zone[who]), random)

    return day


def game(setup: Setup) -> Source:
    """Return players who talk to a game's characters; the studio pays for all of them."""
    random = setup.random("game")
    players = setup.register.add(setup.size(180, 12, random), agent="studio-runtime/5")
    setup.register.share_payment(players)
    app = App(
        setup.composed("npc", "game"),
        setup.labels.number(HONEST, "game", family="game"),
        turns=3.6,
        pause=25,
        follow=(setup.grammar.number("player_line"),),
        own=False,
    )
    return _at_own_hours(setup, app, "game", players, uneven(len(players), random), 1.7)


def agency(setup: Setup) -> Source:
    """Return one firm's list of jobs, dealt in turn over the sub-accounts that it pays for."""
    random = setup.random("agency")
    accounts = setup.register.add(25 if setup.scale > 0.3 else 10, agent="batchdesk/2.0")
    setup.register.share_payment(accounts)
    app = App(
        setup.composed("agency", "agency"), setup.labels.number(HONEST, "agency", family="agency"), own=False
    )
    opening = int(random.integers(6, 10))
    count = setup.size(320, 30, random)

    def day(number: int) -> Turns:
        random = setup.random("agency", number)
        start = np.sort(random.uniform(opening, opening + 9, count) * HOUR_MS).astype(np.int64)
        return app.used(setup, dealt(accounts, count, random), start, random)

    return day


def retry(setup: Setup) -> Source:
    """Return one account whose job sends five prompts again and again."""
    random = setup.random("retry")
    account = setup.register.add(1, agent="python-httpx/0.28.1")
    template = setup.template(Family("retry", ("",), body="ask_long", lead="", kind="batch"))
    app = App(template, setup.labels.number(HONEST, "retry", family="retry"))
    seeds = random.integers(1, 2**63, 5).astype(np.uint64)
    topics = any_topic(setup, 5, random)
    count = setup.size(620, 20, random)

    def day(number: int) -> Turns:
        random = setup.random("retry", number)
        which = np.arange(count) % 5
        start = np.sort(random.integers(0, 24 * HOUR_MS, count))
        return app.used(
            setup, np.repeat(account, count), start, random, topic=topics[which], body_seed=seeds[which]
        )

    return day


def batch(setup: Setup, number: int) -> Source:
    """Return a company's own job, sorting, extracting or marking, from one to three accounts that pay together."""
    name = f"batch:{number}"
    random = setup.random(name)
    accounts = setup.register.add(1 + number % 3)
    setup.register.share_payment(accounts)
    app = App(setup.composed("batch_job", name), setup.labels.number(HONEST, "batch", family=name), own=False)
    first, hours = int(random.integers(0, 20)), int(random.integers(1, 5))
    count = setup.size(110, 12, random)

    def day(number: int) -> Turns:
        random = setup.random(name, number)
        start = (random.uniform(first, first + hours, count) * HOUR_MS).astype(np.int64)
        return app.used(setup, random.choice(accounts, count), start, random)

    return day


def _at_own_hours(
    setup: Setup, app: App, name: str, users: IntArray, share: np.ndarray, each: float
) -> Source:
    """Return conversations that users begin in their own hours, `each` a day on average."""

    def day(number: int) -> Turns:
        random = setup.random(name, number)
        who = random.choice(users, random.poisson(each * len(users)), p=share)
        return app.used(setup, who, setup.people.of(who).moments(random), random)

    return day


def _coined(random: np.random.Generator) -> str:
    return "".join(random.choice(list(part)) for part in ("bdfglmnprst", "aeiou", "lmnrst", "aeio", "klnrtx"))
