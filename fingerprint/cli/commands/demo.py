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
@click.option("--keep", is_flag=True, help="Make the home in ./demo-home, to look around in it afterwards.")
@click.option(
    "--rows",
    type=click.IntRange(min=2000),
    default=8000,
    show_default=True,
    metavar="N",
    help="Requests a day.",
)
@click.option("--seed", type=int, default=7, show_default=True, metavar="N", help="Random seed.")
def demo(path: Path | None, keep: bool, rows: int, seed: int) -> None:
    """Show everything in a minute, on simulated traffic.

    It works three nights and then looks up a day of requests.

    \b
    Example:
      fingerprint demo --keep

    The output is a short story with real numbers: what each night found, the families and campaigns, how much of the
    campaign traffic of a fourth day the stored signatures match, and where to look next, the console among it.
    """
    from fingerprint.cli.commands.demo_story import run

    if keep and path is not None:
        raise click.UsageError(f"either --keep or --home expected, found both: --keep --home {path}")
    place = Path("demo-home") if keep else path
    with explain_stop(lambda: "stopped"):
        home = (
            Home(Path(tempfile.mkdtemp(prefix="fingerprint-demo-")))
            if place is None
            else home_of(place, None)
        )
        if home.path.exists() and any(home.path.iterdir()):
            raise StoreError(
                f"{place}: the demo needs a new or empty directory, but this one has files in it"
            )
        private_folder(home.path)
        private_folder(home.demo)
        run(home, rows=rows, seed=seed, temporary=place is None)


COMMANDS = (demo,)
