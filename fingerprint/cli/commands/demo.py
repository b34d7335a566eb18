"""The command `demo`; what it shows is in demo_story, which loads the engine."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from fingerprint.base.private import private_folder
from fingerprint.cli.commands.options import explain_stop, home_of
from fingerprint.domain.errors import StoreError
from fingerprint.domain.settings import Home


@click.command()
@click.option(
    "--home",
    "path",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="A new or empty directory for the home, traffic and matches; a temporary one if not given.",
)
@click.option(
    "--rows",
    type=click.IntRange(min=2000),
    default=8000,
    show_default=True,
    metavar="N",
    help="Requests a day.",
)
@click.option("--seed", type=int, default=7, show_default=True, metavar="N", help="Random seed.")
def demo(path: Path | None, rows: int, seed: int) -> None:
    """Show everything in a minute, on simulated traffic.

    It works three nights and then looks up a day of requests.

    \b
    Example:
      fingerprint demo

    The output is a short story with real numbers: what each night found, the families and campaigns, how much of the
    campaign traffic of a fourth day the stored signatures match, and where to look next.
    """
    from fingerprint.cli.commands.demo_story import run

    with explain_stop(lambda: "stopped"):
        home = (
            Home(Path(tempfile.mkdtemp(prefix="fingerprint-demo-"))) if path is None else home_of(path, None)
        )
        if home.path.exists() and any(home.path.iterdir()):
            raise StoreError(f"{path}: the demo needs a new or empty directory, but this one has files in it")
        private_folder(home.path)
        private_folder(home.demo)
        run(home, rows=rows, seed=seed)


COMMANDS = (demo,)
