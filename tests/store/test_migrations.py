"""A database gets the tables of today when it is opened, and one with other tables is refused."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from support.stored_nights import engine_of

from fingerprint.domain.errors import StoreError
from fingerprint.store.database import MIGRATIONS
from fingerprint.store.store import Store
from fingerprint.store.tables import REVISION, metadata

HEAD = ScriptDirectory(str(MIGRATIONS)).get_current_head()


def test_migrations_make_what_the_tables_say(store: Store, tmp_path: Path, store_url: str | None) -> None:
    with engine_of(tmp_path, store_url).connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "target_metadata": metadata}
        )
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == HEAD == REVISION


def test_opens_at_once_in_many_threads(tmp_path: Path, store_url: str | None) -> None:
    errors: list[Exception] = []

    def open_it() -> None:
        try:
            Store.open(tmp_path, store_url).close()
        except Exception as error:
            errors.append(error)

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
