"""Log-in sessions of the console.

Of each session the SHA-256 of its token is kept, as of keys: whoever reads the database can use none of them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from fingerprint.store import tables
from fingerprint.store.access import record
from fingerprint.store.database import Database


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A session: the digest of its token (hex), whose key began it, and when it ends by itself."""

    digest: str
    key_id: str
    expires: datetime


def digest_of(token: str) -> str:
    """Hash a session's token as it is stored, hex."""
    return hashlib.sha256(token.encode()).hexdigest()


class Sessions:
    """The sessions of one database; every method is one transaction and raises StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def start(self, session: StoredSession, *, by: str) -> None:
        """Keep a new session, and write it to the audit log; those that have expired go."""
        table, now = tables.sessions, datetime.now(UTC)
        with self._database.writing() as connection:
            connection.execute(sa.delete(table).where(table.c.expires <= now))
            row = {"digest": session.digest, "key_id": session.key_id, "expires": session.expires}
            connection.execute(sa.insert(table), row)
            record(connection, by, "session.start", session.key_id, {}, now)

    def find(self, digest: str) -> StoredSession | None:
        """Return the session of a token's digest; None for none, also when it has expired."""
        table = tables.sessions
        chosen = sa.select(table).where(table.c.digest == digest, table.c.expires > datetime.now(UTC))
        with self._database.reading() as connection:
            row = connection.execute(chosen).first()
        return None if row is None else _stored(row)

    def in_force(self) -> dict[str, StoredSession]:
        """Return all sessions that have not expired, by their digest."""
        table = tables.sessions
        chosen = sa.select(table).where(table.c.expires > datetime.now(UTC))
        with self._database.reading() as connection:
            return {row.digest: _stored(row) for row in connection.execute(chosen)}

    def end(self, digest: str, *, by: str) -> None:
        """End one session, and write it to the audit log; to end it again changes nothing."""
        table, now = tables.sessions, datetime.now(UTC)
        with self._database.writing() as connection:
            row = connection.execute(sa.select(table).where(table.c.digest == digest)).first()
            if row is not None:
                connection.execute(sa.delete(table).where(table.c.digest == digest))
                record(connection, by, "session.end", row.key_id, {}, now)

    def end_all(self, *, by: str) -> int:
        """End every session, and write that to the audit log; returns how many there were."""
        table, now = tables.sessions, datetime.now(UTC)
        with self._database.writing() as connection:
            count = int(connection.execute(sa.delete(table)).rowcount)
            record(connection, by, "session.end_all", "sessions", {"sessions": count}, now)
        return count


def _stored(row: sa.Row[tuple[str, str, datetime]]) -> StoredSession:
    return StoredSession(row.digest, row.key_id, row.expires)
