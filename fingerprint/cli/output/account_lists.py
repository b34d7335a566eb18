"""Prints accounts: those that were assessed, and those of a family or campaign as a table, JSON lines or CSV."""

from __future__ import annotations

from collections.abc import Sequence

import click
from rich.text import Text

from fingerprint.casework.account_lists import AccountLists, csv_lines
from fingerprint.cli.output import printing
from fingerprint.cli.output.tables import put, table
from fingerprint.domain.casework import PoolQuery
from fingerprint.domain.expected_precision import expected_false_flags
from fingerprint.domain.rows import AccountRow
from fingerprint.store.store import Store


def assessed(rows: Sequence[AccountRow]) -> None:
    """Print a table of accounts, and how many of those flagged are expected to be accused wrongly."""
    printing.accounts(rows)
    flagged = [row.score for row in rows if row.flagged]
    if flagged:
        honest = f"{expected_false_flags(flagged):.1f}"
        put(Text(f"{len(flagged):,} of these are flagged; about {honest} of them are expected to be honest"))


def of_pool(store: Store, query: PoolQuery, *, limit: int | None, as_json: bool, as_csv: bool) -> None:
    """Print the accounts that a query finds, the first `limit` of them; JSON lines and CSV as they are read."""
    with AccountLists(store.database).stream(query, limit=limit) as accounts:
        if as_csv:
            for line in csv_lines(accounts):
                click.echo(line.removesuffix("\r\n"))
        elif as_json:
            printing.json_lines(accounts)
        else:
            names = (
                *("account", ">requests", ">conversations", ">share", ">families", "first day", "last day"),
                *(">score", ""),
            )
            lines = (
                (
                    *(a.account_id, a.requests, a.conversations, f"{a.share:.1%}", a.families),
                    *(f"{a.first_seen}", f"{a.last_seen}", f"{a.score:.3f}", "flagged" if a.flagged else ""),
                )
                for a in accounts
            )
            table(names, lines, "no accounts were counted in this home")
