"""Tests that the page on security names are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROW = re.compile(
    r"^\| API(\d+) .+ \| (met|partly|not)\b.* \| `(tests/\S+\.py)::(test_\w+)` \|$", re.MULTILINE
)


def test_each_risk_has_a_row_and_the_test_that_it_names() -> None:
    rows = ROW.findall((ROOT / "docs" / "security.md").read_text())
    assert [int(number) for number, *_ in rows] == list(range(1, 11))
    for _, _, file, name in rows:
        tests = {
            node.name
            for node in ast.parse((ROOT / file).read_text()).body
            if isinstance(node, ast.FunctionDef)
        }
        assert name in tests, f"{file} has no {name}"
