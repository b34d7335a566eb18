"""Server time of the console's pages at 10,000 families: `python -m benchmarks.service.console [--families N]`.

The families are simulated: templates drawn from the words of the simulator's own texts, 1 to 4 segments each, real
grams of that text, 3 to 3,000 accounts by a power law over 30 nights; 2 % are flagged. Times are of whole requests
to a real server over loopback by one client, median and worst of --repeats, after one warm-up; cpu_ms is of server and client
together, for machines that others use too.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import tempfile
import threading
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pyarrow as pa
import uvicorn

from benchmarks.common.machine import RESULTS, ROOT, facts, save
from fingerprint.casework.editing import grams_of
from fingerprint.domain.results import IngestReport, NightReport
from fingerprint.domain.rows import AccountRow, CampaignRow
from fingerprint.domain.schemas import ACTIVITY_SCHEMA, SPREAD_SCHEMA
from fingerprint.domain.signature import Reason, Segment, Signature, Slot, Spread, Template
from fingerprint.embedding.embedder import Embedder, stamp_of
from fingerprint.matching import snapshot_build
from fingerprint.service.app import create_app
from fingerprint.service.http.config import Config
from fingerprint.store.store import Store

START = datetime(2026, 3, 1, tzinfo=UTC)
NIGHTS = 30
WORDS = sorted(
    {
        word
        for path in (ROOT / "fingerprint" / "simulate" / "text").glob("*.txt")
        for word in path.read_text().split()
        if word.isalpha()
    }
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--families", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--output", type=Path, default=RESULTS / "console.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        made = fill(home, options.families)
        result = measured(home, options.repeats) | {"families": options.families, "spread_rows": made}
    result |= {"load": round(os.getloadavg()[0], 1), "machine": facts()}
    save(result, options.output)
    print(json.dumps(result["pages"], indent=1))


def fill(home: Path, families: int) -> int:
    """Store simulated families with their accounts, and publish their snapshot."""
    random = np.random.default_rng(7)
    embedder = Embedder.load("static")
    stamp = stamp_of(embedder)
    texts = [
        [" ".join(random.choice(WORDS, random.integers(8, 40))) for _ in range(random.integers(1, 5))]
        for _ in range(families)
    ]
    vectors = embedder.encode(pa.array([" ".join(t) for t in texts], pa.large_string()))
    pool = np.minimum((3 / random.random(families) ** 1.1).astype(int), 3000)
    rows: list[tuple[str, str, date, int]] = []
    signatures = []
    for f in range(families):
        name = f"f{f:012x}"
        first = int(random.integers(0, NIGHTS))
        days = [(START + timedelta(days=int(d))).date() for d in range(first, min(first + 4, NIGHTS))]
        rows.extend(
            (name, f"a{account:05d}", days[int(random.integers(len(days)))], int(random.integers(1, 40)))
            for account in random.integers(0, 24_000, pool[f])
        )
        signatures.append(
            _signature(name, texts[f], vectors[f : f + 1], stamp, START + timedelta(days=first), random)
        )
    names, senders, days_sent, requests = zip(*_summed(rows), strict=True)
    columns = (names, senders, days_sent, requests, requests)  # each request is a conversation
    spread = pa.table(
        [pa.array(c, t.type) for c, t in zip(columns, SPREAD_SCHEMA, strict=True)], schema=SPREAD_SCHEMA
    )
    with Store.open(home) as store:
        store.save_night(
            NightReport(
                "n1",
                IngestReport(10**6, 10**6, 0, 0),
                START,
                {"read": 1.0},
                10**6,
                families,
                families,
                200,
                10**6,
                10**6,
            ),
            signatures,
            spread=spread,
            activity=ACTIVITY_SCHEMA.empty_table(),
            accounts=[AccountRow(f"a{n:05d}", 0.5, False, 10) for n in range(24_000)],
            campaigns=[
                CampaignRow(
                    f"c{n}", None, 0.95, True, tuple(s.family_id for s in signatures[n * 10 : n * 10 + 10])
                )
                for n in range(20)
            ],
        )
        snapshot_build.publish(home, store.signatures(), stamp, night="n1", senders=store.family_accounts())
        store.access.create_key("bench", ["read", "label"], by="bench")
    return int(spread.num_rows)


def _signature(
    name: str, texts: list[str], vector: Any, stamp: Any, first: datetime, random: np.random.Generator
) -> Signature:
    parts: list[Segment | Slot] = []
    for n, text in enumerate(texts):
        parts += [
            Segment(text, "user", n / len(texts), 1.0),
            Slot(int(random.integers(2, 900)), 3, 400, "text"),
        ]
    grams = grams_of(texts)
    score = float(random.random() ** 3)
    return Signature(
        family_id=name,
        kind="template",
        template=Template(tuple(parts)),
        grams=grams,
        weights=random.random(len(grams), dtype=np.float32),
        prototypes=vector,
        threshold=0.6,
        spread=Spread(0, 0, first, first + timedelta(days=3), {}),
        stamp=stamp,
        score=score,
        flagged=score > 0.94,
        reasons=(Reason("pool", 4.0, 0.7, "sent by several accounts"),),
    )


def _summed(rows: list[tuple[str, str, date, int]]) -> list[tuple[str, str, date, int]]:
    total: dict[tuple[str, str, date], int] = {}
    for family, account, day, n in rows:
        total[family, account, day] = total.get((family, account, day), 0) + n
    return [(*key, n) for key, n in total.items()]


def measured(home: Path, repeats: int) -> dict[str, Any]:
    """Ask a real server for pages; milliseconds of each."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(Config(str(home))), log_config=None, ws="none"))
    threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True).start()
    while not server.started:
        time.sleep(0.05)
    with Store.open(home) as store:
        _, key = store.access.create_key("asker", ["read"], by="bench")
        largest = store.families(limit=1)[0].family_id
    time.sleep(1.5)
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    out: dict[str, Any] = {}
    with httpx2.Client(base_url=address, headers={"x-api-key": key}, timeout=60) as client:
        first = client.get("/?state=all")
        more = first.text.split('hx-get="')[1].split('"')[0].replace("&amp;", "&")
        pages = {
            "queue, open": "/",
            "queue, second page": more,
            "queue, three words": f"/?state=all&words={WORDS[50]}+{WORDS[500]}+-{WORDS[900]}",
            "queue, filters": "/?flagged=1&min_score=0.5&min_accounts=10&days=14",
            "queue, of an account": "/?state=all&account=a00042",
            "family": f"/families/{largest}",
            "campaign": "/campaigns/c0",
            "campaigns": "/campaigns",
            "accounts": "/accounts",
            "account": "/account?id=a00042",
            "overview": "/overview",
        }
        for name, where in pages.items():
            client.get(where).raise_for_status()
            took, cpu = [], time.process_time()
            for _ in range(repeats):
                begin = time.perf_counter()
                client.get(where).raise_for_status()
                took.append(1000 * (time.perf_counter() - begin))
            out[name] = {
                "median_ms": round(statistics.median(took), 1),
                "worst_ms": round(max(took), 1),
                "cpu_ms": round(1000 * (time.process_time() - cpu) / repeats, 1),
            }
    server.should_exit = True
    return {"pages": out}


if __name__ == "__main__":
    main()
