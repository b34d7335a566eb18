"""`fingerprint serve --unix`: a socket for one user, and the clients that use it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from support.small_traffic import TEMPLATES, start
from support.until import until

from fingerprint.client import AsyncClient, Client, Options
from fingerprint.domain.errors import UsageError
from fingerprint.service.unix_socket import unix_socket

PROMPT = TEMPLATES[0].format("river market engine teacher window garden")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short name, for a socket's path has at most 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="fp", dir="/tmp") as made:
        yield Path(made)


@pytest.mark.parametrize("workers", [1, 2])
def test_lookups_over_a_socket(worked: Path, folder: Path, workers: int) -> None:
    path = folder / "lookups.sock"
    process = start(
        "serve", "--home", worked, "--unix", path, "--workers", workers, stderr=subprocess.DEVNULL
    )
    try:
        transport = httpx2.HTTPTransport(uds=str(path))
        with httpx2.Client(transport=transport, base_url="http://localhost") as http:
            until(lambda: process.poll() is not None or _ready(http), 120, pause_s=0.1)
            assert process.poll() is None
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        options = Options(f"unix:{path}", timeout_s=30)
        with Client(options) as client:
            assert client.lookup(PROMPT).match

        async def asked() -> bool:
            async with AsyncClient(options) as client:
                return (await client.lookup(PROMPT)).match

        assert asyncio.run(asked())
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert not path.exists()


def _ready(http: httpx2.Client) -> bool:
    try:
        return http.get("/readyz").status_code == 200
    except httpx2.TransportError:
        return False


def test_a_socket_is_private_whatever_the_umask(folder: Path) -> None:
    path = folder / "s"
    before = os.umask(0)
    try:
        with unix_socket(path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        assert os.umask(before) == 0
    assert not path.exists()


def test_one_left_behind_is_taken_over_and_one_in_use_is_not(folder: Path) -> None:
    path = folder / "s"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with unix_socket(path) as listening:
        listening.listen()
        with pytest.raises(UsageError, match="another process listens there"), unix_socket(path):
            pass
        assert path.exists()


def test_nothing_else_is_overwritten(folder: Path) -> None:
    path = folder / "s"
    path.write_text("mine")
    with pytest.raises(UsageError, match="that is no socket"), unix_socket(path):
        pass
    assert path.read_text() == "mine"
    with pytest.raises(UsageError, match="cannot be made there"), unix_socket(folder / "no" / "s"):
        pass
    with pytest.raises(UsageError, match="at most 107 bytes"), unix_socket(folder / ("s" * 100)):
        pass


def test_what_replaced_it_stays(folder: Path) -> None:
    path = folder / "s"
    with unix_socket(path):
        path.unlink()
        path.write_text("another's")
    assert path.exists()
