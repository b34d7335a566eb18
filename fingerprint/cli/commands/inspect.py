"""The command `inspect`: what the reader makes of a log."""

from __future__ import annotations

import click

from fingerprint.cli.commands.options import (
    output_options,
    quiet_option,
    reading_options,
    reporting,
    traffic_argument,
)
from fingerprint.domain.reading import Reading


@click.command(name="inspect")
@traffic_argument
@click.option(
    "--rows",
    type=click.IntRange(min=0),
    default=5,
    show_default=True,
    metavar="N",
    help="Show the first N rows.",
)
@reading_options
@output_options
@quiet_option
def inspect_(traffic: tuple[str, ...], rows: int, reading: Reading, as_json: bool, quiet: bool) -> None:
    """Show how TRAFFIC would be read, before any night.

    \b
    Example:
      fingerprint inspect logs/2026-03-02/ --rows 3

    The output says, for each file or directory, which format its rows are of, where each field of a request was found in
    the first 1,000 of them, how many rows would be accepted, rejected and left out as duplicates, one rejected row of each
    kind, and the first rows with their texts shortened. Nothing is stored. --json prints all of it as one JSON object a
    file or directory.
    """
    from fingerprint.cli.output import inspections, printing
    from fingerprint.jobs import inspect as inspect_job

    with reporting(quiet=quiet, as_json=as_json) as progress:
        reports = [
            inspect_job.inspect(source, reading=reading, rows=rows, on_progress=progress)
            for source in traffic
        ]
    if as_json:
        printing.json_lines(reports)
    else:
        for report in reports:
            inspections.inspection(report)


COMMANDS = (inspect_,)
