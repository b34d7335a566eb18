"""Work one night on a local Ray and print what each stage took, here and in its workers, as JSON.

python -m benchmarks.speed.cluster_worker TRAFFIC HOME GB WORKERS
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from fingerprint.domain.settings import Home, Settings
from fingerprint.jobs.nightly import nightly

EVERY = 0.25
"""Seconds between two looks at the workers."""


class Watch(threading.Thread):
    """Listens to a job's progress; notes processor seconds of this process and of Ray's workers in each stage.

    A worker counts from when it is first seen to when it was last seen alive: what it did within EVERY of its end
    is lost. worker_mb: the most that one held for itself, without the object store.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.stages: dict[str, dict[str, float]] = {}
        self.worker_mb = 0.0
        self._stage = "start"
        self._lock = threading.Lock()
        self._seen: dict[int, float] = {}
        self._here = time.process_time()
        self._since = time.monotonic()

    def run(self) -> None:
        """Look until the process ends."""
        while True:
            time.sleep(EVERY)
            with self._lock:
                self._look()

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """Note that a stage begins, or that the running one is over."""
        if (done, total) == (1, 1) or stage != self._stage:
            with self._lock:
                self._look()
                self._stage = stage

    def _look(self) -> None:
        row = self.stages.setdefault(self._stage, {"seconds": 0.0, "driver_cpu": 0.0, "workers_cpu": 0.0})
        now, here = time.monotonic(), time.process_time()
        row["seconds"] += now - self._since
        row["driver_cpu"] += here - self._here
        self._since, self._here = now, here
        for pid, (used, held) in _workers().items():
            row["workers_cpu"] += used - self._seen.get(pid, 0.0)
            self._seen[pid] = used
            self.worker_mb = max(self.worker_mb, held)


def _workers() -> dict[int, tuple[float, float]]:
    """Return processor seconds and MB of each worker that is alive."""
    found = {}
    for child in psutil.Process().children(recursive=True):
        try:
            if child.cmdline()[:1] and child.cmdline()[0].startswith(("ray::", "ray:")):
                times, memory = child.cpu_times(), child.memory_info()
                found[child.pid] = (times.user + times.system, (memory.rss - memory.shared) / 1e6)
        except psutil.Error:
            continue
    return found


def main(traffic: Path, home: Path, memory_gb: float, workers: int) -> dict[str, Any]:
    """Work the night."""
    watch = Watch()
    watch.start()
    settings = Settings(memory_gb=memory_gb, engine="ray", threads=workers)
    report = nightly([traffic], Home(home), settings, on_progress=watch)
    stages = {name: {k: round(v, 2) for k, v in row.items()} for name, row in watch.stages.items()}
    return {
        "distinct_prompts": report.distinct_prompts,
        "families": report.families,
        "stages": stages,
        "worker_mb": round(watch.worker_mb),
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))))
