"""What stands at the top of the repository, and how large its files are."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOP = {
    *(
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "LICENSE",
        "README.md",
        "Makefile",
        "pyproject.toml",
    ),
    *(
        ".ci",
        ".gitignore",
        "benchmarks",
        "data",
        "deploy",
        "docs",
        "examples",
        "fingerprint",
        "models",
        "tests",
    ),
}
"""What belongs there; what a benchmark or a profile leaves behind does not."""

LARGEST = 1_000_000
"""Bytes of a file, but for models and samples of data, which lie in folders of their own."""


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    """All files under version control, relative to the root."""
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("not a checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:  # git refuses a folder of another owner
        pytest.skip(listed.stderr)
    return [Path(name) for name in listed.stdout.split("\0") if name]


def test_the_top_level_holds_what_belongs_there(tracked: list[Path]) -> None:
    assert {path.parts[0] for path in tracked} == TOP


def test_large_files_are_models_or_data(tracked: list[Path]) -> None:
    large = [path for path in tracked if (ROOT / path).is_file() and (ROOT / path).stat().st_size > LARGEST]
    assert {path.parts[0] for path in large} == {"models", "data"}
