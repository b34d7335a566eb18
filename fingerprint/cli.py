"""The command line: what stands where, how errors become exit statuses, and how a job is stopped."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from types import FrameType
from typing import Any, NoReturn

import click

from fingerprint import __version__, cli_jobs, cli_lists, cli_simulate
from fingerprint.errors import FingerprintError
from fingerprint.terminal import plain

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
        extra["standalone_mode"] = False
        try:
            status = super().main(*args, **extra)
        except click.exceptions.NoArgsIsHelpError as help_wanted:
            help_wanted.show()
            sys.exit(help_wanted.exit_code)
        except click.ClickException as error:
            _complain(_click_words(error))
            sys.exit(error.exit_code)
        except click.Abort as abort:
            stop = abort.__cause__
            _complain("; ".join(getattr(stop, "__notes__", ["stopped"])))
            sys.exit(143 if isinstance(stop, Terminated) else 130)
        except FingerprintError as error:
            _complain(str(error))
            sys.exit(error.exit_code)
        except Exception as error:
            _complain(_unforeseen(error))
            sys.exit(1)
        sys.exit(status if isinstance(status, int) else 0)


def _complain(words: str) -> None:
    if os.environ.get("FINGERPRINT_DEBUG") == "1":
        traceback.print_exc()
    click.echo(f"fingerprint: {plain(words)}", err=True)


def _click_words(error: click.ClickException) -> str:
    words = error.format_message().replace("'. (", "' (").rstrip(".")
    context = getattr(error, "ctx", None)
    return words if context is None else f"{words} (see {context.command_path} --help)"


def _unforeseen(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    debug = "FINGERPRINT_DEBUG=1 shows where"
    return f"{type(error).__name__}: {error} (not foreseen; {debug})"


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


for command in (*cli_jobs.COMMANDS, *cli_lists.COMMANDS, *cli_simulate.COMMANDS):
    cli.add_command(command)


def main() -> NoReturn:
    """Run the command line of this process."""
    signal.signal(signal.SIGTERM, _terminated)
    cli.main(prog_name="fingerprint")


def _terminated(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
    raise Terminated
