"""Work one night and print what each stage took, as JSON: python -m benchmarks.speed.scale_worker TRAFFIC HOME GB."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from fingerprint.base.process import settle

settle()  # as the command line does, before NumPy is imported

from benchmarks.speed.workers import forget_peak, peak_mb  # noqa: E402
from fingerprint.domain.settings import Home, Settings  # noqa: E402
from fingerprint.jobs.nightly import nightly  # noqa: E402


class Stages:
    """Listens to a job's progress; notes each stage's time and memory, and the most that the home took on disk."""

    def __init__(self, home: Path) -> None:
        self.rows: dict[str, dict[str, float]] = {}
        self.disk_bytes = 0
        self._home = home
        self._stage = "start"
        self._since = time.monotonic(), time.process_time()

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """Note that a stage begins, or that the running one is over."""
        if (done, total) == (1, 1) or stage != self._stage:
            self.end()
            self._stage = stage

    def end(self) -> None:
        """Note the running stage."""
        now = time.monotonic(), time.process_time()
        row = self.rows.setdefault(self._stage, {"seconds": 0.0, "cpu_seconds": 0.0, "peak_mb": 0.0})
        row["seconds"] = round(row["seconds"] + now[0] - self._since[0], 2)
        row["cpu_seconds"] = round(row["cpu_seconds"] + now[1] - self._since[1], 2)
        row["peak_mb"] = max(row["peak_mb"], peak_mb())
        self._since = now
        forget_peak()
        sizes = (path.stat().st_size for path in self._home.rglob("*") if path.is_file())
        self.disk_bytes = max(self.disk_bytes, sum(sizes))


def main(traffic: Path, home: Path, memory_gb: float) -> dict[str, Any]:
    stages = Stages(home)
    out = home.with_suffix(".parquet")
    report = nightly(
        [traffic], Home(home), Settings(memory_gb=memory_gb), assignments=out, on_progress=stages
    )
    stages.end()
    counts = {name: getattr(report, name) for name in ("distinct_prompts", "families", "flagged", "assigned")}
    return {**counts, "stages": stages.rows, "disk_bytes": stages.disk_bytes}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]))))
