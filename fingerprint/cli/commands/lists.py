"""Commands that read what is stored, or name it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fingerprint.cli.commands.options import (
    format_option,
    home_options,
    json_option,
    list_options,
    worked_home_of,
)
from fingerprint.domain.errors import HomeLocked, UsageError
from fingerprint.domain.settings import Home

if TYPE_CHECKING:
    from fingerprint.store.store import Store


def _stored(home: Home) -> Store:
    from fingerprint.store.store import Store

    return Store.open(home.path, home.database, read_only=True)


@click.group(invoke_without_command=True)
@home_options
@format_option
@list_options
@click.option(
    "--label", metavar="WORD", help="Only families that analysts gave this label; none: those without."
)
@click.pass_context
def families(
    context: click.Context,
    path: Path | None,
    database: str | None,
    format_: str,
    flagged: bool,
    min_score: float | None,
    limit: int | None,
    label: str | None,
) -> None:
    """List the stored families, highest score first.

    \b
    Example:
      fingerprint families --home home --flagged

    Out comes for each family its id, score, whether it is flagged as a campaign's, label, accounts,
    requests and template, ⟨…⟩ standing for what varies; with --format jsonl all that is known.
    """
    if context.invoked_subcommand is not None:
        return
    from fingerprint.cli.output import printing

    home = worked_home_of(path, database)
    with _stored(home) as store:
        rows = store.families(
            flagged=flagged or None, min_score=min_score, limit=limit if label is None else None
        )
    if label is not None:
        rows = [row for row in rows if (row.label or "none") == label][:limit]
    if format_ == "jsonl":
        printing.json_lines(rows)
    else:
        printing.families(rows)


@families.command(name="show")
@click.argument("family", metavar="ID")
@home_options
@json_option
def show_(family: str, path: Path | None, database: str | None, as_json: bool) -> None:
    """Show one family: its template with slots, spread, reasons, threshold, labels and events.

    \b
    Example:
      fingerprint families show f1c9a2b7d3e4 --home home

    With --json out comes the whole signature, which `fingerprint import` loads into another home.
    """
    from fingerprint.cli.output import printing
    from fingerprint.domain import signature_json

    home = worked_home_of(path, database)
    with _stored(home) as store:
        found = store.signature(family)
        if as_json:
            printing.json_lines([signature_json.to_json(found)])
        else:
            printing.family(found, store.labels(family), store.events(family))


@click.command()
@home_options
@format_option
@list_options
@click.option(
    "--departed",
    is_flag=True,
    help="Only accounts whose requests in no family are unlike honest traffic: a weaker sign, and no flag.",
)
def accounts(
    path: Path | None,
    database: str | None,
    format_: str,
    flagged: bool,
    min_score: float | None,
    limit: int | None,
    departed: bool,
) -> None:
    """List the assessed accounts, highest score first.

    \b
    Example:
      fingerprint accounts --home home --flagged --limit 50

    Out comes for each account its id, score, whether it is flagged, requests, the families it sent
    requests of, and the evidence in words; with --format jsonl with its numbers. Accounts that departed
    from honest traffic, but sent requests of no family, have the score 0.
    """
    from fingerprint.cli.output import printing

    with _stored(worked_home_of(path, database)) as store:
        rows = store.accounts(flagged=flagged or None, min_score=min_score, limit=limit, departed=departed)
    if format_ == "jsonl":
        printing.json_lines(rows)
    else:
        printing.accounts(rows)


@click.command()
@home_options
@format_option
@list_options
def campaigns(
    path: Path | None,
    database: str | None,
    format_: str,
    flagged: bool,
    min_score: float | None,
    limit: int | None,
) -> None:
    """List campaigns: families that one pool of accounts sends, or that an analyst put together.

    \b
    Example:
      fingerprint campaigns --home home

    Out comes for each campaign its id, score, label, families, accounts, requests, when it was seen, and
    the template of its largest family.
    """
    from fingerprint.cli.output import printing

    with _stored(worked_home_of(path, database)) as store:
        rows = store.campaigns(flagged=flagged or None, min_score=min_score, limit=limit)
    if format_ == "jsonl":
        printing.json_lines(rows)
    else:
        printing.campaigns(rows)


@click.command()
@click.argument("family")
@click.argument("word", metavar="LABEL", required=False)
@home_options
@click.option("--campaign", metavar="C", help="The campaign it belongs to; made when new.")
@click.option("--reason", metavar="R", help="Why, for those who read it later.")
@click.option(
    "--by", envvar="FINGERPRINT_BY", metavar="WHO", help="Who says so; your login name if not given."
)
@click.option("--undo", is_flag=True, help="Withdraw the label instead of giving one.")
def label(
    family: str,
    word: str | None,
    path: Path | None,
    database: str | None,
    campaign: str | None,
    reason: str | None,
    by: str | None,
    undo: bool,
) -> None:
    """Say what FAMILY is: campaign, benign, or a word of your own as LABEL.

    \b
    Example:
      fingerprint label f1c9a2b7d3e4 benign --reason "our own benchmark" --home home

    Out comes one line. Labels are only ever added: the history stays, --undo adds a withdrawal. Lookups
    answer with the new label at once.
    """
    from fingerprint.casework.actions import Actions
    from fingerprint.cli.output.terminal import plain
    from fingerprint.jobs import publish
    from fingerprint.store.store import Store

    if undo == (word is not None):
        raise UsageError(f"a LABEL or --undo expected, {'both' if undo else 'neither'} found")
    if word is not None and not word.strip():
        raise UsageError("a LABEL of one letter or more expected, an empty one found")
    home = worked_home_of(path, database)
    with Store.open(home.path, home.database) as store:
        said = Actions(store.database).set_label(
            family, word, by=by or login(), campaign=campaign, reason=reason
        )
    try:
        publish.publish_snapshot(home)
        when = ""
    except HomeLocked:
        when = "; lookups see it when the job that now works on this home has ended"
    what = "label withdrawn" if undo else f"labelled {said.label}"
    click.echo(plain(f"{family}: {what} by {said.by}{f', campaign {campaign}' if campaign else ''}{when}"))


def login() -> str:
    """Return the name of whoever runs this."""
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"


@click.command()
@home_options
@format_option
def nights(path: Path | None, database: str | None, format_: str) -> None:
    """List the nights that this home has worked, oldest first.

    \b
    Example:
      fingerprint nights --home home

    Out comes for each night when it ran, its rows (read = accepted + rejected + duplicates), distinct
    prompts, families, and seconds.
    """
    from fingerprint.cli.output import printing

    with _stored(worked_home_of(path, database)) as store:
        rows = store.nights()
    if format_ == "jsonl":
        printing.json_lines(rows)
    else:
        printing.nights(rows)


COMMANDS = (families, accounts, campaigns, label, nights)
