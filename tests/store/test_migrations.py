"""A database gets the tables of today when it is opened, and one with other tables is refused."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from support.migrated import migrate
from support.stored_nights import NOON, engine_of

from fingerprint.domain.errors import StoreError
from fingerprint.store import database
from fingerprint.store.schema import MIGRATIONS, revision_of
from fingerprint.store.store import Store
from fingerprint.store.tables import REVISION, metadata

HEAD = ScriptDirectory(str(MIGRATIONS)).get_current_head()


def test_migrations_make_what_the_tables_say(tmp_path: Path, store_url: str | None) -> None:
    migrate(tmp_path, store_url)
    with engine_of(tmp_path, store_url).connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "target_metadata": metadata}
        )
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == HEAD == REVISION


def test_a_new_database_has_what_migrations_make(
    tmp_path: Path, store_url: str | None, postgresql: str
) -> None:
    """To the last column, index, constraint, default and trigger."""
    migrate(tmp_path, store_url)
    walked = schema_of(tmp_path, store_url)
    new = tmp_path / "new"
    with other_database(postgresql, store_url) as url:
        Store.open(new, url).close()
        made = schema_of(new, url)
    assert {"families", "audit", "alembic_version", "triggers"} <= set(walked)
    assert made == walked
    assert made["families"]["columns"]["strays"]["default"] is not None
    assert made["triggers"]


@contextmanager
def other_database(server: str, url: str | None) -> Iterator[str | None]:
    """Another empty database of the same kind: a new one of the server, or None for SQLite in a home."""
    if url is None:
        yield None
        return
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("CREATE DATABASE made")
        yield server.replace("/postgres?", "/made?")
        connection.execute("DROP DATABASE made WITH (FORCE)")


def schema_of(home: Path, url: str | None) -> dict[str, Any]:
    """All that a database says of its tables, but the order of their columns, which migrations append."""
    with engine_of(home, url).connect() as connection:
        inspector = sa.inspect(connection)
        schema: dict[str, Any] = {name: table_of(inspector, name) for name in inspector.get_table_names()}
        if url is None:
            tables = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'table'")
            schema["without_rowid"] = {name for name, sql in tables if "WITHOUT ROWID" in sql}
            triggers = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        else:
            schema["sequences"] = sorted(inspector.get_sequence_names())
            triggers = (
                "SELECT tgname, pg_get_triggerdef(t.oid) || prosrc || prolang FROM pg_trigger t "
                "JOIN pg_proc p ON p.oid = tgfoid WHERE NOT tgisinternal"
            )
        schema["triggers"] = {
            name: " ".join(sql.split()) for name, sql in connection.exec_driver_sql(triggers)
        }
    return schema


def table_of(inspector: sa.Inspector, name: str) -> dict[str, Any]:
    columns = {
        column["name"]: {**column, "type": repr(column["type"])} for column in inspector.get_columns(name)
    }
    return {
        "columns": columns,
        "primary key": inspector.get_pk_constraint(name),
        "foreign keys": sorted(map(str, inspector.get_foreign_keys(name))),
        "unique": sorted(map(str, inspector.get_unique_constraints(name))),
        "checks": sorted(map(str, inspector.get_check_constraints(name))),
        "indexes": sorted(map(str, inspector.get_indexes(name))),
    }


def test_a_database_of_before_loses_its_table_of_metadata_and_nothing_else(
    tmp_path: Path, store_url: str | None
) -> None:
    migrate(tmp_path, store_url, "0004_casework")
    engine = engine_of(tmp_path, store_url)
    value = {"account_id": "a", "name": "user_agent", "value": "x", "first_seen": NOON, "last_seen": NOON}
    with engine.begin() as connection:
        before = set(sa.inspect(connection).get_table_names())
        old = sa.Table("account_meta", sa.MetaData(), autoload_with=connection)
        connection.execute(sa.insert(old), [value])
        campaign = {"campaign_id": "c1", "label": "Graders", "score": 0.5, "flagged": True, "created": NOON}
        connection.execute(sa.insert(metadata.tables["campaigns"]), [campaign])
    Store.open(tmp_path, store_url).close()
    with engine.connect() as connection:
        assert before - set(sa.inspect(connection).get_table_names()) == {"account_meta"}
        assert connection.scalar(sa.text("SELECT label FROM campaigns")) == "Graders"


def test_opens_at_once_in_many_threads(
    tmp_path: Path, store_url: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All find it empty before any makes its tables."""
    all_looked = threading.Barrier(6)
    errors: list[Exception] = []

    def wait_for_all(connection: sa.Connection) -> str | None:
        revision = revision_of(connection)
        all_looked.wait(60)
        return revision

    def open_it() -> None:
        try:
            Store.open(tmp_path, store_url).close()
        except Exception as error:
            errors.append(error)

    monkeypatch.setattr(database, "revision_of", wait_for_all)
    threads = [threading.Thread(target=open_it) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_other_schemas_are_refused(tmp_path: Path, store_url: str | None) -> None:
    with pytest.raises(
        StoreError, match=rf"there is no database here yet|schema {HEAD} expected, an empty database found"
    ):
        Store.open(tmp_path, store_url, read_only=True)
    Store.open(tmp_path, store_url).close()
    engine = engine_of(tmp_path, store_url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    for read_only in (True, False):
        with pytest.raises(
            StoreError, match=f"schema {HEAD} expected, 9999 found: a newer version of fingerprint made it"
        ):
            Store.open(tmp_path, store_url, read_only=read_only)
