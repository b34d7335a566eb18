"""The commands of the lookup service: serve, keys, publish."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fingerprint.base.quantities import count_words
from fingerprint.cli.commands.options import (
    by_option,
    home_of,
    home_options,
    login,
    made_with_option,
    output_options,
    reporting,
    worked_home_of,
)
from fingerprint.cli.output.terminal import plain
from fingerprint.domain.errors import HomeLocked
from fingerprint.domain.reading import ROLES
from fingerprint.domain.vocabulary import SCOPES

if TYPE_CHECKING:
    from fingerprint.domain.settings import Home
    from fingerprint.store.store import Store


@click.command()
@home_options
@click.option("--host", default="127.0.0.1", show_default=True, metavar="H", help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8765,
    show_default=True,
    metavar="P",
    help="Port to listen on; 0 for any that is free.",
)
@click.option(
    "--unix",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Unix socket to listen on instead, which only this user can open.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Number of processes.",
)
@made_with_option
@click.option(
    "--policy",
    type=click.Path(path_type=Path, exists=True),
    metavar="FILE",
    help="TOML file that says what to do with matches; without it they are only reported.",
)
@click.option(
    "--history",
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    metavar="PATH",
    help="Past traffic that analysts may search in the console; may be repeated.",
)
@click.option(
    "--roles",
    multiple=True,
    type=click.Choice((*ROLES, "none")),
    default=ROLES,
    show_default="both",
    help="Whose turns are looked up beside those of system and user; may be repeated.",
)
@click.option(
    "--proxy",
    "proxies",
    multiple=True,
    metavar="ADDRESS",
    help="Address or network of a proxy, whose X-Forwarded-For and X-Forwarded-Proto are believed; may be repeated.",
)
@click.option(
    "--secure-cookies", is_flag=True, help="Send console cookies over HTTPS only; use it behind a TLS proxy."
)
def serve(
    path: Path | None,
    database: str | None,
    policy: Path | None,
    history: tuple[Path, ...],
    unix: Path | None,
    roles: tuple[str, ...],
    **options: object,
) -> None:
    """Run the lookup service (HTTP) and the analysts' console.

    \b
    Example:
      fingerprint keys create gateway --scope lookup --home home
      fingerprint serve --home home --host 0.0.0.0 --workers 2

    The service accepts connections from this machine only; any other --host needs an API key first. SIGTERM finishes
    the requests that have begun. New snapshots and labels are used without a restart. The output is one line
    with its address and what it serves, and a log of JSON lines on stderr. A port that is in use is exit status 2.
    """
    from fingerprint.jobs import first_use
    from fingerprint.service.http.config import Config
    from fingerprint.service.server import serve as listen

    home = home_of(path, database)

    def compile_kernels() -> None:
        if home.current_file.exists():  # else there is nothing to look up yet
            with reporting(quiet=False, as_json=True) as progress:
                first_use.compile_for(progress, "serve")

    listen(
        Config(
            str(home.path.absolute()),
            home.database,
            unix=None if unix is None else str(unix.absolute()),
            policy=None if policy is None else str(policy.absolute()),
            history=tuple(str(past.absolute()) for past in history),
            roles=() if "none" in roles else roles,
            **options,  # type: ignore[arg-type]
        ),
        compile_kernels,
    )


@click.group()
@home_options
def keys(path: Path | None, database: str | None) -> None:
    """Create, list and revoke API keys of the service.

    \b
    Example:
      fingerprint keys create gateway --scope lookup --home home

    The output of `create` is the key, shown only once: the home stores its hash.
    """


def _opened(home: Home) -> Store:
    from fingerprint.store.store import Store

    return Store.open(home.path, home.database)


@keys.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(SCOPES),
    help="What the key may do; may be repeated.",
)
@click.option(
    "--days", type=click.FloatRange(min=0, min_open=True), metavar="N", help="Days until it expires."
)
@home_options
@output_options
@by_option
def create(
    name: str,
    scopes: tuple[str, ...],
    days: float | None,
    path: Path | None,
    database: str | None,
    as_json: bool,
    by: str | None,
) -> None:
    """Create a key called NAME.

    \b
    Example:
      fingerprint keys create ana --scope read --scope label --days 90 --home home

    The output is the key. It is shown only once, for the home stores only its hash. A running service takes it within
    a second.
    """
    from fingerprint.cli.output import printing

    expires = None if days is None else datetime.now(UTC) + timedelta(days=days)
    with _opened(home_of(path, database)) as store:
        row, key = store.access.create_key(name, scopes, by=by or login(), expires=expires)
    printing.result([{**asdict(row), "key": key}], lambda: click.echo(key), as_json=as_json)


@keys.command(name="list")
@home_options
@output_options
def list_(path: Path | None, database: str | None, as_json: bool) -> None:
    """List all keys, revoked ones too, oldest first.

    \b
    Example:
      fingerprint keys list --home home

    The output has for each key its id, name, scopes, when it was created and last used, and whether it is active.
    """
    from fingerprint.cli.output import key_lists, printing

    with _opened(worked_home_of(path, database)) as store:
        rows = [key.row for key in store.access.all_keys()]
    printing.result(rows, lambda: key_lists.keys(rows), as_json=as_json)


@keys.command()
@click.argument("key_id")
@home_options
@output_options
@by_option
def revoke(key_id: str, path: Path | None, database: str | None, as_json: bool, by: str | None) -> None:
    """Revoke the key with this id.

    \b
    Example:
      fingerprint keys revoke 3f9a1c20 --home home

    The output is one line. A running service refuses the key within a second.
    """
    from fingerprint.cli.output import printing

    with _opened(worked_home_of(path, database)) as store:
        row = store.access.revoke_key(store.full_id("key", key_id), by=by or login())
    printing.result([row], lambda: click.echo(plain(f"{row.key_id}: {row.name} revoked")), as_json=as_json)


@keys.command()
@home_options
@output_options
@by_option
def rotate_sessions(path: Path | None, database: str | None, as_json: bool, by: str | None) -> None:
    """End all log-ins of the console.

    \b
    Example:
      fingerprint keys rotate-sessions --home home

    The output is how many there were. Analysts log in anew with their keys; a running service knows within a second.
    """
    from fingerprint.cli.output import printing

    with _opened(worked_home_of(path, database)) as store:
        count = store.sessions.end_all(by=by or login())
    words = f"{count_words(count, 'session')} ended"
    printing.result([{"sessions": count}], lambda: click.echo(words), as_json=as_json)


@click.command()
@home_options
@output_options
@click.option("--if-behind", is_flag=True, help="Only if it is older than the last night or label.")
@click.option("--wait", is_flag=True, help="If another job is running on the home, wait for it to end.")
def publish(path: Path | None, database: str | None, as_json: bool, if_behind: bool, wait: bool) -> None:
    """Rebuild the lookup snapshot from the database.

    \b
    Example:
      fingerprint publish --home home

    nightly, label and import do this themselves; use it if the home shares its database with another machine. The
    output is the snapshot's id.
    """
    from fingerprint.cli.output import printing
    from fingerprint.jobs.publish import is_behind, publish_snapshot

    home = worked_home_of(path, database)
    while True:
        try:
            if not if_behind or is_behind(home):
                snapshot = publish_snapshot(home)
                printing.result([{"snapshot_id": snapshot}], partial(click.echo, snapshot), as_json=as_json)
            return
        except HomeLocked:
            if not wait:
                raise
            time.sleep(1)


COMMANDS = (serve, keys, publish)
