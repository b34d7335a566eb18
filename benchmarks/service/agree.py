"""Do lookups over HTTP give what `fingerprint lookup` gives? Every request is compared, field by field.

    python -m benchmarks.service.agree PATH/day1.jsonl.gz PATH/day2.jsonl.gz

A home is made of the first file by `nightly`; the others are looked up there by the command line, and all of them
again through /v1/lookup/batch, some through /v1/lookup too. The exit status is 1 where an answer differs. With
--json the counts and the first differences are written; they name requests and hold none of their text.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq

from benchmarks.common import machine
from benchmarks.service import http_load
from fingerprint.domain.schemas import TURN_END
from fingerprint.traffic.reader import read_traffic

PORT = 18_766
BATCH, BATCH_BYTES = 1000, 1_500_000
"""Requests of a batch, and bytes of its body: the service reads 1,000 and 2 MiB."""

ANSWERS = ("family_id", "candidate_id", "label", "campaign_id", "score")
DETAILS = ("threshold", "coverage", "similarity", "known_sender")
"""Compared where there is a candidate; without one the command line has figures of no family."""

Row = dict[str, Any]


def body_of(row: Row) -> Row:
    """Write a row of traffic down as a client would: plain, or as messages where it is a conversation."""
    if TURN_END not in row["prompt"]:
        return {"prompt": row["prompt"], "system": row["system"], "account_id": row["account_id"]}
    said = [{"role": "user", "content": turn} for turn in row["prompt"].split(TURN_END)]
    system = [{"role": "system", "content": row["system"]}] if row["system"] else []
    return {"messages": [*system, *said], "account_id": row["account_id"]}


def batches_of(bodies: Sequence[bytes]) -> Iterator[bytes]:
    """Join bodies into bodies of batches."""
    part: list[bytes] = []
    size = 0
    for body in bodies:
        if part and (len(part) == BATCH or size + len(body) > BATCH_BYTES):
            yield b'{"requests":[' + b",".join(part) + b"]}"
            part, size = [], 0
        part.append(body)
        size += len(body)
    if part:
        yield b'{"requests":[' + b",".join(part) + b"]}"


@contextmanager
def served(home: Path) -> Iterator[None]:
    """Run the service over a home until it is ready, and stop it afterwards."""
    command = [sys.executable, "-m", "fingerprint", "serve", "--home", str(home), "--port", str(PORT)]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stderr=log)
        try:
            until = time.monotonic() + 120
            while not http_load.answers(PORT, "/readyz"):
                assert process.poll() is None, "the service stopped"
                assert time.monotonic() < until, "a ready service expected, none after 120 s"
                time.sleep(0.2)
            yield
        finally:
            process.terminate()
            process.wait(60)


async def asked(path: str, bodies: Sequence[bytes]) -> list[Row]:
    """Send bodies one after the other over one connection; what is not 200 is an error."""
    connection = await http_load.connect(PORT)
    found = []
    for body in bodies:
        status = await connection.ask(http_load.request("127.0.0.1", path, body, {}))
        answer = orjson.loads(connection.body)
        assert status == 200, f"{path}: 200 expected, {status} found: {answer}"
        found.append(answer)
    return found


def difference(line: Row, answer: Row) -> Row:
    """Name the fields in which a row of the command line and an answer over HTTP differ."""
    names = ANSWERS + (DETAILS if line["candidate_id"] is not None else ())
    cli = {**line, "score": line["score"] or 0.0}
    return {name: [cli[name], answer[name]] for name in names if cli[name] != answer[name]}


def differences(lines: Sequence[Row], answers: Sequence[Row]) -> list[Row]:
    """List the requests whose answers differ."""
    pairs = zip(lines, answers, strict=True)
    rows = [(line["request_id"], difference(line, answer)) for line, answer in pairs]
    return [{"request_id": name, **fields} for name, fields in rows if fields]


def command_line(first: Path, others: Sequence[Path], work: Path) -> list[Row]:
    """Make the home, look the others up in it, and return the rows of the lookup."""
    home, out = work / "home", work / "matches.parquet"
    machine.fingerprint("nightly", first, "--home", home, "--quiet", scratch=work)
    machine.fingerprint("lookup", *others, "--home", home, "--explain", "--output", out, scratch=work)
    rows: list[Row] = pq.read_table(out).to_pylist()
    return rows


def compare(first: Path, others: Sequence[Path], single: int) -> dict[str, Any]:
    """Compare all requests of the other files in batches, and `single` of them, evenly chosen, one by one."""
    with tempfile.TemporaryDirectory(prefix="fingerprint-agree-") as folder:
        lines = command_line(first, others, Path(folder))
        rows = [row for batch in read_traffic(others, rejects=None) for row in batch.to_pylist()]
        assert [row["request_id"] for row in rows] == [line["request_id"] for line in lines]
        bodies = [orjson.dumps(body_of(row)) for row in rows]
        chosen = range(0, len(rows), max(1, len(rows) // single)) if single else range(0)
        with served(Path(folder) / "home"):
            parts = asyncio.run(asked("/v1/lookup/batch", list(batches_of(bodies))))
            alone = asyncio.run(asked("/v1/lookup", [bodies[i] for i in chosen]))
    together = [answer for part in parts for answer in part["results"]]
    return {
        "requests": len(rows),
        "conversations": sum(TURN_END in row["prompt"] for row in rows),
        "matched": sum(line["family_id"] is not None for line in lines),
        "with_candidate": sum(line["candidate_id"] is not None for line in lines),
        "batches": {"asked": len(together), "different": differences(lines, together)},
        "single": {"asked": len(alone), "different": differences([lines[i] for i in chosen], alone)},
    }


def main() -> None:
    options = _options()
    before = machine.facts()
    compared = compare(options.first, options.others, options.single)
    for name in ("batches", "single"):
        wrong = compared[name]["different"]
        print(f"{name}: {compared[name]['asked']:,} asked, {len(wrong)} different")
        for row in wrong[:20]:
            print(f"  {row}")
    if options.json:
        figures = {**compared, **{name: _counted(compared[name]) for name in ("batches", "single")}}
        machine.save({"machine": before, **figures}, options.json)
    sys.exit(any(compared[name]["different"] for name in ("batches", "single")))


def _counted(part: dict[str, Any]) -> dict[str, Any]:
    return {**part, "different": len(part["different"]), "first": part["different"][:20]}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("first", type=Path, metavar="TRAFFIC", help="what the home is made of")
    parser.add_argument("others", type=Path, nargs="+", metavar="TRAFFIC", help="what is looked up")
    parser.add_argument("--single", type=int, default=2000, help="requests that are asked one by one, too")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the counts")
    return parser.parse_args()


if __name__ == "__main__":
    main()
