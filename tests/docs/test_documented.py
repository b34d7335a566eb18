"""What the program can do is named in docs/, and what docs/ name is there."""

from __future__ import annotations

import ast
import importlib
import json
import pkgutil
import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import click
import pytest
from support.made_signatures import signature_of

from docs import make_commands
from fingerprint.assessment.features import SCORE_FEATURES
from fingerprint.cli.main import cli
from fingerprint.domain import errors
from fingerprint.domain.errors import FingerprintError
from fingerprint.domain.results import IngestReport, Match, NightReport
from fingerprint.domain.rows import AccountRow, AuditRow, CampaignRow, FamilyRow, KeyRow, LabelRow
from fingerprint.domain.settings import Settings
from fingerprint.domain.signature import Reason, Segment, Slot, Spread, Stamp
from fingerprint.domain.signature_json import to_json
from fingerprint.domain.vocabulary import EXPORT_FORMATS
from fingerprint.jobs.hunt import AccountHits, HuntReport
from fingerprint.jobs.lookup import LookupReport
from fingerprint.service import console, routes
from fingerprint.service.app import create_app
from fingerprint.service.http.config import Config
from fingerprint.service.routes import answers, gateways, schemas
from fingerprint.service.serving import metrics
from fingerprint.simulate import EVASIONS, PRESETS
from fingerprint.traffic.rejects import RejectKind

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text()
PAGES = sorted(
    [
        *DOCS.rglob("*.md"),
        *(ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")),
        *(ROOT / folder / "README.md" for folder in ("deploy", "models", "data", "benchmarks")),
        ROOT / "deploy" / "ray.md",
    ]
)


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


def test_every_environment_variable_is_named() -> None:
    code = "\n".join(path.read_text() for path in (ROOT / "fingerprint").rglob("*.py"))
    names = set(re.findall(r'"(FINGERPRINT_[A-Z_]+)"', code))
    assert {"FINGERPRINT_HOME", "FINGERPRINT_MODELS"} <= names
    assert sorted(name for name in names if f"`{name}`" not in everything()) == []


def test_every_exit_status_is_named() -> None:
    codes = {
        c.exit_code for c in vars(errors).values() if isinstance(c, type) and issubclass(c, FingerprintError)
    }
    table = everything().partition("## Exit statuses")[2]
    for code in {0, *codes, 130, 143}:
        assert re.search(rf"\b{code}\b", table), code


def test_every_route_is_named() -> None:
    routers = [
        module.router
        for part in (routes, console)
        for found in pkgutil.iter_modules(part.__path__, f"{part.__name__}.")
        if hasattr(module := importlib.import_module(found.name), "router")
    ]
    named = {
        f"{method} {route.path.replace(':path', '')}"
        for router in routers
        for route in router.routes
        for method in route.methods
    }
    assert {"POST /v1/lookup", "GET /", "GET /metrics"} <= named
    named |= {gateways.ENVOY_ROUTE.path.replace(":path", ""), f"GET {create_app(Config('')).openapi_url}"}
    assert (
        sorted(
            route for route in named if not re.search(rf"`(any method, )?{re.escape(route)}`", everything())
        )
        == []
    )


def test_every_metric_is_named() -> None:
    code = Path(metrics.__file__).read_text()
    found = re.findall(r'(Counter\()?"(fingerprint_[a-z_]+)"', code)
    names = {name + ("_total" if counter else "") for counter, name in found}
    assert {"fingerprint_lookups_total", "fingerprint_lookups_waiting", "fingerprint_policy_info"} <= names
    assert sorted(name for name in names if f"`{name}`" not in everything()) == []


def test_every_field_is_named() -> None:
    records = (
        *(NightReport, IngestReport, Match, LookupReport, HuntReport, AccountHits),
        *(FamilyRow, AccountRow, CampaignRow, LabelRow, KeyRow, AuditRow),
        *(Segment, Slot, Spread, Stamp, Reason),
    )
    names = {field.name for record in records for field in fields(record)} | set(
        to_json(signature_of("a b c d e"))
    )
    bodies = (answers.LookupBody, answers.Answer, schemas.FamilyDetail, schemas.NewLabel, schemas.AuditBody)
    names |= {name for body in bodies for name in body.model_fields}
    written = "\n".join(path.read_text() for path in DOCS.glob("*.md") if path != make_commands.PAGE)
    assert sorted(name for name in names if not re.search(rf'[`"]{name}[`"]', written)) == []


def test_every_export_format_is_described() -> None:
    page = (DOCS / "sharing.md").read_text()
    assert [name for name in EXPORT_FORMATS if f"| `{name}` |" not in page] == []


def test_every_reason_of_a_rejected_row_is_named() -> None:
    page = (DOCS / "traffic.md").read_text()
    assert [kind for kind in get_args(RejectKind) if f"`{kind}`" not in page] == []


def test_every_reason_of_a_score_is_described_with_its_limit() -> None:
    rows = re.findall(r"^\| (`.+`) \| ([+-]?[\d.]+) \|", (DOCS / "scoring.md").read_text(), re.MULTILINE)
    limits = {name: float(limit) for names, limit in rows for name in re.findall(r"`(\w+)`", names)}
    for feature in SCORE_FEATURES:
        assert limits[feature.name] == pytest.approx(feature.weight * feature.cap), feature.name


def test_every_preset_and_evasion_is_named() -> None:
    evasions, presets = make_commands.PAGE.read_text(), (DOCS / "simulation.md").read_text()
    assert [name for name in EVASIONS if name not in evasions] == []
    assert [name for name in PRESETS if f"| `{name}` |" not in presets] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_examples_are_commands_of_this_program(path: Path) -> None:
    known = dict(commands())
    for line in re.findall(
        r"^(?: {4}|\$ )(?:.*\| )?(fingerprint [^|\n>]*)", joined_lines(path.read_text()), re.MULTILINE
    ):
        words = shlex.split(line.replace("'", "\\'") if line.count("'") % 2 else line, comments=True)
        name = max((n for n in known if words[: n.count(" ") + 1] == n.split()), key=len, default=None)
        assert name is not None, line
        used = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert used <= options(known[name]) | {"--help"}, line


def joined_lines(text: str) -> str:
    return re.sub(r"\\\n\s*", "", text)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        page = (path.parent / file).resolve() if file else path
        assert page.exists(), target
        if anchor:
            assert anchor in anchors(page), target


def anchors(page: Path) -> set[str]:
    """Return what GitHub calls the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_that_pages_name_are_there(path: Path) -> None:
    for name in re.findall(r"`((?:[\w.-]+/)+[\w-]+\.(?:py|md|toml|json|yaml|svg))`", path.read_text()):
        # a page of decisions is about the folder of its name
        places = (
            ROOT / name,
            ROOT / "fingerprint" / name,
            ROOT / "fingerprint" / path.stem / name,
            path.parent / name,
        )
        assert any(place.exists() for place in places), name


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_python_examples_import_what_is_there(path: Path) -> None:
    for block in re.findall(r"^```python\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fingerprint"):
                module = __import__(node.module or "", fromlist=["_"])
                assert all(hasattr(module, alias.name) for alias in node.names), ast.unparse(node)


def test_the_tree_is_drawn_as_it_is() -> None:
    """Folders of ARCHITECTURE.md are those of the package, in the order of the import contract."""
    listed = re.findall(r"^\| `(\w+)` \|", (ROOT / "ARCHITECTURE.md").read_text(), re.MULTILINE)
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    level = {
        name.strip().removeprefix("fingerprint."): number
        for number, layer in enumerate(layers)
        for name in layer.split("|")
    }
    assert sorted(listed) == sorted(
        folder.parent.name for folder in (ROOT / "fingerprint").glob("*/__init__.py")
    )
    assert sorted(listed, key=level.__getitem__) == listed


def test_the_figures_of_the_readme_are_those_of_the_results() -> None:
    life, simulated, days, serve = (
        json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text())
        for name in ("quality-lifelike", "quality-lifelike-simulated", "quality-days", "serve")
    )
    rows = {
        cells[1].strip(): cells[2].strip()
        for line in README.splitlines()
        if len(cells := line.split("|")) == 5
    }

    def found(day: str) -> str:
        families = life["families"][day]
        return f"{families['overall']['f1']:.3f}, {families['macro_f1_over_families']:.3f}"

    def matched(run: dict[str, Any]) -> float:
        *_, last = run["lookup"].values()
        return float(last["overall"]["tpr"]["background@0.001"])

    def flagged(run: dict[str, Any]) -> str:
        *_, last = run["campaigns"].values()
        return f"{last['precision']:.3f}; {last['recall']:.3f}"

    first, both = life["campaigns"]["day1"], life["campaigns"]["day1+day2"]
    accounts = life["accounts"]["day1+day2"]
    wrong = accounts["false_positive_rate"] * (accounts["accounts"] - accounts["positive"])
    assert list(rows.values())[-5:] == [
        f"{found('day1')} / {found('day2')}",
        f"{first['precision']:.3f}; {first['recall']:.3f} / {both['precision']:.3f}; {both['recall']:.3f}",
        f"{accounts['recall_at_rate']:.3f}; {wrong:.0f} of {accounts['accounts'] - accounts['positive']:,}",
        f"{matched(life):.3f}",
        f"{max(n['seconds'] for n in life['nights']):.0f} s, {max(n['peak_mb'] for n in life['nights']) / 1000:.1f} GB; "
        f"{serve['in_process']['p50_ms']:.1f} ms",
    ]
    assert f"on three tidy days {matched(days):.3f}" in README
    assert flagged(simulated).replace("; ", " and recall ").replace("precision ", "") in README.replace(
        "\n", " "
    )
    assert flagged(days).replace("; ", " and ") in README


def test_the_first_pages_are_short() -> None:
    assert len(README.splitlines()) <= 200
    assert len((ROOT / "ARCHITECTURE.md").read_text().splitlines()) <= 150
