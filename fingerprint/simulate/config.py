"""What a simulation is made of: every knob, its default and its limits."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, TypeAlias, get_args, overload

from fingerprint.domain.errors import UsageError
from fingerprint.simulate.evasion import Evasion, parse
from fingerprint.simulate.lifelike.config import ChatsConfig, LifelikeConfig

Payment = Literal["shared", "none", "mixed"]

FEWEST_REQUESTS = 12
"""A campaign template never sends fewer requests a day than this, whatever its share says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationConfig:
    """One simulated period; shares are of all requests, and all of it is fixed by `seed`."""

    rows: int = 25_000  # of all days together
    days: int = 1
    seed: int = 1
    start: date = date(2026, 3, 2)
    accounts: int = 3_000
    volume: int = 0  # requests of every account a day; 0: few accounts send much, most little

    campaigns: int = 14
    largest: float = 0.06  # share of the largest campaign; sizes fall geometrically to the smallest
    # with `volume` they are shares of the accounts, of whose traffic each campaign takes one of `mixing`
    smallest: float = 0.002
    more: int = 0  # further campaigns, as large as the smallest
    families: int = 3  # most templates in one campaign
    load: int = 12  # requests that an account of a campaign sends a day, in pools of 15 to 300 accounts
    evasion: str = (
        "none"  # as evasion.parse reads it: "none", "mix", "nonce,case:0.9", "inject_end+homoglyph"
    )
    evasion_share: float = 0.5  # share of an evading template's requests that evade
    strength: float = 0.5  # how hard evasions without a strength of their own are driven, 0 to 1
    evasion_from: int = 1  # first day on which templates evade
    mixing: tuple[float, ...] = (0.05, 0.1, 0.25, 0.5, 1.0)  # campaign share of an account's traffic
    jitter: float = 0.0  # 0: sharp bursts, evenly spread; 1: requests follow the daily rhythm
    replaced: float = 0.12  # share of a pool that is new each day

    honest_templates: int = 60
    honest_share: float = 0.15
    suites: int = 0  # honest products of 3 to 5 templates, each with one set of users for all of them
    repeats: float = 0.213  # share of background that is a popular prompt

    metadata: bool = True
    payment: Payment = "shared"  # do campaign accounts share payment hashes; "mixed": with honest ones too

    def __post_init__(self) -> None:
        _positive(self)
        _shares(self)
        if self.payment not in get_args(Payment):
            raise UsageError(
                f"payment: one of {', '.join(get_args(Payment))} expected, {self.payment!r} found"
            )
        self.evasions()
        busy = sum(self.sizes()) + self.honest_share
        if busy > 0.9:
            raise UsageError(f"campaigns and honest templates may take 0.9 of the traffic, {busy:.2f} found")

    def sizes(self) -> tuple[float, ...]:
        """Return the share of the traffic that each campaign takes, largest first."""
        more = (self.smallest,) * self.more
        if self.campaigns < 2:
            return (self.largest,) * self.campaigns + more
        ratio = self.smallest / self.largest
        falling = (self.largest * ratio ** (i / (self.campaigns - 1)) for i in range(self.campaigns))
        return (*falling, *more)

    def evasions(self) -> tuple[Evasion, ...]:
        """Return the evasions asked for, () for none; UsageError names what is wrong with them."""
        return parse(self.evasion, self.strength)

    def rows_on(self, day: int) -> int:
        """Return the number of requests on a day, counted from 0."""
        return self.rows // self.days + (day < self.rows % self.days)


def _positive(config: SimulationConfig) -> None:
    for name, least in (
        ("rows", 1),
        ("days", 1),
        ("accounts", 20),
        ("campaigns", 0),
        ("more", 0),
        ("families", 1),
        ("load", 1),
        ("honest_templates", 0),
        ("suites", 0),
        ("volume", 0),
    ):
        value = getattr(config, name)
        if value < least:
            raise UsageError(f"{name}: at least {least} expected, {value} found")
    if config.rows < config.days:
        raise UsageError(f"rows: at least one a day ({config.days}) expected, {config.rows} found")


def _shares(config: SimulationConfig) -> None:
    names = (
        "largest",
        "smallest",
        "evasion_share",
        "strength",
        "jitter",
        "replaced",
        "honest_share",
        "repeats",
    )
    for name in names:
        value = getattr(config, name)
        if not 0 <= value <= 1:
            raise UsageError(f"{name}: a share from 0 to 1 expected, {value} found")
    if not 0 < config.smallest <= config.largest:
        raise UsageError(
            f"smallest: above 0 and at most largest ({config.largest}) expected, {config.smallest} found"
        )
    if not config.mixing or not all(0 < share <= 1 for share in config.mixing):
        raise UsageError(f"mixing: shares above 0 and up to 1 expected, {config.mixing} found")


Config: TypeAlias = SimulationConfig | LifelikeConfig | ChatsConfig
"""What can be simulated: the tidy days of SimulationConfig, lifelike days, or growing chats."""

Tidy = Literal["default", "demo", "evasive", "hard", "bare", "crowded", "scale"]

TIDY: dict[str, SimulationConfig] = {
    "default": SimulationConfig(),
    "demo": SimulationConfig(
        rows=24_000, days=3, accounts=1_500, campaigns=8, evasion="mix", evasion_from=2, honest_templates=40
    ),
    "evasive": SimulationConfig(rows=60_000, days=3, evasion="mix", evasion_from=2),
    "hard": SimulationConfig(
        rows=120_000,
        days=3,
        accounts=12_000,
        campaigns=80,
        largest=0.01,
        smallest=0.0008,  # about 30 requests a day
        families=4,
        evasion="mix",
        jitter=0.8,
        payment="mixed",
        metadata=True,
        honest_templates=400,
    ),
    "bare": SimulationConfig(
        rows=120_000, days=3, accounts=6_000, evasion="mix", evasion_from=2, jitter=0.8, metadata=False
    ),
    "crowded": SimulationConfig(  # 200 and more families at once, most of them small
        rows=120_000,
        days=3,
        accounts=12_000,
        campaigns=110,
        largest=0.006,
        smallest=0.0012,
        families=3,
        evasion="mix",
        evasion_from=2,
        honest_templates=200,
    ),
    "scale": SimulationConfig(
        rows=16_000_000,
        accounts=24_000,
        campaigns=16,
        largest=0.2,
        smallest=0.0001,
        more=40,
        honest_templates=3_000,
        evasion="mix",
        evasion_share=0.3,
    ),
}


PRESETS: dict[str, Config] = {
    **TIDY,
    "lifelike": LifelikeConfig(),
    "chats": ChatsConfig(),
    "chats-once": ChatsConfig(once=True),
}


@overload
def preset(name: Tidy, **changes: Any) -> SimulationConfig: ...


@overload
def preset(name: Literal["lifelike"], **changes: Any) -> LifelikeConfig: ...


@overload
def preset(name: Literal["chats", "chats-once"], **changes: Any) -> ChatsConfig: ...


@overload
def preset(name: str, **changes: Any) -> Config: ...


def preset(name: str, **changes: Any) -> Config:
    """Return the named preset with some fields replaced; UsageError for an unknown name or field."""
    if name not in PRESETS:
        raise UsageError(f"preset: one of {', '.join(PRESETS)} expected, {name!r} found")
    known = [field.name for field in dataclasses.fields(PRESETS[name])]
    for field in changes:
        if field not in known:
            raise UsageError(f"{field}: not known to preset {name}, which has {', '.join(known)}")
    return dataclasses.replace(PRESETS[name], **changes)
