"""Databases that migrations made, as homes of before have them."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config

from fingerprint.store.schema import MIGRATIONS
from support.stored_nights import engine_of


def migrate(home: Path, url: str | None, revision: str = "head") -> None:
    """Walk the database of a home, or the one that an URL names, through the migrations as far as one of them."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with engine_of(home, url).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
