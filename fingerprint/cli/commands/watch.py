"""The command `watch`: find families while a stream of requests runs."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fingerprint.base.quantities import count_words
from fingerprint.cli.commands.options import (
    conversation_hours_option,
    explain_stop,
    home_of,
    home_options,
    notify_options,
    reading_options,
    reporting,
)
from fingerprint.cli.output.terminal import warn
from fingerprint.domain.errors import InputError, UsageError
from fingerprint.domain.reading import Reading
from fingerprint.domain.settings import Settings

if TYPE_CHECKING:
    from fingerprint.jobs.notify import Webhook


@click.command()
@click.argument("source")
@home_options
@click.option(
    "--state",
    "state_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Save the position in the stream and the families raised here, and continue from there.",
)
@click.option(
    "--events",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="OUT",
    help="Append events to this file of JSON lines (needs --state); stdout if not given.",
)
@click.option("--follow", is_flag=True, help="At the end of a file, wait for more.")
@click.option("--until-end", is_flag=True, help="Stop at the end of a Kafka topic.")
@click.option(
    "--kafka-config",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="Settings for librdkafka, one NAME=VALUE a line, e.g. to log in.",
)
@click.option(
    "--every-minutes",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    metavar="M",
    help="Look for families every M minutes, by the timestamps of the stream.",
)
@click.option(
    "--every-rows",
    type=click.IntRange(min=1),
    default=5_000,
    show_default=True,
    metavar="N",
    help="Look earlier if N requests in no family have come since.",
)
@click.option(
    "--growth",
    type=click.FloatRange(min=0),
    default=0.2,
    show_default=True,
    metavar="SHARE",
    help="But look only if they are a share SHARE of those that were kept already.",
)
@click.option(
    "--window-hours",
    type=click.FloatRange(min=0, min_open=True),
    default=24.0,
    show_default=True,
    metavar="H",
    help="Keep requests in no family for H hours.",
)
@click.option(
    "--window-rows",
    type=click.IntRange(min=100),
    default=60_000,
    show_default=True,
    metavar="N",
    help="Keep at most N of them.",
)
@conversation_hours_option
@click.option(
    "--store", is_flag=True, help="Store flagged families in the home at once, so that lookups match them."
)
@click.option(
    "--model",
    metavar="M",
    help="Embedding model, as for `fingerprint nightly`.",
)
@notify_options
@reading_options
def watch(
    source: str,
    path: Path | None,
    database: str | None,
    state_file: Path | None,
    events: Path | None,
    follow: bool,
    until_end: bool,
    kafka_config: Path | None,
    model: str | None,
    conversation_hours: float,
    reading: Reading,
    webhook: Webhook | None,
    **timing: object,
) -> None:
    """Watch a stream of requests and report families as they appear.

    SOURCE is - for JSON lines on stdin, a file of JSON lines, or kafka://HOST:PORT/TOPIC (pip install
    'fingerprint[kafka]').

    \b
    Example:
      tail -F requests.jsonl | fingerprint watch - --home home
      fingerprint watch kafka://localhost:9092/requests --home home --state watch.json --events events.jsonl

    The output is always JSON lines, one event each: `active`, a family of the home was seen (once a day); `raised`, a
    new family was found; `flagged`, a family's score became that of a campaign. Requests in no family are kept in
    memory for a while, and nowhere else. With --state, a watch of a file or a topic that was killed continues where
    it stopped; events in --events are then written once each, events on stdout may be repeated, and so may messages of
    --notify, which tell of flagged families and never hold up the watch.
    """
    from fingerprint.jobs import first_use
    from fingerprint.jobs import watch as watch_job
    from fingerprint.jobs.notices import Notices
    from fingerprint.traffic.feeds import feed_of

    if events is not None and state_file is None:
        raise UsageError("--events needs --state FILE, which records how much of the events file is complete")
    feed = feed_of(source, follow=follow, until_end=until_end, settings=_properties(kafka_config))
    options = watch_job.WatchOptions(
        settings=Settings(model=model, conversation_hours=conversation_hours),
        reading=reading,
        **timing,  # type: ignore[arg-type]
    )
    place = watch_job.WatchFiles(source, state_file, events)
    with ExitStack() as opened:
        opened.enter_context(explain_stop(lambda: "stopped; events written so far remain valid"))
        with reporting(quiet=False) as progress:
            first_use.compile_for(progress, "night", "lookup")
        notices = None if webhook is None else opened.enter_context(Notices(webhook, warn))
        state = watch_job.watch(feed, home_of(path, database), place, options, notices=notices)
    click.echo(
        f"{count_words(state.rows, 'row')} read, {state.rejected:,} rejected; "
        f"{count_words(len(state.flagged), 'family', 'families')} flagged",
        err=True,
    )


def _properties(file: Path | None) -> dict[str, str]:
    """Read lines of NAME=VALUE, skipping blank ones and those that begin with #."""
    if file is None:
        return {}
    properties = {}
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or not name.strip():
            raise InputError(f"{file} line {number}: NAME=VALUE expected")  # the line may hold a password
        properties[name.strip()] = value.strip()
    return properties


COMMANDS = (watch,)
