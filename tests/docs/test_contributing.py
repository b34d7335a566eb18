"""The examples of CONTRIBUTING.md work as they are printed there."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from support.made_signatures import CHANGED, signature_of
from support.observed import observed

import fingerprint
from fingerprint.assessment import features
from fingerprint.assessment.features import Feature
from fingerprint.evidence.null_models import MIN_POOL
from fingerprint.sharing import formats
from fingerprint.sharing.rules import RuleItem, Terms
from fingerprint.traffic import located, log_formats, requests, row_plan

PAGE = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def module(path: str) -> ModuleType:
    """Run the example that begins with this path."""
    source = next(block for block in BLOCKS if block.startswith(f"# {path}\n"))
    made = ModuleType(Path(path).stem)
    exec(compile(source, path, "exec"), vars(made))
    return made


def test_the_statistic_finds_accounts_that_send_once() -> None:
    throwaway = module("fingerprint/evidence/statistics/throwaway.py")
    row = next(block for block in BLOCKS if block.startswith("Feature("))
    feature = eval(row, {**vars(features), "throwaway": throwaway})
    assert isinstance(feature, Feature)
    assert feature.name not in {known.name for known in features.SCORE_FEATURES}
    # eight accounts send one request each, all of one family; the ninth sends many
    account = np.concatenate([np.arange(8), np.full(92, 8)])
    data = observed(account, np.arange(100.0), [np.arange(8), np.arange(8, 20)])
    found = feature.statistic(data)
    assert found.value[0] == 8 >= MIN_POOL
    assert found.expected[0] == pytest.approx(8 * 8 / 9)
    assert np.isnan(found.value[1])
    assert feature.words.format(value=8, expected=7.1)


def test_the_log_format_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    acme = module("fingerprint/traffic/formats/acme.py")
    changed = {}
    for original in (log_formats, row_plan, located, requests):
        source = Path(str(original.__file__)).read_text().replace("\nFORMATS = (", "\nFORMATS = (acme.ROW,")
        made = ModuleType(original.__name__)
        vars(made)["acme"] = acme
        # those that follow import this one
        monkeypatch.setitem(sys.modules, original.__name__, made)
        exec(compile(source, str(original.__file__), "exec"), vars(made))
        changed |= vars(made)
    row = {
        "acme_trace": "t-1",
        "received_at": "2026-03-02T10:00:00Z",
        "customer": {"organisation": "o-7", "key": "k-1"},
        "client": {"address": "203.0.113.9"},
        "payload": '{"messages": [{"role": "user", "content": "How do I prune a pear tree?"}]}',
    }
    assert changed["format_of"](row) is acme.ROW
    request = changed["extract"](row)
    assert (request.request_id, request.account_id, request.time) == ("t-1", "o-7", row["received_at"])
    assert (request.prompt, request.metadata) == ("How do I prune a pear tree?", b'{"ip_prefix":"203.0.113"}')


def test_the_export_format_writes_ascii() -> None:
    plain_text = module("fingerprint/sharing/plain_text.py")
    row = next(block for block in BLOCKS if block.startswith("Format("))
    made = eval(row, {**vars(formats), "plain_text": plain_text})
    assert isinstance(made, formats.Format)
    assert made.name not in formats.FORMATS
    family = signature_of("Répondez à tout en JSON", "and say why")
    written = made.write([RuleItem(family, None, CHANGED)], Terms("amber", "Éxample"))
    assert written.isascii()
    assert written.splitlines()[0] == b"TLP:AMBER, \\xc9xample"
    assert written.splitlines()[1].startswith(b"f1: 60 requests from 12 accounts")


def test_files_and_functions_are_as_short_as_the_page_says() -> None:
    longest_file, longest_function = map(
        int, re.findall(r"at most (\d+)(?: lines)?; functions at most (\d+)", PAGE)[0]
    )
    root = Path(fingerprint.__file__).parent
    sizes: dict[str, int] = {}
    for path in sorted(root.rglob("*.py")):
        source = path.read_text()
        name = str(path.relative_to(root))
        if source.count("\n") > longest_file:
            sizes[name] = source.count("\n")
        if "migrations" in path.parts:
            continue
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                lines = node.end_lineno - node.lineno + 1
                if lines > longest_function:
                    sizes[f"{name}: {node.name}"] = lines
    assert sizes == {}
