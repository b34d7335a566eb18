"""What the program can do is named in docs/, and what docs/ name is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import click

from docs import make_commands
from fingerprint.cli.main import cli
from fingerprint.domain import errors
from fingerprint.domain.errors import FingerprintError
from fingerprint.domain.settings import Settings
from fingerprint.service.http.config import Config
from fingerprint.simulate import EVASIONS, PRESETS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def everything() -> str:
    return "\n".join(path.read_text() for path in DOCS.glob("*.md"))


def commands(group: click.Group = cli, name: str = "fingerprint") -> Iterator[tuple[str, click.Command]]:
    for part, command in group.commands.items():
        yield f"{name} {part}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} {part}")


def options(command: click.Command) -> set[str]:
    return {name for p in command.params for name in (*p.opts, *p.secondary_opts) if name.startswith("-")}


def test_commands_page_is_that_of_this_program() -> None:
    assert make_commands.PAGE.read_text() == make_commands.page(), "docs/commands.md is old: run `make docs`"


def test_every_command_and_option_is_named() -> None:
    page = make_commands.PAGE.read_text()
    sections = dict(re.findall(r"^## `([^`]+)`\n(.*?)(?=^## )", page, re.MULTILINE | re.DOTALL))
    for name, command in commands():
        words = set(re.findall(r"--[a-z][a-z-]*", sections[name]))
        assert options(command) <= words, name


def test_every_setting_is_described() -> None:
    for settings in (Settings, Config):
        described = make_commands.described_fields(settings)
        for field in fields(settings):
            assert f"`{field.name}`" in everything() or field.name in ("path", "database")
        assert all(described.values())


def test_every_exit_status_is_named() -> None:
    codes = {
        c.exit_code for c in vars(errors).values() if isinstance(c, type) and issubclass(c, FingerprintError)
    }
    table = everything().partition("## Exit statuses")[2]
    for code in {0, *codes, 130, 143}:
        assert re.search(rf"\b{code}\b", table), code


def test_every_preset_and_evasion_is_named() -> None:
    page = make_commands.PAGE.read_text()
    assert [name for name in (*EVASIONS, *PRESETS) if name not in page] == []
