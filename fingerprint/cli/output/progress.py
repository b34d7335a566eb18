"""Progress of long jobs: bars on a terminal, a line for each stage elsewhere, JSON lines for programs."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from fingerprint.base.quantities import bytes_words
from fingerprint.cli.output.terminal import json_line, plain

UNITS = {
    "compile": "kernels",
    "read": "rows",
    "lookup": "rows",
    "hunt": "B",
    "simulate": "rows",
    "claim": "prompts",
    "fill": "prompts",
}
"""What a stage counts, where that has a name."""


class Progress:
    """Called by a job with a stage's name, how much of it is done, and how much there is (None: unknown).

    (1, 1) only says that a stage has ended. `stage` is the running one, None before the first. This class shows
    nothing; the others show the same calls.
    """

    def __init__(self) -> None:
        self.stage: str | None = None
        self._began = 0.0
        self._done = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.stage is not None:
            self._end(completed=kind is None)

    def __call__(self, stage: str, done: int = 0, total: int | None = None) -> None:
        """Record how far the job is."""
        if stage != self.stage:
            if self.stage is not None:
                self._end(completed=True)
            self.stage, self._began = stage, time.monotonic()
            self._begin(total)
        if (done, total) != (1, 1):
            self._done = done
            self._advance(done, total)

    def _begin(self, total: int | None) -> None: ...

    def _advance(self, done: int, total: int | None) -> None: ...

    def _end(self, *, completed: bool) -> None: ...

    def _seconds(self) -> float:
        return time.monotonic() - self._began


class Lines(Progress):
    """One line on stderr for each stage, when it ends."""

    def _end(self, *, completed: bool) -> None:
        seconds = self._seconds()
        rate = (
            f"  {amount(self._done, self.stage)}, {amount(self._done / seconds, self.stage)}/s"
            if self._done
            else ""
        )
        state = "" if completed else "  not finished"
        sys.stderr.write(f"{plain(str(self.stage)):<10} {seconds:7.1f} s{rate}{state}\n")
        sys.stderr.flush()


class JsonLog(Progress):
    """One JSON object a line on stderr: time, level, event and its fields."""

    def log(self, event: str, *, level: str = "info", **fields: object) -> None:
        """Write one event."""
        entry = {"time": datetime.now(UTC), "level": level, "event": event, **fields}
        sys.stderr.write(json_line(entry) + "\n")
        sys.stderr.flush()

    def _begin(self, total: int | None) -> None:
        self.log("stage_started", stage=self.stage, total=total)

    def _end(self, *, completed: bool) -> None:
        event = "stage_finished" if completed else "stage_stopped"
        level = "info" if completed else "warning"
        self.log(event, level=level, stage=self.stage, seconds=round(self._seconds(), 3), done=self._done)


class Bars(Progress):
    """A bar for each stage on stderr, with its rate and the time left; `keep` leaves them there at the end."""

    def __init__(self, *, keep: bool) -> None:
        super().__init__()
        self._keep = keep

    def __enter__(self) -> Self:
        # rich takes 0.1 s to load
        from rich.console import Console
        from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        self._rich = RichProgress(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description:<10}", markup=False),
            BarColumn(bar_width=28),
            TextColumn("{task.fields[note]}", markup=False),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=not self._keep,
        )
        self._rich.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._rich.stop()

    def _begin(self, total: int | None) -> None:
        self._task = self._rich.add_task(plain(str(self.stage)), total=total, note="")

    def _advance(self, done: int, total: int | None) -> None:
        self._rich.update(self._task, completed=done, total=total, note=self._note(done, total))

    def _end(self, *, completed: bool) -> None:
        if completed:
            whole = self._done or 1
            self._rich.update(self._task, total=whole, completed=whole, note=self._note(self._done, None))
        self._rich.stop_task(self._task)

    def _note(self, done: int, total: int | None) -> str:
        seconds = self._seconds()
        if not done or seconds < 0.05:
            return ""
        rate = done / seconds
        note = f"{amount(done, self.stage)}  {amount(rate, self.stage)}/s"
        return f"{note}  {duration((total - done) / rate)} left" if total and total > done else note


def reporter(*, quiet: bool = False, json: bool = False, keep: bool = True) -> Progress:
    """Choose how to report: nothing, JSON, bars on a terminal (gone at the end without `keep`), or lines."""
    if quiet:
        return Progress()
    if json:
        return JsonLog()
    return Bars(keep=keep) if sys.stderr.isatty() else Lines()


def amount(number: float, stage: str | None = None) -> str:
    """Write what was done of a stage in its unit: 12,345 rows or, for bytes, 1.2 MB."""
    unit = UNITS.get((stage or "").partition(" ")[0], "")
    if unit != "B":
        return f"{number:,.0f} {unit}".rstrip()
    return bytes_words(number)


def duration(seconds: float) -> str:
    """Write a duration as 4 s, 3:05 min or 2:10 h."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02} min"
    return f"{minutes // 60}:{minutes % 60:02} h"
