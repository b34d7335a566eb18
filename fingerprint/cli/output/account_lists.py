"""Prints the accounts of a family or campaign: a table, JSON lines or CSV."""

from __future__ import annotations

import click

from fingerprint.casework.account_lists import AccountLists, csv_lines
from fingerprint.cli.output.printing import json_lines
from fingerprint.cli.output.tables import table
from fingerprint.domain.casework import PoolQuery
from fingerprint.store.store import Store


def of_pool(store: Store, query: PoolQuery, *, limit: int | None, as_json: bool, as_csv: bool) -> None:
    """Print the accounts that a query finds, the first `limit` of them; JSON lines and CSV as they are read."""
    with AccountLists(store.database).stream(query, limit=limit) as accounts:
        if as_csv:
            for line in csv_lines(accounts):
                click.echo(line.removesuffix("\r\n"))
        elif as_json:
            json_lines(accounts)
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
