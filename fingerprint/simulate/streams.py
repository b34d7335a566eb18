"""What campaigns and honest software send on each day: which template, how often, when, from which accounts."""

from __future__ import annotations

import dataclasses
import itertools
import math
from dataclasses import dataclass

import numpy as np

from fingerprint.base.types import Doubles, IntArray
from fingerprint.domain.errors import UsageError
from fingerprint.simulate.config import FEWEST_REQUESTS, SimulationConfig
from fingerprint.simulate.evasion import CHARACTERS, Evasion
from fingerprint.simulate.families import Composer, Family, written
from fingerprint.simulate.population import HOURS, Population, daily_rhythm

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Windows:
    """When requests come, hour by hour: (24,) start and length in ms within the hour, and share of the requests."""

    start: IntArray
    length: IntArray
    share: Doubles


@dataclass(frozen=True, slots=True)
class Stream:
    """One template's traffic on one day; `loose` is the chance that the account is drawn, not dealt in turn."""

    family: Family
    campaign: str | None
    pool: IntArray
    requests: int
    windows: Windows
    loose: float
    skew: float  # above 1 some accounts of the pool send more than others
    evasions: tuple[Evasion, ...]


@dataclass(slots=True)
class _Campaign:
    name: str
    families: list[Family]
    weights: Doubles
    requests: int  # a day
    accounts: IntArray  # the pool moves along these as accounts are replaced
    size: int
    first: int
    last: int
    pivot: tuple[int, Family] | None

    def pool(self, day: int, replaced: float) -> IntArray:
        shift = round(day * replaced * self.size)
        return self.accounts[shift : shift + self.size]


@dataclass(frozen=True, slots=True)
class Traffic:
    """All streams by day, their families, and the population with the volumes and payments that follow."""

    population: Population
    streams: list[list[Stream]]
    families: list[Family]


def plan_traffic(config: SimulationConfig, population: Population, random: np.random.Generator) -> Traffic:
    """Draw campaigns and honest templates and fit the accounts' honest volumes to the mixing asked for."""
    composer = Composer(config.seed)
    campaigns = _campaigns(config, composer, random)
    streams: list[list[Stream]] = [[] for _ in range(config.days)]
    for campaign in campaigns:
        for day in range(campaign.first, campaign.last + 1):
            streams[day].extend(_campaign_day(config, campaign, day, random))
    _check_room(config, streams)
    population = _mix(config, population, streams, random)
    if config.payment != "none":
        population = _share_payment(config, population, campaigns, random)
    honest = _honest(config, composer, population, random)
    for day in range(config.days):
        streams[day].extend(honest[day])
    suites = _suites(config, composer, population)
    for day in range(config.days):
        streams[day].extend(suites[day])
    families = {stream.family.name: stream.family for day in streams for stream in day}
    return Traffic(population, streams, list(families.values()))


def _campaigns(config: SimulationConfig, composer: Composer, random: np.random.Generator) -> list[_Campaign]:
    known = written("campaigns.txt")
    composer.keep(known)
    source = itertools.chain(
        [known[i] for i in random.permutation(len(known))], composer.families("campaign", "composed:")
    )
    order = random.permutation(config.accounts)[: max(20, int(0.6 * config.accounts))]
    campaigns: list[_Campaign] = []
    taken = 0
    rows = config.rows // config.days
    for i, share in enumerate(config.sizes()):
        mixing = config.mixing[i % len(config.mixing)]
        requests = max(FEWEST_REQUESTS, round(share * rows * (mixing if config.volume else 1.0)))
        count = min(int(random.integers(1, config.families + 1)), max(1, requests // FEWEST_REQUESTS))
        families = list(itertools.islice(source, count))
        size = _pool_size(requests, config)
        if config.volume:
            size = min(max(round(share * config.accounts), 5), config.accounts // 2)
        total = size + math.ceil(config.replaced * size * (config.days - 1))
        accounts = np.resize(np.roll(order, -taken), total)
        if campaigns and i % 5 == 4:
            # every fifth campaign shares a part of its pool with the one before
            common = campaigns[-1].accounts[: min(size // 3, campaigns[-1].size // 2)]
            accounts = np.concatenate([common, accounts[~np.isin(accounts, common)]])
        taken += total
        first = int(random.integers(1, config.days)) if config.days > 1 and i % 6 == 3 else 0
        last = int(random.integers(0, config.days - 1)) if config.days > 1 and i % 6 == 5 else config.days - 1
        pivot = (
            (int(random.integers(1, config.days)), next(source)) if config.days > 1 and i % 6 == 1 else None
        )
        weights = random.dirichlet(np.full(count, 3.0))
        campaigns.append(
            _Campaign(f"c{i + 1:03d}", families, weights, requests, accounts, size, first, last, pivot)
        )
    return campaigns


def _pool_size(requests: int, config: SimulationConfig) -> int:
    """15 to 300 accounts; more where each would have to send over 400 requests a day."""
    usual = min(max(requests // config.load, 15), 300)
    return max(min(usual, config.accounts // 4), min(requests // 400, config.accounts // 5), 5)


def _campaign_day(
    config: SimulationConfig, campaign: _Campaign, day: int, random: np.random.Generator
) -> list[Stream]:
    windows = _bursts(config.jitter, random)
    pool = random.permutation(campaign.pool(day, config.replaced))
    families = list(campaign.families)
    if campaign.pivot and day >= campaign.pivot[0]:
        families[0] = campaign.pivot[1]
    streams = []
    for family, weight in zip(families, campaign.weights, strict=True):
        requests = max(1, round(campaign.requests * weight * random.uniform(0.9, 1.1)))
        evasions = _offered(config, family) if day + 1 >= config.evasion_from else ()
        if len(evasions) > 3:
            evasions = tuple(evasions[i] for i in random.choice(len(evasions), 3, replace=False))
        streams.append(
            Stream(family, campaign.name, pool, requests, windows, 0.6 * config.jitter, 1.0, evasions)
        )
    return streams


def _offered(config: SimulationConfig, family: Family) -> tuple[Evasion, ...]:
    """Return the evasions asked for of which this family can do every part."""

    def able(part: str) -> bool:
        if part in CHARACTERS:
            return True
        if part.startswith("inject_"):
            return family.injected or (family.place == "first" and len(family.sentences) > 1)
        return {
            "swap": not family.injected,
            "shuffle": len(family.sentences) > 2 and not family.injected,
            "drop": len(family.sentences) > 1,
            "reword": True,
            "paraphrase": True,
            "translation": bool(family.translations),
            "payload_domination": family.place == "first",
        }[part]

    return tuple(evasion for evasion in config.evasions() if all(map(able, evasion.parts)))


def _bursts(jitter: float, random: np.random.Generator) -> Windows:
    """Return 6 to 18 bursts of 4 to 20 minutes; jitter widens them and fills the other hours."""
    hours = random.permutation(HOURS)[: random.integers(6, 19)]
    share = np.zeros(HOURS)
    share[hours] = random.uniform(0.5, 1.5, len(hours))
    share = (1 - jitter) * share / share.sum() + jitter * daily_rhythm()[:-1].mean(axis=0)
    length = random.integers(4 * 60_000, 20 * 60_000, HOURS)
    start = (random.random(HOURS) * (HOUR_MS - length) * (1 - jitter)).astype(np.int64)
    return Windows(start, (length + (HOUR_MS - length) * jitter).astype(np.int64), share / share.sum())


def _check_room(config: SimulationConfig, streams: list[list[Stream]]) -> None:
    """Raise UsageError where campaigns, none of which goes below FEWEST_REQUESTS, leave no honest traffic."""
    for day, campaigns in enumerate(streams):
        busy = sum(stream.requests for stream in campaigns) + round(config.honest_share * config.rows_on(day))
        if busy > 0.95 * config.rows_on(day):
            raise UsageError(
                f"rows: more than {busy} a day expected for these campaigns and honest templates, "
                f"{config.rows_on(day)} found"
            )


def _mix(
    config: SimulationConfig, population: Population, streams: list[list[Stream]], random: np.random.Generator
) -> Population:
    """Set the honest volume of campaign accounts so that campaigns take the wanted share of their traffic."""
    sent = np.zeros(config.accounts)
    for stream in itertools.chain.from_iterable(streams):
        np.add.at(sent, stream.pool, stream.requests / len(stream.pool))
    if config.volume:
        whole = config.volume * config.days * (1 - config.honest_share)
        return dataclasses.replace(population, volume=np.maximum(whole - sent, 0))
    share = random.choice(np.array(config.mixing), config.accounts)
    honest = sent * (1 - share) / share
    rows = config.rows * (1 - config.honest_share) - sent.sum()
    honest *= min(1.0, 0.6 * rows / max(honest.sum(), 1e-9))
    volume = np.where(sent > 0, 0, population.volume)
    volume *= max(rows - honest.sum(), 0.1 * rows) / volume.sum()
    return dataclasses.replace(population, volume=np.where(sent > 0, honest, volume))


def _share_payment(
    config: SimulationConfig, population: Population, campaigns: list[_Campaign], random: np.random.Generator
) -> Population:
    """Let the accounts of half of the campaigns pay in groups; when mixed, each group has honest payers too."""
    payment, agent = population.payment.copy(), population.agent.copy()
    honest = np.setdiff1d(
        np.arange(config.accounts), np.concatenate([c.accounts for c in campaigns] or [np.zeros(0, int)])
    )
    for campaign in campaigns[::2]:
        at = 0
        largest = int(random.choice([4, 8, 25]))
        while at < len(campaign.accounts):
            group = campaign.accounts[at : at + int(random.integers(2, largest + 1))]
            at += len(group)
            if config.payment == "mixed" and len(honest):
                group = np.concatenate([group, random.choice(honest, min(len(honest), 1 + len(group) // 3))])
            payment[group] = config.accounts + int(group[0])
        if random.random() < 0.4:
            agent[campaign.accounts] = agent[campaign.accounts[0]]
    return dataclasses.replace(population, payment=payment, agent=agent)


def _honest(
    config: SimulationConfig, composer: Composer, population: Population, random: np.random.Generator
) -> list[list[Stream]]:
    """Return honest mass templates; their pools are drawn from accounts with honest traffic."""
    known = written("honest.txt")
    composer.keep(known)
    source = itertools.chain(known, composer.families("honest", "honest:"))
    families = list(itertools.islice(source, config.honest_templates))
    if not families:
        return [[] for _ in range(config.days)]
    reach = {"harness": 6.0, "judge": 3.0, "batch": 3.0, "bench": 2.0, "act_as": 1.0}
    weight = np.array([reach[f.kind] / (rank + 4) ** 0.8 for rank, f in enumerate(families)])
    requests = config.honest_share * config.rows / config.days * weight / weight.sum()
    senders = np.flatnonzero(population.volume > 0)
    days: list[list[Stream]] = [[] for _ in range(config.days)]
    for family, expected in zip(families, requests, strict=True):
        pool = _honest_pool(family.kind, expected, population, senders, random)
        windows = _honest_windows(family.kind, random)
        crowd = family.kind in ("harness", "act_as")
        for day in days:
            count = int(random.poisson(expected))
            if count:
                day.append(Stream(family, None, pool, count, windows, 1.0, 1.6 if crowd else 1.0, ()))
    return days


def _suites(config: SimulationConfig, composer: Composer, population: Population) -> list[list[Stream]]:
    """Return the templates of honest products that have one set of users each; a few of them use it far more."""
    random = np.random.default_rng([config.seed, 0x50175])
    source = composer.families("honest", "suite:")
    senders = np.flatnonzero(population.volume > 0)
    days: list[list[Stream]] = [[] for _ in range(config.days)]
    for _ in range(config.suites):
        users = random.choice(senders, min(int(random.integers(12, 120)), len(senders)), replace=False)
        windows = _honest_windows("harness", random)
        for family in itertools.islice(source, int(random.integers(3, 6))):
            expected = len(users) * random.uniform(1.0, 4.0)
            for day in days:
                count = max(1, int(random.poisson(expected)))
                day.append(Stream(family, None, users, count, windows, 1.0, 2.0, ()))
    return days


def _honest_pool(
    kind: str,
    expected: float,
    population: Population,
    senders: IntArray,
    random: np.random.Generator,
) -> IntArray:
    if kind in ("judge", "batch"):
        company = population.company[random.choice(senders)]
        return np.flatnonzero(population.company == company)[: random.integers(1, 4)]
    if kind == "bench":
        return random.choice(senders, min(len(senders), int(random.integers(3, 7))), replace=False)
    each = 6 if kind == "harness" else 1.02
    size = min(max(int(expected / each), 3), max(len(senders) // 3, 3), len(senders))
    return random.choice(senders, size, replace=False)


def _honest_windows(kind: str, random: np.random.Generator) -> Windows:
    start, length = np.zeros(HOURS, np.int64), np.full(HOURS, HOUR_MS)
    if kind in ("harness", "act_as"):
        return Windows(start, length, daily_rhythm()[:-1].mean(axis=0))
    share = np.zeros(HOURS)
    share[(random.integers(0, HOURS) + np.arange(random.choice([1, 2, 4, 24]))) % HOURS] = 1
    return Windows(start, length, share / share.sum())
