"""Commands that search traffic for families: hunt, in history."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fingerprint.cli.commands.options import (
    home_options,
    json_option,
    made_with_option,
    mapping_of,
    mapping_option,
    max_rejects_option,
    quiet_option,
    reporting,
    told_when_stopped,
    traffic_argument,
    worked_home_of,
)
from fingerprint.domain.errors import InputError, UsageError

if TYPE_CHECKING:
    from fingerprint.hunting.hunter import Target


@click.command()
@click.argument("family")
@traffic_argument
@home_options
@click.option(
    "--output",
    metavar="OUT",
    help="Path or URL to write the hits to: .jsonl, .csv or .parquet; - for JSON lines on stdout.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    metavar="X",
    help="Take this lowest score of a match instead of the family's own.",
)
@click.option("--text-only", is_flag=True, help="Leave meaning out: only what shares words is found.")
@click.option(
    "--edited", is_flag=True, help="FAMILY is a file that was changed: its content_hash is not compared."
)
@click.option(
    "--top",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    metavar="N",
    help="Accounts to list.",
)
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="All processors if not given.")
@made_with_option
@mapping_option
@max_rejects_option
@json_option
@quiet_option
def hunt(
    family: str,
    traffic: tuple[str, ...],
    path: Path | None,
    database: str | None,
    output: str | None,
    threshold: float | None,
    text_only: bool,
    edited: bool,
    top: int,
    threads: int | None,
    model: str | None,
    mapping: tuple[str, ...],
    max_rejects: int | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Search past traffic for one FAMILY: the id of a stored one, or a file that holds a signature as JSON.

    \b
    Example:
      fingerprint hunt f1c9f1c0e8a51 logs/2026-02/ --home home --output hits.parquet
      fingerprint hunt shared.json logs/2026-02/ --threshold 0.8

    A request is a hit if a lookup would match it in a home that holds this family alone. Out comes how many hits there
    are, by day and by account; OUT gets request_id, account_id, timestamp, score and coverage of each, and no text.
    A file may be what `families show ID --json` printed; it needs no home, and with one its known senders count.
    """
    from fingerprint.cli.output import printing
    from fingerprint.jobs import hunt as hunt_job

    to_stdout = output == "-"
    if to_stdout and as_json:
        raise UsageError("--output - and --json both print on stdout; one of them expected")
    quarry = _quarry(family, path, database, edited=edited)
    if threshold is not None:
        changed = tuple(replace(s, threshold=threshold) for s in quarry.signatures)
        quarry = replace(quarry, signatures=changed)
    options = hunt_job.HuntOptions(
        model=model,
        by_meaning=not text_only,
        mapping=mapping_of(mapping),
        max_rejects=max_rejects,
        threads=threads,
        top=top,
    )
    with (
        reporting(quiet=quiet, as_json=as_json) as progress,
        told_when_stopped(lambda: "stopped; no hit was written"),
    ):
        report = hunt_job.hunt(quarry, traffic, options, output=output, on_progress=progress)
    if as_json:
        printing.json_lines([report])
    elif not quiet:
        printing.hunt(report, None if to_stdout else output, error=to_stdout)


def _quarry(family: str, path: Path | None, database: str | None, *, edited: bool) -> Target:
    """Return what FAMILY names: a file where there is one of that name, else a family of the home."""
    from fingerprint.jobs import hunt as hunt_job

    if Path(family).is_file():
        home = None if path is None else worked_home_of(path, database)
        return hunt_job.read_target(Path(family), home, edited=edited)
    if edited or family.endswith((".json", ".jsonl")):
        raise InputError(f"{family}: a file that holds a signature expected, none found")
    return hunt_job.stored_target(worked_home_of(path, database), family)


COMMANDS = (hunt,)
