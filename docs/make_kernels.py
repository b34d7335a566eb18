"""Writes fingerprint/jobs/kernels.jsonl: which kernels nights and lookups call from Python, with which types.

It runs some of each, twice: once all of them are compiled, only those are loaded that Python calls.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from fingerprint.jobs import first_use

LIST = Path(first_use.__file__).with_name("kernels.jsonl")


def called() -> list[list[Any]]:
    """Return the kernels that this process has loaded, each as a line of the list."""
    from numba.core.registry import CPUDispatcher

    lines: list[list[Any]] = []
    modules = [m for name, m in sorted(sys.modules.items()) if name.startswith("fingerprint.")]
    for module in modules:
        if module.__name__.startswith("fingerprint.simulate"):
            continue
        for function in vars(module).values():
            if isinstance(function, CPUDispatcher) and function.__module__ == module.__name__:
                name = f"{module.__name__}:{function.py_func.__name__}"
                lines += [[name, *map(written, types)] for types in function.overloads]
    return lines


def written(of: Any) -> first_use.Type:
    """Return a type of numba's as the list has it."""
    types: Any = importlib.import_module("numba.core.types")
    if isinstance(of, types.BaseTuple):
        inside = {"tuple": [written(one) for one in of.types]}
        made = getattr(of, "instance_class", tuple)
        return inside if made is tuple else {**inside, "class": f"{made.__module__}:{made.__name__}"}
    if isinstance(of, types.Array):
        flags = "" if of.layout == "C" and of.mutable else f" {of.layout}{'' if of.mutable else ' readonly'}"
        return f"{of.dtype}[{','.join(':' * of.ndim)}]{flags}"
    return str(of)


def work(folder: Path) -> None:
    """Run nights of several forms of logs, and lookups, in this process."""
    from fingerprint.cli.main import cli
    from fingerprint.clustering.inverted_lists import ListSearch

    # nights as small as these compare all pairs
    points = np.eye(32, dtype=np.float32)
    for _ in ListSearch(probes=2, directions=16)(points, 4, 0, 0):
        pass

    def run(*words: object) -> None:
        try:
            cli.main([str(word) for word in words], prog_name="fingerprint")
        except SystemExit as end:
            if end.code:
                raise

    home, logs = folder / "home", folder / "home" / "demo" / "traffic"
    run("demo", "--rows", 2000, "--home", home)
    other = folder / "other.jsonl"
    run("simulate", other, "--preset", "demo", "--days", 1, "--rows", 3000, "--quiet")
    run("nightly", other, "--home", folder / "second", "--quiet", "--assignments", folder / "families.csv")
    run("lookup", other, "--home", folder / "second", "--quiet", "--output", folder / "found.jsonl")
    run("lookup", logs / "day4.parquet", "--home", home, "--quiet", "--output", folder / "found.parquet")
    run("try", "tell me something", "--home", home)


def main() -> None:
    """Write the list; with an argument, print what one run of all calls."""
    if len(sys.argv) > 1:
        work(Path(sys.argv[1]))
        sys.stdout.write("\n".join(json.dumps(line) for line in called()) + "\n")
        return
    lines: list[str] = []
    for _ in range(2):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, __file__, folder]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
        lines = [line for line in done.stdout.splitlines() if line.startswith('["fingerprint.')]
    LIST.write_text("".join(f"{line}\n" for line in sorted(set(lines))))


if __name__ == "__main__":
    main()
