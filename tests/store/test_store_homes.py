"""Homes that can be opened, for reading only too, and how those that cannot are refused."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.stored_nights import save_first

from fingerprint.casework.actions import Actions
from fingerprint.domain.errors import StoreError, UsageError
from fingerprint.store.lock import HomeLock
from fingerprint.store.store import Store


def test_read_only_writes_nothing(store: Store, tmp_path: Path, store_url: str | None) -> None:
    save_first(store)
    with Store.open(tmp_path, store_url, read_only=True) as reader:
        assert len(reader.signatures()) == 2
        with pytest.raises(StoreError, match=r"read-?only"):
            Actions(reader.database).set_label("f1", "benign", by="ann")


@pytest.mark.parametrize("name", ["a b", "per%cent", "ques?tion#", "ünï"])
def test_homes_of_any_name(tmp_path: Path, name: str) -> None:
    with Store.open(tmp_path / name / "deep") as store:
        save_first(store)
    with Store.open(tmp_path / name / "deep", read_only=True) as store:
        assert len(store.families()) == 2
    assert (tmp_path / name / "deep" / "fingerprint.db").exists()


def test_a_reader_that_has_gone_is_no_fault_of_the_database(store: Store) -> None:
    with pytest.raises(BrokenPipeError), store.database.reading():
        raise BrokenPipeError


def test_not_a_database(tmp_path: Path) -> None:
    (tmp_path / "fingerprint.db").write_text("This is a letter to my grandmother. " * 100)
    with pytest.raises(StoreError, match=r"fingerprint\.db: file is not a database"):
        Store.open(tmp_path)


def test_a_file_where_the_home_should_be(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(StoreError, match=r"home.*File exists|home.*Not a directory"):
        Store.open(tmp_path / "home")
    with pytest.raises(StoreError, match=r"home/lock: a writable home expected"), HomeLock(tmp_path / "home"):
        pass


@pytest.fixture
def read_only_home() -> Iterator[Path]:
    """A home with a database that this process may not write; root may write anything, so it is nobody meanwhile."""
    home = Path(tempfile.mkdtemp(dir="/tmp"))  # pytest's own folder is closed to nobody
    with Store.open(home) as store:
        save_first(store)
    for path in home.iterdir():
        path.chmod(0o444)
    home.chmod(0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield home
    os.seteuid(user)
    home.chmod(0o755)
    shutil.rmtree(home)


def test_read_only_home(read_only_home: Path) -> None:
    with pytest.raises(StoreError, match=r"fingerprint\.db: .*(readonly|unable to open)"):
        Store.open(read_only_home)
    with pytest.raises(StoreError, match="lock: a writable home expected: Permission denied"):
        HomeLock(read_only_home).__enter__()
    with pytest.raises(StoreError, match=r"Permission denied.*new"):
        Store.open(read_only_home / "new")


def test_passwords_stay_hidden(tmp_path: Path) -> None:
    for url in (
        "postgresql://me:s3cret@127.0.0.1:1/db?connect_timeout=2",
        "postgresql://me@127.0.0.1:1/db?password=s3cret",
    ):
        with pytest.raises(StoreError, match=r"127\.0\.0\.1:1/db.*[Cc]onnection") as caught:
            Store.open(tmp_path, url)
        assert "s3cret" not in str(caught.value)
    with pytest.raises(
        UsageError, match="postgresql:// or sqlite:// URL expected, mysql:// found"
    ) as refused:
        Store.open(tmp_path, "mysql://me:s3cret@host/db")
    assert "s3cret" not in str(refused.value)
    with pytest.raises(UsageError, match="a file in the sqlite:// URL expected, :memory: found"):
        Store.open(tmp_path, "sqlite:///:memory:")
    with pytest.raises(UsageError, match="no URL found") as refused:
        Store.open(tmp_path, "me:s3cret@host/db")
    assert "s3cret" not in str(refused.value)


def test_a_read_only_home_is_read(read_only_home: Path) -> None:
    with Store.open(read_only_home, read_only=True) as store:
        assert [row.family_id for row in store.families()] == ["f1", "f2"]
    assert {path.name for path in read_only_home.iterdir()} == {"fingerprint.db"}


def test_what_waits_beside_a_read_only_database_is_not_passed_over(tmp_path: Path) -> None:
    with Store.open(tmp_path / "home") as store:
        save_first(store)
        log = (tmp_path / "home" / "fingerprint.db-wal").read_bytes()
        assert log
        with Store.open(tmp_path / "home", read_only=True) as reader:
            assert len(reader.families()) == 2


def test_an_older_schema_says_what_to_run(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        save_first(store)
    with sqlite3.connect(tmp_path / "fingerprint.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0007_expected_false_flags'")
    with pytest.raises(
        StoreError, match=r"0007_expected_false_flags found: run `fingerprint upgrade` on it once"
    ):
        Store.open(tmp_path, read_only=True)
