"""Options that several commands share, and the home they name.

How results are printed is one rule for all commands (`output_options`): text for people, or with `--format jsonl`,
`--json` in short, one JSON object a line.
"""

from __future__ import annotations

import functools
import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from fingerprint.cli.output.progress import Progress, reporter
from fingerprint.domain.errors import StoreError, UsageError
from fingerprint.domain.reading import ROLES, Reading
from fingerprint.domain.settings import Home, Settings

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

_mapping = click.option(
    "--map",
    "mapping",
    multiple=True,
    metavar="FIELD=JSON.PATH",
    help="Path of a field in logs of any other form, e.g. timestamp=meta.times[0]; may be repeated.",
)
_account = click.option(
    "--account", metavar="ID", help="The account of every request, e.g. of one customer's batch file."
)
_time = click.option("--time", metavar="TIME", help="The time of every request, in ISO 8601.")
_roles = click.option(
    "--roles",
    multiple=True,
    type=click.Choice(ROLES),
    help="Read assistant turns (prefills among them) or tool results, too; may be repeated.",
)
_shared = click.option(
    "--shared",
    multiple=True,
    metavar="KEY",
    help="A field, of rows or their metadata, that accounts of one operator may share; may be repeated.",
)
max_rejects_option = click.option(
    "--max-rejects",
    type=click.IntRange(min=0),
    metavar="N",
    help="Stop if more than N rows have to be rejected.",
)
strict_option = click.option(
    "--strict",
    is_flag=True,
    help="Store or write nothing where the traffic raises a warning, such as one account that sends nearly everything.",
)
conversation_hours_option = click.option(
    "--conversation-hours",
    type=click.FloatRange(min=0),
    default=Settings().conversation_hours,
    show_default=True,
    metavar="H",
    help="A request that repeats an earlier one of its account and goes on counts as one conversation with it for H "
    "hours; 0: never.",
)
quiet_option = click.option("--quiet", is_flag=True, help="Print neither progress nor summary.")
by_option = click.option(
    "--by",
    envvar="FINGERPRINT_BY",
    show_envvar=True,
    metavar="WHO",
    help="Your name for the audit log; your login name if not given.",
)
_format = click.option(
    "--format",
    "format_",
    type=click.Choice(["table", "jsonl"]),
    default="table",
    show_default=True,
    help="Text for people, or one JSON object a line with every field.",
)
_json = click.option("--json", "json_", is_flag=True, help="Short for --format jsonl.")
_flagged = click.option("--flagged", is_flag=True, help="List only flagged ones.")
_min_score = click.option("--min-score", type=float, metavar="X", help="List only scores of X or more.")
_limit = click.option("--limit", type=click.IntRange(min=1), metavar="N", help="List only the first N.")


_notify = click.option(
    "--notify",
    envvar="FINGERPRINT_NOTIFY",
    show_envvar=True,
    metavar="URL",
    help="Send what was newly flagged to this webhook, as JSON that Slack understands; signed if "
    "FINGERPRINT_NOTIFY_SECRET is set.",
)
_notify_plain_http = click.option(
    "--notify-plain-http", is_flag=True, help="Allow --notify over http:// to other machines."
)


def with_options(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Join decorators that each add an option; `--help` shows them in this order."""

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


home_options = with_options(_home, _database)
"""Adds --home and --database; the command takes `path` and `database`."""

list_options = with_options(_flagged, _min_score, _limit)
"""Adds --flagged, --min-score and --limit."""


def output_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --format and --json; the command takes `as_json`, which is true for either spelling."""

    @functools.wraps(command)
    def run(*arguments: Any, format_: str, json_: bool, **options: Any) -> Any:
        return command(*arguments, as_json=json_ or format_ == "jsonl", **options)

    return _format(_json(run))


def reading_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --map, --account, --time, --roles and --shared; the command takes `reading`."""

    @functools.wraps(command)
    def run(
        *arguments: Any,
        mapping: tuple[str, ...],
        account: str | None,
        time: str | None,
        roles: tuple[str, ...],
        shared: tuple[str, ...],
        **options: Any,
    ) -> Any:
        reading = Reading(_mapping_of(mapping), account, time, roles, shared)
        return command(*arguments, reading=reading, **options)

    return with_options(_mapping, _account, _time, _roles, _shared)(run)


def home_of(path: Path | None, database: str | None) -> Home:
    """Return the home that --home and --database name, those of an outer command included."""
    context = click.get_current_context()
    while context.parent is not None and (path is None or database is None):
        context = context.parent
        path = path or context.params.get("path")
        database = database or context.params.get("database")
    if path is None:
        raise UsageError("no home given: use --home DIR or set the environment variable FINGERPRINT_HOME")
    if path.exists() and not path.is_dir():
        raise StoreError(f"{path}: the home must be a directory, but this is a file")
    home = Home(path, database)
    if database is not None and home.database_file.exists():
        _warn_of_an_empty_database(home)
    return home


def _warn_of_an_empty_database(home: Home) -> None:
    """Say on stderr, once, that --database names a database without nights beside a home that has some."""
    from fingerprint.store.database import has_rows

    warned = click.get_current_context().find_root().ensure_object(dict)
    if "empty_database" in warned:
        return
    warned["empty_database"] = True
    given, own = (has_rows(home.path, url, only="nights") for url in (home.database, None))
    if given is False and own:
        click.echo(
            f"fingerprint: warning: the database of --database has no nights, but {home.database_file} has; "
            "`fingerprint db copy` copies them",
            err=True,
        )


def worked_home_of(path: Path | None, database: str | None) -> Home:
    """Return the home as `home_of` does; StoreError says what to run first when there is none yet."""
    return _worked(home_of(path, database))


def looked_up_home_of(path: Path | None, database: str | None) -> Home:
    """Return the home as `worked_home_of` does; a snapshot is enough, for lookups need no database."""
    home = home_of(path, database)
    return home if home.current_file.exists() else _worked(home)


def _worked(home: Home) -> Home:
    if home.database is None and not home.database_file.exists():
        first = f"fingerprint nightly TRAFFIC --home {shlex.quote(str(home.path))}"
        raise StoreError(f"{home.path}: there is no home here yet; first run: {first}")
    return home


def _mapping_of(pairs: Sequence[str]) -> dict[str, str]:
    """Turn FIELD=JSON.PATH arguments into a mapping; raises UsageError for any other."""
    mapping = {}
    for pair in pairs:
        name, equals, where = pair.partition("=")
        if not (name and equals and where):
            raise UsageError(f"--map: FIELD=JSON.PATH expected, {pair!r} found")
        if name in mapping:
            raise UsageError(f"--map: {name} is given twice")
        mapping[name] = where
    return mapping


def reporting(*, quiet: bool, as_json: bool = False) -> Progress:
    """Choose how the running command reports; with JSON logs its error becomes a log entry too."""
    chosen = reporter(quiet=quiet, json=as_json)
    click.get_current_context().find_root().ensure_object(dict)["progress"] = chosen
    return chosen


@contextmanager
def explain_stop(words: Callable[[], str]) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM say how far the job had come; `words` is asked only then."""
    try:
        yield
    except KeyboardInterrupt as stop:
        stop.add_note(words())
        raise


def notify_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --notify and --notify-plain-http; the command takes `webhook`, None where none was named."""

    @functools.wraps(command)
    def run(*arguments: Any, notify: str | None, notify_plain_http: bool, **options: Any) -> Any:
        webhook = None
        if notify is not None:
            from fingerprint.jobs.notify import SECRET_VARIABLE, Webhook

            webhook = Webhook(notify, os.environ.get(SECRET_VARIABLE, ""), plain_http=notify_plain_http)
        return command(*arguments, webhook=webhook, **options)

    return with_options(_notify, _notify_plain_http)(run)


made_with_option = click.option(
    "--model",
    metavar="M",
    help="The model that the home was made with; needed only if it was a folder of your own.",
)


def login() -> str:
    """Return the name of whoever runs this."""
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
