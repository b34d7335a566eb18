"""A database gets the tables of today when it is opened, and one with other tables is refused."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from support.stored_nights import NOON, engine_of

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


def test_a_database_of_before_loses_its_table_of_metadata_and_nothing_else(
    tmp_path: Path, store_url: str | None
) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    engine = engine_of(tmp_path, store_url)
    value = {"account_id": "a", "name": "user_agent", "value": "x", "first_seen": NOON, "last_seen": NOON}
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0004_casework")
        before = set(sa.inspect(connection).get_table_names())
        old = sa.Table("account_meta", sa.MetaData(), autoload_with=connection)
        connection.execute(sa.insert(old), [value])
        campaign = {"campaign_id": "c1", "label": "Graders", "score": 0.5, "flagged": True, "created": NOON}
        connection.execute(sa.insert(metadata.tables["campaigns"]), [campaign])
    Store.open(tmp_path, store_url).close()
    with engine.connect() as connection:
        assert before - set(sa.inspect(connection).get_table_names()) == {"account_meta"}
        assert connection.scalar(sa.text("SELECT label FROM campaigns")) == "Graders"


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
