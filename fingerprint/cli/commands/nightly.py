"""The command `nightly`: find families in a night of traffic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fingerprint.cli.commands.options import (
    conversation_hours_option,
    explain_stop,
    home_of,
    home_options,
    max_rejects_option,
    notify_options,
    output_options,
    quiet_option,
    reading_options,
    reporting,
    strict_option,
    traffic_argument,
)
from fingerprint.cli.output.terminal import warn
from fingerprint.domain.errors import FingerprintError
from fingerprint.domain.reading import Reading
from fingerprint.domain.settings import PRECISION_RANGE, Home, Settings

if TYPE_CHECKING:
    from fingerprint.jobs.notify import Webhook

_DEFAULTS = Settings()

EXIT_NEW = 9
"""The exit status of --exit-new: the night is stored, and flagged what was not flagged before."""


@click.command()
@traffic_argument
@home_options
@click.option(
    "--assignments",
    metavar="OUT",
    help="Write the family of each request to OUT, a path or URL (.jsonl, .csv or .parquet).",
)
@click.option(
    "--model",
    metavar="M",
    help="Embedding model: static, multilingual, minilm, or the folder of a sentence-transformers model; without it the "
    "home's own, and multilingual in a new one.",
)
@click.option(
    "--min-requests",
    type=click.IntRange(min=2),
    default=_DEFAULTS.min_requests,
    show_default=True,
    metavar="N",
    help="A new family needs at least N distinct prompts.",
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
    help="Share of other traffic that may match a family by mistake; sets its threshold.",
)
@click.option(
    "--precision",
    type=click.FloatRange(*PRECISION_RANGE),
    default=_DEFAULTS.precision,
    show_default=True,
    metavar="P",
    help="Share of the flagged families that are to be campaigns'; the higher, the fewer are flagged.",
)
@conversation_hours_option
@click.option(
    "--memory",
    "memory_gb",
    type=click.FloatRange(min=0, min_open=True),
    default=_DEFAULTS.memory_gb,
    show_default=True,
    metavar="GB",
    help="Memory that the night may use; a larger night works through files in the home.",
)
@click.option(
    "--retention-days",
    type=click.IntRange(min=0),
    default=_DEFAULTS.retention_days,
    show_default=True,
    metavar="DAYS",
    help="How long to keep vectors of prompts, and hashes of prompts in no family.",
)
@click.option(
    "--device",
    metavar="NAME",
    help="Torch device that computes and compares vectors, e.g. cuda.  [default: FAISS on the CPU; "
    "transformer models on a GPU if torch finds one]",
)
@click.option(
    "--keep-days",
    type=click.IntRange(min=1),
    metavar="DAYS",
    help="Delete what nights that ran longer ago counted of accounts and families. [default: keep all]",
)
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default=_DEFAULTS.engine,
    show_default=True,
    help="Process texts in threads of this process, or in Ray workers.",
)
@click.option(
    "--ray-address",
    metavar="HOST:PORT",
    help="A Ray cluster that this machine belongs to, or auto; if not given, Ray starts on this machine only.",
)
@reading_options
@max_rejects_option
@strict_option
@notify_options
@click.option(
    "--exit-new", is_flag=True, help=f"End with exit status {EXIT_NEW} if a family was newly flagged."
)
@output_options
@quiet_option
def nightly(
    traffic: tuple[str, ...],
    path: Path | None,
    database: str | None,
    assignments: str | None,
    reading: Reading,
    as_json: bool,
    quiet: bool,
    webhook: Webhook | None,
    exit_new: bool,
    **settings: object,
) -> None:
    """Find prompt families in a night of traffic.

    Families that the home already has are found again and updated. TRAFFIC is .jsonl, .csv or .parquet files, gzipped or not, directories of them, URLs of either (s3://, gs://
    …), or - for JSON lines on stdin. OpenAI, Anthropic and LiteLLM logs are recognised by their keys; use --map
    to name the fields of any other log.

    \b
    Example:
      fingerprint nightly logs/2026-03-02/ --home home --assignments families.parquet

    The output is a summary: rows read, accepted, rejected and duplicate (they add up), families and times, and by name
    what was newly flagged; `fingerprint report` has the whole of it. --notify sends the same to a webhook, once a night.
    Families, accounts and campaigns are stored in the home, all or nothing; rejected rows are listed in
    home/rejects. A night larger than memory keeps each finished stage in home/work until it is stored: if it is
    killed, the same command continues from there. --json prints the summary as one JSON object on stdout and
    progress as JSON lines on stderr.
    """
    from fingerprint.cli.output import printing
    from fingerprint.jobs import first_use
    from fingerprint.jobs import nightly as nightly_job

    home = home_of(path, database)
    with (
        reporting(quiet=quiet, as_json=as_json) as progress,
        explain_stop(lambda: _nightly_stopped(progress.stage)),
    ):
        first_use.compile_for(progress, "night")
        report = nightly_job.nightly(
            traffic,
            home,
            Settings(**settings),  # type: ignore[arg-type]
            assignments=assignments,
            reading=reading,
            on_progress=progress,
        )
    printing.result(
        [report], lambda: printing.night(report, home.path, assignments), as_json=as_json, quiet=quiet
    )
    shown = report.newly_flagged > 0 and not (as_json or quiet)
    if shown or webhook is not None:
        _tell(home, report.batch_id, webhook, shown=shown)
    if exit_new and report.newly_flagged:
        click.get_current_context().exit(EXIT_NEW)


def _tell(home: Home, night: str, webhook: Webhook | None, *, shown: bool) -> None:
    """Tell what a night newly flagged, by name; the night is stored, so what goes wrong here is only told."""
    from fingerprint.casework.morning_report import morning_report
    from fingerprint.cli.output import report_pages
    from fingerprint.jobs.notify import night_message
    from fingerprint.store.store import Store

    try:
        with Store.open(home.path, home.database, read_only=True) as store:
            made = morning_report(store, home, night)
    except FingerprintError as error:
        warn(f"the night is stored, but what it newly flagged cannot be told: {error}")
        return
    if shown:
        report_pages.news(made)
    trouble = None if webhook is None else webhook.post(night_message(made))
    if trouble is not None:
        warn(trouble)


def _nightly_stopped(stage: str | None) -> str:
    if stage == "store":
        return "stopped while storing; `fingerprint nights` shows whether the night was stored; running it again is safe"
    if stage == "publish":
        return "stopped after storing the night; run the same command again to finish"
    return f"stopped{f' in stage {stage}' if stage else ''}; nothing was stored"


COMMANDS = (nightly,)
