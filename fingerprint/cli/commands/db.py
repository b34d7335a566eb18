"""The commands about the database itself: db copy."""

from __future__ import annotations

import click

from fingerprint.cli.commands.options import output_options


@click.group()
def db() -> None:
    """Move the database.

    \b
    Example:
      fingerprint db copy home postgresql://user@host/name

    The output is that of each command.
    """


@db.command()
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@output_options
def copy(source: str, target: str, as_json: bool) -> None:
    """Copy all tables FROM one database into an empty one, TO.

    Each is the folder of a home, for its fingerprint.db, or a URL, sqlite:///… or postgresql://…; a password is better
    given in PGPASSWORD or ~/.pgpass. The source is copied as it is at one moment, and may be in use; what is stored in it
    later is not copied. All is copied in one transaction, or nothing. The target must be of no rows, and every
    table is read back from it and compared.

    \b
    Example:
      fingerprint db copy home postgresql://user@host/name

    The output has for each table its rows and the SHA-256 of all that they hold, equal on both sides.
    """
    from fingerprint.cli.output import printing
    from fingerprint.cli.output.tables import table
    from fingerprint.jobs.copy_database import copy_tables

    copied = copy_tables(source, target)

    def for_people() -> None:
        table(("table", ">rows", "sha256"), [(t.table, t.rows, t.sha256) for t in copied], "no tables")

    printing.result(copied, for_people, as_json=as_json)


COMMANDS = (db,)
