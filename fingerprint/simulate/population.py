"""Who sends: accounts with their rhythm, volume, language, company, address and payment."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from fingerprint.base.types import Doubles, HashArray, Ids, IntArray
from fingerprint.simulate.config import SimulationConfig

HOURS = 24
ZONES = (-8, -5, 0, 1, 5, 8)
_ZONE_SHARE = (0.14, 0.2, 0.14, 0.2, 0.14, 0.12, 0.06)  # the last group runs round the clock
LANGUAGES = ("en", "zh", "es", "de", "fr")
LANGUAGE_SHARE = (0.91, 0.035, 0.025, 0.015, 0.015)
AGENTS = (
    "python-client/2.14.0", "python-client/2.9.1", "python-client/1.88.3", "node-client/5.3.0", "node-client/4.71.2",
    "go-client/0.12.4", "java-client/3.0.2", "python-httpx/0.28.1", "Mozilla/5.0 (Windows NT 10.0; Win64; x64)",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)", "Mozilla/5.0 (X11; Linux x86_64)", "curl/8.7.1", "axios/1.7.9",
)  # fmt: skip
_AGENT_SHARE = (0.28, 0.08, 0.05, 0.13, 0.05, 0.05, 0.06, 0.08, 0.05, 0.05, 0.04, 0.04, 0.04)
MODELS = ("orion-large", "orion-small", "orion-mini")


@dataclass(frozen=True, slots=True)
class Population:
    """One entry an account; `volume` is its honest traffic relative to the others'."""

    ids: HashArray
    zone: IntArray  # index of its zone, len(ZONES) round the clock
    volume: Doubles
    topic: Ids
    language: IntArray
    company: IntArray  # accounts of one company share this number
    model: IntArray  # the model it mostly calls
    agent: IntArray
    address: IntArray
    payment: IntArray  # -1: unknown

    def metadata(self) -> list[str]:
        """Return each account's metadata as a JSON object."""
        entries = []
        for agent, address, payment in zip(
            self.agent.tolist(), self.address.tolist(), self.payment.tolist(), strict=True
        ):
            entry = {"ip_prefix": f"{11 + address % 200}.{address // 200 % 256}.{address // 51200 % 256}"}
            if payment >= 0:
                # a bijection of the number, so that different payments never share a hash
                entry["payment_hash"] = f"{payment * 0x9E3779B97F4A7C15 % 2**64:016x}"
            entries.append(json.dumps(entry | {"user_agent": AGENTS[agent]}))
        return entries


def daily_rhythm() -> Doubles:
    """(zones + 1, 24) share of a zone's requests by UTC hour; each row sums to 1."""
    local = np.arange(HOURS)
    rhythm = 0.22 + np.exp(-(((local - 13.5) / 4.6) ** 2)) + 0.25 * np.exp(-(((local - 20.5) / 1.8) ** 2))
    rows = [np.roll(rhythm, -offset) for offset in ZONES]
    rows.append(np.ones(HOURS))
    return np.array([row / row.sum() for row in rows])


def populate(config: SimulationConfig, topics: int, random: np.random.Generator) -> Population:
    """Draw the accounts; 15 % of them belong to companies that share address and payment."""
    n = config.accounts
    ids = random.permutation(np.arange(n, dtype=np.uint64))
    volume = ((np.arange(n) + 20.0) ** -0.8).astype(np.float64)
    heavy = min(5, n // 20)
    volume[:heavy] = volume.sum() * np.array([0.030, 0.022, 0.021, 0.019, 0.014])[:heavy]
    volume = random.permutation(volume)
    company = np.arange(n)
    address = random.integers(0, 200 * 256 * 256, n)
    payment = np.arange(n)
    at = 0
    while at < 0.15 * n:
        size = int(random.integers(2, 12))
        company[at : at + size] = address[at : at + size] = payment[at : at + size] = at
        at += size
    # every twentieth account pays in a way that the provider cannot tell apart
    payment[random.random(n) < 0.05] = -1
    behind = random.random(n) < 0.06
    address[behind] = random.integers(0, 40, int(behind.sum()))
    shuffle = random.permutation(n)
    return Population(
        ids=ids,
        zone=random.choice(len(_ZONE_SHARE), n, p=_ZONE_SHARE),
        volume=volume,
        topic=(topics * random.random(n) ** 1.6).astype(np.int32),
        language=random.choice(len(LANGUAGES), n, p=LANGUAGE_SHARE),
        company=company[shuffle],
        model=random.choice(len(MODELS), n, p=(0.4, 0.4, 0.2)),
        agent=random.choice(len(AGENTS), n, p=_AGENT_SHARE),
        address=address[shuffle],
        payment=payment[shuffle],
    )
