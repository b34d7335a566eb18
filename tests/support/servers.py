"""What several test files ask of servers that run as processes."""

from __future__ import annotations

import socket
import subprocess
from typing import Any

import httpx2

from support.until import until

WAIT_S = 120


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def answers(url: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until a process answers there."""

    def answered() -> bool:
        assert process.poll() is None, f"it stopped with status {process.returncode}"
        try:
            return httpx2.get(url, timeout=WAIT_S).status_code == 200
        except httpx2.TransportError:
            return False

    until(answered, WAIT_S, pause_s=0.1)


def looked_up(url: str, body: object) -> Any:
    """Return the answer to a lookup, asked for again while a busy machine lets its deadline pass."""
    answers: list[httpx2.Response] = []

    def answered() -> bool:
        answers.append(httpx2.post(f"{url}/v1/lookup", json=body, timeout=WAIT_S))
        return answers[-1].status_code != 503

    until(answered)
    assert answers[-1].status_code == 200, answers[-1].text
    return answers[-1].json()
