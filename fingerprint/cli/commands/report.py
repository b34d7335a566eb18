"""The command `report`: what a night found, for whoever comes in the morning."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fingerprint.cli.commands.options import home_options, output_options, worked_home_of
from fingerprint.domain.errors import StoreError

if TYPE_CHECKING:
    from fingerprint.domain.morning_report import MorningReport


@click.command()
@home_options
@output_options
@click.option(
    "--night",
    metavar="N",
    help="Its number in `fingerprint nights`, its day as YYYY-MM-DD, or the beginning of its id; the last one if not given.",
)
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the report as one HTML file, to print or to mail, instead of printing it.",
)
@click.option(
    "--links", metavar="URL", help="With --html: the console's address, to which names of the report link."
)
def report(
    path: Path | None,
    database: str | None,
    as_json: bool,
    night: str | None,
    html: Path | None,
    links: str | None,
) -> None:
    """Report what a night found, and what to do about it.

    \b
    Example:
      fingerprint report --home home
      fingerprint report --home home --html night.html

    The output has the time of the traffic, what was newly flagged, campaigns that grew, fell silent or pivoted, accounts to
    act on, volumes beside those of earlier nights with warnings, how many flags are expected to be wrong, what the
    night cost, and the size of the home. Long lists are cut, and say how many more there are. --json prints the same as
    one JSON object.
    """
    from fingerprint.casework.morning_report import morning_report
    from fingerprint.cli.output import printing, report_pages
    from fingerprint.store.store import Store

    home = worked_home_of(path, database)
    with Store.open(home.path, home.database, read_only=True) as store:
        made = morning_report(store, home, night)
    if html is not None:
        _write(html, made, links)
    printing.result([made], lambda: report_pages.report(made, html), as_json=as_json)


def _write(file: Path, made: MorningReport, links: str | None) -> None:
    from fingerprint.base.files import replacing
    from fingerprint.service.console.last_night import report_file

    page = report_file(made, links.rstrip("/") if links else None).encode()
    try:
        with replacing(file) as out:
            out.write(page)
    except OSError as error:
        raise StoreError(f"{file}: the report cannot be written: {error.strerror or error}") from error


COMMANDS = (report,)
