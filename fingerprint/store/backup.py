"""A home's database into one SQLite file, and back, while others use it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from fingerprint.base.private import private_file
from fingerprint.domain.errors import StoreError
from fingerprint.domain.settings import Home
from fingerprint.store import access
from fingerprint.store.copying import copy_database
from fingerprint.store.database import BUSY_TIMEOUT_S, Database, database_url, is_sqlite


def save_database(home: Home, file: Path) -> None:
    """Write one state of a home's database to a new SQLite file, which needs no file beside it, and check it.

    SQLite is copied page by page, in any version; PostgreSQL table by table, which has to be of this one. Raises StoreError.
    """
    url = database_url(home.path, home.database)
    if not is_sqlite(url):
        _copy(Database(None, home.database, read_only=True), Database(None, f"sqlite:///{file}"))
    else:
        source = Path(str(url.database)).absolute()
        if not source.is_file():
            raise StoreError(f"{source}: there is no database here to back up")
        private_file(file)
        with (
            _mapped(source),
            closing(_connect(source, "mode=ro")) as reading,
            closing(_connect(file, "mode=rw")) as writing,
        ):
            reading.backup(writing)
    with _mapped(file), closing(_connect(file, "mode=rw")) as written:
        written.execute("PRAGMA journal_mode = DELETE")
    check_database(file)


def check_database(file: Path) -> None:
    """Raise StoreError unless a SQLite file is whole."""
    with _mapped(file), closing(_connect(file, "mode=ro&immutable=1")) as connection:
        (word,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if word != "ok":
        raise StoreError(f"{file}: damaged: {word}")


def load_database(file: Path, home: Home) -> None:
    """Put what a SQLite file holds, of this version, into a home's database, in one transaction.

    A SQLite database that is there is replaced, and whoever has it open sees the new one from his next transaction on; one of
    PostgreSQL must be empty. Raises StoreError.
    """
    url = database_url(home.path, home.database)
    if not is_sqlite(url):
        _copy(Database(None, f"sqlite:///{file}", read_only=True), Database(None, home.database))
        return
    target = private_file(Path(str(url.database)).absolute())
    with (
        _mapped(target),
        closing(_connect(file, "mode=ro")) as reading,
        closing(_connect(target, "mode=rw")) as writing,
    ):
        reading.backup(writing)
        writing.execute("PRAGMA journal_mode = WAL")


def log_restore(home: Home, made: str, *, by: str) -> None:
    """Write into the audit log that a backup, made at that time, was put back."""
    with closing(Database(home.path, home.database)) as database, database.writing() as connection:
        access.record(connection, by, "restore", "home", {"made": made}, datetime.now(UTC))


def _copy(source: Database, target: Database) -> None:
    with closing(source), closing(target):
        copy_database(source, target)


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, timeout=BUSY_TIMEOUT_S)


@contextmanager
def _mapped(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {error}") from error
