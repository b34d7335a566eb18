"""Times the stages of a job, and tells its caller how far they are."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from fingerprint.base.types import StageProgress


class StageClock:
    """The time of a job; started: when it began, seconds, cpu_seconds: of each stage that ended."""

    def __init__(self, on_progress: StageProgress | None) -> None:
        self.started = datetime.now(UTC)
        self.seconds: dict[str, float] = {}
        self.cpu_seconds: dict[str, float] = {}
        self._begin = self._since = time.monotonic()
        self._cpu_since = time.process_time()
        self._name = ""
        self._on_progress = on_progress

    def stage(self, name: str) -> None:
        """End the stage before and begin this one; `done` only ends."""
        now, cpu_now = time.monotonic(), time.process_time()
        if self._name:
            self.seconds[self._name] = round(now - self._since, 3)
            self.cpu_seconds[self._name] = round(cpu_now - self._cpu_since, 3)
            self._tell(self._name, 1, 1)
        self._name, self._since, self._cpu_since = name, now, cpu_now
        if name != "done":
            self._tell(name, 0, None)

    def at(self, name: str, done: int, total: int | None) -> None:
        """Tell how far a stage is, which begins when it is first named."""
        if name != self._name:
            self.stage(name)
        if total is not None:
            self._tell(name, done, total)

    def reading(self, done: int, total: int | None, rows: int) -> None:
        """Tell how many rows are read, and about how many there are, by the bytes they took."""
        about = max(rows, round(rows * total / done)) if total and done else None
        self._tell(self._name, rows, about)

    def _tell(self, name: str, done: int, total: int | None) -> None:
        if self._on_progress is not None:
            self._on_progress(name, done, total)

    def total(self) -> float:
        """Return the seconds since the job began."""
        return time.monotonic() - self._begin
