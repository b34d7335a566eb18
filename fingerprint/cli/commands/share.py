"""Commands that give signatures to others, and take theirs in."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fingerprint.cli.commands.options import home_of, home_options, worked_home_of
from fingerprint.domain.errors import InputError, StoreError, UsageError
from fingerprint.domain.settings import Settings

if TYPE_CHECKING:
    from fingerprint.sharing.exports import Export, ExportFormat
    from fingerprint.sharing.imports import ImportFile
    from fingerprint.store.signature_import import ImportOutcome

Command = TypeVar("Command", bound=Callable[..., Any])

TLP_LABELS = ("clear", "green", "amber", "amber+strict", "red")
_DEFAULT_TLP = "amber"

_choosing = (
    click.option("--all", "every", is_flag=True, help="All families."),
    click.option("--flagged", is_flag=True, help="Only flagged ones."),
    click.option("--label", metavar="WORD", help="Only those of this label; none: those without."),
    click.option("--campaign", metavar="C", help="Only those of this campaign."),
    click.option(
        "--min-accounts",
        type=click.IntRange(min=1),
        default=Settings().min_accounts,
        show_default=True,
        metavar="K",
        help="Only those that K accounts or more sent.",
    ),
)
_terms = (
    click.option(
        "--tlp",
        type=click.Choice(TLP_LABELS),
        help=f"The Traffic Light Protocol label; {_DEFAULT_TLP} if not given. Not in json.",
    ),
    click.option("--author", metavar="NAME", help="Who shares it: your organisation. Not in json."),
    click.option(
        "--tag", "tags", multiple=True, metavar="TEXT", help="A label to add; may be repeated. Not in json."
    ),
    click.option(
        "--intrusion-set", metavar="NAME", help="Whom confirmed campaigns are attributed to. Only in stix."
    ),
)


def _with(options: Sequence[Callable[[Command], Command]]) -> Callable[[Command], Command]:
    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


@click.command()
@click.argument("families", nargs=-1, metavar="[FAMILY]...")
@home_options
@click.option(
    "--format",
    "format_",
    required=True,
    type=click.Choice(["json", "stix", "misp", "nova", "yara"]),
    help="What to write; see above.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="OUT",
    help="Where to write; - or nothing for stdout.",
)
@_with(_choosing)
@_with(_terms)
def export(
    families: tuple[str, ...],
    path: Path | None,
    database: str | None,
    format_: ExportFormat,
    output: Path | None,
    every: bool,
    **options: Any,
) -> None:
    """Write signatures for others: the families named, or those that the options choose.

    \b
    Example:
      fingerprint export --flagged --format stix --tlp green --home home --output families.json
    \b
    Formats:
      json  our own, a line for each; `import` reads it
      stix  a STIX 2.1 bundle for OpenCTI and others; `import` reads it, too
      misp  a MISP event, unpublished, for your organisation only
      nova  NOVA rules
      yara  YARA rules, for one prompt at a time

    Out come the families' templates with what matches them, and how many accounts sent them, never which. On
    stderr stands how many families were written, and which were left out and why.
    """
    from fingerprint.store.store import Store

    if not (families or every or options["flagged"] or options["label"] or options["campaign"]):
        raise UsageError("FAMILY, --flagged, --label, --campaign or --all expected, none found")
    if families and every:
        raise UsageError("FAMILY or --all expected, both found")
    home = worked_home_of(path, database)
    with Store.open(home.path, home.database, read_only=True) as store:
        signatures, changes = store.signatures(), store.last_changes()
    made = _exported(signatures, changes, families, format_, options)
    _write(made.content, None if output is None or str(output) == "-" else output)
    click.echo(_told(made), err=True)


def _exported(
    signatures: Sequence[Any],
    changes: Any,
    families: tuple[str, ...],
    format_: ExportFormat,
    options: dict[str, Any],
) -> Export:
    from fingerprint.sharing.exports import FamilyChoice
    from fingerprint.sharing.exports import export as make
    from fingerprint.sharing.rules import Terms

    if format_ == "json":
        for name in ("tlp", "author", "tags", "intrusion_set"):
            if options[name]:
                raise UsageError(
                    f"--{name.rstrip('s').replace('_', '-')}: another --format than json expected, json found"
                )
    if options["intrusion_set"] and format_ != "stix":
        raise UsageError(f"--intrusion-set: --format stix expected, {format_} found")
    choice = FamilyChoice(
        families, options["flagged"], options["label"], options["campaign"], options["min_accounts"]
    )
    terms = Terms(options["tlp"] or _DEFAULT_TLP, options["author"] or "", options["tags"])
    return make(
        signatures,
        changes,
        choice,
        format_,
        terms,
        intrusion_set=options["intrusion_set"],
    )


def _told(made: Export) -> str:
    from fingerprint.cli.output.terminal import plain

    told = f"{_count(len(made.written), 'family', 'families')} written"
    for names, why in (
        (made.too_few_accounts, "too few accounts sent them"),
        (made.too_little_text, "too little fixed text for a rule"),
    ):
        if names:
            told += f"; {len(names)} left out, {why}: {', '.join(names[:5])}{', …' if len(names) > 5 else ''}"
    return plain(told)


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _write(content: bytes, out: Path | None) -> None:
    """Write a file whole, or not at all."""
    if out is None:
        click.echo(content, nl=False)
        return
    aside = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(content)
        aside.replace(out)
    except OSError as error:
        raise StoreError(f"{out} cannot be written: {error}") from error
    finally:
        with contextlib.suppress(OSError):
            aside.unlink()


@click.command(name="import")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@home_options
@click.option(
    "--overwrite", is_flag=True, help="Take the imported text of families that nights here counted, too."
)
@click.option("--no-labels", is_flag=True, help="Leave out the labels that come along.")
def import_(
    files: tuple[str, ...], path: Path | None, database: str | None, overwrite: bool, no_labels: bool
) -> None:
    """Load signatures that `export` or `families show --json` wrote: our JSON or STIX; - reads stdin.

    \b
    Example:
      fingerprint import shared.json --home home

    Out comes how many families are new and how many were known. All are checked before the first is stored, and
    all or none are; lookups see them at once. What nights here counted and what analysts here said stays. A new
    family that has the text of one here becomes another wording of it.
    """
    from fingerprint.cli.output.terminal import plain
    from fingerprint.jobs import publish
    from fingerprint.sharing.imports import read_shared
    from fingerprint.store.lock import HomeLock
    from fingerprint.store.signature_import import ImportPolicy
    from fingerprint.store.store import Store

    read = read_shared([_source(name) for name in files])
    home = home_of(path, database)
    with HomeLock(home.path), Store.open(home.path, home.database) as store:
        policy = ImportPolicy(overwrite=overwrite, labels=not no_labels, source=f"from {', '.join(files)}")
        taken = store.import_signatures(read.signatures, policy)
    publish.publish_snapshot(home)
    click.echo("\n".join(plain(line) for line in _summary(taken, read.revoked)))


def _source(name: str) -> ImportFile:
    from fingerprint.sharing.imports import ImportFile

    try:
        return ImportFile(name, sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes())
    except OSError as error:
        raise InputError(f"{name}: a file of signatures expected: {error.strerror}") from error


def _summary(taken: ImportOutcome, revoked: int) -> list[str]:
    known = len(taken.same) + len(taken.updated) + len(taken.kept)
    told = [f"{len(taken.new) + len(taken.joined)} new families, {known} known ones"]
    told += [f"{family} is another wording of {here} now" for family, here in taken.joined.items()]
    told += [f"{family} was known and is other now: updated" for family in taken.updated]
    told += [
        f"{family} is other here, where nights counted it: kept; --overwrite takes theirs"
        for family in taken.kept
    ]
    told += [
        f"{family} is labelled {ours} here and {theirs} there: ours stays"
        for family, (ours, theirs) in taken.disputed.items()
    ]
    told += [f"{revoked} revoked, left out"] if revoked else []
    return told


COMMANDS = (export, import_)
