"""`db copy` from a home to PostgreSQL and back, and what is told where --database names the wrong one."""

from __future__ import annotations

import sys
from pathlib import Path

import psycopg
import pytest
from support.small_traffic import done, failed, objects, run

from fingerprint.store.store import Store


@pytest.fixture
def database(postgresql: str) -> str:
    """The URL of an empty database."""
    with psycopg.connect(postgresql, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS moved WITH (FORCE)")
        connection.execute("CREATE DATABASE moved")
    return postgresql.replace("/postgres?", "/moved?")


def test_a_home_moves_to_postgresql_and_back(home: Path, tmp_path: Path, database: str) -> None:
    there = objects("db", "copy", home, database, "--json")
    assert {"spread", "families"} <= {row["table"] for row in there if row["rows"]}
    assert objects("families", "--home", home, "--database", database, "--json") == objects(
        "families", "--home", home, "--json"
    )
    assert objects("db", "copy", database, tmp_path / "back", "--json") == there
    assert done("nights", "--home", tmp_path / "back") == done("nights", "--home", home)
    assert (tmp_path / "back" / "fingerprint.db").stat().st_mode & 0o077 == 0
    assert "an empty database expected" in failed(5, "db", "copy", home, tmp_path / "back")
    assert "spread" in done("db", "copy", home, f"sqlite:///{tmp_path / 'third.db'}")


def test_places_that_are_none(home: Path, tmp_path: Path) -> None:
    assert "no database here yet" in failed(5, "db", "copy", tmp_path / "none", tmp_path / "to")
    assert not (tmp_path / "to").exists()
    assert "this is a file" in failed(5, "db", "copy", home / "fingerprint.db", tmp_path / "to")
    assert "mysql:// found" in failed(2, "db", "copy", home, "mysql://me@host/db")


def test_an_empty_database_beside_a_full_home_is_told_once(home: Path, tmp_path: Path, database: str) -> None:
    for url in (database, f"sqlite:///{tmp_path / 'other.db'}"):
        result = run("keys", "list", "--home", home, "--database", url)
        assert result.exit_code == 0
        assert result.stderr.count("has no nights, but") == 1
        assert "fingerprint db copy" in result.stderr
    own = run("families", "--home", home, "--database", f"sqlite:///{home / 'fingerprint.db'}")
    assert (own.exit_code, own.stderr) == (0, "")
    done("db", "copy", home, f"sqlite:///{tmp_path / 'copy.db'}")
    assert run("nights", "--home", home, "--database", f"sqlite:///{tmp_path / 'copy.db'}").stderr == ""


def test_a_missing_driver_names_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "psycopg"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    told = failed(5, "nights", "--home", tmp_path, "--database", "postgresql://u:s3cret@127.0.0.1/db")
    assert "pip install 'fingerprint[postgres]'" in told
    assert "s3cret" not in told
    with pytest.raises(Exception, match="fingerprint\\[postgres\\]"):
        Store.open(tmp_path, "postgresql://u@127.0.0.1/db")
