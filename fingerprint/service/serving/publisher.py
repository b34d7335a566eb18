"""Has snapshots made of what people say, in a process of its own, for readers that know only the snapshot.

Lookups of this service do not wait for it: `live` lays what people say over the snapshot in use. It takes seconds
of processor time, which would be missing here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from threading import Lock

import structlog

from fingerprint.service.http.config import Config

QUIET_S = 2.0
"""After the first change: an analyst at work makes many."""

AGAIN_S = 30.0
"""After a failure."""

_log = structlog.get_logger()


class Publisher:
    """Runs `fingerprint publish` when it is wanted, one at a time; `look` is called again and again."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._due: float | None = None
        self._running: subprocess.Popen[bytes] | None = None
        self._guard = Lock()

    def want(self) -> None:
        """Ask for a snapshot with the labels and families just stored."""
        with self._guard:
            if self._due is None and self._running is None:
                self._due = time.monotonic() + QUIET_S

    def look(self) -> None:
        """Start what is due, and see what came of what was started."""
        with self._guard:
            if self._running is not None and self._running.poll() is not None:
                if self._running.returncode:
                    _log.warning("publish", exit_status=self._running.returncode)
                    self._due = time.monotonic() + AGAIN_S
                self._running = None
            if self._due is not None and time.monotonic() >= self._due and self._running is None:
                self._due = None
                # lookups go first
                first = ["nice", "-n", "10"] if shutil.which("nice") else []
                command = [*first, sys.executable, "-m", "fingerprint", "publish", "--if-behind", "--wait"]
                self._running = subprocess.Popen(  # noqa: S603
                    command, stdout=subprocess.DEVNULL, env=self._environment()
                )

    def close(self) -> None:
        """Stop what runs; the next start makes up for it."""
        with self._guard:
            if self._running is not None and self._running.poll() is None:
                self._running.terminate()
                self._running.wait()

    def _environment(self) -> dict[str, str]:
        # a URL may hold a password, and arguments are seen by all
        named = {"FINGERPRINT_HOME": self._config.path}
        if self._config.database is not None:
            named["FINGERPRINT_DATABASE"] = self._config.database
        return {**os.environ, **named}
