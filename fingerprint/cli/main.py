"""The command line: what stands where, how errors become exit statuses, and how a job is stopped."""

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
from fingerprint.cli.commands import hunt, lists, nightly, serve, share, simulate, watch
from fingerprint.cli.output.progress import JsonLog
from fingerprint.cli.output.terminal import plain
from fingerprint.domain.errors import FingerprintError

EPILOG = """\b
Exit status:
  0    done
  1    anything not named below
  2    an argument or a setting is wrong
  3    traffic cannot be read, or has more bad rows than --max-rejects
  4    the home was made by another model or normaliser
  5    the database or the home cannot be read or written, or another job has it
  6    the embedding model cannot be loaded
  7    there is no such family, campaign or account
  130  stopped by Ctrl-C (143: by SIGTERM)

\b
FINGERPRINT_HOME and FINGERPRINT_DATABASE stand in for --home and --database.
FINGERPRINT_DEBUG=1 adds the traceback to an error.
"""


class Terminated(KeyboardInterrupt):
    """SIGTERM came."""


class Program(click.Group):
    """The root command: one line for each error, and its exit status."""

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
            status, words = _judged(error)
            if os.environ.get("FINGERPRINT_DEBUG") == "1":
                traceback.print_exc()
            if isinstance(log := running.get("progress"), JsonLog):
                log.log("failed", level="error", message=words, exit_status=status)
            else:
                click.echo(f"fingerprint: {plain(words)}", err=True)
            sys.exit(status)
        sys.exit(status if isinstance(status, int) else 0)


def _judged(error: Exception) -> tuple[int, str]:
    """Return the exit status and the words for an error."""
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
    return 1, f"{type(error).__name__}: {error} (not foreseen; FINGERPRINT_DEBUG=1 shows where)"


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
    *hunt.COMMANDS,
    *watch.COMMANDS,
    *lists.COMMANDS,
    *serve.COMMANDS,
    *share.COMMANDS,
    *simulate.COMMANDS,
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
