"""Builds what is fixed before the first request is written: accounts, campaigns, days and rules."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import UTC, datetime, time

import numpy as np
import pyarrow as pa

from fingerprint.base.types import Bools, Doubles
from fingerprint.simulate.config import SimulationConfig
from fingerprint.simulate.families import register
from fingerprint.simulate.grammar import Compiled, Grammar, read_text
from fingerprint.simulate.hashing import hashed, hex_strings
from fingerprint.simulate.kernel import I64
from fingerprint.simulate.modes import Modes, ModeTable
from fingerprint.simulate.population import MODELS, Population, populate
from fingerprint.simulate.schedule import DAY_MS, Schedule, deal, schedule
from fingerprint.simulate.streams import Traffic, plan_traffic

RULE_FILES = ("prose.txt", "asks.txt", "code.txt", "data.txt", "languages.txt", "systems.txt", "evasions.txt")
STRETCH_ROWS = 16_384  # about as many requests are made at a time
_DOCUMENTS = 160  # texts that are passed around a lot, in a simulation of 25,000 requests


@dataclass(frozen=True, slots=True)
class Day:
    """One day's schedule and, by stream (0 is background), its modes and truth."""

    name: str
    midnight: int  # Unix seconds
    plan: Schedule
    first_mode: I64
    mode_count: I64
    role: pa.Array
    is_campaign: Bools
    family: pa.Array
    campaign: pa.Array
    weak: pa.Array


@dataclass(frozen=True, slots=True)
class World:
    """Everything that is fixed before the first request is written."""

    config: SimulationConfig
    compiled: Compiled
    population: Population
    modes: Modes
    labels: pa.Array  # the evasion of each mode
    days: tuple[Day, ...]
    mixing: Doubles
    accounts: pa.Array
    metadata: pa.Array
    models: pa.Array
    popular: Doubles  # cumulative share of the popular prompts
    popular_rules: tuple[int, int, int]  # first written one, their number, the rule of all others


def build(config: SimulationConfig) -> World:
    """Draw the population, the campaigns and their days, and compile the grammar."""
    random = np.random.default_rng([config.seed, 0x5EED])
    grammar, popular = _rules(config)
    traffic = plan_traffic(config, populate(config, grammar.topic_count, random), random)
    modes = ModeTable(grammar)
    for family in traffic.families:
        register(grammar, family)
    days = tuple(_day(config, traffic, number, modes) for number in range(config.days))
    compiled = grammar.compile()
    population = traffic.population
    metadata = population.metadata() if config.metadata else [None] * config.accounts
    return World(
        config=config,
        compiled=compiled,
        population=population,
        modes=modes.table(),
        labels=pa.array(modes.labels, pa.string()),
        days=days,
        mixing=_mixing(config, days),
        accounts=hex_strings(hashed(population.ids, config.seed * 31 + 7)),
        metadata=pa.array(metadata, pa.large_string()),
        models=pa.array(MODELS, pa.large_string()),
        popular=popularity(max(150, config.rows // 120)),
        popular_rules=popular,
    )


def _rules(config: SimulationConfig) -> tuple[Grammar, tuple[int, int, int]]:
    """Return the grammar without templates, and World.popular_rules."""
    grammar = Grammar()
    passed_around = str(round(_DOCUMENTS * max(1.0, config.rows / 25_000) ** 0.5))
    texts = [read_text(name).replace("{docs}", passed_around) for name in RULE_FILES]
    grammar.read_topics(read_text("words.txt"))
    # rules mention each other in any order, so all names come before all texts
    for text in texts:
        grammar.declare(text)
    for text in texts:
        grammar.read(text)
    return grammar, popular_rules(grammar)


def popular_rules(grammar: Grammar) -> tuple[int, int, int]:
    """Add the written popular prompts; return the first one's rule, their number, and the rule of all others."""
    written = [line for line in read_text("popular.txt").split("\n") if line and not line.startswith("# ")]
    return grammar.add_run("popular", written), len(written), grammar.number("popular_more")


def popularity(count: int) -> Doubles:
    """Return the cumulative share of so many popular prompts."""
    reached: Doubles = np.cumsum((np.arange(count) + 1.3) ** -1.45)
    reached /= reached[-1]
    return reached


def _day(config: SimulationConfig, traffic: Traffic, number: int, modes: ModeTable) -> Day:
    streams = traffic.streams[number]
    runs = [(0, 1), *(modes.run(stream) for stream in streams)]
    date = datetime.combine(config.start, time(), UTC)
    midnight = int(date.timestamp()) + number * 86400
    roles = ["background", *("campaign" if s.campaign else "benign_template" for s in streams)]
    return Day(
        name=f"day{number + 1}",
        midnight=midnight,
        plan=schedule(config.rows_on(number), streams, traffic.population, config.seed * 1_000_003 + number),
        first_mode=np.array([first for first, _ in runs]),
        mode_count=np.array([count for _, count in runs]),
        role=pa.array(roles),
        is_campaign=np.array([role == "campaign" for role in roles]),
        family=pa.array([None, *(s.family.name for s in streams)], pa.string()),
        campaign=pa.array([None, *(s.campaign for s in streams)], pa.string()),
        weak=pa.array([False, *(s.family.weak and s.campaign is not None for s in streams)]),
    )


def stretches(rows: int) -> list[tuple[int, int]]:
    """Return a day of that many rows cut into stretches, ms since midnight."""
    cuts = np.linspace(0, DAY_MS, max(1, round(rows / STRETCH_ROWS)) + 1).astype(np.int64).tolist()
    return list(itertools.pairwise(cuts))


def _mixing(config: SimulationConfig, days: tuple[Day, ...]) -> Doubles:
    """Return campaign share of each account's requests, counted over all days."""
    sent = np.zeros((2, config.accounts))
    for number, day in enumerate(days):
        for begin, end in stretches(config.rows_on(number)):
            dealt = deal(day.plan, begin, end)
            sent[0] += np.bincount(dealt.account, minlength=config.accounts)
            sent[1] += np.bincount(dealt.account[day.is_campaign[dealt.stream]], minlength=config.accounts)
    mixing: Doubles = np.round(sent[1] / np.maximum(sent[0], 1), 4)
    return mixing
