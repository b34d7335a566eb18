"""The command that works a night of traffic."""

from __future__ import annotations

from pathlib import Path

import click

from fingerprint.cli.commands.lookup import lookup, try_
from fingerprint.cli.commands.options import (
    home_of,
    home_options,
    json_option,
    mapping_of,
    mapping_option,
    max_rejects_option,
    quiet_option,
    reporting,
    told_when_stopped,
    traffic_argument,
)
from fingerprint.domain.settings import Settings

_DEFAULTS = Settings()


@click.command()
@traffic_argument
@home_options
@click.option(
    "--assignments",
    metavar="OUT",
    help="Write each request's family to OUT, a file or URL (.jsonl, .csv or .parquet).",
)
@click.option(
    "--model",
    default=_DEFAULTS.model,
    show_default=True,
    metavar="M",
    help="static, minilm, or the folder of a sentence-transformers model.",
)
@click.option(
    "--min-requests",
    type=click.IntRange(min=2),
    default=_DEFAULTS.min_requests,
    show_default=True,
    metavar="N",
    help="Fewest distinct prompts of a new family.",
)
@click.option(
    "--min-accounts",
    type=click.IntRange(min=1),
    default=_DEFAULTS.min_accounts,
    show_default=True,
    metavar="K",
    help="Text that fewer than K accounts sent is never stored.",
)
@click.option(
    "--false-positive-rate",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=_DEFAULTS.false_positive_rate,
    show_default=True,
    metavar="P",
    help="Share of other traffic that a family's threshold lets through.",
)
@click.option(
    "--memory",
    "memory_gb",
    type=click.FloatRange(min=0, min_open=True),
    default=_DEFAULTS.memory_gb,
    show_default=True,
    metavar="GB",
    help="Memory that the night may take; what does not fit goes by way of the home's disk.",
)
@click.option(
    "--retention-days",
    type=click.IntRange(min=0),
    default=_DEFAULTS.retention_days,
    show_default=True,
    metavar="DAYS",
    help="How long vectors of prompts, and hashes of what no family holds, are kept.",
)
@click.option(
    "--device",
    metavar="NAME",
    help="Where vectors are made and compared, as torch names it (cuda).  [default: FAISS on the CPU; "
    "transformers on a GPU where torch sees one]",
)
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default=_DEFAULTS.engine,
    show_default=True,
    help="Where texts are worked: by threads of this process, or by workers of Ray.",
)
@click.option(
    "--ray-address",
    metavar="HOST:PORT",
    help="A cluster that this machine is a node of, or auto; without it workers are started on this machine.",
)
@mapping_option
@max_rejects_option
@json_option
@quiet_option
def nightly(
    traffic: tuple[str, ...],
    path: Path | None,
    database: str | None,
    assignments: str | None,
    mapping: tuple[str, ...],
    as_json: bool,
    quiet: bool,
    **settings: object,
) -> None:
    """Find the prompt families in a night of traffic, and continue the ones the home knows.

    TRAFFIC is .jsonl, .csv or .parquet files, gzipped or not, directories of them, URLs of either (s3://, gs://
    …), or - for JSON lines on stdin. OpenAI, Anthropic and LiteLLM logs are known by their keys; --map names the fields of any other.

    \b
    Example:
      fingerprint nightly logs/2026-03-02/ --home home --assignments families.parquet

    Out comes a summary: rows read, accepted, rejected and duplicate (they add up), families and times.
    Families, accounts and campaigns are stored in the home, all or nothing; rejected rows are listed in
    home/rejects. A night larger than memory keeps each finished stage in home/work until it is stored: one that
    was killed goes on there when the same command is run again. --json prints the summary as one JSON object and logs to stderr as JSON lines.
    """
    from fingerprint.cli.output import printing
    from fingerprint.jobs import nightly as nightly_job

    home = home_of(path, database)
    with (
        reporting(quiet=quiet, as_json=as_json) as progress,
        told_when_stopped(lambda: _nightly_stopped(progress.stage)),
    ):
        report = nightly_job.nightly(
            traffic,
            home,
            Settings(**settings),  # type: ignore[arg-type]
            assignments=assignments,
            mapping=mapping_of(mapping),
            on_progress=progress,
        )
    if as_json:
        printing.json_lines([report])
    elif not quiet:
        printing.night(report, home.path, assignments)


def _nightly_stopped(stage: str | None) -> str:
    if stage == "store":
        return "stopped while storing; `fingerprint nights` lists the night if it was stored; to repeat it is safe"
    if stage == "publish":
        return "stopped after storing the night; the same command again ends it"
    return f"stopped{f' in stage {stage}' if stage else ''}; nothing was stored"


COMMANDS = (nightly, lookup, try_)
