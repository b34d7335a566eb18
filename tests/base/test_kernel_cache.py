"""Where neither the program's folder nor a home can be written, kernels are compiled for one run, and it is said once."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from fingerprint.base import kernel_cache

PROGRAM = """
import os
os.access = lambda path, mode: False
import fingerprint
import pyarrow as pa
from fingerprint.base.hashing import hash_strings
hash_strings(pa.array(["a"], pa.large_string()))
folder = os.environ["NUMBA_CACHE_DIR"]
print(folder, sum(1 for _, _, files in os.walk(folder) for file in files if file.endswith(".nbi")))
"""


def test_kernels_go_to_a_folder_that_ends_with_the_run() -> None:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    job = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
    )
    folder, kernels = job.stdout.split()
    assert Path(folder).name.startswith("fingerprint-kernels-")
    assert int(kernels) > 0
    assert not Path(folder).exists()
    assert job.stderr.count("NUMBA_CACHE_DIR may name one") == 1
    assert job.stderr.count("\n") == 1


@pytest.mark.parametrize("given", ["NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "HOME"])
def test_a_place_that_can_be_written_is_used(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/proc/none")
    monkeypatch.setenv(given, str(tmp_path))
    monkeypatch.setattr(tempfile, "mkdtemp", pytest.fail)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).is_relative_to(tmp_path))
    kernel_cache.choose(Path("/usr/lib"))
    assert os.environ.get("NUMBA_CACHE_DIR") in (None, str(tmp_path))
