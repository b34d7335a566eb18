"""What `fingerprint demo` does and prints: three simulated nights, what they found, and a day of lookups."""

from __future__ import annotations

import shlex
import sys
import textwrap
import time
from pathlib import Path

import click
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fingerprint import simulate
from fingerprint.cli.output import printing, tables
from fingerprint.cli.output.progress import Progress, reporter
from fingerprint.cli.output.terminal import plain
from fingerprint.domain.rows import FamilyRow
from fingerprint.domain.settings import Home
from fingerprint.jobs import first_use
from fingerprint.jobs import lookup as lookup_job
from fingerprint.jobs import nightly as nightly_job
from fingerprint.store.store import Store

NIGHTS = 3

MAX_LISTED = 10
"""Families and campaigns listed."""


def run(home: Home, *, rows: int, seed: int, temporary: bool) -> None:
    """Run the demo in an empty home; rows: requests a day. Traffic, truth and matches stay in home/demo.

    temporary: nobody chose where the home is.
    """
    began = time.monotonic()
    folder = home.demo
    config = simulate.preset("demo", rows=rows * (NIGHTS + 1), days=NIGHTS + 1, seed=seed)
    click.echo(
        f"Four simulated days of API traffic, {rows:,} requests a day: people, honest software that sends"
    )
    click.echo(
        f"templates, and {config.campaigns} extraction campaigns, disguised from day {config.evasion_from} on.\n"
    )
    truth = folder / "truth.parquet"
    with _bars() as progress:
        first_use.compile_for(progress, "night", "lookup")
        days = simulate.write(
            config,
            folder / "traffic",
            truth=truth,
            on_progress=lambda done, of: progress("simulate", done, of),
        )
    for number, day in enumerate(days[:NIGHTS], 1):
        _night(number, day, home)
    families = _families(home)
    _campaigns(home)
    matches = folder / "matches.parquet"
    report = _lookup(days[NIGHTS], home, matches)
    outcomes = _with_truth(matches, truth, days[NIGHTS].stem)
    _outcomes(report, outcomes, {row.family_id for row in families if row.flagged})
    _explained(days[NIGHTS], home, outcomes)
    _next(home, families, days[NIGHTS])
    if temporary:
        click.echo("\nThis home is a temporary folder; `fingerprint demo --keep` makes one in ./demo-home.")
    click.echo(f"\nThe demo took {time.monotonic() - began:.0f} s.")


def _with_truth(matches: Path, truth: Path, day: str) -> pa.Table:
    """Join a day's matches with the truth about its requests; `new_template`: no earlier day had the template."""
    known = pq.read_table(truth)
    earlier = pc.unique(known.filter(pc.not_equal(known["day"], day))["family"])
    # lists, as of all families that match, cannot be joined
    matched = pq.read_table(matches, columns=["request_id", "family_id"])
    joined = matched.join(known, "request_id", join_type="inner")
    return joined.append_column("new_template", pc.invert(pc.is_in(joined["family"], value_set=earlier)))


def _night(number: int, day: Path, home: Home) -> None:
    with _bars() as progress:
        report = nightly_job.nightly([day], home, on_progress=progress)
    known = report.families - report.new_families
    click.echo(
        f"Night {number}  {report.ingest.accepted:,} requests, {report.distinct_prompts:,} distinct prompts → "
        f"{report.new_families} new families, {known} seen before, {report.flagged} flagged  "
        f"({sum(report.seconds.values()):.1f} s)"
    )


def _families(home: Home) -> list[FamilyRow]:
    with Store.open(home.path, read_only=True) as store:
        families = store.families()
    flagged = [row for row in families if row.flagged]
    _title(f"Families that look like campaigns: {len(flagged)} of {len(families)}", len(flagged))
    printing.families(flagged[:MAX_LISTED])
    honest = sorted((row for row in families if not row.flagged), key=lambda row: -row.requests)
    if honest:
        _title(
            f"Families that do not look like campaigns, though many accounts send them: {len(honest)}",
            len(honest),
            most=3,
        )
        printing.families(honest[:3])
    return families


def _campaigns(home: Home) -> None:
    with Store.open(home.path, read_only=True) as store:
        rows = store.campaigns()
    _title(f"Campaigns (flagged families that the same accounts send): {len(rows)}", len(rows))
    printing.campaigns(rows[:MAX_LISTED])


def _lookup(day: Path, home: Home, output: Path) -> lookup_job.LookupReport:
    with _bars() as progress:
        return lookup_job.lookup([day], home, output=output, on_progress=progress)


def _outcomes(report: lookup_job.LookupReport, outcomes: pa.Table, flagged: set[str]) -> None:
    """Print how many requests of each kind matched; outcomes: as from `_with_truth`, flagged: ids of families."""
    count, seconds = report.ingest.accepted, report.seconds
    _title(f"Day 4: {count:,} requests looked up in {seconds:.1f} s, {count / max(seconds, 1e-3):,.0f}/s")
    matched = pc.is_valid(outcomes["family_id"])
    alarm = pc.is_in(outcomes["family_id"], value_set=pa.array(sorted(flagged), pa.large_string()))
    other = pc.and_not(matched, alarm)
    campaign = pc.equal(outcomes["role"], "campaign")
    known = pc.and_not(campaign, outcomes["new_template"])
    disguised = pc.not_equal(outcomes["evasion"], "none")
    kinds = {
        "campaign, as on earlier days": pc.and_not(known, disguised),
        "campaign, disguised": pc.and_(known, disguised),
        "campaign, template never seen before": pc.and_(campaign, outcomes["new_template"]),
        "honest, from software's templates": pc.equal(outcomes["role"], "benign_template"),
        "honest, all others": pc.equal(outcomes["role"], "background"),
    }
    rows = []
    for kind, requests in kinds.items():
        total, hits = _count(requests), _count(pc.and_(requests, alarm))
        share = f"{hits / max(total, 1):6.1%}"
        rows.append((kind, total, f"{hits:,}  {share}", _count(pc.and_(requests, other))))
    names = ("kind of request", ">requests", ">matched a flagged family", ">matched another family")
    tables.table(names, rows, "no requests")


def _explained(day: Path, home: Home, outcomes: pa.Table) -> None:
    """Print why one disguised request matched, the shortest of them."""
    disguised = pc.and_(pc.equal(outcomes["role"], "campaign"), pc.not_equal(outcomes["evasion"], "none"))
    ids = outcomes.filter(pc.and_(disguised, pc.is_valid(outcomes["family_id"])))["request_id"]
    sent = pq.read_table(day)
    sent = sent.filter(pc.is_in(sent["request_id"], value_set=ids.combine_chunks()))
    if not sent.num_rows:
        return
    row = sent.take(pc.sort_indices(pc.utf8_length(sent["prompt"]))[:1]).to_pylist()[0]
    _title("One of the disguised requests, explained")
    for place in ("system", "prompt"):
        if row[place]:
            words = textwrap.shorten(plain(row[place]), 300, placeholder=" …")
            click.echo(
                textwrap.fill(words, tables.WIDTH, initial_indent=f"  {place:<8}", subsequent_indent=" " * 10)
            )
    click.echo("")
    printing.match(lookup_job.open_matcher(home).one(row["prompt"], row["system"], explained=True))


def _count(mask: pa.ChunkedArray) -> int:
    return int(pc.sum(mask).as_py() or 0)


def _next(home: Home, families: list[FamilyRow], day: Path) -> None:
    at = shlex.quote(str(home.path))
    first = families[0].family_id if families else "ID"
    _title("Where to look next")
    click.echo(f"  fingerprint families show {first} --home {at}")
    click.echo(f"  fingerprint accounts --flagged --limit 20 --home {at}")
    click.echo(f'  fingerprint label {first} campaign --reason "seen it before" --home {at}')
    click.echo(f"  fingerprint lookup {shlex.quote(str(day))} --explain --output - --home {at} | head")
    click.echo(f"  fingerprint report --home {at}")
    click.echo("  fingerprint nightly YOUR_LOGS --home home")
    click.echo("\nThe console, at http://127.0.0.1:8765; log in with the key that the first command prints")
    click.echo(f"  fingerprint keys create me --scope read --scope label --home {at}")
    click.echo(f"  fingerprint serve --home {at}")


def _bars() -> Progress:
    return reporter(quiet=not sys.stderr.isatty(), keep=False)


def _title(heading: str, count: int = 0, most: int = MAX_LISTED) -> None:
    more = f", the first {most}" if count > most else ""
    click.echo(f"\n{heading}{more}")
