"""The program: its commands, how errors become exit statuses, and how a job is stopped."""

from __future__ import annotations

import io
import os
import signal
import sys
import traceback
from types import FrameType
from typing import Any, NoReturn

import click

from fingerprint.base import process
from fingerprint.base.version import __version__
from fingerprint.cli.commands import (
    completion,
    db,
    demo,
    deploy_files,
    erase,
    feed,
    hunt,
    inspect,
    lists,
    lookup,
    nightly,
    report,
    serve,
    share,
    simulate,
    upkeep,
    watch,
)
from fingerprint.cli.output.progress import JsonLog
from fingerprint.cli.output.terminal import plain
from fingerprint.domain.errors import FingerprintError

EPILOG = """\b
Output:
  Every command that prints results takes --format table|jsonl: text for people,
  or one JSON object a line. --json is short for --format jsonl; nightly, lookup,
  hunt and simulate then print progress as JSON lines on stderr.
  Exceptions: watch prints JSON lines only, serve logs JSON lines, demo and
  completion print text only, and export --format chooses a file format.

\b
Ids:
  Wherever an id is expected, its beginning is enough if no other id begins so.

\b
Shell completion:
  fingerprint completion bash >> ~/.bashrc        (or zsh, fish)

\b
Exit status:
  0    done
  1    an error not listed here
  2    an argument or a setting is wrong
  3    traffic cannot be read, or has more bad rows than --max-rejects
  4    the home was made by another model or normaliser
  5    the database or the home cannot be read or written, or another job is using it
  6    the embedding model cannot be loaded
  7    there is no such family, campaign or account
  8    the traffic raised a warning, and --strict was given
  9    done; the night flagged a family that was not flagged before, and --exit-new was given
  130  stopped by Ctrl-C (143: by SIGTERM)

\b
Environment:
  FINGERPRINT_HOME, FINGERPRINT_DATABASE   used if --home or --database is not given
  FINGERPRINT_BY                           used if --by is not given
  FINGERPRINT_NOTIFY                       used if --notify is not given
  FINGERPRINT_NOTIFY_SECRET                signs what --notify sends
  FINGERPRINT_TAXII_USER, _PASSWORD        log in to TAXII collections of `feed`
  FINGERPRINT_DEBUG=1                      prints the traceback of an error
"""


class Terminated(KeyboardInterrupt):
    """SIGTERM came."""


class Program(click.Group):
    """The root command; it prints an error as one line and exits with its status."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """List the commands in the order in which they are used."""
        return list(self.commands)

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Run and exit; never returns."""
        running: dict[str, Any] = {}
        try:
            status = super().main(*args, **{**extra, "standalone_mode": False, "obj": running})
        except click.exceptions.NoArgsIsHelpError as help_wanted:
            help_wanted.show()
            sys.exit(help_wanted.exit_code)
        except Exception as error:
            status, words = _status_of(error)
            if os.environ.get("FINGERPRINT_DEBUG") == "1":
                traceback.print_exc()
            if isinstance(log := running.get("progress"), JsonLog):
                log.log("failed", level="error", message=words, exit_status=status)
            else:
                click.echo(f"fingerprint: {plain(words)}", err=True)
            sys.exit(status)
        sys.exit(status if isinstance(status, int) else 0)


def _status_of(error: Exception) -> tuple[int, str]:
    """Return the exit status and the message of an error."""
    if isinstance(error, FingerprintError):
        return error.exit_code, str(error)
    if isinstance(error, click.ClickException):
        return error.exit_code, _click_words(error)
    if isinstance(error, click.Abort):
        stop = error.__cause__
        words = "; ".join(getattr(stop, "__notes__", ["stopped"]))
        return (143 if isinstance(stop, Terminated) else 130), words
    if isinstance(error, OSError) and error.filename is not None:
        return 1, f"{os.fsdecode(error.filename)}: {error.strerror}"
    return 1, f"unexpected {type(error).__name__}: {error} (FINGERPRINT_DEBUG=1 shows where)"


def _click_words(error: click.ClickException) -> str:
    words = error.format_message().replace("'. (", "' (").rstrip(".")
    context = getattr(error, "ctx", None)
    return words if context is None else f"{words} (see {context.command_path} --help)"


@click.group(
    name="fingerprint",
    cls=Program,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="fingerprint")
def cli() -> None:
    """Find the prompt templates that extraction campaigns send through many accounts, and match new traffic.

    \b
    A first look, on simulated traffic:
      fingerprint demo
    Every night, and then on new traffic:
      fingerprint nightly traffic.jsonl.gz --home home
      fingerprint families --home home --flagged
      fingerprint lookup new.jsonl --home home --output matches.jsonl
    """


_COMMANDS = (
    *nightly.COMMANDS,
    *report.COMMANDS,
    *inspect.COMMANDS,
    *lookup.COMMANDS,
    *hunt.COMMANDS,
    *watch.COMMANDS,
    *lists.COMMANDS,
    *erase.COMMANDS,
    *serve.COMMANDS,
    *db.COMMANDS,
    *upkeep.COMMANDS,
    *share.COMMANDS,
    *feed.COMMANDS,
    *simulate.COMMANDS,
    *demo.COMMANDS,
    *deploy_files.COMMANDS,
    *completion.COMMANDS,
)
for command in _COMMANDS:
    cli.add_command(command)


def main() -> NoReturn:
    """Run the command line of this process."""
    signal.signal(signal.SIGTERM, _terminated)
    process.settle()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # ⟨…⟩ on a terminal without it
    try:
        cli.main(prog_name="fingerprint")
    finally:
        process.leave()


def _terminated(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
    raise Terminated
