"""A home's database into another one: from SQLite to PostgreSQL, or back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from fingerprint.domain.errors import StoreError
from fingerprint.domain.settings import Home
from fingerprint.store.copying import CopiedTable, copy_database
from fingerprint.store.database import Database
from fingerprint.store.lock import HomeLock


def copy_tables(source: str, target: str) -> list[CopiedTable]:
    """Copy all tables from one place into another, each a home's folder or a database URL.

    Raises StoreError for a source that is not there or of an older version, and a target that is not empty; HomeLocked where
    another job works on the target's home.
    """
    with ExitStack() as open_places:
        reading = open_places.enter_context(_opened(source, read_only=True))
        if "://" not in target:
            open_places.enter_context(HomeLock(_folder(target)))
        writing = open_places.enter_context(_opened(target, read_only=False))
        return copy_database(reading, writing)


@contextmanager
def _opened(place: str, *, read_only: bool) -> Iterator[Database]:
    home, url = (None, place) if "://" in place else (_folder(place), None)
    database = Database(home, url, read_only=read_only)
    try:
        yield database
    finally:
        database.close()


def _folder(place: str) -> Path:
    if Path(place).is_file():
        raise StoreError(
            f"{place}: a home's folder or a database URL (sqlite:///{place}) expected, this is a file"
        )
    return Home(Path(place)).path
