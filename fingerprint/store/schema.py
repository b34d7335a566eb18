"""Brings a database's schema up to date: makes the tables of an empty one at once, and migrates one of before."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from fingerprint.domain.errors import StoreError
from fingerprint.store.tables import REVISION, metadata

MIGRATIONS = Path(__file__).parent / "migrations"

# where Alembic writes down the schema, as it makes it itself
_alembic_version = sa.Table(
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)

_AUDIT_TRIGGERS = {
    "sqlite": (
        "CREATE TRIGGER audit_update BEFORE UPDATE ON audit "
        "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
        "CREATE TRIGGER audit_delete BEFORE DELETE ON audit "
        "BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
    ),
    "postgresql": (
        "CREATE FUNCTION audit_refuses() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$",
        "CREATE TRIGGER audit_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_refuses()",
    ),
}
"""By dialect: rows of the audit log are neither changed nor deleted."""


def revision_of(connection: sa.Connection) -> str | None:
    """Return the database's schema, as Alembic writes it down; None for an empty database."""
    if not sa.inspect(connection).has_table(_alembic_version.name):
        return None
    return connection.execute(sa.select(_alembic_version.c.version_num)).scalar()


def bring_up_to_date(connection: sa.Connection, name: str) -> None:
    """Give a database the tables of today, within the connection's transaction, which no other process has meanwhile.

    `name` is what the database is shown by. Raises StoreError for a schema of a newer version.
    """
    revision = revision_of(connection)
    if revision is None:
        _make_tables(connection)
    elif revision != REVISION:
        _migrate(connection, name)


def _make_tables(connection: sa.Connection) -> None:
    metadata.create_all(connection, checkfirst=False)
    for statement in _AUDIT_TRIGGERS[connection.dialect.name]:
        connection.exec_driver_sql(statement)
    _alembic_version.create(connection, checkfirst=True)
    connection.execute(sa.insert(_alembic_version).values(version_num=REVISION))


def _migrate(connection: sa.Connection, name: str) -> None:
    # Alembic takes 0.2 s to import, which a start on a database of today, or on none, need not wait for
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StoreError(f"{name}: {error}") from error


def require_known(revision: str, name: str) -> None:
    """Raise StoreError unless the migrations lead from a schema to that of today."""
    from alembic.script import ScriptDirectory

    if revision not in {step.revision for step in ScriptDirectory(str(MIGRATIONS)).walk_revisions()}:
        raise StoreError(
            f"{name}: schema {REVISION} expected, {revision} found: a newer version of fingerprint made it"
        )
