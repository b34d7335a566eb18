"""Kills workers of Ray while they work."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import psutil


def titles() -> dict[int, str]:
    """Return what each process that Ray started for this one says that it does."""
    found = {}
    for child in psutil.Process().children(recursive=True):
        try:
            found[child.pid] = " ".join(child.cmdline())
        except psutil.Error:
            continue
    return {pid: title for pid, title in found.items() if title.startswith("ray::")}


class Reaper(threading.Thread):
    """Kills one worker at each of these tasks, in their order, while it does it."""

    def __init__(self, *tasks: str) -> None:
        super().__init__(daemon=True)
        self.killed: list[str] = []
        self._tasks = tasks
        self._over = threading.Event()

    def run(self) -> None:
        for task in self._tasks:
            while not self._over.is_set() and not self._kill(f"ray::{task}"):
                pass

    def _kill(self, title: str) -> bool:
        pids = list(titles())
        for _ in range(100):
            for pid in pids:
                try:
                    if Path(f"/proc/{pid}/cmdline").read_text().startswith(title):
                        os.kill(pid, signal.SIGKILL)
                        self.killed.append(title)
                        return True
                except OSError:
                    return False
            time.sleep(0.001)
        return False

    def __enter__(self) -> Reaper:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()
