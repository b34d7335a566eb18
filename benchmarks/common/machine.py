"""Where a benchmark ran: the machine, versions and commit; and commands timed in processes of their own."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
PACKAGES = (
    "faiss-cpu",
    "hdbscan",
    "numba",
    "numpy",
    "pyarrow",
    "scipy",
    "sentence-transformers",
    "torch",
)

# Between this process and the command: a process counts the memory of the one that started it as its own.
_WATCH = """
import os, subprocess, sys
child = subprocess.Popen(sys.argv[2:])
_, status, used = os.wait4(child.pid, 0)
with open(sys.argv[1], "w") as file:
    print(used.ru_maxrss, used.ru_utime + used.ru_stime, file=file)
sys.exit(os.waitstatus_to_exitcode(status))
"""


@dataclass(frozen=True, slots=True)
class Run:
    """A finished command: wall and processor time in seconds, peak resident memory in MB (10^6 bytes)."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    output: str


def run(command: Sequence[str], scratch: Path) -> Run:
    """Run a command to its end; its standard error goes to this process's.

    scratch: a directory for a file of measurements. Raises CalledProcessError where it fails.
    """
    measured = scratch / "measured.txt"
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-S", "-c", _WATCH, str(measured), *command],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    seconds = time.monotonic() - began
    peak, cpu = map(float, measured.read_text().split())
    unit = 1 if sys.platform == "darwin" else 1024
    return Run(round(seconds, 2), round(cpu, 2), round(peak * unit / 1e6, 1), done.stdout)


def fingerprint(*arguments: str | Path, scratch: Path) -> Run:
    """Run the product's command line."""
    return run([sys.executable, "-m", "fingerprint", *map(str, arguments)], scratch)


def facts() -> dict[str, object]:
    """Tell machine, versions and commit, as results are published with them."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "HEAD"),
        "uncommitted_changes": bool(
            _git("status", "--porcelain", "--", "fingerprint", "models", "benchmarks/*.py")
        ),
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in PACKAGES},
    }


def save(results: object, out: Path) -> None:
    """Write results as JSON; NaN and infinities become null."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(_finite(results), indent=1, ensure_ascii=False) + "\n")


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float):
        return round(value, 6) if abs(value) < float("inf") else None
    return value


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
