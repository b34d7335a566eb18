"""The demo, whole but small."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from fingerprint.cli.main import cli


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp("demo")
    # workers of pytest-xdist set COLUMNS to 80
    with contextlib.chdir(folder):
        result = CliRunner().invoke(cli, ["demo", "--keep", "--rows", "3000"], env={"COLUMNS": "110"})
    assert result.exit_code == 0, result.output
    return result.stdout, folder / "demo-home"


def test_it_tells_the_story(demo: tuple[str, Path]) -> None:
    story, _ = demo
    places = [
        story.index(word) for word in ("Night 1", "Night 3", "look like campaigns", "Day 4", "look next")
    ]
    assert places == sorted(places)
    assert "fingerprint serve --home demo-home" in story[story.index("The console") :]
    assert "temporary" not in story
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
    families = [line for line in transcript.splitlines() if re.match(r"f[0-9a-f]{12}", line)]
    assert len(families) == 3
    cells = {without_template(line) for line in demo[0].splitlines()}
    assert [line for line in families if without_template(line) not in cells] == []


def without_template(line: str) -> str:
    """Return a family's line up to its template; that, and how sure it is, differ with the number of rows."""
    return shape(line.replace("over ", "")).partition("⟨")[0]


def shape(line: str) -> str:
    """Return a line without its numbers and ids."""
    return re.sub(r"\s+", " ", re.sub(r"\b[cf][0-9a-f]{10,12}\b|[\d.,]*\d", "#", line))


def test_its_home_is_an_ordinary_one(demo: tuple[str, Path]) -> None:
    [command] = re.findall(r"fingerprint (families show .*)", demo[0])
    with contextlib.chdir(demo[1].parent):
        result = CliRunner().invoke(cli, command.split())
    assert result.exit_code == 0, result.output
    nights = CliRunner().invoke(cli, ["nights", "--home", str(demo[1]), "--format", "jsonl"])
    assert len(nights.stdout.splitlines()) == 3


def test_it_spares_a_home_in_use(demo: tuple[str, Path]) -> None:
    result = CliRunner().invoke(cli, ["demo", "--home", str(demo[1])])
    assert result.exit_code == 5
    assert "new or empty" in result.stderr


def test_its_home_is_in_one_place(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["demo", "--keep", "--home", str(tmp_path / "home")])
    assert result.exit_code == 2
    assert "either --keep or --home" in result.stderr
    assert list(tmp_path.iterdir()) == []
