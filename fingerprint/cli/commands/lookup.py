"""The commands that match prompts against the stored families: lookup, try."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fingerprint.cli.commands.options import (
    explain_stop,
    home_options,
    looked_up_home_of,
    made_with_option,
    max_rejects_option,
    output_options,
    quiet_option,
    reading_options,
    reporting,
    strict_option,
    traffic_argument,
)
from fingerprint.domain.errors import UsageError
from fingerprint.domain.reading import Reading


@click.command()
@traffic_argument
@home_options
@click.option(
    "--output",
    required=True,
    metavar="OUT",
    help="Path or URL to write to: .jsonl, .csv or .parquet; - for JSON lines on stdout.",
)
@click.option(
    "--explain", is_flag=True, help="Add each match's threshold, coverage, similarity and known_sender."
)
@made_with_option
@reading_options
@max_rejects_option
@strict_option
@output_options
@quiet_option
def lookup(
    traffic: tuple[str, ...],
    path: Path | None,
    database: str | None,
    output: str,
    explain: bool,
    model: str | None,
    reading: Reading,
    max_rejects: int | None,
    strict: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Match every request in TRAFFIC against the families of a home.

    \b
    Example:
      fingerprint lookup today.jsonl.gz --home home --output matches.jsonl

    OUT gets one row for each request, in the order of the traffic: request_id, family_id (empty if nothing
    matched), candidate_id (the nearest family, matched or not), score, label, campaign_id and families (all that it
    matches). The output is a summary; --json prints it as one JSON object on stdout and progress as JSON lines on
    stderr.
    """
    from fingerprint.cli.output import printing
    from fingerprint.jobs import first_use
    from fingerprint.jobs import lookup as lookup_job

    home = looked_up_home_of(path, database)
    to_stdout = output == "-"
    if to_stdout and as_json:
        raise UsageError("--output - and --json both print on stdout: use one of them")
    with (
        reporting(quiet=quiet, as_json=as_json) as progress,
        explain_stop(lambda: "stopped; no matches were written"),
    ):
        first_use.compile_for(progress, "lookup")
        report = lookup_job.lookup(
            traffic,
            home,
            output=None if to_stdout else output,
            model=model,
            reading=reading,
            max_rejects=max_rejects,
            explain=explain,
            strict=strict,
            on_progress=progress,
        )
    printing.stale(report.stale)
    printing.result(
        [report], lambda: printing.lookup(report, None if to_stdout else output), as_json=as_json, quiet=quiet
    )


@click.command(name="try")
@click.argument("prompt")
@home_options
@click.option("--system", metavar="S", help="The system prompt that came with it.")
@click.option(
    "--account", metavar="A", help="The account that sent it; it scores higher if it sent the family before."
)
@made_with_option
@output_options
def try_(
    prompt: str,
    path: Path | None,
    database: str | None,
    system: str | None,
    account: str | None,
    model: str | None,
    as_json: bool,
) -> None:
    """Match one PROMPT and explain the answer; - reads it from stdin.

    \b
    Example:
      fingerprint try "You are an expert data analyst. Explain step by step …" --home home

    The output names the nearest family and says whether the prompt matches it and why: which parts of the
    template the prompt contains, what fills the slots, coverage, similarity, score and threshold.
    """
    from fingerprint.cli.output import printing
    from fingerprint.jobs import first_use
    from fingerprint.jobs import lookup as lookup_job

    home = looked_up_home_of(path, database)
    with reporting(quiet=False, as_json=as_json) as progress:
        first_use.compile_for(progress, "lookup")
    text = sys.stdin.buffer.read().decode(errors="replace") if prompt == "-" else prompt
    current = lookup_job.open_current(home, model)
    printing.stale(current.stale)
    match = current.matcher.one(text, system, account, explained=True)
    printing.result([match], lambda: printing.match(match), as_json=as_json)


COMMANDS = (lookup, try_)
