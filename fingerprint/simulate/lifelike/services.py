"""Services whose customers bring accounts of their own: some have topics, some ask what all ask, some share one queue."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from fingerprint.base.types import IntArray
from fingerprint.simulate.lifelike.apps import App, any_topic, uneven
from fingerprint.simulate.lifelike.setup import Setup, Source, Template
from fingerprint.simulate.lifelike.software import HONEST
from fingerprint.simulate.lifelike.turns import Turns, together
from fingerprint.simulate.streams import HOUR_MS

MINUTE_MS = HOUR_MS // 60

LEAST_SCALE = 0.2
"""Share of the usual requests a day from which on there is room for services."""

Plan = Callable[[np.random.Generator], tuple[IntArray, IntArray]]
"""Returns who sends on a day, and when, ms since midnight."""


def services(setup: Setup) -> Iterator[Source]:
    """Yield what each service's customers send; small worlds have none."""
    if setup.scale < LEAST_SCALE:
        return
    yield automation(setup)
    yield from (versions(setup, number) for number in range(2))
    yield letters(setup)
    yield strings(setup)
    yield alt_text(setup)
    yield review_bot(setup)
    yield widget(setup)
    yield kiosk(setup)
    yield news(setup)
    yield tutor(setup)
    yield crowd_work(setup)


def automation(setup: Setup) -> Source:
    """Return a template of a no-code tool that looks for new entries every hour, at another minute for each customer."""
    random = setup.random("automation")
    customers = setup.register.add(setup.size(60, 6, random), agent="flowbuilder/7")
    minute = random.random(len(customers)) * HOUR_MS
    rate = random.gamma(1.2, 0.2, len(customers))

    def plan(random: np.random.Generator) -> tuple[IntArray, IntArray]:
        entries = random.poisson(rate, (24, len(customers)))
        hour, who = (np.repeat(place.ravel(), entries.ravel()) for place in np.indices(entries.shape))
        late = random.exponential(6_000, len(who))
        return customers[who], (hour * HOUR_MS + 0.97 * minute[who] + late).astype(np.int64)

    return _used(setup, App(*_template(setup, "automation", "automation")), plan)


def versions(setup: Setup, number: int) -> Source:
    """Return an app that tries two versions of its prompt, by a coin for each request of equally busy customers."""
    name = f"versions:{number}"
    random = setup.random(name)
    apps = [App(*_template(setup, "automation", "versions", f"{name}{version}")) for version in "ab"]
    customers = setup.register.add(setup.size(30, 6, random), agent="abtest-app/1")

    def day(day: int) -> Turns:
        random = setup.random(name, day)
        who = np.repeat(customers, 3)
        start, coin = setup.people.of(who).moments(random), random.random(len(who)) < 0.5
        return together(
            [app.used(setup, who[coin == side], start[coin == side], random) for side, app in enumerate(apps)]
        )

    return day


def letters(setup: Setup) -> Source:
    """Return a popular prompt for applications: each user's own CV before adverts from their own trade."""
    random = setup.random("letters")
    users = setup.some_persons(setup.size(120, 8, random), random)
    app = App(*_template(setup, "letters", "letters"))

    def day(day: int) -> Turns:
        random = setup.random("letters", day)
        today = random.choice(users, max(4, len(users) // 3), replace=False)
        who = np.repeat(today, random.integers(1, 6, len(today)))
        people = setup.people.of(who)
        return app.used(setup, who, people.moments(random), random, topic=people.topics[:, 0])

    return day


def strings(setup: Setup) -> Source:
    """Return a plug-in that translates the labels of programs, many in one sitting, each project its own."""
    random = setup.random("strings")
    projects = setup.register.add(setup.size(45, 8, random), agent="l10n-plugin/0.4")
    return _used(
        setup, App(*_template(setup, "strings", "strings")), _sittings(setup, projects, 0.35, (4, 18), 20)
    )


def alt_text(setup: Setup) -> Source:
    """Return an add-on that describes pictures; nothing but their addresses can be read."""
    random = setup.random("alttext")
    users = setup.register.add(setup.size(90, 8, random), agent="blogblocks/4")
    return _used(setup, App(*_template(setup, "alttext", "alttext")), _own_hours(setup, users, 1.8, random))


def review_bot(setup: Setup) -> Source:
    """Return a bot that reviews each project's changes when somebody there works."""
    random = setup.random("reviewbot")
    projects = setup.register.add(setup.size(45, 8, random), agent="ci-runner/2.319")
    return _used(
        setup, App(*_template(setup, "reviewbot", "reviewbot")), _own_hours(setup, projects, 3, random)
    )


def widget(setup: Setup) -> Source:
    """Return a shop's help window; each visitor has an account without a payment, and most come once."""
    random = setup.random("widget")
    visitors = setup.register.add(setup.size(300, 20, random))
    setup.register.hide_payment(visitors)
    follow = (setup.grammar.number("widget_ask"),)
    app = App(*_template(setup, "widget", "widget"), turns=2, follow=follow, own=False)

    def plan(random: np.random.Generator) -> tuple[IntArray, IntArray]:
        who = random.choice(visitors, len(visitors) // 3)
        return who, setup.people.of(who).moments(random)

    return _used(setup, app, plan, topics=1)


def kiosk(setup: Setup) -> Source:
    """Return a chain's screens, each branch with its own account, where visitors ask about one assortment."""
    random = setup.random("kiosk")
    branches = setup.register.add(setup.size(20, 6, random), agent="kioskos/3")

    def plan(random: np.random.Generator) -> tuple[IntArray, IntArray]:
        who = random.choice(branches, 9 * len(branches))
        return who, (random.uniform(9, 21, len(who)) * HOUR_MS).astype(np.int64)

    return _used(setup, App(*_template(setup, "kiosk", "kiosk"), own=False), plan, topics=1)


def news(setup: Setup) -> Source:
    """Return a news service: each story goes to most subscribers within minutes, with the subscriber's name before it."""
    random = setup.random("news")
    subscribers = setup.register.add(setup.size(24, 8, random), agent="wiretap/6")
    app = App(*_template(setup, "newsdesk", "news"), own=False)

    def day(day: int) -> Turns:
        random = setup.random("news", day)
        begin = random.uniform(5, 22, 14) * HOUR_MS
        story, who = _taken(len(begin), len(subscribers), 0.6, random)
        start = (begin[story] + random.exponential(MINUTE_MS, len(story))).astype(np.int64)
        return _same(setup, app, subscribers[who], start, story, random)

    return day


def tutor(setup: Setup) -> Source:
    """Return a tutoring app: the pupils of a class go through the day's questions, each in an order of their own."""
    random = setup.random("tutor")
    pupils = setup.register.add(setup.size(26, 8, random))
    follow = (setup.grammar.number("student_follow"),)
    app = App(*_template(setup, "tutor", "tutor"), turns=1.4, follow=follow, own=False)

    def day(day: int) -> Turns:
        random = setup.random("tutor", day)
        question, who = _taken(7, len(pupils), 0.8, random)
        begin = random.uniform(15, 20, len(pupils)) * HOUR_MS
        start = (begin[who] + random.integers(0, 60 * MINUTE_MS, len(who))).astype(np.int64)
        return _same(setup, app, pupils[who], start, question, random)

    return day


def crowd_work(setup: Setup) -> Source:
    """Return a labelling firm's queue, worked off by people with accounts and hours of their own."""
    random = setup.random("crowdwork")
    workers = setup.register.add(setup.size(20, 6, random))
    app = App(*_template(setup, "crowdwork", "crowdwork"), own=False)
    return _used(setup, app, _own_hours(setup, workers, 7, random))


def _template(setup: Setup, clauses: str, kind: str, name: str = "") -> tuple[Template, int]:
    """Return a template that these clauses make, and its label; name: of the family, if not its kind."""
    name = name or kind
    return setup.composed(clauses, name), setup.labels.number(HONEST, kind, family=name)


def _used(setup: Setup, app: App, plan: Plan, topics: int = 0) -> Source:
    """Return an app used by plan, on everybody's own topics, or on so many that are the same for all."""
    name = str(setup.labels.column("family")[app.label])
    about = any_topic(setup, topics, setup.random(f"{name} topics")) if topics else None

    def day(number: int) -> Turns:
        random = setup.random(name, number)
        who, start = plan(random)
        topic = None if about is None else random.choice(about, len(who))
        return app.used(setup, who, start, random, topic=topic)

    return day


def _own_hours(setup: Setup, users: IntArray, each: float, random: np.random.Generator) -> Plan:
    """Return use at everybody's own hours, `each` times a day on average."""
    share = uneven(len(users), random)

    def plan(random: np.random.Generator) -> tuple[IntArray, IntArray]:
        who = random.choice(users, random.poisson(each * len(users)), p=share)
        return who, setup.people.of(who).moments(random)

    return plan


def _sittings(setup: Setup, users: IntArray, share: float, each: tuple[int, int], minutes: int) -> Plan:
    """Return use by a share of the users a day, each so many times (fewest, most) within some minutes."""

    def plan(random: np.random.Generator) -> tuple[IntArray, IntArray]:
        today = random.choice(users, max(3, round(share * len(users))), replace=False)
        begin = setup.people.of(today).moments(random)
        place = np.repeat(np.arange(len(today)), random.integers(*each, len(today)))
        return today[place], begin[place] + random.integers(0, minutes * MINUTE_MS, len(place))

    return plan


def _taken(
    things: int, accounts: int, share: float, random: np.random.Generator
) -> tuple[IntArray, IntArray]:
    """Return which thing goes to which account, where each gets a share of them."""
    thing, who = np.nonzero(random.random((things, accounts)) < share)
    return thing, who


def _same(
    setup: Setup, app: App, who: IntArray, start: IntArray, thing: IntArray, random: np.random.Generator
) -> Turns:
    """Return conversations about things that are the same text for all."""
    count = int(thing.max(initial=0)) + 1
    seeds, topics = random.integers(1, 2**63, count).astype(np.uint64), any_topic(setup, count, random)
    return app.used(setup, who, start, random, topic=topics[thing], body_seed=seeds[thing])
