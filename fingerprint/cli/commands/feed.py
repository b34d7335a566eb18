"""The commands that follow feeds of signatures: feed read, feed write."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import click

from fingerprint.cli.commands.options import (
    home_of,
    home_options,
    made_with_option,
    output_options,
    with_options,
    worked_home_of,
)
from fingerprint.cli.output.terminal import plain
from fingerprint.domain.errors import FingerprintError
from fingerprint.domain.settings import Settings
from fingerprint.domain.vocabulary import DEFAULT_TLP, TLP_LABELS

_every = with_options(
    click.option(
        "--every",
        type=click.FloatRange(min=0, min_open=True),
        metavar="MINUTES",
        help="Go on, once every so many minutes, until stopped; what fails is told and tried again.",
    ),
)


@click.group()
def feed() -> None:
    """Read and write feeds of signatures.

    \b
    Example:
      fingerprint feed read https://feeds.example/prompts.json --every 60 --home home

    The output is a line for each time.
    """


@feed.command()
@click.argument("source")
@home_options
@output_options
@click.option("--labels", is_flag=True, help="Import labels, too: policies may block by them.")
@made_with_option
@_every
def read(
    source: str,
    path: Path | None,
    database: str | None,
    as_json: bool,
    labels: bool,
    model: str | None,
    every: float | None,
) -> None:
    """Import the signatures of a feed.

    SOURCE is a folder of files, a file, an https:// URL of a STIX bundle, or a TAXII 2.1 collection as
    taxii+https://HOST/ROOT/collections/ID/, whose user and password are FINGERPRINT_TAXII_USER and
    FINGERPRINT_TAXII_PASSWORD.

    \b
    Example:
      fingerprint feed read taxii+https://taxii.example/root/collections/91a7b528/ --every 60 --home home

    The output says how many families are new and how many were already known. Either all signatures are stored or none,
    as by `import`.
    """
    from fingerprint.cli.output import printing
    from fingerprint.jobs.feed import read_feed
    from fingerprint.jobs.imports import import_files
    from fingerprint.store.signature_import import ImportPolicy

    home = home_of(path, database)

    def once() -> None:
        policy = ImportPolicy(labels=labels, source="from a feed")
        got = import_files(home, read_feed(source), policy, model=model)
        outcome = got.outcome
        new, known = (
            len(outcome.new) + len(outcome.joined),
            len(outcome.same) + len(outcome.updated) + len(outcome.kept),
        )
        words = f"{new} new families, {known} already known"
        printing.result(
            [{**asdict(outcome), "revoked": got.revoked}], lambda: click.echo(words), as_json=as_json
        )

    _repeated(once, every)


@feed.command()
@click.argument("target")
@home_options
@output_options
@click.option(
    "--feed-format",
    "kind",
    type=click.Choice(("stix", "nova", "json")),
    default="stix",
    show_default=True,
    help="What to write.",
)
@click.option("--flagged", is_flag=True, help="Write flagged families without a label, too.")
@click.option(
    "--min-accounts",
    type=click.IntRange(min=1),
    default=Settings().min_accounts,
    show_default=True,
    metavar="K",
    help="Write only those that at least K accounts sent.",
)
@click.option(
    "--tlp",
    type=click.Choice(TLP_LABELS),
    default=DEFAULT_TLP,
    show_default=True,
    help="Traffic Light Protocol label.",
)
@click.option("--author", default="", metavar="NAME", help="Who shares it, e.g. your organisation.")
@_every
def write(
    target: str,
    path: Path | None,
    database: str | None,
    as_json: bool,
    kind: Literal["stix", "nova", "json"],
    every: float | None,
    **options: Any,
) -> None:
    """Write the families labelled campaign to a feed.

    TARGET is a folder, which gets one file, or a TAXII 2.1 collection, as of `feed read`.

    \b
    Example:
      fingerprint feed write /srv/rules --feed-format nova --every 60 --home home

    The output says how many families were written, and whether the feed changed.
    """
    from fingerprint.cli.output import printing
    from fingerprint.jobs.feed import write_feed
    from fingerprint.sharing.rules import Terms

    home = worked_home_of(path, database)

    def once() -> None:
        made, changed = write_feed(
            home,
            target,
            kind,
            Terms(options["tlp"], options["author"]),
            flagged=options["flagged"],
            least=options["min_accounts"],
        )
        words = f"{len(made.written)} families written" if changed else "nothing changed"
        printing.result(
            [{"written": made.written, "changed": changed}], lambda: click.echo(words), as_json=as_json
        )

    _repeated(once, every)


def _repeated(once: Callable[[], None], every: float | None) -> None:
    """Do something once, or every so many minutes; then errors are told, and do not end it."""
    if every is None:
        once()
        return
    while True:
        try:
            once()
        except FingerprintError as error:
            click.echo(f"fingerprint: {plain(str(error))}", err=True)
        time.sleep(every * 60)


COMMANDS = (feed,)
