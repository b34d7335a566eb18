"""Options that several commands share, and the home they name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from fingerprint.errors import StoreError, UsageError
from fingerprint.progress import Progress, reporter
from fingerprint.settings import Home

Command = TypeVar("Command", bound=Callable[..., Any])

traffic_argument = click.argument("traffic", nargs=-1, required=True, metavar="TRAFFIC...")

_home = click.option(
    "--home",
    "path",
    envvar="FINGERPRINT_HOME",
    show_envvar=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Directory of signatures, snapshots and rejects.",
)
_database = click.option(
    "--database",
    envvar="FINGERPRINT_DATABASE",
    metavar="URL",
    help="postgresql://… or sqlite:///…; DIR/fingerprint.db if not given.  [env var: FINGERPRINT_DATABASE]",
)

mapping_option = click.option(
    "--map",
    "mapping",
    multiple=True,
    metavar="FIELD=JSON.PATH",
    help="Where a field stands in logs of unknown shape, e.g. timestamp=meta.times[0]; may be repeated.",
)
max_rejects_option = click.option(
    "--max-rejects",
    type=click.IntRange(min=0),
    metavar="N",
    help="Stop when more rows than N cannot be used.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="JSON for machines.")
quiet_option = click.option("--quiet", is_flag=True, help="Print neither progress nor summary.")
format_option = click.option(
    "--format",
    "format_",
    type=click.Choice(["table", "jsonl"]),
    default="table",
    show_default=True,
    help="A table for people, or one JSON object a line with all fields.",
)
flagged_option = click.option("--flagged", is_flag=True, help="Only flagged ones.")
min_score_option = click.option("--min-score", type=float, metavar="X", help="Only scores of X or more.")
limit_option = click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the first N.")


def home_options(command: Command) -> Command:
    """Add --home and --database; the command takes `path` and `database`."""
    return _home(_database(command))


def chosen(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Join options into one decorator, listed in the order given."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def home_of(path: Path | None, database: str | None, *, needs: str | None = None) -> Home:
    """Return the home that --home and --database name, those of an outer command included.

    needs: a command that has to come first; StoreError names it when there is no home yet.
    """
    context = click.get_current_context()
    while context.parent is not None and (path is None or database is None):
        context = context.parent
        path = path or context.params.get("path")
        database = database or context.params.get("database")
    if path is None:
        raise UsageError(
            "a home expected: --home DIR or the environment variable FINGERPRINT_HOME, none found"
        )
    if path.exists() and not path.is_dir():
        raise StoreError(f"{path}: a directory expected as home, a file found")
    if needs is not None and database is None and not (path / "fingerprint.db").exists():
        raise StoreError(f"{path}: no home here yet; first run: {needs.format(home=path)}")
    return Home(path, database)


NIGHT_FIRST = "fingerprint nightly TRAFFIC --home {home}"


def mapping_of(pairs: Sequence[str]) -> dict[str, str]:
    """Turn FIELD=JSON.PATH arguments into a mapping; raises UsageError for any other."""
    mapping = {}
    for pair in pairs:
        name, equals, where = pair.partition("=")
        if not (name and equals and where):
            raise UsageError(f"--map: FIELD=JSON.PATH expected, {pair!r} found")
        if name in mapping:
            raise UsageError(f"--map: each field once expected, {name} found twice")
        mapping[name] = where
    return mapping


def reporting(*, quiet: bool, as_json: bool = False) -> Progress:
    """Choose how the running command reports; with JSON logs its error becomes a log entry too."""
    chosen = reporter(quiet=quiet, json=as_json)
    click.get_current_context().find_root().ensure_object(dict)["progress"] = chosen
    return chosen


@contextmanager
def told_when_stopped(words: Callable[[], str]) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM say how far the job had come."""
    try:
        yield
    except KeyboardInterrupt as stop:
        stop.add_note(words())
        raise
