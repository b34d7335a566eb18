"""What a lifelike world, and a day of growing chats, are made of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from fingerprint.domain.errors import UsageError

CAMPAIGN_REQUESTS = 55
"""Requests that a lifelike campaign sends a day on average."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LifelikeConfig:
    """Some days on which few requests are campaigns' and much honest software acts in step; fixed by `seed`."""

    rows: int = 90_000  # of all days together
    days: int = 2
    seed: int = 1
    start: date = date(2026, 3, 2)
    accounts: int = (
        0  # people, besides the accounts of software and of campaigns; 0: one for every three requests a day
    )
    base_rate: float = 0.022  # share of the requests that are campaigns'
    campaigns: int = 0  # 0: as many as the base rate needs
    metadata: bool = True

    def __post_init__(self) -> None:
        _at_least(self, rows=1, days=1, accounts=0, campaigns=0)
        if not 0 <= self.base_rate <= 0.3:
            raise UsageError(f"base_rate: a share from 0 to 0.3 expected, {self.base_rate} found")
        least = 1_500
        if self.rows < least * self.days:
            raise UsageError(f"rows: at least {least} a day expected in a lifelike world, {self.rows} found")

    @property
    def people(self) -> int:
        """The number of accounts that belong to people."""
        return self.accounts or self.rows // self.days // 3

    @property
    def campaign_count(self) -> int:
        """The number of campaigns."""
        needed = round(self.base_rate * self.rows / self.days / CAMPAIGN_REQUESTS)
        return (self.campaigns or max(needed, 1)) if self.base_rate else 0

    def rows_on(self, day: int) -> int:
        """Return the number of requests on a day, counted from 0."""
        return self.rows // self.days + (day < self.rows % self.days)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatsConfig:
    """Chats in which each request repeats the turns before it and adds one; all is fixed by `seed`."""

    rows: int = 20_000  # turns of all chats; with `once` fewer requests
    days: int = 1
    seed: int = 1
    start: date = date(2026, 3, 2)
    accounts: int = 1_500
    templates: int = 24  # of campaigns and of honest software, half each, which begin a third of the chats
    turns: int = 20  # of a chat, on average
    once: bool = False  # only the last request of each chat, which holds all of it
    metadata: bool = True

    def __post_init__(self) -> None:
        _at_least(self, rows=1, days=1, accounts=20, templates=0, turns=2)
        if self.rows < self.days * self.turns:
            raise UsageError(
                f"rows: at least {self.turns} a day, one chat, expected, {self.rows} in {self.days} days found"
            )

    def rows_on(self, day: int) -> int:
        """Return the number of turns on a day, counted from 0."""
        return self.rows // self.days + (day < self.rows % self.days)


def _at_least(config: LifelikeConfig | ChatsConfig, **least: int) -> None:
    for name, smallest in least.items():
        value = getattr(config, name)
        if value < smallest:
            raise UsageError(f"{name}: at least {smallest} expected, {value} found")
