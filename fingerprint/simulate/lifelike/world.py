"""Draws a world of conversations day by day, and turns any run of a day's requests into a table."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time
from functools import partial

import numpy as np
import pyarrow as pa

from fingerprint.base.jit import njit
from fingerprint.base.types import Bools, Bytes, Doubles, HashArray, IntArray
from fingerprint.domain.errors import UsageError
from fingerprint.simulate.grammar import Compiled
from fingerprint.simulate.hashing import hashed, hex_strings, unit
from fingerprint.simulate.lifelike.agents import Agents
from fingerprint.simulate.lifelike.background import Background
from fingerprint.simulate.lifelike.campaigns import campaigns
from fingerprint.simulate.lifelike.chats import growing_chats
from fingerprint.simulate.lifelike.config import ChatsConfig, LifelikeConfig
from fingerprint.simulate.lifelike.crowds import crowds
from fingerprint.simulate.lifelike.people import Accounts
from fingerprint.simulate.lifelike.services import services
from fingerprint.simulate.lifelike.setup import Setup
from fingerprint.simulate.lifelike.software import software
from fingerprint.simulate.lifelike.turns import Labels, Turns, together
from fingerprint.simulate.population import MODELS
from fingerprint.simulate.render import RenderSettings, Requests
from fingerprint.simulate.traffic import SIMULATED_SCHEMA, write_texts
from fingerprint.simulate.world import STRETCH_ROWS

LONGEST = 40_000
"""Bytes of a body; a part that has begun is finished."""


@dataclass(frozen=True, slots=True)
class Day:
    """The turns of one day, and its requests.

    first: (turns,), where each turn's conversation begins. last: (requests,), the turn upon which each request is sent,
    in order of time. several: (turns,), whether the conversation has more than one turn.
    """

    number: int
    turns: Turns
    first: IntArray
    last: IntArray
    several: Bools


@dataclass(frozen=True, slots=True)
class World:
    """Everything that is fixed before the first text is written."""

    seed: int
    midnight: int  # of the first day, Unix seconds
    compiled: Compiled
    accounts: Accounts
    labels: Labels
    days: tuple[Day, ...]
    mixing: Doubles
    metadata: pa.Array


def parts(config: LifelikeConfig | ChatsConfig) -> list[Callable[[], pa.Table]]:
    """Draw the world of a configuration; return what makes each run of its requests, in order of time."""
    world = chats_world(config) if isinstance(config, ChatsConfig) else lifelike_world(config)
    runs: list[Callable[[], pa.Table]] = []
    for day in world.days:
        count = len(day.last)
        cuts = np.linspace(0, count, max(1, round(count / STRETCH_ROWS)) + 1).astype(int).tolist()
        runs += [partial(table, world, day, a, b) for a, b in itertools.pairwise(cuts)]
    return runs


def lifelike_world(config: LifelikeConfig) -> World:
    """Draw people, software, crowds and campaigns, and what they send on each day."""
    setup = Setup(config.seed, config.rows // config.days, config.people)
    background = Background(setup)
    agents = Agents(setup)
    sources = [
        *software(setup),
        *agents.sources(),
        *crowds(setup, background, config.days),
        *campaigns(setup, config, agents, background),
        *services(setup),
    ]

    def day(number: int) -> Turns:
        busy = [source(number) for source in sources]
        left = config.rows_on(number) - sum(int(part.sent.sum()) for part in busy)
        if left < 0:
            raise UsageError(
                f"rows: at least {config.rows_on(number) - left} a day expected for what software, crowds and "
                f"campaigns send, {config.rows_on(number)} found"
            )
        return together([*busy, background.day(number, left)])

    return _world(config, setup, map(day, range(config.days)))


def chats_world(config: ChatsConfig) -> World:
    """Draw conversations that grow, some of them begun with a template."""
    setup = Setup(config.seed, config.rows // config.days, config.accounts)
    day = growing_chats(setup, config)
    return _world(config, setup, map(day, range(config.days)))


def _world(config: LifelikeConfig | ChatsConfig, setup: Setup, drawn: Iterable[Turns]) -> World:
    days = tuple(_day(number, turns) for number, turns in enumerate(drawn))
    accounts = setup.accounts
    metadata = accounts.metadata() if config.metadata else [None] * len(accounts.model)
    return World(
        seed=config.seed,
        midnight=int(datetime.combine(config.start, time(), UTC).timestamp()),
        compiled=setup.grammar.compile(),
        accounts=accounts,
        labels=setup.labels,
        days=days,
        mixing=_mixing(setup, days),
        metadata=pa.array(metadata, pa.large_string()),
    )


def _day(number: int, turns: Turns) -> Day:
    first = np.searchsorted(turns.conversation, turns.conversation)
    last = np.flatnonzero(turns.sent)
    last = last[np.lexsort((last, turns.time[last]))]
    return Day(number, turns, first, last, np.bincount(turns.conversation)[turns.conversation] > 1)


def _mixing(setup: Setup, days: tuple[Day, ...]) -> Doubles:
    """Return campaign share of each account's requests, counted over all days."""
    campaign = np.array([role == "campaign" for role in setup.labels.column("role")])
    sent = np.zeros((2, len(setup.accounts.model)))
    for day in days:
        account, label = day.turns.account[day.last], day.turns.label[day.last]
        sent[0] += np.bincount(account, minlength=sent.shape[1])
        sent[1] += np.bincount(account[campaign[label]], minlength=sent.shape[1])
    mixing: Doubles = np.round(sent[1] / np.maximum(sent[0], 1), 4)
    return mixing


def table(world: World, day: Day, begin: int, end: int) -> pa.Table:
    """Return a day's requests from `begin` up to `end`, in order of time, as SIMULATED_SCHEMA."""
    last = day.last[begin:end]
    first = day.first[last]
    prompts, systems = _texts(world, day, first, last)
    turns = day.turns.at(last)
    keys = _keys(world, day, last)
    model = np.where(
        unit(keys, 30) < 0.85,
        world.accounts.model[turns.account],
        (hashed(keys, 31) % np.uint64(len(MODELS))).astype(np.int64),
    )
    labels = {
        name: pa.array(world.labels.column(name), pa.string()).take(pa.array(turns.label))
        for name in Labels.COLUMNS
    }
    several = day.several[last]
    columns = {
        **labels,
        "request_id": hex_strings(hashed(keys, 1)),
        "account_id": hex_strings(hashed(turns.account.astype(np.uint64), world.seed * 31 + 7)),
        "timestamp": pa.array(
            ((world.midnight + 86_400 * day.number) * 1000 + turns.time) * 1000, pa.timestamp("us", "UTC")
        ),
        "system": systems,
        "prompt": prompts,
        "model": pa.array(MODELS, pa.large_string()).take(pa.array(model)),
        "metadata": world.metadata.take(pa.array(turns.account)),
        "day": pa.repeat(f"day{day.number + 1}", len(last)),
        "mixing": pa.array(world.mixing[turns.account]),
        "weak": pa.repeat(False, len(last)),
        "repeat": _repeats(labels["role"], turns.repeat, several),
        "session": pa.array(
            hex_strings(hashed(_keys(world, day, first), 41)).cast(pa.string()).to_numpy(False),
            pa.string(),
            mask=~several,
        ),
    }
    return pa.Table.from_arrays([columns[name] for name in SIMULATED_SCHEMA.names], schema=SIMULATED_SCHEMA)


def _repeats(role: pa.Array, repeat: IntArray, several: Bools) -> pa.Array:
    """Return which popular prompt each request is; `session` for honest ones that repeat earlier turns."""
    popular = pa.array(repeat, mask=repeat < 0).cast(pa.string())
    background = np.array(role.to_numpy(False) == "background")
    return pa.array(np.where(several & background, "session", popular.to_numpy(False)), pa.string())


def _keys(world: World, day: Day, turn: IntArray) -> HashArray:
    """Return random bits that hang on the turn alone."""
    return hashed(turn.astype(np.uint64) | np.uint64(day.number << 40), world.seed)


def _texts(world: World, day: Day, first: IntArray, last: IntArray) -> tuple[pa.Array, pa.Array]:
    """Return prompts, each its conversation's turns so far with blank lines between them, and system prompts."""
    # the turns of these requests, each once, however many requests repeat it
    edges = np.bincount(first, minlength=len(day.first) + 1) - np.bincount(
        last + 1, minlength=len(day.first) + 1
    )
    needed = np.flatnonzero(np.cumsum(edges)[:-1] > 0)
    place = np.zeros(len(day.first), np.int64)
    place[needed] = np.arange(len(needed))
    settings = RenderSettings(world.compiled.topic_count, world.compiled.names["nonce"], LONGEST)
    turns, systems = write_texts(world.compiled, _requests(world, day, needed), settings)
    ends = np.frombuffer(turns.buffers()[1], np.int64)
    first, last = place[first], place[last]
    room = np.zeros(len(first) + 1, np.int64)
    np.cumsum(ends[last + 1] - ends[first] + 2 * (last - first), out=room[1:])
    text, offsets = np.empty(room[-1], np.uint8), np.zeros(len(first) + 1, np.int64)
    _join(np.frombuffer(turns.buffers()[2], np.uint8), ends, first, last, text, offsets)
    prompts = pa.LargeStringArray.from_buffers(
        len(first), pa.py_buffer(offsets), pa.py_buffer(text[: offsets[-1]])
    )
    return prompts, systems.take(pa.array(first))


def _requests(world: World, day: Day, index: IntArray) -> Requests:
    """Return what to write for some of a day's turns."""
    t = day.turns.at(index)
    keys = _keys(world, day, index)
    own, opening = hashed(keys, 2), hashed(_keys(world, day, day.first[index]), 5)
    return Requests(
        seed=hashed(keys, 3),
        body_seed=np.where(t.body_seed == 0, own, t.body_seed),
        system_seed=t.system_of,
        topic=t.topic,
        person=np.where(t.person == 0, opening, t.person),
        clock=world.midnight + 86_400 * day.number + t.time // 1000,
        instruction=t.instruction,
        lead=t.lead,
        body=t.body,
        tail=t.tail,
        aside=t.aside,
        system=t.system,
        layout=t.layout,
        disguise=t.disguise,
        strength=np.zeros(len(index)),
    )


@njit(cache=True, nogil=True)
def _join(
    text: Bytes, ends: IntArray, first: IntArray, last: IntArray, out: Bytes, offsets: IntArray
) -> None:
    """Write turns first[i] to last[i] for each i, a blank line between any two that are not empty."""
    pos = 0
    for i in range(len(first)):
        start = pos
        for turn in range(first[i], last[i] + 1):
            if pos > start and ends[turn + 1] > ends[turn]:
                out[pos] = out[pos + 1] = 10
                pos += 2
            for at in range(ends[turn], ends[turn + 1]):
                out[pos] = text[at]
                pos += 1
        offsets[i + 1] = pos
