"""`fingerprint serve` as a process: several workers, a drain on SIGTERM, JSON logs without text."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import httpx2
import psutil
import pytest
from support.servers import answers, free_port
from support.small_traffic import TEMPLATES, failed, start
from support.until import until

from fingerprint.domain.errors import UsageError
from fingerprint.service.http.config import Config
from fingerprint.service.listening import bound_sockets, url_of
from fingerprint.service.server import serve
from fingerprint.store.store import Store

PROMPT = TEMPLATES[0].format("river market engine teacher window garden")


PATIENT = """
from dataclasses import replace
from fingerprint.cli.main import main
from fingerprint.service.http.config import Config

leave = Config.to_environment
Config.to_environment = lambda config: leave(replace(config, drain_ms=600_000, deadline_ms=600_000))
main()
"""
"""The program, but that a service says for ten minutes that it is not ready before it closes the door."""


@pytest.mark.parametrize("workers", [1, 2])
def test_requests_in_work_end_and_new_ones_are_sent_elsewhere(
    home: Path, tmp_path: Path, workers: int
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    options = ("serve", "--home", str(home), "--port", str(port), "--workers", str(workers))
    log = tmp_path / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", PATIENT, *options], stdout=subprocess.DEVNULL, stderr=file
        )
    try:
        answers(f"{url}/readyz", process)
        until(
            lambda: log.read_bytes().count(b'"event":"swapped"') == workers, 120
        )  # signals are handled by then
        statuses: list[int] = []
        unready = threading.Event()

        def asking() -> None:
            with httpx2.Client(timeout=60) as client:
                while not unready.is_set():
                    statuses.append(client.post(f"{url}/v1/lookup", json={"prompt": PROMPT}).status_code)
                    if client.get(f"{url}/readyz").status_code == 503:
                        unready.set()
                bodies = {"requests": [{"prompt": f"{PROMPT} {n}"} for n in range(200)]}
                statuses.append(client.post(f"{url}/v1/lookup/batch", json=bodies).status_code)

        thread = threading.Thread(target=asking)
        thread.start()
        until(lambda: len(statuses) >= 5 or not thread.is_alive())
        metrics = httpx2.get(f"{url}/metrics", timeout=60).text
        process.send_signal(signal.SIGTERM)
        thread.join(60)
        assert unready.is_set(), "readiness went before the door closed"
        assert set(statuses) == {200}
        assert len(statuses) > 5
        children = psutil.Process(process.pid).children()
        process.send_signal(signal.SIGTERM)  # whoever is told twice waits no longer

        def ended() -> bool:
            for one in children:  # two signals at once would be one
                with suppress(psutil.NoSuchProcess):
                    one.terminate()
            return process.poll() is not None

        until(ended, pause_s=0.1)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, log.read_text()
    counted = [
        x for x in metrics.splitlines() if x.startswith("fingerprint_lookups_total") and 'found="match"' in x
    ]
    assert sum(float(line.split()[-1]) for line in counted) > 0
    assert "process_resident_memory_bytes" in metrics
    told = log.read_bytes()
    lines = [json.loads(line) for line in told.splitlines()]
    asked = [line for line in lines if line["event"] == "request" and line["route"] == "/v1/lookup"]
    assert asked[0]["decision"] == "observe"
    assert asked[0]["family"]
    assert b"hidden reasoning" not in told
    assert b"river market" not in told


def test_it_says_where_it_is_and_what_it_serves(home: Path) -> None:
    process = start("serve", "--home", home, "--port", 0, "--proxy", "127.0.0.0/8")
    try:
        assert process.stdout is not None
        first = process.stdout.readline().decode()
        assert re.match(
            r"http://127\.0\.0\.1:\d+ serves .*fingerprint\.db with 1 nights; 2 families in snapshot 0", first
        )
        url = first.split()[0]
        answers(f"{url}/readyz", process)
        many = {f"x-{n}": "a" for n in range(200)}
        for path in ("/v1/lookup", "/login", "/v1/envoy/authz/v1/messages", "/nowhere"):
            assert httpx2.post(f"{url}{path}", headers=many, content=b"{}").status_code == 431
        assert "another process listens there" in failed(
            2, "serve", "--home", home, "--port", url.rpartition(":")[2]
        )
        # a proxy that was named says whose wrong keys these are
        for client, expected in [*[("192.0.2.1", 401)] * 10, ("192.0.2.1", 429), ("192.0.2.2", 401)]:
            got = httpx2.post(f"{url}/login", data={"key": "x"}, headers={"X-Forwarded-For": client})
            assert got.status_code == expected
    finally:
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 0


def test_it_warns_once_before_the_first_night(tmp_path: Path) -> None:
    process = start("serve", "--home", tmp_path, "--port", 0, "--workers", 2)
    try:
        assert process.stdout is not None
        first = process.stdout.readline().decode()
        assert "no nights yet; no snapshot yet: lookups answer 503" in first
        answers(f"{first.split()[0]}/livez", process)
        time.sleep(1.5)
    finally:
        process.terminate()
        _, log = process.communicate(timeout=60)
    assert [line for line in log.splitlines() if json.loads(line)["level"] != "info"] == []


def test_what_cannot_be_served_is_refused(home: Path, tmp_path: Path) -> None:
    assert "no home here" in failed(5, "serve", "--home", tmp_path / "none")
    assert not (tmp_path / "none").exists()
    assert "65536 is not in the range 0<=x<=65535" in failed(2, "serve", "--home", home, "--port", 65536)
    with Store.open(home) as store:
        store.access.create_key("k", ["lookup"], by="ann")
    assert "an IP address or network expected" in failed(2, "serve", "--home", home, "--proxy", "nginx")
    assert "no address of this machine" in failed(
        2, "serve", "--home", home, "--host", "no-such-host.invalid"
    )
    assert "Cannot assign requested address" in failed(2, "serve", "--home", home, "--host", "192.0.2.1")


def test_nothing_is_compiled_for_what_cannot_be_served(home: Path) -> None:
    compiled: list[bool] = []
    with pytest.raises(UsageError, match="needs an API key"):
        serve(Config(str(home), host="0.0.0.0"), prepare=lambda: compiled.append(True))
    assert not compiled


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "[::1]", "localhost"])
def test_every_address_of_a_name_is_bound(host: str) -> None:
    sockets = bound_sockets(host, 0)
    url = url_of(host, sockets)
    port = int(url.rpartition(":")[2])
    for one in sockets:
        assert one.getsockname()[1] == port
        one.listen()
        with socket.create_connection(one.getsockname()[:2], timeout=5):
            pass
        one.close()
    assert url.startswith("http://[::1]:" if ":" in host else f"http://{host}:")
