"""Works one night as told, and may fill the disk at a stage of it; prints the stages that it came through.

    python -m benchmarks.robustness.faults_worker TRAFFIC HOME ASSIGNMENTS SAMPLE STAGE

SAMPLE: bytes of the sample of a night that goes by way of the disk; 0: in memory. STAGE: from where on no file can be written;
"-": none; "publish": between what is stored and the snapshot of it.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from typing import Any

from fingerprint.base.process import settle

settle()  # as the command line does, before NumPy is imported

from fingerprint.domain.errors import FingerprintError  # noqa: E402
from fingerprint.domain.settings import Home  # noqa: E402
from fingerprint.jobs.nightly import nightly  # noqa: E402
from fingerprint.matching import snapshot_build  # noqa: E402
from fingerprint.nights import memory  # noqa: E402

PUBLISH = "publish"
REFUSED = 5
"""Exit status of a night that the full disk ended, as the command line has it."""


def fill_disk() -> None:
    """Let every write to a file fail from here on, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def main(traffic: Path, home: Path, assignments: Path, sample: int, full: str) -> int:
    stages: list[str] = []
    if sample:
        memory.MOST_WHOLE = 0
        memory.LEAST_SAMPLE = memory.MOST_SAMPLE = sample
    if full == PUBLISH:
        publish = snapshot_build.publish

        def published(*args: Any, **options: Any) -> Any:
            fill_disk()
            return publish(*args, **options)

        snapshot_build.publish = published

    def told(stage: str, _done: int, _total: int | None) -> None:
        if stage not in stages:
            stages.append(stage)
            if stage == full:
                fill_disk()

    try:
        nightly([traffic], Home(home), assignments=assignments, on_progress=told)
    except FingerprintError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return error.exit_code
    print("\n".join(stages))
    return 0


if __name__ == "__main__":
    traffic, home, assignments = map(Path, sys.argv[1:4])
    sys.exit(main(traffic, home, assignments, int(sys.argv[4]), sys.argv[5]))
