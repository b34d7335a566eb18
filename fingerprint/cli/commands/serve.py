"""Commands of the service: serve, keys and publish."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fingerprint.cli.commands.options import format_option, home_of, home_options, worked_home_of
from fingerprint.cli.output.terminal import iso
from fingerprint.domain.errors import HomeLocked

if TYPE_CHECKING:
    from fingerprint.domain.rows import KeyRow
    from fingerprint.store.store import Store

KEY_SCOPES = ["lookup", "read", "label", "admin"]


@click.command()
@home_options
@click.option("--host", default="127.0.0.1", show_default=True, metavar="H", help="Address to listen on.")
@click.option("--port", default=8765, show_default=True, metavar="P", help="Port to listen on.")
@click.option(
    "--workers", type=click.IntRange(min=1), default=1, show_default=True, metavar="N", help="Processes."
)
@click.option(
    "--model", metavar="M", help="The model that the home was made with, if that was a folder of your own."
)
@click.option(
    "--policy",
    type=click.Path(path_type=Path, exists=True),
    metavar="FILE",
    help="What to do on a match; observe if not given.",
)
@click.option(
    "--history",
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    metavar="PATH",
    help="Past traffic that analysts may search from the console; may be repeated.",
)
@click.option(
    "--secure-cookies", is_flag=True, help="Console cookies over HTTPS only; set it behind a TLS proxy."
)
def serve(
    path: Path | None, database: str | None, policy: Path | None, history: tuple[Path, ...], **options: object
) -> None:
    """Answer lookups over HTTP, and show analysts the console.

    \b
    Example:
      fingerprint keys create gateway --scope lookup --home home
      fingerprint serve --home home --host 0.0.0.0 --workers 2

    Listens on this machine only unless --host says otherwise, which needs an API key. SIGTERM lets requests
    in work end; a new snapshot or label is taken up without a restart. Out come answers, and logs as JSON on stderr.
    """
    from fingerprint.service.http.config import Config
    from fingerprint.service.server import serve as listen

    home = home_of(path, database)
    listen(
        Config(
            str(home.path.absolute()),
            home.database,
            policy=None if policy is None else str(policy.absolute()),
            history=tuple(str(past.absolute()) for past in history),
            **options,  # type: ignore[arg-type]
        )
    )


@click.group()
@home_options
def keys(path: Path | None, database: str | None) -> None:
    """Make, list and revoke the API keys of the service.

    \b
    Example:
      fingerprint keys create gateway --scope lookup --home home

    Out comes the key, once: only its hash is kept.
    """


def _opened(path: Path | None, database: str | None) -> Store:
    from fingerprint.store.store import Store

    home = home_of(path, database)
    return Store.open(home.path, home.database)


@keys.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(KEY_SCOPES),
    help="What it may do; may be repeated.",
)
@click.option(
    "--days", type=click.FloatRange(min=0, min_open=True), metavar="N", help="Days until it expires."
)
@home_options
@click.option(
    "--by",
    envvar="FINGERPRINT_BY",
    show_envvar=True,
    metavar="WHO",
    help="Who makes it; your log-in name if not given.",
)
def create(
    name: str,
    scopes: tuple[str, ...],
    days: float | None,
    path: Path | None,
    database: str | None,
    by: str | None,
) -> None:
    """Make a key called NAME and print it, once: only its hash is kept.

    \b
    Example:
      fingerprint keys create ana --scope read --scope label --days 90 --home home
    """
    from fingerprint.cli.commands.lists import login

    expires = None if days is None else datetime.now(UTC) + timedelta(days=days)
    with _opened(path, database) as store:
        _, key = store.access.create_key(name, scopes, by=by or login(), expires=expires)
    click.echo(key)


@keys.command(name="list")
@home_options
@format_option
def list_(path: Path | None, database: str | None, format_: str) -> None:
    """List all keys, revoked ones too, oldest first."""
    from fingerprint.cli.output import printing, tables

    with _opened(path, database) as store:
        rows = [key.row for key in store.access.all_keys()]
    if format_ == "jsonl":
        printing.json_lines(rows)
    else:
        tables.table(
            ("key", "name", "scopes", "created", "last used", "state"),
            (
                (
                    r.key_id,
                    r.name,
                    " ".join(r.scopes),
                    iso(r.created),
                    iso(r.last_used) if r.last_used else "never",
                    _state(r),
                )
                for r in rows
            ),
            "No keys yet.",
        )


def _state(row: KeyRow) -> str:
    if row.revoked is not None:
        return "revoked"
    expired = row.expires is not None and row.expires <= datetime.now(UTC)
    return "expired" if expired else "in force"


@keys.command()
@click.argument("key_id")
@home_options
@click.option(
    "--by",
    envvar="FINGERPRINT_BY",
    show_envvar=True,
    metavar="WHO",
    help="Who revokes it; your log-in name if not given.",
)
def revoke(key_id: str, path: Path | None, database: str | None, by: str | None) -> None:
    """Let the key of this id be refused from now on; a running service takes a second to know."""
    from fingerprint.cli.commands.lists import login

    with _opened(path, database) as store:
        row = store.access.revoke_key(key_id, by=by or login())
    click.echo(f"{row.key_id}: {row.name} revoked")


@click.command()
@home_options
@click.option("--if-behind", is_flag=True, help="Only when it is older than the last night or label.")
@click.option("--wait", is_flag=True, help="Wait for the job that works on the home to end.")
def publish(path: Path | None, database: str | None, if_behind: bool, wait: bool) -> None:
    """Make the lookup snapshot anew from the database.

    \b
    Example:
      fingerprint publish --home home

    nightly, label and import do so themselves; this is for homes that share a database with another machine. Out comes
    the snapshot's id.
    """
    from fingerprint.jobs.publish import is_behind, publish_snapshot

    home = worked_home_of(path, database)
    while True:
        try:
            if not if_behind or is_behind(home):
                click.echo(publish_snapshot(home))
            return
        except HomeLocked:
            if not wait:
                raise
            time.sleep(1)


COMMANDS = (serve, keys, publish)
