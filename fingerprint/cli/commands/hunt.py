"""The command `hunt`: search past traffic for one family."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fingerprint.cli.commands.options import (
    explain_stop,
    home_options,
    made_with_option,
    max_rejects_option,
    output_options,
    quiet_option,
    reading_options,
    reporting,
    strict_option,
    traffic_argument,
    worked_home_of,
)
from fingerprint.domain.errors import InputError, UsageError
from fingerprint.domain.reading import Reading

if TYPE_CHECKING:
    from fingerprint.hunting.hunter import Target

_STOPPED = "stopped; no hits were written"


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
    help="Use this threshold instead of the family's own.",
)
@click.option("--text-only", is_flag=True, help="Ignore meaning: find only prompts that share words.")
@click.option(
    "--edited", is_flag=True, help="FAMILY is a file that you changed: do not check its content_hash."
)
@click.option(
    "--top",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    metavar="N",
    help="List the N accounts with the most hits.",
)
@click.option(
    "--threads", type=click.IntRange(min=1), metavar="N", help="Threads to use; all processors if not given."
)
@made_with_option
@reading_options
@max_rejects_option
@strict_option
@output_options
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
    reading: Reading,
    max_rejects: int | None,
    strict: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Search past traffic for one family.

    FAMILY is the id of a stored family, or a file with a signature as JSON.

    \b
    Example:
      fingerprint hunt f1c9f1c0e8a51 logs/2026-02/ --home home --output hits.parquet
      fingerprint hunt shared.json logs/2026-02/ --threshold 0.8

    A request is a hit if a lookup would match it in a home with only this family. The output counts hits by day and
    by account; OUT gets request_id, account_id, timestamp, score and coverage of each hit, and no text. The file may
    be the output of `families show ID --json`; it needs no home, but with one, accounts that sent the family before
    score higher. --json prints the counts as one JSON object on stdout and progress as JSON lines on stderr.
    """
    from fingerprint.cli.output import printing
    from fingerprint.jobs import first_use
    from fingerprint.jobs import hunt as hunt_job

    to_stdout = output == "-"
    if to_stdout and as_json:
        raise UsageError("--output - and --json both print on stdout: use one of them")
    target = _with_threshold(_target(family, path, database, edited=edited), threshold)
    options = hunt_job.HuntOptions(
        model=model,
        by_meaning=not text_only,
        reading=reading,
        max_rejects=max_rejects,
        threads=threads,
        top=top,
        strict=strict,
    )
    with reporting(quiet=quiet, as_json=as_json) as progress, explain_stop(lambda: _STOPPED):
        first_use.compile_for(progress, "hunt")
        report = hunt_job.hunt(target, traffic, options, output=output, on_progress=progress)
    printing.result(
        [report],
        lambda: printing.hunt(report, None if to_stdout else output, error=to_stdout),
        as_json=as_json,
        quiet=quiet,
    )


def _with_threshold(target: Target, threshold: float | None) -> Target:
    if threshold is None:
        return target
    return replace(target, signatures=tuple(replace(s, threshold=threshold) for s in target.signatures))


def _target(family: str, path: Path | None, database: str | None, *, edited: bool) -> Target:
    """Return what FAMILY names: a file if there is one of that name, else a family of the home."""
    from fingerprint.jobs import hunt as hunt_job
    from fingerprint.store.store import Store

    if Path(family).is_file():
        home = None if path is None else worked_home_of(path, database)
        return hunt_job.read_target(Path(family), home, edited=edited)
    if edited or family.endswith((".json", ".jsonl")):
        raise InputError(f"{family}: no such file of a signature")
    home = worked_home_of(path, database)
    with Store.open(home.path, home.database, read_only=True) as store:
        family = store.full_id("family", family)
    return hunt_job.stored_target(home, family)


COMMANDS = (hunt,)
