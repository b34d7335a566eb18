"""Who may use the service, and who changed what: API keys and the append-only audit log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from fingerprint.domain.errors import NotFound, UsageError
from fingerprint.domain.rows import AuditRow, KeyRow
from fingerprint.store import api_keys, tables
from fingerprint.store.database import Database


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key with its digest (SHA-256 of the whole key, hex)."""

    row: KeyRow
    digest: str


class Access:
    """The keys and the audit log of one database; every method is one transaction and raises StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create_key(
        self, name: str, scopes: Iterable[str], *, by: str, expires: datetime | None = None
    ) -> tuple[KeyRow, str]:
        """Make a key; returns what is kept of it, and the key itself, which is never seen again.

        Raises UsageError for a scope that there is not, or an empty name.
        """
        if not name.strip():
            raise UsageError("the name of a key must not be empty")
        key_id, key = api_keys.mint()
        now = datetime.now(UTC)
        row = KeyRow(key_id, name, api_keys.checked_scopes(scopes), now, by, expires)
        with self._database.writing() as connection:
            values = {field.name: getattr(row, field.name) for field in fields(KeyRow)}
            stored = {**values, "scopes": list(row.scopes), "digest": api_keys.digest(key)}
            connection.execute(sa.insert(tables.api_keys), stored)
            until = None if expires is None else expires.isoformat()
            detail = {"name": name, "scopes": list(row.scopes), "expires": until}
            record(connection, by, "key.create", key_id, detail, now)
        return row, key

    def revoke_key(self, key_id: str, *, by: str) -> KeyRow:
        """Let a key be refused from now on; raises NotFound. To revoke it again changes nothing."""
        now = datetime.now(UTC)
        table = tables.api_keys
        with self._database.writing() as connection:
            stored = connection.execute(sa.select(table).where(table.c.key_id == key_id)).first()
            if stored is None:
                raise NotFound(f"{self._database.name}: no key {key_id}")
            if stored.revoked is None:
                connection.execute(sa.update(table).where(table.c.key_id == key_id).values(revoked=now))
                record(connection, by, "key.revoke", key_id, {"name": stored.name}, now)
            row = connection.execute(sa.select(table).where(table.c.key_id == key_id)).one()
        return _stored(row).row

    def all_keys(self) -> list[StoredKey]:
        """List all keys, revoked ones too, oldest first."""
        table = tables.api_keys
        chosen = sa.select(table).order_by(table.c.created, table.c.key_id)
        with self._database.reading() as connection:
            return [_stored(row) for row in connection.execute(chosen)]

    def used(self, last: Mapping[str, datetime]) -> None:
        """Write down when keys were last used."""
        table = tables.api_keys
        with self._database.writing() as connection:
            for key_id, at in sorted(last.items()):
                later = sa.or_(table.c.last_used.is_(None), table.c.last_used < at)
                connection.execute(
                    sa.update(table).where(table.c.key_id == key_id, later).values(last_used=at)
                )

    def record(self, actor: str, action: str, subject: str, detail: Mapping[str, Any] | None = None) -> None:
        """Add one line to the audit log."""
        with self._database.writing() as connection:
            record(connection, actor, action, subject, detail or {}, datetime.now(UTC))

    def audit(
        self, *, subject: str | None = None, before: int | None = None, limit: int = 100
    ) -> list[AuditRow]:
        """List the audit log, newest first; before: only rows of a lower id."""
        table = tables.audit
        chosen = sa.select(table).order_by(table.c.id.desc()).limit(limit)
        if subject is not None:
            chosen = chosen.where(table.c.subject == subject)
        if before is not None:
            chosen = chosen.where(table.c.id < before)
        with self._database.reading() as connection:
            return [
                AuditRow(r.id, r.at, r.actor, r.action, r.subject, r.detail)
                for r in connection.execute(chosen)
            ]

    def revision(self, subject: str) -> int:
        """Return the number of the latest change of a subject, 0 for none; it is what ETags are made of."""
        with self._database.reading() as connection:
            return revision(connection, subject)


def record(
    connection: sa.Connection, actor: str, action: str, subject: str, detail: Mapping[str, Any], at: datetime
) -> None:
    """Add one line to the audit log inside the caller's transaction."""
    row = {"at": at, "actor": actor, "action": action, "subject": subject, "detail": dict(detail)}
    connection.execute(sa.insert(tables.audit), row)


def revision(connection: sa.Connection, subject: str) -> int:
    """Return the number of the latest change of a subject inside the caller's transaction, 0 for none."""
    newest = sa.select(sa.func.max(tables.audit.c.id)).where(tables.audit.c.subject == subject)
    return int(connection.scalar(newest) or 0)


def _stored(row: sa.Row[Any]) -> StoredKey:
    values: dict[str, Any] = {field.name: getattr(row, field.name) for field in fields(KeyRow)}
    scopes: Sequence[str] = row.scopes
    return StoredKey(KeyRow(**{**values, "scopes": tuple(scopes)}), row.digest)
