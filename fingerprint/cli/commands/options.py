"""Options that several commands share, and the home they name."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from fingerprint.cli.output.progress import Progress, reporter
from fingerprint.domain.errors import StoreError, UsageError
from fingerprint.domain.settings import Home

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
    show_envvar=True,
    metavar="URL",
    help="postgresql://… or sqlite:///…; DIR/fingerprint.db if not given.",
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
_flagged = click.option("--flagged", is_flag=True, help="Only flagged ones.")
_min_score = click.option("--min-score", type=float, metavar="X", help="Only scores of X or more.")
_limit = click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the first N.")


def home_options(command: Command) -> Command:
    """Add --home and --database; the command takes `path` and `database`."""
    return _home(_database(command))


def list_options(command: Command) -> Command:
    """Add --flagged, --min-score and --limit."""
    return _flagged(_min_score(_limit(command)))


def home_of(path: Path | None, database: str | None) -> Home:
    """Return the home that --home and --database name, those of an outer command included."""
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
    return Home(path, database)


def worked_home_of(path: Path | None, database: str | None) -> Home:
    """Return the home as `home_of` does; StoreError says what to run first when there is none yet."""
    home = home_of(path, database)
    if home.database is None and not (home.path / "fingerprint.db").exists():
        first = f"fingerprint nightly TRAFFIC --home {shlex.quote(str(home.path))}"
        raise StoreError(f"{home.path}: no home here yet; first run: {first}")
    return home


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


made_with_option = click.option(
    "--model",
    metavar="M",
    help="The model that the home was made with, if that was a folder of your own.",
)
