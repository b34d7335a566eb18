"""Tests that the page on security names are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROW = re.compile(
    r"^\| (?:API)?([\d.]+) .+ \| (?:(?:met|partly)\b.* \| `(tests/\S+\.py)::(test_\w+)`|not: .+ \|) \|$",
    re.MULTILINE,
)
RISKS = [str(number) for number in range(1, 11)]
REQUIREMENTS = [
    f"11.{part}.{number}" for part, last in enumerate((5, 5, 4, 3), 1) for number in range(1, last + 1)
]
"""Of chapter C11 of the AISVS."""


def test_each_risk_and_requirement_has_a_row_and_the_test_that_it_names() -> None:
    rows = ROW.findall((ROOT / "docs" / "security.md").read_text())
    assert [number for number, *_ in rows] == RISKS + REQUIREMENTS
    for number, file, name in rows:
        if not file:
            assert number in REQUIREMENTS
            continue
        tests = {
            node.name
            for node in ast.parse((ROOT / file).read_text()).body
            if isinstance(node, ast.FunctionDef)
        }
        assert name in tests, f"{file} has no {name}"
