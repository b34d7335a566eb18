"""Measure how soon `fingerprint watch` flags campaigns: minutes of the stream from a campaign's first request on.

    python -m benchmarks.speed.watch --simulate default
    python -m benchmarks.speed.watch --traffic day1.jsonl.gz --truth truth.jsonl.gz

The day is replayed by its own times, into a home that knows no family. A family represents the campaign that most of
the requests are of that its event names.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.common import machine
from benchmarks.common.labelled import Truth, read_truth
from benchmarks.common.tables import table, title
from fingerprint import simulate
from fingerprint.domain.settings import Home
from fingerprint.jobs.watch import Watch, WatchOptions
from fingerprint.jobs.watch_state import WatchState
from fingerprint.traffic.feeds import File, Position
from fingerprint.traffic.reader import read_traffic

Told = dict[str, Any]


@dataclass(frozen=True, slots=True)
class CampaignTimes:
    """One campaign: its requests that day, minutes until it was raised and flagged, and requests sent until then."""

    campaign: str
    requests: int
    raised_minutes: float | None
    flagged_minutes: float | None
    sent_before_flag: int | None


@dataclass(frozen=True, slots=True)
class Measured:
    """All of one run; seconds: of the whole replay, of which rounds took the most at round_seconds each."""

    traffic: str
    requests: int
    every_minutes: float
    window_hours: float
    caught: tuple[CampaignTimes, ...]
    flagged_families: int
    wrongly_flagged: int
    seconds: float
    cpu_seconds: float
    round_seconds: tuple[float, ...]
    largest_window: int
    peak_mb: float


class Timed(Watch):
    """A watch that tells how long its rounds take, and how many requests its window holds."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.seconds: list[float] = []
        self.largest = 0

    def round(self, end: Position, *, last: bool = False) -> None:
        """Time a round."""
        began = time.process_time()
        super().round(end, last=last)
        self.seconds.append(time.process_time() - began)
        self.largest = max(self.largest, self.window_size)


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="fingerprint-watch-") as folder:
        before = machine.facts()
        day = measured(options, Path(folder))
    print(_as_text(day))
    if options.json:
        machine.save({"machine": before, **asdict(day)}, options.json)


def measured(options: argparse.Namespace, work: Path) -> Measured:
    """Replay a day."""
    name, file, truth_file = _traffic(options, work)
    stream, when = _stream(file, work / "stream.jsonl")
    truth = read_truth(truth_file)
    truth = truth.on(truth.days[0])
    events: list[Told] = []
    settings = WatchOptions(every_minutes=options.every_minutes, window_hours=options.window_hours)
    began, cpu = time.monotonic(), time.process_time()
    watching = Timed(Home(work / "home"), settings, WatchState(), events.append)
    watching.run(File(stream))
    seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    flags = [event for event in events if event["event"] == "flagged"]
    campaigns = _campaigns(truth)
    return Measured(
        traffic=name,
        requests=len(truth),
        every_minutes=options.every_minutes,
        window_hours=options.window_hours,
        caught=tuple(_campaign_times(truth, when, events, campaigns)),
        flagged_families=len(flags),
        wrongly_flagged=sum(_stands_for(event, campaigns) is None for event in flags),
        seconds=seconds,
        cpu_seconds=cpu,
        round_seconds=tuple(watching.seconds),
        largest_window=watching.largest,
        peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
    )


def _campaigns(truth: Truth) -> dict[str, str | None]:
    """Return the campaign of each request, None for honest ones."""
    names = [truth.campaign.names[n] if n >= 0 else None for n in truth.campaign.of]
    return dict(zip(truth.request_id.to_pylist(), names, strict=True))


def _stands_for(event: Told, campaigns: dict[str, str | None]) -> str | None:
    return Counter(campaigns.get(request) for request in event["examples"]).most_common(1)[0][0]


def _campaign_times(
    truth: Truth, when: dict[str, datetime], events: Sequence[Told], campaigns: dict[str, str | None]
) -> list[CampaignTimes]:
    strong = truth.only(truth.strong)
    sent: dict[str, list[datetime]] = {}
    for request, number in zip(strong.request_id.to_pylist(), strong.campaign.of, strict=True):
        sent.setdefault(strong.campaign.names[number], []).append(when[request])
    first: dict[tuple[str, str | None], datetime] = {}
    for event in events:
        first.setdefault((event["event"], _stands_for(event, campaigns)), event["at"])
    out = []
    for name, times in sorted(sent.items()):
        begin, flagged = min(times), first.get(("flagged", name))
        out.append(
            CampaignTimes(
                name,
                len(times),
                _minutes(begin, first.get(("raised", name))),
                _minutes(begin, flagged),
                None if flagged is None else sum(t <= flagged for t in times),
            )
        )
    return out


def _minutes(begin: datetime, end: datetime | None) -> float | None:
    return None if end is None else (end - begin).total_seconds() / 60


def _stream(file: Path, out: Path) -> tuple[Path, dict[str, datetime]]:
    """Write a day as JSON lines in the order of its times; also return when each request came."""
    whole = pa.Table.from_batches(list(read_traffic([file], rejects=None))).sort_by("timestamp")
    with out.open("w") as stream:
        for row in whole.to_pylist():
            fields = {**row, "timestamp": row["timestamp"].isoformat()}
            fields["metadata"] = json.loads(row["metadata"]) if row["metadata"] else None
            stream.write(json.dumps(fields, ensure_ascii=False) + "\n")
    times = pc.cast(whole["timestamp"], pa.timestamp("us", tz="UTC")).to_pylist()
    return out, dict(zip(whole["request_id"].to_pylist(), times, strict=True))


def _traffic(options: argparse.Namespace, work: Path) -> tuple[str, Path, Path]:
    if options.traffic:
        return options.traffic.name, options.traffic, options.truth
    config = replace(simulate.preset(options.simulate, seed=options.seed), days=1)
    config = replace(config, rows=options.rows or config.rows)
    (file,) = simulate.write(config, work / "traffic.parquet", truth=work / "truth.parquet")
    return f"simulated {options.simulate}, seed {options.seed}", file, work / "truth.parquet"


def _as_text(day: Measured) -> str:
    rows = [
        [c.campaign, c.requests, c.raised_minutes, c.flagged_minutes, c.sent_before_flag] for c in day.caught
    ]
    flagged = [c.flagged_minutes for c in day.caught if c.flagged_minutes is not None]
    raised = [c.raised_minutes for c in day.caught if c.raised_minutes is not None]
    facts: list[list[object]] = [
        ["requests", day.requests],
        ["campaigns", len(day.caught)],
        ["raised", len(raised)],
        ["minutes to raise, median", statistics.median(raised) if raised else None],
        ["flagged", len(flagged)],
        ["minutes to flag, median", statistics.median(flagged) if flagged else None],
        ["families flagged", day.flagged_families],
        ["of them not a campaign's", day.wrongly_flagged],
        ["CPU seconds", day.cpu_seconds],
        ["CPU seconds a round, median", float(np.median(day.round_seconds))],
        ["CPU seconds a round, longest", max(day.round_seconds)],
        ["largest window", day.largest_window],
        ["peak MB", day.peak_mb],
    ]
    head = ["campaign", "requests", "min to raise", "min to flag", "sent before"]
    return f"{title(f'Watching {day.traffic}')}\n{table(head, rows)}\n\n{table(['', ''], facts)}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--simulate", choices=sorted(simulate.PRESETS), help="a day of this preset")
    source.add_argument("--traffic", type=Path, metavar="DAY", help="the first day of the truth")
    parser.add_argument("--truth", type=Path, help="what each request of --traffic is")
    parser.add_argument("--rows", type=int, help="of the simulated day")
    parser.add_argument("--seed", type=int, default=1, help="of the simulation")
    parser.add_argument("--every-minutes", type=float, default=WatchOptions().every_minutes)
    parser.add_argument("--window-hours", type=float, default=WatchOptions().window_hours)
    parser.add_argument(
        "--json", type=Path, metavar="OUT", help="write the figures, with machine and versions"
    )
    options = parser.parse_args()
    if bool(options.traffic) != bool(options.truth):
        parser.error("--traffic and --truth expected together")
    return options


if __name__ == "__main__":
    main()
