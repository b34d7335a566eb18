"""The command `accounts erase`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fingerprint.cli.commands.lists import accounts
from fingerprint.cli.commands.options import by_option, home_options, login, output_options, worked_home_of
from fingerprint.domain.errors import UsageError


@accounts.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@home_options
@output_options
@by_option
def erase(
    ids: tuple[str, ...], path: Path | None, database: str | None, as_json: bool, by: str | None
) -> None:
    """Erase accounts from everything that the home keeps.

    IDs are whole, not beginnings; - reads them from stdin, one a line. What they sent goes from all counts, the lookup
    snapshot is made anew without them, and the database's files are written anew. The audit log says how many accounts
    were erased, not which.

    \b
    Example:
      fingerprint accounts erase org-1742 --home home

    The output is how many of them were stored, how many families they had sent, and how many texts that people wrote (reasons,
    notes, saved views, the audit log) hold one of the ids; those are not changed.
    """
    from fingerprint.cli.output import printing
    from fingerprint.jobs.erase import erase_accounts

    chosen = [line for given in ids for line in (_lines() if given == "-" else [given])]
    if not chosen or not all(chosen):
        raise UsageError("at least one account id expected, and none that is empty")
    outcome = erase_accounts(worked_home_of(path, database), chosen, by=by or login())
    mentions = (
        f"; {outcome.mentions:,} texts that people wrote hold one of the ids" if outcome.mentions else ""
    )
    printing.result(
        [outcome],
        lambda: click.echo(
            f"{outcome.accounts:,} of {len(set(chosen)):,} accounts erased; {outcome.families:,} families counted anew{mentions}"
        ),
        as_json=as_json,
    )


def _lines() -> list[str]:
    return [line for line in sys.stdin.read().splitlines() if line]


COMMANDS: tuple[click.Command, ...] = ()
