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
    ["fingerprint.base.hashing:finalise", ["lookup", "night"], "uint64"],
    ["fingerprint.base.sorting:_sink", ["night"], "int32[:]", "int64", "int64"],
    ["fingerprint.base.sorting:nothing", ["night"], "int64"],
    ["fingerprint.matching.meanings:_holds", ["lookup"], "int32[:]", "int64", "int64"],
)

CALLED = """
import json, sys
from docs import make_kernels
from fingerprint.store.store import Store
traffic, home = sys.argv[1:]
make_kernels.run("nightly", traffic, "--home", home, "--quiet")
print(json.dumps(make_kernels.called()))
make_kernels.run("lookup", traffic, "--home", home, "--quiet", "--output", home + "/matches.jsonl")
print(json.dumps(make_kernels.called()))
with Store.open(home, read_only=True) as store:
    family = store.signatures()[0].family_id
make_kernels.run("hunt", family, traffic, "--home", home, "--quiet")
print(json.dumps(make_kernels.called()))
"""

SO_FAR: tuple[tuple[first_use.Job, ...], ...] = (("night",), ("night", "lookup"), ("night", "lookup", "hunt"))
"""The jobs that the process above has run when it prints what it called."""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for compiled kernels, where there are two processors, and four lines in the list."""
    listed = tmp_path / "kernels.jsonl"
    listed.write_text("".join(json.dumps(line) + "\n" for line in FEW))
    monkeypatch.setattr(first_use, "LIST", listed)
    monkeypatch.setattr(first_use, "workers", lambda: 2)
    monkeypatch.setenv(kernel_cache.VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_each_job_compiles_what_it_calls_and_no_job_before_it_has_compiled(cache: Path) -> None:
    steps: list[tuple[str, int, int]] = []

    first_use.compile_for(lambda *step: steps.append(step), "night")

    # what cannot be compiled does not stop the others
    assert compiled(cache) == ["hashing.finalise", "sorting._sink"]
    assert steps == [("compile", done, 3) for done in range(4)]
    steps.clear()
    first_use.compile_for(lambda *step: steps.append(step), "night", "lookup")
    assert compiled(cache) == ["hashing.finalise", "meanings._holds", "sorting._sink"]
    assert steps == [("compile", done, 1) for done in range(2)]
    for job in ("night", "lookup"):
        first_use.compile_for(lambda *step: pytest.fail(f"{step}: they were compiled before"), job)


def test_a_changed_list_asks_again(cache: Path) -> None:
    first_use.LIST.write_text(json.dumps(FEW[0]) + "\n")
    first_use.compile_for(lambda *_: None, "lookup")
    first_use.LIST.write_text("".join(json.dumps(line) + "\n" for line in FEW[:2]))
    steps: list[tuple[str, int, int]] = []
    first_use.compile_for(lambda *step: steps.append(step), "lookup")
    assert steps == [("compile", done, 1) for done in range(2)]


def test_one_processor_compiles_each_kernel_when_it_is_called(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_use, "workers", lambda: 1)
    first_use.compile_for(lambda *step: pytest.fail(str(step)), "night")
    assert not list(cache.rglob("*.nbi"))


def test_where_nothing_can_be_kept_nothing_is_compiled_ahead(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_use, "writable", lambda folder: False)
    first_use.compile_for(lambda *step: pytest.fail(str(step)), "night")
    assert not list(cache.rglob("*.nbi"))


def test_every_line_names_a_kernel_and_its_types() -> None:
    from numba.core.registry import CPUDispatcher

    for name, jobs, arguments in first_use.kernels():
        assert jobs, name
        assert jobs <= set(first_use.JOBS), name
        module, _, function = name.partition(":")
        assert isinstance(getattr(importlib.import_module(module), function), CPUDispatcher), name
        types = first_use.numba_types(arguments)
        assert [make_kernels.written(one) for one in types] == arguments


def test_the_list_has_what_nights_lookups_and_hunts_call(tmp_path: Path) -> None:
    traffic = written(tmp_path / "day.jsonl", night_rows(1))
    for turn in range(2):  # where a kernel had to be compiled, those it calls were loaded, too
        command = [sys.executable, "-c", CALLED, str(traffic), str(tmp_path / f"home{turn}")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        called = [{json.dumps(line) for line in json.loads(words)} for words in done.stdout.splitlines()]
        unlisted = [loaded - of_jobs(*jobs) for loaded, jobs in zip(called, SO_FAR, strict=True)]
        if not any(unlisted):
            break
    assert not any(unlisted), "kernels are new, or called with other types: run docs/make_kernels.py"


def of_jobs(*jobs: first_use.Job) -> set[str]:
    """Return the lines of these jobs as `called` writes them."""
    return {
        json.dumps([kernel.name, *kernel.arguments])
        for kernel in first_use.kernels()
        if not kernel.jobs.isdisjoint(jobs)
    }


def compiled(cache: Path) -> list[str]:
    return sorted(path.name.partition("-")[0] for path in cache.rglob("*.nbi"))
