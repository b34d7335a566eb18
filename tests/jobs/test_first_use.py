"""All kernels are compiled at the first use, in two processes, and the list of them is whole."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.small_traffic import night_rows, written

from docs import make_kernels
from fingerprint.base import kernel_cache
from fingerprint.jobs import first_use

FEW = (
    ["fingerprint.base.hashing:finalise", "uint64"],
    ["fingerprint.base.sorting:_sink", "int32[:]", "int64", "int64"],
    ["fingerprint.base.sorting:nothing", "int64"],
)

NIGHT = """
import json, sys
from docs import make_kernels
from fingerprint.cli.main import cli
try:
    cli.main(sys.argv[1:], prog_name="fingerprint")
except SystemExit as end:
    assert not end.code, end.code
print(json.dumps(make_kernels.called()))
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for compiled kernels, where there are two processors, and three lines in the list."""
    listed = tmp_path / "kernels.jsonl"
    listed.write_text("".join(json.dumps(line) + "\n" for line in FEW))
    monkeypatch.setattr(first_use, "LIST", listed)
    monkeypatch.setattr(first_use, "workers", lambda: 2)
    monkeypatch.setenv(kernel_cache.VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_each_kernel_of_the_list_is_compiled_once(cache: Path) -> None:
    steps: list[tuple[str, int, int]] = []

    first_use.compile_all(lambda *step: steps.append(step), lookups=True)

    kept = sorted(path.name.partition("-")[0] for path in cache.rglob("*.nbi"))
    assert kept == ["hashing.finalise", "sorting._sink"]  # what cannot be compiled does not stop the others
    assert steps == [("compile", done, 3) for done in range(4)]
    for lookups in (True, False):
        first_use.compile_all(
            lambda *step: pytest.fail(f"{step}: they were compiled before"), lookups=lookups
        )


def test_a_night_does_not_wait_for_kernels_of_lookups(cache: Path) -> None:
    first_use.LIST.write_text('["fingerprint.matching.meanings:_holds", "int32[:]", "int64", "int64"]\n')
    steps: list[tuple[str, int, int]] = []
    first_use.compile_all(lambda *step: steps.append(step), lookups=False)
    assert steps == [("compile", 0, 0)]
    first_use.compile_all(lambda *step: steps.append(step), lookups=True)
    assert steps[1:] == [("compile", done, 1) for done in range(2)]
    assert [path.name.partition("-")[0] for path in cache.rglob("*.nbi")] == ["meanings._holds"]


def test_a_changed_list_or_file_asks_again(cache: Path) -> None:
    mark = first_use.mark(lookups=True)
    first_use.LIST.write_text(json.dumps(FEW[0]) + "\n")
    assert first_use.mark(lookups=True) != mark


def test_one_processor_compiles_each_kernel_when_it_is_called(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_use, "workers", lambda: 1)
    first_use.compile_all(lambda *step: pytest.fail(str(step)), lookups=True)
    assert not list(cache.rglob("*.nbi"))


def test_where_nothing_can_be_kept_nothing_is_compiled_ahead(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_use, "writable", lambda folder: False)
    first_use.compile_all(lambda *step: pytest.fail(str(step)), lookups=True)
    assert not list(cache.rglob("*.nbi"))


def test_every_line_names_a_kernel_and_its_types() -> None:
    from numba.core.registry import CPUDispatcher

    for name, arguments in first_use.kernels():
        module, _, function = name.partition(":")
        assert isinstance(getattr(importlib.import_module(module), function), CPUDispatcher), name
        types = first_use.numba_types(arguments)
        assert [make_kernels.written(one) for one in types] == arguments


def test_the_list_has_what_a_night_calls(tmp_path: Path) -> None:
    traffic = written(tmp_path / "day.jsonl", night_rows(1))
    command = [sys.executable, "-c", NIGHT, "nightly", traffic, "--home", tmp_path / "home", "--quiet"]
    listed = {json.dumps(line) for line in map(json.loads, first_use.LIST.read_text().splitlines())}
    called: set[str] = set()
    for _ in range(2):  # where a kernel had to be compiled, those it calls were loaded, too
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
        called = {json.dumps(line) for line in json.loads(done.stdout.splitlines()[-1])}
        if called <= listed:
            break
    assert called <= listed, "a kernel is new, or called with other types: run docs/make_kernels.py"
    assert not any(name in line for line in called for name in first_use.OF_LOOKUPS), (
        "nights do not wait for these"
    )
