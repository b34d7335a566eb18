"""`fingerprint serve` as a process: several workers, a drain on SIGTERM, JSON logs without text."""

from __future__ import annotations

import json
import signal
import threading
import time
from pathlib import Path

import httpx2
import pytest
from support.servers import answers, free_port
from support.small_traffic import TEMPLATES, start

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
