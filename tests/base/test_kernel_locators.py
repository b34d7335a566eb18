"""A kernel is compiled again when a file changes whose code or constants are compiled into it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from numba.core import config

import fingerprint
from fingerprint.base import kernel_locators

PACKAGE = Path(fingerprint.__file__).parent

INNER = """
from fingerprint.base.jit import njit

@njit(cache=True)
def inner(number):
    return number + {}
"""

OUTER = """
from fingerprint.base.constants import ADDED
from fingerprint.base.inner import inner
from fingerprint.base.jit import njit

@njit(cache=True)
def outer(number):
    return inner(number) + ADDED
"""

CALLED = "from fingerprint.base.outer import outer; print(outer(0), len(outer.stats.cache_hits))"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Modules of the package that others need, with three more: a kernel that calls another, and takes a constant."""
    copied = tmp_path / PACKAGE.name
    for file in (PACKAGE / "__init__.py", *(PACKAGE / "base").glob("*.py")):
        place = copied / file.relative_to(PACKAGE)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)
    (copied / "base" / "constants.py").write_text("ADDED = 10\n")
    (copied / "base" / "inner.py").write_text(INNER.format(1))
    (copied / "base" / "outer.py").write_text(OUTER)
    return copied


def test_a_change_of_what_is_called_or_taken_compiles_again_and_nothing_else_does(
    copy: Path, tmp_path: Path
) -> None:
    assert called(tmp_path) == ["11", "0"]
    assert called(tmp_path) == ["11", "1"]
    (copy / "base" / "inner.py").write_text(INNER.format(2))
    assert called(tmp_path) == ["12", "0"]
    (copy / "base" / "constants.py").write_text("ADDED = 20\n")
    assert called(tmp_path) == ["22", "0"]
    (copy / "base" / "times.py").write_text("")
    assert called(tmp_path) == ["22", "1"]


def test_a_copy_elsewhere_has_the_same_stamp(copy: Path, tmp_path: Path) -> None:
    program = (
        "from fingerprint.base import source_stamp as k; from pathlib import Path; "
        "print(k.stamp(Path(k.__file__).with_name('outer.py')).hex())"
    )
    here = run(program, tmp_path)
    shutil.copytree(copy, tmp_path / "elsewhere" / copy.name)
    assert run(program, tmp_path / "elsewhere") == here


def test_functions_of_other_packages_stay_with_numba(tmp_path: Path) -> None:
    other = tmp_path / "other.py"
    other.write_text("")
    kinds = (kernel_locators.InGivenFolder, kernel_locators.BesideSource, kernel_locators.InUsersFolder)
    assert [
        kind.from_function(test_functions_of_other_packages_stay_with_numba, str(other)) for kind in kinds
    ] == [None] * 3


def test_locators_that_the_user_chose_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "CACHE_LOCATOR_CLASSES", "ZipCacheLocator")
    kernel_locators.use_stamps()
    assert config.CACHE_LOCATOR_CLASSES == "ZipCacheLocator"


def test_every_kernel_comes_through_the_door_that_stamps() -> None:
    sources = [file for file in PACKAGE.rglob("*.py") if file.name != "jit.py"]
    numbas = [
        file.name
        for file in sources
        if re.search(r"from numba import .*\bn?jit\b|numba\.n?jit", file.read_text())
    ]
    assert numbas == []


def called(folder: Path) -> list[str]:
    """Return what the outer kernel says, and how many of its forms were not compiled anew."""
    return run(CALLED, folder).split()


def run(program: str, folder: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(folder), "NUMBA_CACHE_DIR": str(folder / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout
