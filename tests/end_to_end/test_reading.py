"""Reading needs no writing: lists and lookups in a home that cannot be written, on a full disk, without a database."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.small_traffic import TEMPLATES, done, failed, run

from fingerprint.domain.settings import Home
from fingerprint.store.lock import HomeLock

PROMPT = TEMPLATES[0].format("river market engine teacher window garden")
LISTS = (("families",), ("accounts",), ("campaigns",), ("nights",))


@pytest.fixture
def read_only(worked: Path, traffic: tuple[Path, Path]) -> Iterator[Path]:
    """A home that this process may read and not write, and traffic beside it; root is nobody meanwhile."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))  # pytest's own folder is closed to nobody
    home = folder / "home"
    shutil.copytree(worked, home)
    shutil.copy(traffic[1], folder / "day1.jsonl")
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield home
    os.seteuid(user)
    for path in (folder, *(p for p in folder.rglob("*") if p.is_dir())):
        path.chmod(0o755)
    shutil.rmtree(folder)


def outcomes(lines: str) -> list[tuple[object, object]]:
    return [(row["family_id"], row["score"]) for row in map(json.loads, lines.splitlines())]


@pytest.fixture
def expected(worked: Path, traffic: tuple[Path, Path]) -> dict[str, str]:
    """What commands print in a home that can be written."""
    printed = {name: done(name, "--home", worked, "--json") for (name,) in LISTS}
    lookup = done("lookup", traffic[1], "--home", worked, "--output", "-")
    return printed | {"lookup": lookup, "try": done("try", PROMPT, "--home", worked, "--json")}


def test_a_read_only_home(expected: dict[str, str], read_only: Path) -> None:
    for (name,) in LISTS:
        assert done(name, "--home", read_only, "--json") == expected[name]
    traffic = read_only.parent / "day1.jsonl"
    assert done("lookup", traffic, "--home", read_only, "--output", "-") == expected["lookup"]
    assert done("try", PROMPT, "--home", read_only, "--json") == expected["try"]


def test_a_full_disk(expected: dict[str, str], home: Path, traffic: tuple[Path, Path]) -> None:
    commands = [*LISTS, ("try", PROMPT)]
    python = "import sys; from fingerprint.cli.main import cli; cli.main(sys.argv[1:])"
    for command in commands:
        script = 'ulimit -f 0; exec "$0" "$@"'
        arguments = [*command, "--home", str(home), "--json"]
        job = subprocess.run(
            ["bash", "-c", script, sys.executable, "-c", python, *arguments],
            capture_output=True,
            check=False,
            text=True,
        )
        assert job.returncode == 0, job.stderr
        assert job.stdout == expected[command[0]]


def test_lookups_need_no_database(expected: dict[str, str], home: Path, traffic: tuple[Path, Path]) -> None:
    for path in home.glob("fingerprint.db*"):
        path.unlink()
    result = run("lookup", traffic[1], "--home", home, "--output", "-")
    assert (result.exit_code, result.stdout) == (0, expected["lookup"])
    assert "answers are of the snapshot of" in result.stderr
    assert "there is no database here yet" in result.stderr
    assert run("try", PROMPT, "--home", home, "--json").stdout == expected["try"]
    assert not home.joinpath("fingerprint.db").exists()


def test_a_lookup_during_a_night_after_a_label_answers_with_the_label(
    home: Path, family: str, traffic: tuple[Path, Path], expected: dict[str, str]
) -> None:
    with HomeLock(home):
        assert "no lookup has it yet" not in done("label", family, "benign", "--home", home)
        result = run("lookup", traffic[1], "--home", home, "--output", "-")
    assert result.exit_code == 0, result.stderr
    assert "another job is running on this home" in result.stderr
    labels = {
        row["label"] for row in map(json.loads, result.stdout.splitlines()) if row["family_id"] == family
    }
    assert labels == {"benign"}
    ids = [row["family_id"] for row in map(json.loads, result.stdout.splitlines())]
    assert ids == [family_id for family_id, _ in outcomes(expected["lookup"])]


def test_an_older_schema(home: Path, traffic: tuple[Path, Path], expected: dict[str, str]) -> None:
    with sqlite3.connect(Home(home).database_file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0007_expected_false_flags'")
    assert "`fingerprint upgrade`" in failed(5, "families", "--home", home)
    result = run("lookup", traffic[1], "--home", home, "--output", "-")
    assert (result.exit_code, result.stdout) == (0, expected["lookup"])
    assert "with the labels of then" in result.stderr
