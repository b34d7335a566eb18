"""From a configuration to Arrow tables: builds the world once, then any stretch of any day."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from ..records import TRAFFIC_SCHEMA
from .config import SimulationConfig
from .families import LAYOUTS, Family, register
from .grammar import Compiled, Grammar, read_text
from .kernel import I64, U64, mix
from .population import LANGUAGES, MODELS, Population, populate
from .render import (
    CASE,
    FIRST,
    HOMOGLYPH,
    IN_SYSTEM,
    INSIDE,
    LAST,
    NONCE,
    NONE,
    PLAIN,
    TWEAK,
    Requests,
    Settings,
    write_rows,
)
from .schedule import DAY_MS, Dealt, Schedule, deal, schedule
from .streams import Stream, Traffic, plan_traffic

RULE_FILES = ("prose.txt", "asks.txt", "code.txt", "data.txt", "languages.txt", "systems.txt", "evasions.txt")
STRETCH_ROWS = 16_384  # about as many requests are made at a time

TRUTH_SCHEMA = pa.schema(
    [
        pa.field("day", pa.string(), nullable=False),
        pa.field("role", pa.string(), nullable=False),
        pa.field("family", pa.string()),
        pa.field("campaign", pa.string()),
        pa.field("evasion", pa.string(), nullable=False),
        pa.field("mixing", pa.float64(), nullable=False),
        pa.field("weak", pa.bool_(), nullable=False),
        pa.field("repeat", pa.string()),
    ]
)
SIMULATED_SCHEMA = pa.schema([*TRAFFIC_SCHEMA, *TRUTH_SCHEMA])

_DISGUISE = {"nonce": NONCE, "case": CASE, "homoglyph": HOMOGLYPH}
_GENERIC_SYSTEM, _APP_SYSTEM = 0.17, 0.15  # shares of requests, of companies
_DOCUMENTS = 160  # texts that are passed around a lot, in a simulation of 25,000 requests
_TWEAKED = 0.13  # share of popular prompts that are sent with a small change


class Modes(NamedTuple):
    """Every way in which some template is sent; one entry a mode, rules by number."""

    instruction: npt.NDArray[np.int32]
    wordings: npt.NDArray[np.int32]  # that many rules from `instruction` on are used alike
    lead: npt.NDArray[np.int32]
    body: npt.NDArray[np.int32]
    tail: npt.NDArray[np.int32]
    layout: npt.NDArray[np.int8]
    disguise: npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Day:
    """One day's schedule and, by stream (0 is background), its modes and truth."""

    name: str
    midnight: int  # Unix seconds
    plan: Schedule
    first_mode: I64
    mode_count: I64
    role: pa.Array
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
    mixing: npt.NDArray[np.float64]
    accounts: pa.Array
    metadata: pa.Array
    models: pa.Array
    popular: npt.NDArray[np.float64]  # cumulative share of the popular prompts
    popular_rules: tuple[int, int, int]  # first written one, their number, the rule of all others


@njit(cache=True, nogil=True)
def hashed(keys: U64, salt: int) -> U64:
    """SplitMix64's finaliser of each key, another one for each salt."""
    out = np.empty_like(keys)
    for i in range(len(keys)):
        out[i] = mix(keys[i] + np.uint64(salt) * np.uint64(0x9E3779B97F4A7C15))
    return out


@njit(cache=True, nogil=True)
def _hex(keys: U64) -> npt.NDArray[np.uint8]:
    out = np.empty(16 * len(keys), np.uint8)
    for i in range(len(keys)):
        for j in range(16):
            digit = (keys[i] >> np.uint64(60 - 4 * j)) & np.uint64(15)
            out[16 * i + j] = 48 + digit if digit < 10 else 87 + digit
    return out


def hex_strings(keys: U64) -> pa.Array:
    """Each key as 16 hex digits."""
    ends = np.arange(0, 16 * len(keys) + 1, 16, dtype=np.int64)
    return pa.LargeStringArray.from_buffers(len(keys), pa.py_buffer(ends), pa.py_buffer(_hex(keys)))


def _unit(keys: U64, salt: int) -> npt.NDArray[np.float64]:
    return (hashed(keys, salt) >> np.uint64(11)) / 9007199254740992.0


def build(config: SimulationConfig) -> World:
    """Draws the population, the campaigns and their days, and compiles the grammar."""
    random = np.random.default_rng([config.seed, 0x5EED])
    grammar = Grammar()
    # rules may mention each other in any order, so all names come before all texts
    passed_around = str(round(_DOCUMENTS * max(1.0, config.rows / 25_000) ** 0.5))
    texts = [read_text(name).replace("{docs}", passed_around) for name in RULE_FILES]
    grammar.read_topics(read_text("words.txt"))
    for text in texts:
        grammar.declare(text)
    for text in texts:
        grammar.read(text)
    written = [line for line in read_text("popular.txt").split("\n") if line and not line.startswith("# ")]
    first_popular = grammar.add_run("popular", [line.replace("\\n", "\n") for line in written])
    traffic = plan_traffic(config, populate(config, grammar.topic_count, random), random)
    modes = _ModeTable(config, grammar)
    for family in traffic.families:
        register(grammar, family)
    days = tuple(_day(config, traffic, number, modes) for number in range(config.days))
    compiled = grammar.compile()
    count = max(150, config.rows // 120)
    popular = np.cumsum((np.arange(count) + 1.3) ** -1.45)
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
        popular=popular / popular[-1],
        popular_rules=(first_popular, len(written), compiled.names["popular_more"]),
    )


class _ModeTable:
    """Collects modes; equal ones are kept once, runs of one stream stay together."""

    def __init__(self, config: SimulationConfig, grammar: Grammar) -> None:
        self._config, self._grammar = config, grammar
        self._rows: list[tuple[int, ...]] = [
            (NONE, 1, NONE, grammar.number("background"), NONE, FIRST, PLAIN)
        ]
        self.labels = ["none"]
        self._runs: dict[tuple[str, tuple[str, ...]], tuple[int, int]] = {}

    def run(self, stream: Stream) -> tuple[int, int]:
        """First mode and number of modes of a stream: as written, then one for each of its evasions."""
        key = (stream.family.name, stream.evasions)
        if key not in self._runs:
            first = len(self._rows)
            campaign = stream.campaign is not None
            for evasion in ("none", *stream.evasions):
                self._rows.append(self._mode(stream.family, evasion))
                self.labels.append(self._label(stream.family, evasion) if campaign else "none")
            self._runs[key] = first, len(self._rows) - first
        return self._runs[key]

    def table(self) -> Modes:
        """The modes as arrays."""
        columns = np.array(self._rows).T
        return Modes(
            *(column.astype(np.int32) for column in columns[:5]),
            *(column.astype(np.int8) for column in columns[5:]),
        )  # type: ignore[call-arg]

    @staticmethod
    def _label(family: Family, evasion: str) -> str:
        if not family.injected or evasion.startswith("inject"):
            return evasion
        own = f"inject_{family.place}"
        return own if evasion == "none" else f"{own}+{evasion}"

    def _mode(self, family: Family, evasion: str) -> tuple[int, ...]:
        kind, _, disguise = evasion.partition("+")
        number, name = self._grammar.number, f"fam/{family.name}"
        if kind in _DISGUISE:
            kind, disguise = "none", kind
        instruction, wordings = number(name), 1
        lead, tail, body, layout = (
            number(f"{name}/lead"),
            number(f"{name}/tail"),
            number(family.body),
            LAYOUTS[family.place],
        )
        if kind.startswith("inject_"):
            layout, body, tail = LAYOUTS[kind.removeprefix("inject_")], number("genuine"), NONE
        elif kind == "swap":
            layout = FIRST if layout == IN_SYSTEM else IN_SYSTEM
        elif kind == "shuffle":
            instruction = number(f"{name}/shuffled")
        elif kind in ("paraphrase", "translation"):
            texts = family.paraphrases if kind == "paraphrase" else family.translations
            wordings = max(1, round(self._config.strength * len(texts)))
            instruction = self._grammar.add_run(f"{name}/{kind}/{len(self._rows)}", texts)
        elif kind == "payload_domination":
            body = number(f"payload_{min(2, int(3 * self._config.strength))}")
        if layout in (LAST, INSIDE):
            lead = NONE
        return instruction, wordings, lead, body, tail, layout, _DISGUISE.get(disguise, PLAIN)


def _day(config: SimulationConfig, traffic: Traffic, number: int, modes: _ModeTable) -> Day:
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
        family=pa.array([None, *(s.family.name for s in streams)], pa.string()),
        campaign=pa.array([None, *(s.campaign for s in streams)], pa.string()),
        weak=pa.array([False, *(s.family.weak and s.campaign is not None for s in streams)]),
    )


def stretches(rows: int) -> list[tuple[int, int]]:
    """A day of that many rows cut into stretches, ms since midnight."""
    cuts = np.linspace(0, DAY_MS, max(1, round(rows / STRETCH_ROWS)) + 1).astype(np.int64).tolist()
    return list(zip(cuts, cuts[1:], strict=False))


def _mixing(config: SimulationConfig, days: tuple[Day, ...]) -> npt.NDArray[np.float64]:
    """Campaign share of each account's requests, counted over all days."""
    sent = np.zeros((2, config.accounts))
    for number, day in enumerate(days):
        campaign = np.array(day.role) == "campaign"
        for begin, end in stretches(config.rows_on(number)):
            dealt = deal(day.plan, begin, end)
            sent[0] += np.bincount(dealt.account, minlength=config.accounts)
            sent[1] += np.bincount(dealt.account[campaign[dealt.stream]], minlength=config.accounts)
    return np.round(sent[1] / np.maximum(sent[0], 1), 4)


def stretch(world: World, number: int, begin: int, end: int) -> pa.Table:
    """The requests of a day (counted from 0) from begin up to end, ms since midnight, as SIMULATED_SCHEMA."""
    day = world.days[number]
    dealt = deal(day.plan, begin, end)
    keys = hashed(
        (dealt.stream << 36 | dealt.number).astype(np.uint64) | np.uint64(number << 58), world.config.seed
    )
    requests, mode, repeat = _requests(world, day, dealt, keys)
    settings = Settings(world.compiled.topic_count, world.compiled.names["nonce"], world.config.strength)
    prompts, systems = _write(world, requests, settings)
    model = np.where(
        _unit(keys, 30) < 0.85,
        world.population.model[dealt.account],
        (hashed(keys, 31) % np.uint64(3)).astype(np.int64),
    )
    count = len(keys)
    times = (day.midnight * 1000 + dealt.time) * 1000
    columns = [
        hex_strings(hashed(keys, 1)),
        world.accounts.take(pa.array(dealt.account)),
        pa.array(times, pa.timestamp("us", "UTC")),
        systems,
        prompts,
        world.models.take(pa.array(model)),
        world.metadata.take(pa.array(dealt.account)),
        pa.repeat(day.name, count),
        *(column.take(pa.array(dealt.stream)) for column in (day.role, day.family, day.campaign)),
        world.labels.take(pa.array(mode)),
        pa.array(world.mixing[dealt.account]),
        day.weak.take(pa.array(dealt.stream)),
        pa.array(repeat, mask=repeat < 0).cast(pa.string()),
    ]
    return pa.Table.from_arrays(columns, schema=SIMULATED_SCHEMA)


def _requests(world: World, day: Day, dealt: Dealt, keys: U64) -> tuple[Requests, I64, I64]:
    """What to write for each request, its mode, and which popular prompt it is (-1: none)."""
    config, population, names = world.config, world.population, world.compiled.names
    background = dealt.stream == 0
    mode = day.first_mode[dealt.stream]
    evasive = day.mode_count[dealt.stream] - 1
    evades = (evasive > 0) & (_unit(keys, 10) < config.evasion_share)
    mode = mode + np.where(evades, 1 + (_unit(keys, 11) * evasive).astype(np.int64), 0)
    m = Modes(*(column[mode] for column in world.modes))

    language = np.where(_unit(keys, 12) < 0.8, population.language[dealt.account], 0)
    by_language = np.array(
        [names["background" if tag == "en" else f"background_{tag}"] for tag in LANGUAGES], np.int32
    )
    body = np.where(background, by_language[language], m.body).astype(np.int32)
    body_seed = hashed(keys, 2)
    disguise = m.disguise.copy()
    popular = background & (_unit(keys, 13) < config.repeats)
    rank = np.searchsorted(world.popular, _unit(keys, 14))
    repeat = np.where(popular, rank, -1)
    first, count, more = world.popular_rules
    # the written ones take the even ranks as long as they last
    by_rank = np.where((rank % 2 == 0) & (rank // 2 < count), first + rank // 2, more)
    body = np.where(popular, by_rank, body).astype(np.int32)
    body_seed = np.where(popular, hashed(rank.astype(np.uint64), 77 + config.seed), body_seed)
    disguise[popular & (_unit(keys, 15) < _TWEAKED)] = TWEAK

    own_topic = _unit(keys, 16) < 0.6
    topics = world.compiled.topic_count
    drawn = (topics * _unit(keys, 17) ** 1.6).astype(np.int32)
    topic = np.where(
        popular,
        (body_seed % np.uint64(topics)).astype(np.int32),
        np.where(own_topic & background, population.topic[dealt.account], drawn),
    )
    company = hashed(population.company[dealt.account].astype(np.uint64), 5 + config.seed)
    app = background & ((company >> np.uint64(40)) % np.uint64(100) < 100 * _APP_SYSTEM)
    generic = ~app & (_unit(keys, 18) < _GENERIC_SYSTEM)
    system = np.where(app, names["system_app"], np.where(generic, names["system_generic"], NONE)).astype(
        np.int32
    )
    wording = (_unit(keys, 19) * m.wordings).astype(np.int32)
    requests = Requests(
        seed=hashed(keys, 3),
        body_seed=body_seed,
        system_seed=np.where(app, company, hashed(keys, 4)),
        topic=topic.astype(np.int32),
        clock=day.midnight + dealt.time // 1000,
        instruction=np.where(m.instruction == NONE, NONE, m.instruction + wording).astype(np.int32),
        lead=m.lead,
        body=body,
        tail=m.tail,
        system=system,
        layout=m.layout,
        disguise=disguise,
    )
    return requests, mode, repeat


def _write(world: World, requests: Requests, settings: Settings) -> tuple[pa.Array, pa.Array]:
    """The prompts, and the system prompts (null where there is none)."""
    rows = len(requests.seed)
    prompts, systems = np.empty(1100 * rows + 400_000, np.uint8), np.empty(200 * rows + 400_000, np.uint8)
    prompt_ends, system_ends = np.zeros(rows + 1, np.int64), np.zeros(rows + 1, np.int64)
    done = 0
    while (
        done := write_rows(
            world.compiled.tables, requests, settings, done, prompts, prompt_ends, systems, system_ends
        )
    ) < rows:
        prompts, systems = np.resize(prompts, 2 * len(prompts)), np.resize(systems, 2 * len(systems))
    absent = (requests.system == NONE) & ((requests.layout != IN_SYSTEM) | (requests.instruction == NONE))
    present = np.packbits(~absent, bitorder="little")
    return (
        pa.LargeStringArray.from_buffers(
            rows, pa.py_buffer(prompt_ends), pa.py_buffer(prompts[: prompt_ends[-1]])
        ),
        pa.LargeStringArray.from_buffers(
            rows, pa.py_buffer(system_ends), pa.py_buffer(systems[: system_ends[-1]]), pa.py_buffer(present)
        ),
    )


def tables(config: SimulationConfig) -> Iterator[pa.Table]:
    """All requests in order of time, a stretch of a day at a time."""
    world = build(config)
    for number in range(config.days):
        for begin, end in stretches(config.rows_on(number)):
            yield stretch(world, number, begin, end)
