"""The demo, whole but small."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from fingerprint.cli.main import cli


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    home = tmp_path_factory.mktemp("demo") / "home"
    # workers of pytest-xdist set COLUMNS to 80
    arguments = ["demo", "--home", str(home), "--rows", "3000"]
    result = CliRunner().invoke(cli, arguments, env={"COLUMNS": "110"})
    assert result.exit_code == 0, result.output
    return result.stdout, home


def test_it_tells_the_story(demo: tuple[str, Path]) -> None:
    story, home = demo
    places = [
        story.index(word) for word in ("Night 1", "Night 3", "look like campaigns", "Day 4", "look next")
    ]
    assert places == sorted(places)
    assert f"--home {home}" in story
    assert max(map(len, story.splitlines()[:40])) <= 120


def test_its_numbers_are_good(demo: tuple[str, Path]) -> None:
    shares = re.findall(r"^(campaign|honest), .*? (\d+\.\d)% ", demo[0], re.MULTILINE)
    assert [kind for kind, _ in shares] == ["campaign", "campaign", "campaign", "honest", "honest"]
    undisguised, disguised, _, software, people = (float(share) for _, share in shares)
    assert undisguised > 80
    assert disguised > 30
    assert software < 10
    assert people < 1


def test_readme_shows_what_it_prints(demo: tuple[str, Path]) -> None:
    """Its lines are the demo's, but for numbers, and for what differs with the number of rows: ids, texts, timings."""
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    transcript = readme[readme.index("Four simulated days") :].partition("\n```")[0]
    printed = {shape(line) for line in demo[0].splitlines()}
    shown = [
        line
        for line in transcript.splitlines()
        if not re.match(r"f[0-9a-f]{12}|…| {2}(system|segments)", line)
    ]
    assert [line for line in shown if shape(line) not in printed] == []


def shape(line: str) -> str:
    """Return a line without its numbers and ids."""
    return re.sub(r"\s+", " ", re.sub(r"\b[cf][0-9a-f]{10,12}\b|[\d.,]*\d", "#", line))


def test_its_home_is_an_ordinary_one(demo: tuple[str, Path]) -> None:
    [command] = re.findall(r"fingerprint (families show .*)", demo[0])
    result = CliRunner().invoke(cli, command.split())
    assert result.exit_code == 0, result.output
    nights = CliRunner().invoke(cli, ["nights", "--home", str(demo[1]), "--format", "jsonl"])
    assert len(nights.stdout.splitlines()) == 3


def test_it_spares_a_home_in_use(demo: tuple[str, Path]) -> None:
    result = CliRunner().invoke(cli, ["demo", "--home", str(demo[1])])
    assert result.exit_code == 5
    assert "new or empty" in result.stderr
