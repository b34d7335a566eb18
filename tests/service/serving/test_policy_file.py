"""The policy's file while the service runs: changed, broken, mended, and read again on SIGHUP."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from support.servers import answers, free_port, looked_up
from support.service_client import running
from support.small_traffic import TEMPLATES, failed, start
from support.until import until

from fingerprint.service.serving.policy import GatewayPolicy
from fingerprint.service.serving.policy_file import PolicyFile

PROMPT = {"prompt": TEMPLATES[0].format("river market engine teacher window garden")}
BLOCK, MARKS = 'default = "block"\n', 'default = "mark"\n '
"""Of the same length, so that only the time of writing tells them apart."""


def replace(path: Path, text: str) -> None:
    aside = path.with_suffix(".new")
    aside.write_text(text)
    aside.replace(path)


def test_a_changed_file_counts_and_a_wrong_one_does_not(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(BLOCK)
    found = PolicyFile(path)
    assert found.look()
    assert (found.policy.default, found.error) == ("block", None)
    digest = found.digest
    assert not found.look()
    replace(path, "default = 'kill'")
    assert not found.look()
    assert (found.policy.default, found.digest) == ("block", digest)
    assert "'kill' found" in str(found.error)
    path.unlink()
    assert not found.look()
    assert found.policy.default == "block"
    assert "No such file" in str(found.error)
    replace(path, MARKS)
    assert found.look()
    assert (found.policy.default, found.error) == ("mark", None)
    assert found.digest != digest


def test_a_file_that_seems_unchanged_is_read_when_told_to(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(BLOCK)
    found = PolicyFile(path)
    found.look()
    written_over(path, MARKS)
    assert not found.look()
    found.forget()
    assert found.look()
    assert found.policy.default == "mark"


def written_over(path: Path, text: str) -> None:
    """Change a file so that it looks the same from outside."""
    before = path.stat()
    assert len(text.encode()) == before.st_size
    path.write_text(text)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_without_a_file_it_observes() -> None:
    found = PolicyFile(None)
    assert not found.look()
    assert found.policy == GatewayPolicy()
    assert (found.digest, found.error) == ("", None)


def gauge(text: str, name: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(name))


def test_a_service_tells_of_a_wrong_file_and_goes_on(worked: Path, tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(BLOCK)
    with running(worked, policy=str(path), refresh_ms=20) as service:

        def decision() -> str:
            return str(service.client.post("/v1/lookup", json=PROMPT).json()["decision"])

        def ready() -> str:
            got = service.client.get("/readyz")
            assert got.status_code == 200
            return got.text

        assert decision() == "block"
        assert ready() == "ready\n"
        info = gauge(service.client.get("/metrics").text, "fingerprint_policy_info")
        replace(path, "[[rule")
        until(lambda: "policy" in ready())
        assert decision() == "block"
        told = service.client.get("/metrics").text
        assert gauge(told, "fingerprint_policy_sound") == "fingerprint_policy_sound 0.0"
        assert gauge(told, "fingerprint_policy_info") == info
        assert str(path) not in ready(), "whoever asks needs no key"
        replace(path, MARKS)
        until(lambda: decision() == "mark")
        until(lambda: ready() == "ready\n")
        told = service.client.get("/metrics").text
        assert gauge(told, "fingerprint_policy_sound") == "fingerprint_policy_sound 1.0"
        assert gauge(told, "fingerprint_policy_info") != info


@contextmanager
def held(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Let a service and its workers do nothing meanwhile."""
    top = psutil.Process(process.pid)
    whole = [top, *top.children(recursive=True)]
    try:
        for one in whole:
            one.suspend()
        until(lambda: all(one.status() == psutil.STATUS_STOPPED for one in whole))
        yield
    finally:
        for one in whole:
            one.resume()


@pytest.mark.parametrize("workers", [1, 2])
def test_hangup_reads_it_again_in_every_worker(worked: Path, tmp_path: Path, workers: int) -> None:
    path, port = tmp_path / "policy.toml", free_port()
    path.write_text(BLOCK)
    command = ("serve", "--home", worked, "--port", port, "--workers", workers, "--policy", path)
    log = tmp_path / "log"

    def read() -> int:
        """How often a worker read the policy."""
        return log.read_bytes().count(b'"event":"policy"')

    with log.open("wb") as file:
        process = start(*command, stderr=file)
    try:
        answers(f"http://127.0.0.1:{port}/readyz", process)
        until(lambda: read() == workers)
        assert decisions(port) == {"block"}
        with held(process):  # for a while the file is shorter, and then younger
            written_over(path, MARKS)
        assert decisions(port) == {"block"}, "the change cannot be seen"
        process.send_signal(signal.SIGHUP)
        until(lambda: read() == 2 * workers)
        assert decisions(port) == {"mark"}
    finally:
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 0, log.read_text()
    assert read() == 2 * workers, "each worker read it twice and was not replaced"


def decisions(port: int) -> set[str]:
    """Ask over connections of their own, so that every worker answers some."""
    return {looked_up(f"http://127.0.0.1:{port}", PROMPT)["decision"] for _ in range(12)}


def test_a_wrong_policy_at_the_start_stops_it(worked: Path, tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text("default = 'kill'")
    words = failed(2, "serve", "--home", worked, "--port", free_port(), "--policy", path)
    assert "one of observe, throttle, mark, block expected, 'kill' found" in words
