"""What `inspect` prints for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fingerprint.cli.output.tables import Page, table
from fingerprint.cli.output.terminal import iso

if TYPE_CHECKING:
    from fingerprint.jobs.inspect import Inspection


def inspection(report: Inspection) -> None:
    """Print how some traffic would be read."""
    page = Page(report.source)
    page.list("format", ((f"{count:,}", name) for name, count in report.formats.items()))
    for field, places in report.fields.items():
        page.list(field, ((f"{count:,}", place) for place, count in places.items()))
    read = report.ingest
    page.fact(
        "rows",
        f"{read.rows_read:,} read: {read.accepted:,} accepted, {read.rejected:,} rejected, "
        f"{read.duplicates:,} duplicates",
    )
    if read.left_out:
        page.fact("left out", f"{read.left_out:,} that are no request to a model")
    for warning in read.warnings:
        page.fact("warning", warning.words)
    page.list("rejected", ((f"{read.reasons[kind]:,}", words) for kind, words in report.rejects.items()))
    page.print()
    if report.rows:
        click.echo()
        names = ("request", "account", "time", "system", "prompt")
        table(
            names,
            (
                (
                    row["request_id"],
                    row["account_id"],
                    iso(row["timestamp"]),
                    row["system"] or "",
                    row["prompt"],
                )
                for row in report.rows
            ),
            "",
        )
    click.echo()
