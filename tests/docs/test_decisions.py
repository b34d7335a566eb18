"""Every decision has an id of its own and a row in the index, and every id that is cited exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DECISIONS = ROOT / "docs" / "decisions"
INDEX = DECISIONS / "README.md"
CITED = ("fingerprint", "tests", "benchmarks", "deploy", "models", "data", "docs")


def decisions() -> list[tuple[str, str, str]]:
    """Every decision's id, title and page."""
    return [
        (number, title, page.name)
        for page in DECISIONS.glob("*.md")
        if page != INDEX
        for number, title in re.findall(r"^#{2,3} (D-\d{3}) · (.+)$", page.read_text(), re.MULTILINE)
    ]


def test_ids_are_unique_and_the_index_lists_all() -> None:
    ids = [number for number, _, _ in decisions()]
    assert len(set(ids)) == len(ids)
    rows = re.findall(r"^\| (D-\d{3}) \| (.+) \| \[[\w-]+\]\((\S+)\) \|$", INDEX.read_text(), re.MULTILINE)
    assert rows == sorted(decisions()), "docs/decisions/README.md: one row a decision expected, by id"


def test_every_decision_is_dated() -> None:
    for page in DECISIONS.glob("*.md"):
        for text in re.split(r"^#{2,3} D-", page.read_text(), flags=re.MULTILINE)[1:]:
            assert re.match(r".+\n\n\*20\d\d-\d\d-\d\d\* · ", text), f"{page.name}: D-{text[:60]}"


def test_pages_are_those_of_folders() -> None:
    folders = {path.parent.name for path in (ROOT / "fingerprint").glob("*/__init__.py")}
    assert {page.stem for page in DECISIONS.glob("*.md")} <= folders | {"general", "README"}


def test_cited_ids_exist() -> None:
    known = {number for number, _, _ in decisions()}
    files = [*ROOT.glob("*.md"), ROOT / "pyproject.toml", ROOT / "Makefile"]
    files += [f for top in CITED for ext in ("py", "md") for f in (ROOT / top).rglob(f"*.{ext}")]
    unknown = [
        f"{file.relative_to(ROOT)}: {cited}"
        for file in files
        for cited in re.findall(r"\bD-\d{3}\b", file.read_text())
        if cited not in known and file != Path(__file__) and file != INDEX
    ]
    assert unknown == []
