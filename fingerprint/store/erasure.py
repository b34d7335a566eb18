"""Takes accounts, or nights that are old, out of the database; every function but `scrub` works in the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from fingerprint.store import access, night_writer, tables
from fingerprint.store.database import Database
from fingerprint.store.sql import chunks

OF_ACCOUNTS = (
    tables.spread,
    tables.activity,
    tables.account_features,
    tables.account_hours,
    tables.accounts,
)
"""The tables with a row for an account; all that have a column account_id."""

OF_NIGHTS = (
    tables.spread,
    tables.activity,
    tables.account_features,
    tables.account_hours,
    tables.family_hours,
    tables.patterns,
    tables.events,
)
"""The tables with rows of one night."""

_WRITTEN = (
    tables.labels.c.reason,
    tables.notes.c.text,
    tables.audit.c.detail,
    tables.audit.c.subject,
    tables.actions.c.words,
    tables.views.c.query,
)
"""Where people may have written an account's id."""


@dataclass(frozen=True, slots=True)
class Erased:
    """How many of the given accounts were stored, and how many families they had sent.

    mentions: texts that people wrote and that hold one of the ids: labels' reasons, notes, saved views and the audit log. They
    are not changed.
    """

    accounts: int
    families: int
    mentions: int


def erase_accounts(connection: sa.Connection, ids: Sequence[str], *, by: str, now: datetime) -> Erased:
    """Delete all rows of some accounts, count their families anew, and log how many accounts it was, not which."""
    stored: set[str] = set()
    families: set[str] = set()
    for chunk in chunks(sorted(set(ids))):
        sent = tables.spread.c
        families.update(
            connection.scalars(sa.select(sent.family_id).where(sent.account_id.in_(chunk)).distinct())
        )
        for table in OF_ACCOUNTS:
            mine = table.c.account_id.in_(chunk)
            stored.update(connection.scalars(sa.select(table.c.account_id).where(mine).distinct()))
            connection.execute(sa.delete(table).where(mine))
    night_writer.update_totals(connection, families, counted_before=families)
    outcome = Erased(len(stored), len(families), _mentions(connection, ids))
    detail = {"accounts": outcome.accounts, "families": outcome.families}
    access.record(connection, by, "account.erase", "accounts", detail, now)
    return outcome


def _mentions(connection: sa.Connection, ids: Sequence[str]) -> int:
    written = [sa.cast(column, sa.Text) for column in _WRITTEN]
    return sum(
        int(connection.scalar(sa.select(sa.func.count()).where(text.contains(account, autoescape=True))) or 0)
        for account in ids
        for text in written
    )


def forget_nights(connection: sa.Connection, before: datetime) -> None:
    """Delete what nights that began before a time counted, and accounts that no later night saw; families stay.

    A night that retired a family keeps its row, without counts.
    """
    started = sa.select(tables.nights.c.batch_id).where(tables.nights.c.started < before)
    old = list(connection.scalars(started))
    if not old:
        return
    families: set[str] = set()
    for chunk in chunks(old):
        sent = tables.spread.c
        families.update(
            connection.scalars(sa.select(sent.family_id).where(sent.batch_id.in_(chunk)).distinct())
        )
        for table in OF_NIGHTS:
            connection.execute(sa.delete(table).where(table.c.batch_id.in_(chunk)))
        retired = sa.select(tables.families.c.retired_in).where(tables.families.c.retired_in.is_not(None))
        night = tables.nights.c.batch_id
        connection.execute(sa.delete(tables.nights).where(night.in_(chunk), night.not_in(retired)))
    night_writer.update_totals(connection, families)
    seen = sa.select(tables.activity.c.account_id)
    connection.execute(sa.delete(tables.accounts).where(tables.accounts.c.account_id.not_in(seen)))


def scrub(database: Database) -> None:
    """Write the database's files anew, so that no byte of what was deleted is left in them; raises StoreError if it is in use."""
    database.rewrite([table.name for table in (*OF_ACCOUNTS, *OF_NIGHTS)])
