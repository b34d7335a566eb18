"""What tests let Ray's workers do; they import it by name."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path


def squared(more: int, n: int) -> int:
    time.sleep(0.01 * (n % 3))
    return n * n + more


def divided(by: int, n: int) -> float:
    return by / n


def died_once(folder: Path, n: int) -> int:
    mark = folder / str(n)
    if n == 4 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return n * n


def always_dies(_: None, n: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return n


def slow(word: str, n: int) -> str:
    time.sleep(0.2)
    return f"{n} {word}"
