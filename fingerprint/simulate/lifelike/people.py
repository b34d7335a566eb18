"""Who sends: people with topics, hours and languages of their own, and the accounts that they send from."""

from __future__ import annotations

import json
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fingerprint.base.types import Doubles, HashArray, Ids, IntArray
from fingerprint.simulate.population import AGENTS, HOURS, LANGUAGE_SHARE, LANGUAGES, MODELS
from fingerprint.simulate.schedule import DAY_MS
from fingerprint.simulate.streams import HOUR_MS

ZONES = (-8, -7, -6, -5, -3, 0, 1, 2, 3, 5.5, 7, 8, 9, 10)
_ZONE_SHARE = (0.1, 0.04, 0.06, 0.15, 0.06, 0.12, 0.16, 0.07, 0.04, 0.07, 0.03, 0.05, 0.03, 0.02)
_AGENT_SHARE = (0.2, 0.08, 0.06, 0.12, 0.06, 0.06, 0.05, 0.07, 0.1, 0.08, 0.04, 0.04, 0.04)
_TOPIC_SHARE = (0.62, 0.19, 0.08)
"""How often a person writes of their first, second and third topic; the rest is of anything."""
_SITTINGS = 3
_ANY_TIME = 0.1  # share of the conversations outside a person's hours
SHARED_PREFIXES = 220


class People(NamedTuple):
    """One entry a person, or a customer of some software.

    seed: (n,) uint64, which words, names and habits are theirs. topics: (n, 3) int32, the first one most often.
    zone: (n,) hours from UTC. begin, width: (n, 3), the hours of the day at which they sit down, local, in hours.
    sitting: (n, 3), cumulative share of each. language: (n,), a place in LANGUAGES.
    """

    seed: HashArray
    topics: Ids
    zone: Doubles
    begin: Doubles
    width: Doubles
    sitting: Doubles
    language: IntArray

    def of(self, who: IntArray) -> People:
        """Return these people, in this order."""
        return People._make(column[who] for column in self)

    def subjects(self, topics: int, random: np.random.Generator) -> Ids:
        """Return what each is about to write of: (n,) topics out of so many."""
        place = np.searchsorted(np.cumsum(_TOPIC_SHARE), random.random(len(self.seed)))
        own = self.topics[np.arange(len(place)), np.minimum(place, len(_TOPIC_SHARE) - 1)]
        anything = random.integers(0, topics, len(own)).astype(np.int32)
        return np.where(place < len(_TOPIC_SHARE), own, anything)

    def moments(self, random: np.random.Generator) -> IntArray:
        """Return when each sits down, in their own hours as a rule: (n,) ms since midnight, UTC."""
        n = len(self.seed)
        sitting = (random.random(n)[:, None] > self.sitting[:, :-1]).sum(axis=1)
        rows = np.arange(n)
        local = self.begin[rows, sitting] + self.width[rows, sitting] * random.random(n)
        anywhere = random.random(n) < _ANY_TIME
        local = np.where(anywhere, random.normal(14.5, 4.5, n), local)
        return clock(local, self.zone)


def clock(local: Doubles, zone: Doubles) -> IntArray:
    """Return local hours as ms since midnight, UTC, of the same day."""
    return ((local - zone) % HOURS * HOUR_MS).astype(np.int64) % DAY_MS


def draw_people(count: int, topics: int, random: np.random.Generator) -> People:
    """Draw people, each with three topics out of `topics`, two or three sittings a day, and a zone."""
    begin = random.normal((9.3, 14.5, 20.0), (1.8, 2.2, 1.6), (count, _SITTINGS))
    weight = random.dirichlet((0.7,) * _SITTINGS, count)
    shares = np.array(_ZONE_SHARE)
    return People(
        seed=random.integers(1, 2**63, count).astype(np.uint64),
        topics=random.integers(0, topics, (count, len(_TOPIC_SHARE))).astype(np.int32),
        zone=random.choice(np.array(ZONES, np.float64), count, p=shares / shares.sum()),
        begin=begin,
        width=random.uniform(0.5, 2.0, (count, _SITTINGS)),
        sitting=np.cumsum(weight, axis=1),
        language=random.choice(len(LANGUAGES), count, p=LANGUAGE_SHARE),
    )


class Accounts(NamedTuple):
    """One entry an account: whose it is, and what its metadata say.

    model: (n,), a place in MODELS. agent: (n,) str. address, payment: (n,) numbers, payment -1 if unknown.
    """

    people: People
    model: IntArray
    agent: npt.NDArray[np.object_]
    address: IntArray
    payment: IntArray

    def metadata(self) -> list[str]:
        """Return each account's metadata as a JSON object."""
        rows = zip(self.agent.tolist(), self.address.tolist(), self.payment.tolist(), strict=True)
        return [_metadata(*row) for row in rows]


def _metadata(agent: str, address: int, payment: int) -> str:
    entry = {"ip_prefix": f"{11 + address % 200}.{address // 200 % 256}.{address // 51200 % 256}"}
    if payment >= 0:
        # a bijection of the number, so that different payments never share a hash
        entry["payment_hash"] = f"{payment * 0x9E3779B97F4A7C15 % 2**64:016x}"
    return json.dumps(entry | {"user_agent": agent})


class Register:
    """Hands out accounts, and knows all of them in the end."""

    def __init__(self, topics: int, random: np.random.Generator) -> None:
        self._topics, self._random = topics, random
        self._parts: list[Accounts] = []
        self._count = 0
        self._shared = random.integers(0, 200 * 256 * 256, SHARED_PREFIXES)

    def add(self, count: int, *, agent: str | None = None, behind: float = 0.12) -> IntArray:
        """Add accounts that pay and connect as honest ones do, and return their numbers.

        agent: the client that all of them use; None for what people use. behind: how many share an address prefix
        with strangers.
        """
        random = self._random
        share = np.array(_AGENT_SHARE) / sum(_AGENT_SHARE)
        agents = np.array(AGENTS, object)[random.choice(len(AGENTS), count, p=share)]
        if agent is not None:
            agents[:] = agent
        number = np.arange(self._count, self._count + count)
        address = random.integers(0, 200 * 256 * 256, count)
        shared = random.random(count) < behind
        address[shared] = random.choice(self._shared, int(shared.sum()))
        payment = number.copy()
        payment[random.random(count) < 0.05] = -1
        people = draw_people(count, self._topics, random)
        model = random.choice(len(MODELS), count, p=(0.4, 0.4, 0.2))
        self._parts.append(Accounts(people, model, agents, address, payment))
        self._count += count
        return number

    def organise(self, accounts: IntArray, share: float = 0.15) -> None:
        """Put a share of the accounts into organisations of 2 to 11 that pay together, most from one address."""
        random = self._random
        chosen = random.permutation(accounts)[: int(share * len(accounts))]
        at = 0
        while at < len(chosen):
            members = chosen[at : at + int(random.integers(2, 12))]
            at += len(members)
            self.share_payment(members)
            if random.random() < 0.7:
                self.share_address(members)

    def share_payment(self, accounts: IntArray) -> None:
        """Let these accounts pay as the first of them does."""
        self._set("payment", accounts, int(accounts[0]))

    def hide_payment(self, accounts: IntArray) -> None:
        """Let nobody know how these accounts pay."""
        self._set("payment", accounts, -1)

    def share_address(self, accounts: IntArray) -> None:
        """Let these accounts connect from one prefix."""
        self._set("address", accounts, int(self._random.integers(0, 200 * 256 * 256)))

    def use_agent(self, accounts: IntArray, agent: str) -> None:
        """Let these accounts use one client."""
        self._set("agent", accounts, agent)

    def _set(self, column: str, accounts: IntArray, value: int | str) -> None:
        first = 0
        for part in self._parts:
            size = len(part.model)
            inside = accounts[(accounts >= first) & (accounts < first + size)]
            getattr(part, column)[inside - first] = value
            first += size

    def accounts(self) -> Accounts:
        """Return all accounts, by number."""
        people = People._make(
            np.concatenate(columns) for columns in zip(*(part.people for part in self._parts), strict=True)
        )
        rest = zip(*(part[1:] for part in self._parts), strict=True)
        return Accounts._make([people, *(np.concatenate(columns) for columns in rest)])
