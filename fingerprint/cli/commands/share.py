"""The commands that exchange signatures with others: export, import."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fingerprint.base.files import replacing
from fingerprint.base.private import folder_for_output
from fingerprint.base.quantities import count_words
from fingerprint.cli.commands.options import (
    home_of,
    home_options,
    made_with_option,
    output_options,
    with_options,
    worked_home_of,
)
from fingerprint.cli.output.terminal import plain
from fingerprint.domain.errors import InputError, StoreError, UsageError
from fingerprint.domain.settings import Settings
from fingerprint.domain.vocabulary import DEFAULT_TLP, EXPORT_FORMATS, TLP_LABELS, ExportFormat

if TYPE_CHECKING:
    from fingerprint.sharing.exports import Export
    from fingerprint.sharing.imports import ImportFile
    from fingerprint.store.signature_import import ImportOutcome

_choosing = with_options(
    click.option("--all", "every", is_flag=True, help="Export all families."),
    click.option("--flagged", is_flag=True, help="Export only flagged ones."),
    click.option("--label", metavar="WORD", help="Export only those with this label; none: without a label."),
    click.option("--campaign", metavar="C", help="Export only those of this campaign."),
    click.option(
        "--min-accounts",
        type=click.IntRange(min=1),
        default=Settings().min_accounts,
        show_default=True,
        metavar="K",
        help="Export only those that at least K accounts sent.",
    ),
)
_terms = with_options(
    click.option(
        "--tlp",
        type=click.Choice(TLP_LABELS),
        help=f"Traffic Light Protocol label; {DEFAULT_TLP} if not given. Not in json.",
    ),
    click.option("--author", metavar="NAME", help="Who shares it, e.g. your organisation. Not in json."),
    click.option(
        "--tag", "tags", multiple=True, metavar="TEXT", help="A label to add; may be repeated. Not in json."
    ),
    click.option(
        "--intrusion-set", metavar="NAME", help="Who is behind the confirmed campaigns. Only in stix."
    ),
)


@click.command()
@click.argument("families", nargs=-1, metavar="[FAMILY]...")
@home_options
@click.option(
    "--format",
    "format_",
    required=True,
    type=click.Choice(EXPORT_FORMATS),
    help="File format, described above.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="OUT",
    help="File to write; - for stdout, also if not given.",
)
@_choosing
@_terms
def export(
    families: tuple[str, ...],
    path: Path | None,
    database: str | None,
    format_: ExportFormat,
    output: Path | None,
    every: bool,
    **options: Any,
) -> None:
    """Write signatures to share with others.

    The signatures are those of the families named, or of all families that the options select.

    \b
    Example:
      fingerprint export --flagged --format stix --tlp green --home home --output families.json
    \b
    Formats:
      json  our own, one line a family; `import` reads it
      stix  a STIX 2.1 bundle, e.g. for OpenCTI; `import` reads it too
      misp  a MISP event, unpublished, for your organisation only
      nova  NOVA rules
      yara  YARA rules, to run on one prompt at a time

    The output has the families' templates, what is needed to match them, and how many accounts sent them, but not
    which. A line on stderr says how many families were written, and which were left out and why.
    """
    from fingerprint.store.store import Store

    if not (families or every or options["flagged"] or options["label"] or options["campaign"]):
        raise UsageError(
            "nothing chosen to export: name families, or use --flagged, --label, --campaign or --all"
        )
    if families and every:
        raise UsageError("name families or use --all, not both")
    home = worked_home_of(path, database)
    with Store.open(home.path, home.database, read_only=True) as store:
        families = tuple(store.full_id("family", family) for family in families)
        if options["campaign"] is not None:
            options["campaign"] = store.full_id("campaign", options["campaign"])
        signatures, changes = store.signatures(), store.last_changes()
    made = _exported(signatures, changes, families, format_, options)
    _write(made.content, None if output is None or str(output) == "-" else output)
    click.echo(_export_summary(made), err=True)


def _exported(
    signatures: Sequence[Any],
    changes: Any,
    families: tuple[str, ...],
    format_: ExportFormat,
    options: dict[str, Any],
) -> Export:
    from fingerprint.sharing.exports import FamilyChoice
    from fingerprint.sharing.exports import export as make
    from fingerprint.sharing.formats import FORMATS
    from fingerprint.sharing.rules import Terms

    if not FORMATS[format_].states_terms:
        for name in ("tlp", "author", "tags", "intrusion_set"):
            if options[name]:
                raise UsageError(
                    f"--{name.rstrip('s').replace('_', '-')} does not go with --format {format_}"
                )
    if options["intrusion_set"] and not FORMATS[format_].states_intrusion_set:
        wanted = ", ".join(name for name, row in FORMATS.items() if row.states_intrusion_set)
        raise UsageError(f"--intrusion-set goes with --format {wanted} only, not with {format_}")
    choice = FamilyChoice(
        families, options["flagged"], options["label"], options["campaign"], options["min_accounts"]
    )
    terms = Terms(
        options["tlp"] or DEFAULT_TLP, options["author"] or "", options["tags"], options["intrusion_set"]
    )
    return make(signatures, changes, choice, format_, terms)


def _export_summary(made: Export) -> str:
    summary = f"{count_words(len(made.written), 'family', 'families')} written"
    for names, why in (
        (made.too_few_accounts, "too few accounts sent them"),
        (made.too_little_text, "too little fixed text for a rule"),
    ):
        if names:
            summary += (
                f"; {len(names)} left out, {why}: {', '.join(names[:5])}{', …' if len(names) > 5 else ''}"
            )
    return plain(summary)


def _write(content: bytes, out: Path | None) -> None:
    """Write a file whole, or not at all."""
    if out is None:
        click.echo(content, nl=False)
        return
    try:
        folder_for_output(out.parent)
        with replacing(out) as file:
            file.write(content)
    except OSError as error:
        raise StoreError(f"{out} cannot be written: {error}") from error


@click.command(name="import")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@home_options
@output_options
@click.option(
    "--overwrite", is_flag=True, help="Also replace the text of families that nights in this home have seen."
)
@click.option("--no-labels", is_flag=True, help="Do not import labels.")
@made_with_option
def import_(
    files: tuple[str, ...],
    path: Path | None,
    database: str | None,
    as_json: bool,
    overwrite: bool,
    no_labels: bool,
    model: str | None,
) -> None:
    """Load signatures that others shared.

    FILEs are what `export` (json or stix) or `families show --json` wrote; - reads stdin. Either all signatures in
    them are stored or none.

    \b
    Example:
      fingerprint import shared.json --home home

    The output says how many families are new and how many were already known. Lookups match them at once. Counts from
    nights in this home and labels from its analysts are kept. A new family with the same text as a stored one
    becomes another wording of it. The first signatures in a new home decide its model, so it must be one that is here.
    """
    from fingerprint.cli.output import printing
    from fingerprint.jobs.imports import import_files
    from fingerprint.store.signature_import import ImportPolicy

    policy = ImportPolicy(overwrite=overwrite, labels=not no_labels, source=f"from {', '.join(files)}")
    imported = import_files(home_of(path, database), [_source(name) for name in files], policy, model=model)
    outcome = imported.outcome
    printing.result(
        [{**asdict(outcome), "revoked": imported.revoked}],
        lambda: click.echo("\n".join(plain(line) for line in _import_summary(outcome, imported.revoked))),
        as_json=as_json,
    )


def _source(name: str) -> ImportFile:
    from fingerprint.sharing.imports import ImportFile

    try:
        return ImportFile(name, sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes())
    except OSError as error:
        raise InputError(f"{name}: cannot be read: {error.strerror}") from error


def _import_summary(outcome: ImportOutcome, revoked: int) -> list[str]:
    known = len(outcome.same) + len(outcome.updated) + len(outcome.kept)
    lines = [f"{len(outcome.new) + len(outcome.joined)} new families, {known} already known"]
    lines += [f"{family} is now another wording of {here}" for family, here in outcome.joined.items()]
    lines += [f"{family} was already known and has changed: updated" for family in outcome.updated]
    lines += [
        f"{family} differs from the one that nights in this home have seen: kept ours; --overwrite takes theirs"
        for family in outcome.kept
    ]
    lines += [
        f"{family} is labelled {ours} here and {theirs} there: kept ours"
        for family, (ours, theirs) in outcome.disputed.items()
    ]
    lines += [f"{revoked} revoked: left out"] if revoked else []
    return lines


COMMANDS = (export, import_)
