"""Lifelike campaigns: few requests from small pools, most of whose accounts also send honest traffic."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fingerprint.base.types import Doubles, IntArray
from fingerprint.simulate.lifelike.agents import Agents
from fingerprint.simulate.lifelike.apps import dealt
from fingerprint.simulate.lifelike.background import Background
from fingerprint.simulate.lifelike.config import LifelikeConfig
from fingerprint.simulate.lifelike.setup import Setup, Source
from fingerprint.simulate.lifelike.turns import Turns, together
from fingerprint.simulate.lifelike.wordings import TEXTS, Wording, Wordings, worded
from fingerprint.simulate.population import HOURS, daily_rhythm
from fingerprint.simulate.schedule import DAY_MS
from fingerprint.simulate.streams import HOUR_MS

BEHAVIOURS = ("tidy", "drip", "blurred", "mixing")
FEWEST, MOST = 20, 160
"""Requests that a campaign sends a day."""
SMALLEST, LARGEST = 8, 60
"""Accounts of a campaign's pool."""
REPLACED = 0.2  # share of a pool that is new on the next day
_PAYING = ("", "", "", "three", "", "one", "", "prefix")
"""What a campaign's accounts have in common, in turn: nothing, a few payments, one payment, a few prefixes."""
_HONEST = {"tidy": (0.0, 0.5), "drip": (0.0, 0.5, 0.75), "blurred": (0.0, 0.5), "mixing": (0.9, 0.93, 0.97)}
"""Shares of an account's traffic that are honest."""


@dataclass(frozen=True, slots=True)
class Campaign:
    """One campaign; its pool moves along `accounts` as some are replaced. honest: share of each account's traffic."""

    name: str
    behaviour: str
    wording: Wording
    accounts: IntArray
    size: int
    requests: int
    honest: Doubles
    first: int
    last: int

    def pool(self, day: int) -> IntArray:
        """Return where the accounts of a day stand in `accounts`."""
        return round((day - self.first) * REPLACED * self.size) + np.arange(self.size)


def campaigns(
    setup: Setup, config: LifelikeConfig, agents: Agents, background: Background
) -> Iterator[Source]:
    """Yield what each campaign sends, and the honest traffic of its accounts."""
    random = setup.random("campaigns")
    wordings = Wordings(setup, agents, random)
    count, days = config.campaign_count, config.days
    texts, behaviours = _in_turn(TEXTS, count, random), _in_turn(BEHAVIOURS, count, random)
    first = [int(random.integers(1, days)) if days > 1 and i % 4 == 2 else 0 for i in range(count)]
    last = [int(random.integers(0, days - 1)) if days > 1 and i % 6 == 5 else days - 1 for i in range(count)]
    first = np.minimum(first, last).tolist()
    requests = _sizes(config, behaviours, 1 + np.subtract(last, first), random)
    for i in range(count):
        name, behaviour = f"c{i + 1:02d}", behaviours[i]
        wording = wordings.wording(texts[i], name, behaviour)
        size = _pool_size(requests[i] / (sum(wording.turns) / 2), behaviour, random)
        total = size + round((days - 1) * REPLACED * size)
        accounts = setup.register.add(total)
        _pay(setup, accounts, _PAYING[i % len(_PAYING)], random)
        # accounts of one campaign hide alike, those that mix in more or less
        honest = random.choice(_HONEST[behaviour], total if behaviour == "mixing" else 1)
        campaign = Campaign(
            name=name,
            behaviour=behaviour,
            wording=wording,
            accounts=accounts,
            size=size,
            requests=requests[i],
            honest=np.broadcast_to(honest, total),
            first=first[i],
            last=last[i],
        )
        yield _source(setup, campaign, background)


def _in_turn(kinds: tuple[str, ...], count: int, random: np.random.Generator) -> list[str]:
    """Return each kind about equally often, in random order."""
    rounds = -(-count // len(kinds))
    return [kinds[i] for _ in range(rounds) for i in random.permutation(len(kinds))][:count]


def _sizes(
    config: LifelikeConfig, behaviours: list[str], active: IntArray, random: np.random.Generator
) -> list[int]:
    """Return requests a day, those of mixing campaigns few, all of them together as the base rate asks.

    active: the days on which each sends.
    """
    least = np.array([FEWEST if behaviour == "mixing" else 1.4 * FEWEST for behaviour in behaviours])
    most = np.array([0.25 * MOST if behaviour == "mixing" else MOST for behaviour in behaviours])
    drawn = least * (most / least) ** random.random(len(behaviours))
    for _ in range(5):  # what the limits take from one campaign the others send
        scale = config.base_rate * config.rows / max(float(drawn @ active), 1)
        drawn = np.clip(drawn * scale, FEWEST, MOST)
    sizes: list[int] = np.round(drawn).astype(int).tolist()
    return sizes


def _pool_size(conversations: float, behaviour: str, random: np.random.Generator) -> int:
    each = random.uniform(1.5, 2.5) if behaviour == "mixing" else random.uniform(1.8, 4.5)
    return int(np.clip(round(conversations / each), SMALLEST, LARGEST))


def _pay(setup: Setup, accounts: IntArray, how: str, random: np.random.Generator) -> None:
    """Let most of the accounts share what an operator may share."""
    if not how:
        return
    groups = random.permutation(accounts)[: round(0.65 * len(accounts))]
    for group in np.array_split(groups, 1 if how == "one" else 3):
        if len(group) and how == "prefix":
            setup.register.share_address(group)
        elif len(group):
            setup.register.share_payment(group)


def _source(setup: Setup, campaign: Campaign, background: Background) -> Source:
    label = setup.labels.number("background", "person")
    fewest, most = campaign.wording.turns
    each = (fewest + most) / 2

    def day(number: int) -> Turns:
        random = setup.random(campaign.name, number)
        if not campaign.first <= number <= campaign.last:
            return background.asked(
                setup.people.of(campaign.accounts[:0]),
                campaign.accounts[:0],
                campaign.accounts[:0],
                label,
                random,
            )
        count = max(2, round(campaign.requests * random.uniform(0.9, 1.1) / each))
        pool = random.permutation(campaign.pool(number))
        start, member = _moments(campaign.behaviour, count, pool, random)
        before = (number - campaign.first) * round(campaign.requests / each)
        sent = worded(
            setup,
            campaign.wording,
            campaign.accounts[member],
            start,
            before + np.arange(count),
            member,
            random,
        )
        share = campaign.honest[member]
        # conversations of honest traffic are a little longer than one request
        honest = random.poisson(share / (1 - share) * each / 1.3)
        who = np.repeat(campaign.accounts[member], honest)
        people = setup.people.of(who)
        return together([sent, background.asked(people, who, people.moments(random), label, random)])

    return day


def _moments(
    behaviour: str, count: int, pool: IntArray, random: np.random.Generator
) -> tuple[IntArray, IntArray]:
    """Return when a campaign's conversations begin, in order, ms since midnight, and which of the pool sends each."""
    if behaviour == "tidy":
        windows = int(random.integers(3, 6))
        start = _windows(count, windows, np.full(windows, 22 * 60_000 // windows), random)
        return start, dealt(pool, count, random)
    weight = (1 + np.arange(len(pool))) ** -1.3 if behaviour == "drip" else np.ones(len(pool))
    # everybody in the pool sends something if there is enough of it
    member = np.concatenate([pool, random.choice(pool, max(count - len(pool), 0), p=weight / weight.sum())])
    member = random.permutation(member)[:count]
    if behaviour == "blurred":
        windows = int(random.integers(2, 5))
        return _windows(count, windows, random.integers(HOUR_MS, 3 * HOUR_MS, windows), random), member
    hourly = daily_rhythm()[:-1].mean(axis=0)
    hour = random.choice(HOURS, count, p=hourly / hourly.sum())
    return np.sort(((hour + random.random(count)) * HOUR_MS).astype(np.int64)), member


def _windows(count: int, windows: int, length: IntArray, random: np.random.Generator) -> IntArray:
    """Return moments spread over windows of the day, in order."""
    begin = random.integers(0, DAY_MS - int(length.max()), windows)
    which = random.integers(0, windows, count)
    return np.sort(begin[which] + (random.random(count) * length[which]).astype(np.int64))
