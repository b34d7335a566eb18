"""Turns any stretch of any simulated day into an Arrow table of requests and their truth."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from fingerprint.base.types import Ids
from fingerprint.domain.schemas import ROW_SCHEMA
from fingerprint.simulate.grammar import Compiled
from fingerprint.simulate.hashing import hashed, hex_strings, unit
from fingerprint.simulate.kernel import I64, U64
from fingerprint.simulate.modes import Modes
from fingerprint.simulate.population import LANGUAGES
from fingerprint.simulate.render import IN_SYSTEM, LONGEST, NONE, TWEAK, RenderSettings, Requests, write_rows
from fingerprint.simulate.schedule import Dealt, deal
from fingerprint.simulate.world import Day, World

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
        pa.field("session", pa.string()),
        pa.field("behaviour", pa.string()),
        pa.field("text", pa.string()),
        pa.field("variant", pa.string()),
        pa.field("kind", pa.string()),
    ]
)
"""Truth of each request; the last five are null outside lifelike worlds and chats."""
SIMULATED_SCHEMA = pa.schema([*ROW_SCHEMA, *TRUTH_SCHEMA])

_GENERIC_SYSTEM, _APP_SYSTEM = 0.17, 0.15  # shares of requests, of companies
TWEAKED = 0.13  # share of popular prompts that are sent with a small change

Rules = Ids


def stretch(world: World, number: int, begin: int, end: int) -> pa.Table:
    """Return a day's (counted from 0) requests from begin up to end, ms since midnight, as SIMULATED_SCHEMA."""
    day = world.days[number]
    dealt = deal(day.plan, begin, end)
    keys = hashed(
        (dealt.stream << 36 | dealt.number).astype(np.uint64) | np.uint64(number << 58), world.config.seed
    )
    requests, mode, repeat = _requests(world, day, dealt, keys)
    settings = RenderSettings(world.compiled.topic_count, world.compiled.names["nonce"], LONGEST)
    prompts, systems = write_texts(world.compiled, requests, settings)
    model = np.where(
        unit(keys, 30) < 0.85,
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
        *[pa.nulls(count, pa.string())] * 5,
    ]
    return pa.Table.from_arrays(columns, schema=SIMULATED_SCHEMA)


def _requests(world: World, day: Day, dealt: Dealt, keys: U64) -> tuple[Requests, I64, I64]:
    """Return what to write for each request, its mode, and which popular prompt it is (-1: none)."""
    mode = _mode(world, day, dealt, keys)
    m = Modes._make(column[mode] for column in world.modes)
    background = dealt.stream == 0
    repeat = np.where(
        background & (unit(keys, 13) < world.config.repeats),
        np.searchsorted(world.popular, unit(keys, 14)),
        -1,
    )
    popular = repeat >= 0
    body = np.where(background, _background_body(world, dealt, keys, repeat), m.body)
    body_seed = np.where(popular, hashed(repeat.astype(np.uint64), 77 + world.config.seed), hashed(keys, 2))
    disguise = np.where(popular & (unit(keys, 15) < TWEAKED), TWEAK, m.disguise)
    topics = world.compiled.topic_count
    # people have topics of their own, whichever tool they use; a campaign works through one list
    topic = np.where(
        ~day.is_campaign[dealt.stream] & (unit(keys, 16) < np.where(background, 0.6, 0.9)),
        world.population.topic[dealt.account],
        topics * unit(keys, 17) ** 1.6,
    )
    topic = np.where(popular, body_seed % np.uint64(topics), topic)
    system, system_seed = _systems(world, dealt, keys)
    wording = (unit(keys, 19) * m.wordings).astype(np.int32)
    requests = Requests(
        seed=hashed(keys, 3),
        body_seed=body_seed,
        system_seed=system_seed,
        topic=topic.astype(np.int32),
        person=np.zeros(len(keys), np.uint64),
        clock=day.midnight + dealt.time // 1000,
        instruction=np.where(m.instruction == NONE, NONE, m.instruction + wording).astype(np.int32),
        lead=m.lead,
        body=body.astype(np.int32),
        tail=m.tail,
        aside=m.aside,
        system=system,
        layout=m.layout,
        disguise=disguise.astype(np.int8),
        strength=m.strength,
    )
    return requests, mode, repeat


def _mode(world: World, day: Day, dealt: Dealt, keys: U64) -> I64:
    """Choose each request's mode: as written, or one of its stream's evasions."""
    evasive = day.mode_count[dealt.stream] - 1
    evades = (evasive > 0) & (unit(keys, 10) < world.config.evasion_share)
    return day.first_mode[dealt.stream] + np.where(evades, 1 + (unit(keys, 11) * evasive).astype(np.int64), 0)


def _background_body(world: World, dealt: Dealt, keys: U64, repeat: I64) -> Rules:
    """Return the rule of an honest prompt: in the account's language as a rule, or a popular one."""
    names = world.compiled.names
    language = np.where(unit(keys, 12) < 0.8, world.population.language[dealt.account], 0)
    by_language = np.array(
        [names["background" if tag == "en" else f"background_{tag}"] for tag in LANGUAGES], np.int32
    )
    first, count, more = world.popular_rules
    # the written ones take the even ranks as long as they last
    by_rank = np.where((repeat % 2 == 0) & (repeat // 2 < count), first + repeat // 2, more)
    return np.where(repeat >= 0, by_rank, by_language[language]).astype(np.int32)


def _systems(world: World, dealt: Dealt, keys: U64) -> tuple[Rules, U64]:
    """Return the rule and seed of each system prompt: a company's own, a general one, or NONE."""
    names = world.compiled.names
    company = hashed(world.population.company[dealt.account].astype(np.uint64), 5 + world.config.seed)
    app = (dealt.stream == 0) & ((company >> np.uint64(40)) % np.uint64(100) < 100 * _APP_SYSTEM)
    general = unit(keys, 18) < _GENERIC_SYSTEM
    rules = np.where(app, names["system_app"], np.where(general, names["system_generic"], NONE))
    return rules.astype(np.int32), np.where(app, company, hashed(keys, 4))


def write_texts(
    compiled: Compiled, requests: Requests, settings: RenderSettings
) -> tuple[pa.Array, pa.Array]:
    """Return the prompts, and the system prompts (null where there is none)."""
    rows = len(requests.seed)
    prompts, systems = np.empty(1100 * rows + 400_000, np.uint8), np.empty(200 * rows + 400_000, np.uint8)
    prompt_ends, system_ends = np.zeros(rows + 1, np.int64), np.zeros(rows + 1, np.int64)
    done = 0
    while (
        done := write_rows(
            compiled.tables, requests, settings, done, prompts, prompt_ends, systems, system_ends
        )
    ) < rows:
        prompts, systems = np.resize(prompts, 2 * len(prompts)), np.resize(systems, 2 * len(systems))
    instruction = np.where(requests.layout == IN_SYSTEM, requests.instruction, requests.aside)
    absent = (requests.system == NONE) & (instruction == NONE)
    present = np.packbits(~absent, bitorder="little")
    return (
        pa.LargeStringArray.from_buffers(
            rows, pa.py_buffer(prompt_ends), pa.py_buffer(prompts[: prompt_ends[-1]])
        ),
        pa.LargeStringArray.from_buffers(
            rows, pa.py_buffer(system_ends), pa.py_buffer(systems[: system_ends[-1]]), pa.py_buffer(present)
        ),
    )
