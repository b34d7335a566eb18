"""What docs/ and README show of the sample day is what the program prints of it, numbers and ids apart."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from fingerprint.cli.main import cli

ROOT = Path(__file__).parents[2]
FAMILIES = (ROOT / "docs" / "families.md").read_text()


def run(*arguments: str) -> str:
    # workers of pytest-xdist set COLUMNS to 80
    result = CliRunner().invoke(cli, [*arguments], env={"COLUMNS": "110"})
    assert result.exit_code == 0, result.output
    return result.stdout


def shape(line: str) -> str:
    return re.sub(
        r"\s+", " ", re.sub(r"\b[cf][0-9a-f]{10,12}\b|\b[0-9a-f]{12}\b|[\d.,]*\d", "#", line)
    ).strip()


def shown(page: str, begins: str) -> list[str]:
    """Return the lines of the transcript that begins so, without cuts."""
    transcript = page[page.index(begins) :].partition("\n```")[0]
    return [shape(line) for line in transcript.splitlines() if line.strip() != "…"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    home = str(tmp_path_factory.mktemp("sample") / "home")
    return home, run("nightly", str(ROOT / "data" / "sample.jsonl.gz"), "--home", home)


def test_readme_shows_the_summary_of_a_night(home: tuple[str, str]) -> None:
    printed = {shape(line) for line in home[1].splitlines()}
    lines = shown((ROOT / "README.md").read_text(), "5,000 requests in")
    assert lines[0].startswith("# requests in")
    assert [line for line in lines if line not in printed] == []


def test_a_family_is_shown_as_it_is_printed(home: tuple[str, str]) -> None:
    [family] = re.findall(r"^family (\w+): expected precision", FAMILIES, re.MULTILINE)
    printed = {shape(line) for line in run("families", "show", family, "--home", home[0]).splitlines()}
    assert [line for line in shown(FAMILIES, "family fc17") if line not in printed] == []


def test_a_match_is_shown_as_it_is_printed(home: tuple[str, str]) -> None:
    [signature] = re.findall(r"user  (Reply.*?)\n +⟨…⟩", FAMILIES, re.DOTALL)
    text = " ".join(signature.split()).replace("Reply", "Rерly").replace("one JSON", "ONE json")
    prompt = f"Ref 8841-x. {text}. How do I prune an old pear tree"
    [account] = re.findall(r"--account (\w+)", FAMILIES)
    printed = {
        shape(line) for line in run("try", prompt, "--account", account, "--home", home[0]).splitlines()
    }
    assert [line for line in shown(FAMILIES, "match: family") if line not in printed] == []


def test_rejected_rows_are_listed_as_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs" / "traffic.md").read_text()
    [example] = re.findall(r"^ +fingerprint (nightly odd\.jsonl.*?)\n\n", page, re.MULTILINE | re.DOTALL)
    row = {"id": "r1", "org": {"key": "k1"}, "times": ["2026-03-02T10:00:00Z"], "body": {"text": "hello"}}
    monkeypatch.chdir(tmp_path)
    rows = (json.dumps(row), json.dumps(row | {"org": {}}), "nonsense")
    Path("odd.jsonl").write_text("\n".join(rows) + "\n")
    run(*example.replace("\\\n", "").split())
    [listed] = Path("home/rejects").iterdir()
    assert listed.read_text() in page
