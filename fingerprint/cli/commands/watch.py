"""The command that watches a stream of requests."""

from __future__ import annotations

from pathlib import Path

import click

from fingerprint.cli.commands.options import (
    home_of,
    home_options,
    mapping_of,
    mapping_option,
    told_when_stopped,
)
from fingerprint.domain.errors import InputError, UsageError
from fingerprint.domain.settings import Settings


@click.command()
@click.argument("source")
@home_options
@click.option(
    "--state",
    "state_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Keep here where the stream is read and what was raised, and go on from there.",
)
@click.option(
    "--events",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="OUT",
    help="Write events to this file of JSON lines; stdout if not given.",
)
@click.option("--follow", is_flag=True, help="Wait for more at the end of a file.")
@click.option("--until-end", is_flag=True, help="Stop where a Kafka topic ends.")
@click.option(
    "--kafka-config",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="More settings of librdkafka, a line NAME=VALUE each, e.g. for its log-in.",
)
@click.option(
    "--every-minutes",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    metavar="M",
    help="Look for families this often, by the stream's time.",
)
@click.option(
    "--every-rows",
    type=click.IntRange(min=1),
    default=5_000,
    show_default=True,
    metavar="N",
    help="Look at the latest after N requests that no family explains.",
)
@click.option(
    "--window-hours",
    type=click.FloatRange(min=0, min_open=True),
    default=6.0,
    show_default=True,
    metavar="H",
    help="How long such requests are kept.",
)
@click.option(
    "--window-rows",
    type=click.IntRange(min=100),
    default=30_000,
    show_default=True,
    metavar="N",
    help="How many of them are kept at most.",
)
@click.option("--store", is_flag=True, help="Store flagged families in the home at once: lookups match them.")
@click.option(
    "--model", default=Settings().model, show_default=True, metavar="M", help="As of `fingerprint nightly`."
)
@mapping_option
def watch(
    source: str,
    path: Path | None,
    database: str | None,
    state_file: Path | None,
    events: Path | None,
    follow: bool,
    until_end: bool,
    kafka_config: Path | None,
    model: str,
    mapping: tuple[str, ...],
    **timing: object,
) -> None:
    """Watch a stream of requests, and raise families while the day runs.

    SOURCE is - for JSON lines on stdin, a file of JSON lines, or kafka://HOST:PORT/TOPIC (pip install
    'fingerprint[kafka]').

    \b
    Example:
      tail -F requests.jsonl | fingerprint watch - --home home
      fingerprint watch kafka://localhost:9092/requests --home home --state watch.json --events events.jsonl

    Out comes an event a line: `active`, a family of the home is sent, once a day; `raised`, a new family; `flagged`,
    its score reached that of a campaign. Requests that no family explains stay in memory for a while, and nowhere
    else. With --state a watch of a file or a topic that was killed goes on where it was: with --events each event
    then stands there once, on stdout the last ones may come again.
    """
    from fingerprint.jobs import watch as watch_job
    from fingerprint.traffic.feeds import feed_of

    if events is not None and state_file is None:
        raise UsageError("--events: --state expected beside it, which says how much of it stands, none found")
    feed = feed_of(source, follow=follow, until_end=until_end, settings=_properties(kafka_config))
    options = watch_job.WatchOptions(
        settings=Settings(model=model),
        mapping=mapping_of(mapping),
        **timing,  # type: ignore[arg-type]
    )
    place = watch_job.WatchFiles(source, state_file, events)
    with told_when_stopped(lambda: "stopped; what was told stands"):
        state = watch_job.watch(feed, home_of(path, database), place, options)
    click.echo(
        f"{state.rows:,} rows read, {state.rejected:,} rejected; {len(state.flagged):,} families flagged",
        err=True,
    )


def _properties(file: Path | None) -> dict[str, str]:
    """Read lines of NAME=VALUE; blank ones and those that begin with # say nothing."""
    if file is None:
        return {}
    found = {}
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or not name.strip():
            raise InputError(f"{file} line {number}: NAME=VALUE expected")  # the line may hold a password
        found[name.strip()] = value.strip()
    return found


COMMANDS = (watch,)
