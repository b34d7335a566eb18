"""A copy of a database holds the same, in SQLite and PostgreSQL, and goes on as the first would have."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from support.stored_nights import dump, engine_of, save_first, save_next

from fingerprint.casework.actions import Actions
from fingerprint.domain.errors import StoreError
from fingerprint.store import copying, tables
from fingerprint.store.copying import copy_database
from fingerprint.store.database import Database
from fingerprint.store.store import Store


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A home with two nights, a key, labels, a note and an undo."""
    home = tmp_path / "filled"
    with Store.open(home) as store:
        save_first(store)
        save_next(store)
        store.access.create_key("gateway ⟨ü⟩", ["lookup"], by="ann")
        actions = Actions(store.database)
        actions.set_label("f1", "benign", by="ann", reason='it\'s ours; \\N\t"quoted"\nand a line')
        actions.set_label("f2", "campaign", by="bob")
        actions.undo(2, by="bob")
    return home


def copied(filled: Path, home: Path, url: str | None) -> list[copying.CopiedTable]:
    source, target = Database(filled, None, read_only=True), Database(home, url)
    try:
        return copy_database(source, target)
    finally:
        source.close()
        target.close()


def everything(home: Path, url: str | None) -> dict[str, list[str]]:
    with engine_of(home, url).connect() as connection:
        return {
            table.name: sorted(str(tuple(row)) for row in connection.execute(sa.select(table)))
            for table in tables.metadata.sorted_tables
        }


def test_a_copy_holds_the_same_there_and_back(filled: Path, tmp_path: Path, store_url: str | None) -> None:
    there = copied(filled, tmp_path / "there", store_url)
    assert everything(tmp_path / "there", store_url) == everything(filled, None)
    assert {t.table: t.rows for t in there} == {n: len(rows) for n, rows in everything(filled, None).items()}
    assert sum(t.rows > 0 for t in there) > 12
    source, back = Database(tmp_path / "there", store_url, read_only=True), Database(tmp_path / "back", None)
    assert copy_database(source, back) == there
    source.close()
    back.close()
    assert dump(tmp_path / "back", None) == dump(filled, None)


def test_numbers_go_on_after_those_that_were_copied(
    filled: Path, tmp_path: Path, store_url: str | None
) -> None:
    copied(filled, tmp_path / "there", store_url)
    with Store.open(tmp_path / "there", store_url) as store:
        before = store.revision()
        Actions(store.database).set_label("f2", "benign", by="ann", reason="known")
        assert store.revision() > before


def test_a_database_that_holds_something_is_not_written_to(
    filled: Path, tmp_path: Path, store_url: str | None
) -> None:
    with Store.open(tmp_path / "there", store_url) as store:
        store.access.create_key("k", ["read"], by="ann")
    before = everything(tmp_path / "there", store_url)
    with pytest.raises(StoreError, match="an empty database expected, rows in its table api_keys found"):
        copied(filled, tmp_path / "there", store_url)
    assert everything(tmp_path / "there", store_url) == before


def test_what_comes_back_otherwise_is_no_copy(
    filled: Path, tmp_path: Path, store_url: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert = "_into_sqlite" if store_url is None else "_into_postgresql"
    proper = getattr(copying, insert)

    def forgetful(connection: sa.Connection, table: sa.Table, rows: list[tuple[object, ...]]) -> None:
        proper(connection, table, rows[1:] if table.name == "activity" else rows)

    monkeypatch.setattr(copying, insert, forgetful)
    with pytest.raises(StoreError, match=r"activity: SHA-256 \w{64} expected, \w{64} found; nothing was"):
        copied(filled, tmp_path / "there", store_url)
    assert not any(everything(tmp_path / "there", store_url).values())
