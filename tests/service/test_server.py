"""`fingerprint serve` as a process: several workers, a drain on SIGTERM, JSON logs without text."""

from __future__ import annotations

import json
import re
import signal
import socket
import threading
import time
from pathlib import Path

import httpx2
import pytest
from support.servers import answers, free_port
from support.small_traffic import TEMPLATES, failed, start

from fingerprint.service.listening import bound_sockets, url_of
from fingerprint.store.store import Store

PROMPT = TEMPLATES[0].format("river market engine teacher window garden")


@pytest.mark.parametrize("workers", [1, 2])
def test_requests_in_work_end_and_new_ones_are_sent_elsewhere(home: Path, workers: int) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    process = start("serve", "--home", home, "--port", port, "--workers", workers)
    try:
        answers(f"{url}/readyz", process)
        time.sleep(1)
        statuses: list[int] = []
        told, unready = threading.Event(), threading.Event()

        def asking() -> None:
            with httpx2.Client(timeout=30) as client:
                while not unready.is_set():
                    statuses.append(client.post(f"{url}/v1/lookup", json={"prompt": PROMPT}).status_code)
                    if client.get(f"{url}/readyz").status_code == 503:
                        unready.set()
                    told.wait(0.1)  # nobody reads the log until the end, and a pipe holds 64 KiB
                bodies = {"requests": [{"prompt": f"{PROMPT} {n}"} for n in range(200)]}
                statuses.append(client.post(f"{url}/v1/lookup/batch", json=bodies).status_code)

        thread = threading.Thread(target=asking)
        thread.start()
        while len(statuses) < 5 and thread.is_alive():
            time.sleep(0.05)
        metrics = httpx2.get(f"{url}/metrics", timeout=30).text
        process.send_signal(signal.SIGTERM)
        told.set()
        thread.join(60)
        assert unready.is_set(), "readiness went before the door closed"
        assert set(statuses) == {200}
        assert len(statuses) > 2
    finally:
        process.terminate()
        _, log = process.communicate(timeout=60)
    assert process.returncode == 0, log
    counted = [
        x for x in metrics.splitlines() if x.startswith("fingerprint_lookups_total") and 'found="match"' in x
    ]
    assert sum(float(line.split()[-1]) for line in counted) > 0
    assert "process_resident_memory_bytes" in metrics
    lines = [json.loads(line) for line in log.splitlines()]
    asked = [line for line in lines if line["event"] == "request" and line["route"] == "/v1/lookup"]
    assert asked[0]["decision"] == "observe"
    assert asked[0]["family"]
    assert b"hidden reasoning" not in log
    assert b"river market" not in log


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
