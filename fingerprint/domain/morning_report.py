"""What a morning report says: one record of a night, which the terminal, JSON and a page each show in their own way.

Every list has a most; what is left out is counted, so that a report stays short whatever the night.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

from fingerprint.domain.profile import Profile
from fingerprint.domain.results import NightReport, TrafficWarning

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Listed(Generic[Row]):
    """The first rows of a list, and how many there are in all."""

    rows: tuple[Row, ...]
    total: int

    @property
    def more(self) -> int:
        """How many rows are left out."""
        return self.total - len(self.rows)

    @classmethod
    def of(cls, rows: list[Row], most: int) -> Listed[Row]:
        """Keep the first `most` of all rows."""
        return cls(tuple(rows[:most]), len(rows))


@dataclass(frozen=True, slots=True)
class NightVolume:
    """One night among those that a report compares; in_flagged: requests of families that are flagged today."""

    batch_id: str
    started: datetime
    first_request: datetime | None
    last_request: datetime | None
    accepted: int
    rejected: int
    duplicates: int
    accounts: int
    families: int
    flagged: int
    seconds: float
    in_flagged: int = 0


@dataclass(frozen=True, slots=True)
class ReportedFamily:
    """A family that a report names; tonight: its requests of the night. verdict: one sentence. text: how its template begins."""

    family_id: str
    name: str
    campaign_id: str | None
    campaign_name: str | None
    label: str | None
    score: float
    precision: float
    accounts: int
    requests: int
    tonight: int
    first_seen: datetime
    last_seen: datetime
    verdict: str
    text: str
    profile: Profile | None = None


@dataclass(frozen=True, slots=True)
class ReportedCampaign:
    """A campaign that a report names.

    tonight, accounts_tonight: its requests of the night, and who sent them. usual: requests to be expected by its share
    of earlier nights. per_night: requests on the nights that the report compares, oldest first.
    """

    campaign_id: str
    name: str
    precision: float
    families: int
    newly_flagged: int
    requests: int
    tonight: int
    accounts_tonight: int
    usual: float
    last_seen: datetime
    per_night: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Pivot:
    """A family that fell silent, and the one that its accounts send instead."""

    family_id: str
    name: str
    to_family_id: str
    to_name: str
    flagged: bool


@dataclass(frozen=True, slots=True)
class ReportedAccount:
    """An account that sent flagged families tonight: so many of its requests, of so many in all.

    newly: it had sent none of them on an earlier night. campaigns: their names.
    """

    account_id: str
    in_flagged: int
    requests: int
    families: int
    newly: bool
    campaigns: tuple[str, ...]

    @property
    def share(self) -> float:
        """Share of its requests of the night, 0 to 1."""
        return self.in_flagged / max(self.requests, self.in_flagged, 1)


@dataclass(frozen=True, slots=True)
class MorningReport:
    """One night, and what to do about it.

    families: newly flagged. campaigns: with newly flagged families; new_campaigns: how many of them have no others. cleared: no longer flagged. active: all campaigns that
    sent tonight. accounts: that sent flagged families tonight, most requests first; new_accounts: how many of all these
    sent none before. volumes: nights, oldest first, this one last. hours: requests of flagged families by hour.
    home_bytes: size by part, now; grown_bytes: since before this night, None where unknown or not the last night.
    """

    night: NightReport
    is_last: bool
    warnings: tuple[TrafficWarning, ...]
    families: Listed[ReportedFamily]
    campaigns: Listed[ReportedCampaign]
    new_campaigns: int
    grown: Listed[ReportedCampaign]
    quiet: Listed[ReportedCampaign]
    active: Listed[ReportedCampaign]
    pivots: Listed[Pivot]
    cleared: Listed[ReportedFamily]
    accounts: Listed[ReportedAccount]
    new_accounts: int
    in_flagged: int
    volumes: tuple[NightVolume, ...]
    hours: tuple[tuple[datetime, int], ...]
    home_bytes: dict[str, int] = field(default_factory=dict)
    grown_bytes: int | None = None
