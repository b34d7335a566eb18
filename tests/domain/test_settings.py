"""A home is named by a path, or by its text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fingerprint import Home


def test_a_home_is_named_by_a_path_or_its_text() -> None:
    assert Home("home") == Home(Path("home"))
    assert Home("home").database_file == Path("home/fingerprint.db")
    assert replace(Home("home"), database="postgresql://h/d") == Home(Path("home"), "postgresql://h/d")
