"""Ids by their first letters: what a person types becomes the one stored id that it can mean."""

from __future__ import annotations

from typing import Any, Literal

import sqlalchemy as sa

from fingerprint.domain.errors import NotFound, UsageError
from fingerprint.store import tables
from fingerprint.store.database import Database

Kind = Literal["family", "campaign", "account", "key"]

_COLUMNS: dict[Kind, tuple[sa.Column[Any], str]] = {
    "family": (tables.families.c.family_id, "families"),
    "campaign": (tables.campaigns.c.campaign_id, "campaigns"),
    "account": (tables.accounts.c.account_id, "accounts"),
    "key": (tables.api_keys.c.key_id, "keys"),
}

MAX_CANDIDATES = 8
"""Ids that the error for an ambiguous prefix lists."""


def full_id(database: Database, kind: Kind, typed: str) -> str:
    """Return the stored id that is equal to `typed`, else the only one that begins with it.

    Raises NotFound when no id begins with it, and UsageError, with the candidates, when several do.
    """
    column, plural = _COLUMNS[kind]
    # not LIKE, for which letters of either case are the same in SQLite
    begins = sa.func.substr(column, 1, len(typed)) == typed
    with database.reading() as connection:
        if connection.scalar(sa.select(column).where(column == typed)) is not None:
            return typed
        ids = list(connection.scalars(sa.select(column).where(begins).order_by(column))) if typed else []
    if not ids:
        raise NotFound(f"{database.name}: no {kind} {typed}")
    if len(ids) > 1:
        more = f" and {len(ids) - MAX_CANDIDATES:,} more" if len(ids) > MAX_CANDIDATES else ""
        listed = ", ".join(ids[:MAX_CANDIDATES])
        raise UsageError(f"{typed} is the beginning of {len(ids):,} {plural}: {listed}{more}")
    return str(ids[0])
