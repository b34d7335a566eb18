"""What pages about families, campaigns, accounts and nights show: reads only, each method one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import sqlalchemy as sa

from fingerprint.domain.casework import AccountDays, Heat, HeldPattern, Overview, PoolGroup, Pools, Timeline
from fingerprint.domain.signature import Signature
from fingerprint.store import tables
from fingerprint.store.database import Database
from fingerprint.store.rows import (
    ACTIVE,
    CAMPAIGN,
    LABEL,
    LISTED,
    OWNER,
    select_families,
    to_night,
    to_signature,
)
from fingerprint.store.sql import chunks

HOURLY = timedelta(days=8)
"""Traffic over a longer time is shown by days."""

MOST_STEPS = 96
"""Columns of a heat map; longer times get coarser steps."""

EXAMPLES = 5
"""Accounts named for each group of a pool."""

_FAMILY = tables.families.c


class PageQueries:
    """Reads what is known of families, campaigns, accounts and nights. Raises StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def wordings(self, family_id: str) -> list[Signature]:
        """Read the signatures of a family's other wordings, in the order of their ids."""
        chosen = select_families(tables.families).where(_FAMILY.variant_of == family_id, ACTIVE)
        with self._database.reading() as connection:
            return [to_signature(row) for row in connection.execute(chosen.order_by(_FAMILY.family_id))]

    def pinned(self, family_id: str) -> frozenset[str]:
        """Tell what of a family analysts set, so that nights leave it."""
        chosen = sa.select(_FAMILY.pinned).where(_FAMILY.family_id == family_id)
        with self._database.reading() as connection:
            return frozenset(connection.scalar(chosen) or ())

    def wording_of(self, family_id: str) -> str | None:
        """Return the family that this one is a wording of, None for one of its own."""
        with self._database.reading() as connection:
            chosen = sa.select(_FAMILY.variant_of).where(_FAMILY.family_id == family_id)
            return connection.scalar(chosen)

    def timeline(self, families: Sequence[str]) -> Timeline:
        """Count requests and accounts of families together, by hour if that was kept for a few days, else by day."""
        with self._database.reading() as connection:
            owned = _owned(connection, families)
            counts = _by_hour(connection, owned) if len(families) == 1 else []
            step = 1
            if not counts or counts[-1][0] - counts[0][0] > HOURLY:
                counts, step = _by_day(connection, owned), 24
        return _filled(counts, step)

    def timelines(self, families: Sequence[str]) -> dict[str, Timeline]:
        """Count requests and accounts of each family by day."""
        with self._database.reading() as connection:
            return {f: _filled(_by_day(connection, _owned(connection, [f])), 24) for f in families}

    def heat(self, families: Sequence[str], *, most: int = 40) -> Heat:
        """Count requests by account and time of families' most active accounts, in order of when they began."""
        table = tables.account_hours
        with self._database.reading() as connection:
            owned = _owned(connection, families)
            hourly = sa.select(table.c.account_id, table.c.hour, table.c.requests)
            rows = [tuple(r) for r in connection.execute(hourly.where(table.c.family_id.in_(owned)))]
            step = 1
            if not rows:
                rows, step = _account_days(connection, owned), 24
            sent = tables.spread.c
            of = connection.scalar(
                sa.select(sa.func.count(sent.account_id.distinct())).where(sent.family_id.in_(owned))
            )
        return _heat(rows, step, most, of or 0)

    def pools(self, families: Sequence[str]) -> Pools:
        """Tell which accounts families share; groups are of equal sets of families, largest first."""
        place = {family: number for number, family in enumerate(families)}
        sent = tables.spread
        chosen = (
            sa.select(OWNER, sent.c.account_id, sa.func.sum(sent.c.requests))
            .join_from(tables.families, sent, _FAMILY.family_id == sent.c.family_id)
            .group_by(OWNER, sent.c.account_id)
        )
        of: dict[str, dict[int, int]] = defaultdict(dict)
        with self._database.reading() as connection:
            for chunk in chunks(list(families)):
                owned = sa.or_(_FAMILY.family_id.in_(chunk), _FAMILY.variant_of.in_(chunk))
                for owner, account, requests in connection.execute(chosen.where(owned)):
                    if owner in place:
                        of[account][place[owner]] = int(requests)
        shared = np.zeros((len(families), len(families)), np.int64)
        groups: dict[tuple[int, ...], list[tuple[str, int]]] = defaultdict(list)
        for account, requests_of in of.items():
            key = tuple(sorted(requests_of))
            shared[np.ix_(key, key)] += 1
            groups[key].append((account, sum(requests_of.values())))
        listed = [_group(key, members) for key, members in groups.items()]
        return Pools(tuple(families), shared, tuple(sorted(listed, key=lambda g: (-g.accounts, g.families))))

    def account_days(self, account_id: str) -> AccountDays:
        """Count what an account sent, by family and day, and in all."""
        sent, whole = tables.spread, tables.activity
        by_family = (
            sa.select(OWNER, sent.c.day, sa.func.sum(sent.c.requests))
            .join_from(tables.families, sent, _FAMILY.family_id == sent.c.family_id)
            .where(sent.c.account_id == account_id)
            .group_by(OWNER, sent.c.day)
        )
        total = sa.select(whole.c.day, sa.func.sum(whole.c.requests)).where(whole.c.account_id == account_id)
        with self._database.reading() as connection:
            rows = [tuple(r) for r in connection.execute(by_family)]
            totals = {r[0]: int(r[1]) for r in connection.execute(total.group_by(whole.c.day))}
        days = tuple(sorted({*totals, *(r[1] for r in rows)}))
        of = {family: 0 for family, _, _ in rows}
        for family, _, requests in rows:
            of[family] += int(requests)
        families = tuple(sorted(of, key=lambda f: (-of[f], f)))
        grid = np.zeros((len(families), len(days)), np.int64)
        for family, day, requests in rows:
            grid[families.index(family), days.index(day)] = int(requests)
        return AccountDays(families, days, grid, np.array([totals.get(d, 0) for d in days], np.int64))

    def patterns(self, family_id: str) -> list[HeldPattern]:
        """Read what past nights' prompts held of a family's signatures, newest night first."""
        table, nights = tables.patterns, tables.nights
        chosen = (
            sa.select(table, nights.c.started)
            .join(nights, nights.c.batch_id == table.c.batch_id)
            .where(table.c.family_id == family_id)
            .order_by(nights.c.started.desc(), table.c.requests.desc(), table.c.held)
        )
        with self._database.reading() as connection:
            return [
                HeldPattern(
                    batch_id=r.batch_id,
                    night=r.started,
                    held=np.unpackbits(np.frombuffer(r.held, np.uint8)).astype(np.bool_),
                    member=r.member,
                    grams=r.grams,
                    requests=r.requests,
                    accounts=r.accounts,
                )
                for r in connection.execute(chosen)
            ]

    def last_days(self) -> dict[str, date]:
        """Return the last day of traffic of each night."""
        sent = tables.activity.c
        with self._database.reading() as connection:
            last = sa.select(sent.batch_id, sa.func.max(sent.day)).group_by(sent.batch_id)
            return {row[0]: row[1] for row in connection.execute(last)}

    def overview(self, *, nights: int = 30) -> Overview:
        """Read the last nights, and count families, campaigns and accounts."""
        labels = (
            select_families()
            .add_columns(sa.func.count())
            .where(LISTED)
            .with_only_columns(LABEL, sa.func.count())
        )
        flagged = sa.case((sa.and_(_FAMILY.flagged, LABEL.is_(None)), 1), else_=0)
        sums = (
            select_families()
            .where(LISTED)
            .with_only_columns(sa.func.count(CAMPAIGN.distinct()), sa.func.coalesce(sa.func.sum(flagged), 0))
        )
        people, table = tables.accounts.c, tables.nights
        suspect = sa.func.coalesce(sa.func.sum(sa.case((people.flagged, 1), else_=0)), 0)
        last = sa.select(table).order_by(table.c.started.desc(), table.c.batch_id).limit(nights)
        with self._database.reading() as connection:
            counts = {r[0]: r[1] for r in connection.execute(labels.group_by(LABEL))}
            campaigns, open_flagged = connection.execute(sums).one()
            accounts, bad = connection.execute(sa.select(sa.func.count(people.account_id), suspect)).one()
            last_nights = tuple(to_night(row) for row in connection.execute(last))
        return Overview(
            nights=last_nights,
            labels={label: n for label, n in sorted(counts.items(), key=str) if label is not None},
            open=counts.get(None, 0),
            flagged=int(open_flagged),
            campaigns=campaigns,
            accounts=accounts,
            flagged_accounts=int(bad),
        )


def _owned(connection: sa.Connection, families: Sequence[str]) -> list[str]:
    """Return these families and their wordings."""
    out = set(families)
    for chunk in chunks(list(families)):
        out.update(
            # retired wordings, too: what was sent of them is among the family's numbers
            connection.scalars(sa.select(_FAMILY.family_id).where(_FAMILY.variant_of.in_(chunk)))
        )
    return sorted(out)


Counted = list[tuple[datetime, int, int]]


def _by_hour(connection: sa.Connection, owned: Sequence[str]) -> Counted:
    table = tables.family_hours.c
    sums = sa.func.sum(table.requests), sa.func.sum(table.accounts)
    chosen = (
        sa.select(table.hour, *sums)
        .where(table.family_id.in_(owned))
        .group_by(table.hour)
        .order_by(table.hour)
    )
    return [(hour, int(requests), int(accounts)) for hour, requests, accounts in connection.execute(chosen)]


def _by_day(connection: sa.Connection, owned: Sequence[str]) -> Counted:
    sent = tables.spread.c
    sums = sa.func.sum(sent.requests), sa.func.count(sent.account_id.distinct())
    chosen = sa.select(sent.day, *sums).where(sent.family_id.in_(owned)).group_by(sent.day).order_by(sent.day)
    return [(_midnight(day), int(requests), n) for day, requests, n in connection.execute(chosen)]


def _account_days(connection: sa.Connection, owned: Sequence[str]) -> list[tuple[Any, ...]]:
    sent = tables.spread.c
    chosen = sa.select(sent.account_id, sent.day, sent.requests).where(sent.family_id.in_(owned))
    return [(account, _midnight(day), requests) for account, day, requests in connection.execute(chosen)]


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _filled(counts: Counted, step: int) -> Timeline:
    """Put zeros where nothing was counted."""
    if not counts:
        return Timeline((), (), (), step)
    of = {at: (requests, accounts) for at, requests, accounts in counts}
    width = timedelta(hours=step)
    count = int((counts[-1][0] - counts[0][0]) / width) + 1
    starts = [counts[0][0] + n * width for n in range(count)]
    pairs = [of.get(at, (0, 0)) for at in starts]
    return Timeline(starts, [p[0] for p in pairs], [p[1] for p in pairs], step)


def _heat(rows: Sequence[tuple[Any, ...]], step: int, most: int, of: int) -> Heat:
    if not rows:
        return Heat((), (), np.zeros((0, 0), np.int64), step, of)
    total: dict[str, int] = defaultdict(int)
    for account, _, requests in rows:
        total[account] += int(requests)
    most_active = set(sorted(total, key=lambda a: (-total[a], a))[:most])
    rows = [r for r in rows if r[0] in most_active]
    first = min(r[1] for r in rows)
    hours = int((max(r[1] for r in rows) - first).total_seconds() // 3600) + step
    while hours / step > MOST_STEPS:
        step = next((s for s in (2, 3, 6, 12, 24) if s > step), step * 2)
    grid: dict[tuple[str, int], int] = defaultdict(int)
    for account, at, requests in rows:
        grid[account, int((at - first).total_seconds() // 3600 // step)] += int(requests)
    began: dict[str, int] = {}
    for account, column in sorted(grid, key=lambda key: key[1]):
        began.setdefault(account, column)
    accounts = tuple(sorted(began, key=lambda a: (began[a], -total[a], a)))
    row_of = {account: number for number, account in enumerate(accounts)}
    columns = -(-hours // step)
    out = np.zeros((len(accounts), columns), np.int64)
    for (account, column), requests in grid.items():
        out[row_of[account], column] = requests
    starts = tuple(first + timedelta(hours=step * n) for n in range(columns))
    return Heat(accounts, starts, out, step, of)


def _group(families: tuple[int, ...], members: list[tuple[str, int]]) -> PoolGroup:
    members.sort(key=lambda member: (-member[1], member[0]))
    examples = tuple(account for account, _ in members[:EXAMPLES])
    return PoolGroup(families, len(members), sum(requests for _, requests in members), examples)
