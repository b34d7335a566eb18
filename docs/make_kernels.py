"""Writes fingerprint/jobs/kernels.jsonl: which kernels each job calls from Python, with which types.

It runs some of each job, twice: once all of them are compiled, only those are loaded that Python calls.
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
SAMPLE = Path(__file__).parents[1] / "data" / "sample.jsonl.gz"


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


def made_ready(folder: Path) -> None:
    """Write the traffic that jobs run on."""
    run("simulate", folder / "traffic", "--preset", "demo", "--days", 4, "--rows", 8000, "--quiet")
    run("simulate", folder / "other.jsonl", "--preset", "demo", "--days", 1, "--rows", 3000, "--quiet")


def work(job: str, folder: Path) -> None:
    """Run a job on several forms of logs, in this process; the first makes the homes that the others need."""
    homes, other = (folder / "home", folder / "second"), folder / "other.jsonl"
    days = sorted((folder / "traffic").iterdir())
    if job == "night":
        _compare_through_lists()
        for day in days[:3]:
            run("nightly", day, "--home", homes[0], "--quiet")
        run("nightly", other, "--home", homes[1], "--quiet", "--assignments", folder / "families.csv")
        run("nightly", SAMPLE, "--home", folder / "third", "--quiet")
    elif job == "lookup":
        run("lookup", other, "--home", homes[1], "--quiet", "--output", folder / "found.jsonl")
        run("lookup", days[3], "--home", homes[0], "--quiet", "--output", folder / "found.parquet")
        run("try", "tell me something", "--home", homes[0])
    elif job == "hunt":
        _hunt(homes[0], days[3])
        _hunt(homes[1], other)
    else:
        _serve(homes[0])


def run(*words: object) -> None:
    """Run a command in this process."""
    from fingerprint.cli.main import cli

    try:
        cli.main([str(word) for word in words], prog_name="fingerprint")
    except SystemExit as end:
        if end.code:
            raise


def _compare_through_lists() -> None:
    """Search as large nights do; those as small as these compare all pairs."""
    from fingerprint.clustering.inverted_lists import ListSearch

    points = np.eye(32, dtype=np.float32)
    for _ in ListSearch(probes=2, directions=16)(points, 4, 0, 0):
        pass


def _hunt(home: Path, traffic: Path) -> None:
    """Hunt for families of each kind that a home has, by meaning and by text only."""
    from fingerprint.store.store import Store

    with Store.open(home, read_only=True) as store:
        kinds = {s.kind: s.variant_of or s.family_id for s in store.signatures()}
    for family in kinds.values():
        run("hunt", family, traffic, "--home", home, "--quiet")
        run("hunt", family, traffic, "--home", home, "--quiet", "--text-only")


def _serve(home: Path) -> None:
    """Start what a service answers with; it looks up texts of each length before it is ready."""
    from fingerprint.domain.settings import Home
    from fingerprint.matching.live import Live
    from fingerprint.store.store import Store

    with Store.open(home, read_only=True) as store:
        Live(Home(home)).refresh(store)


def _called_by(job: str, folder: Path) -> list[str]:
    command = [sys.executable, __file__, job, str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
    return [line for line in done.stdout.splitlines() if line.startswith('["fingerprint.')]


def main() -> None:
    """Write the list; with a job and a folder, print what it calls there."""
    if len(sys.argv) > 1:
        work(sys.argv[1], Path(sys.argv[2]))
        sys.stdout.write("\n".join(json.dumps(line) for line in called()) + "\n")
        return
    jobs: dict[str, list[str]] = {}
    for _ in range(2):
        jobs = {}
        with tempfile.TemporaryDirectory() as folder:
            made_ready(Path(folder))
            for job in first_use.JOBS:
                for line in _called_by(job, Path(folder)):
                    jobs.setdefault(line, []).append(job)
    lines = [(name, jobs[line], *types) for line in jobs for name, *types in [json.loads(line)]]
    LIST.write_text("".join(sorted(f"{json.dumps(line)}\n" for line in lines)))


if __name__ == "__main__":
    main()
