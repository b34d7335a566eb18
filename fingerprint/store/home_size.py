"""How many bytes a home takes, by what is in it."""

from __future__ import annotations

import os
from pathlib import Path

import sqlalchemy as sa

from fingerprint.domain.settings import Home
from fingerprint.store.database import Database

DATABASE = "database"


def home_sizes(home: Home, database: Database) -> dict[str, int]:
    """Return the bytes of the database, wherever it is, and of each folder of the home; what is gone meanwhile counts 0."""
    sizes = {DATABASE: _database_bytes(database)}
    own = {home.database_file.name + suffix for suffix in ("", "-wal", "-shm")}
    for entry in sorted(os.scandir(home.path), key=lambda e: e.name) if home.path.is_dir() else ():
        if entry.name in own:
            continue
        if entry.is_dir(follow_symlinks=False):
            sizes[entry.name] = _folder_bytes(Path(entry.path))
        else:
            sizes["other files"] = sizes.get("other files", 0) + entry.stat(follow_symlinks=False).st_size
    return sizes


def _database_bytes(database: Database) -> int:
    with database.reading() as connection:
        if connection.dialect.name == "postgresql":
            return int(connection.scalar(sa.text("SELECT pg_database_size(current_database())")) or 0)
        pages, page = (
            int(connection.exec_driver_sql(f"PRAGMA {name}").scalar() or 0)
            for name in ("page_count", "page_size")
        )
        return pages * page


def _folder_bytes(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(parent) / name).lstat().st_size
            except FileNotFoundError:
                continue
    return total
