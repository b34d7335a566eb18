"""Commands on simulated traffic: simulate and demo."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from fingerprint.cli.commands.options import home_of, quiet_option, reporting, told_when_stopped
from fingerprint.domain.errors import StoreError
from fingerprint.domain.settings import Home

PRESETS = ("default", "demo", "evasive", "hard", "bare", "crowded", "scale")


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--truth",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write what each request really is to FILE (.jsonl, .jsonl.gz or .parquet).",
)
@click.option(
    "--preset",
    type=click.Choice(PRESETS),
    default="default",
    show_default=True,
    help="What to start from; the options below change it.",
)
@click.option("--rows", type=int, metavar="N", help="Requests of all days together.")
@click.option("--days", type=int, metavar="N", help="Days from --start on.")
@click.option("--start", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="The first day, UTC.")
@click.option(
    "--seed", type=int, metavar="N", help="Another seed, other traffic; the same seed, the same bytes."
)
@click.option("--accounts", type=int, metavar="N", help="Honest accounts.")
@click.option("--campaigns", type=int, metavar="N", help="Extraction campaigns.")
@click.option("--honest-templates", type=int, metavar="N", help="Templates that honest software sends.")
@click.option(
    "--evasion",
    metavar="NAME[:STRENGTH]",
    help="none, mix, or names, comma-separated, a+b for two at once; STRENGTH from 0 to 1. The names stand below.",
)
@click.option(
    "--evasion-share", type=float, metavar="X", help="Share of an evading template's requests that evade."
)
@click.option(
    "--jitter", type=float, metavar="X", help="0: campaigns send in sharp bursts; 1: in a daily rhythm."
)
@click.option(
    "--metadata/--no-metadata",
    default=None,
    help="With addresses, payment hashes and user agents, or without.",
)
@quiet_option
def simulate(
    out: Path,
    truth: Path | None,
    preset: str,
    start: datetime | None,
    quiet: bool,
    **changes: str | int | float | bool | None,
) -> None:
    """Write simulated traffic, campaigns included, to OUT.

    OUT is a file (.parquet, .jsonl or .jsonl.gz) or a directory, which gets a Parquet file for each day.

    \b
    Example:
      fingerprint simulate traffic/ --truth truth.jsonl.gz --rows 60000 --days 3 --evasion mix:0.8

    Out come the traffic and, with --truth, the family, campaign and evasion of each request.

    \b
    Evasions, and what a strength from 0 to 1 means:
      nonce               1 to 8 random ids, hashes or times at the ends of the prompt
      scatter             nonces between words, up to one after every second
      case                4 to 44 % of letters in the other case, spacing and
                          punctuation changed as often
      homoglyph           the share of letters that give way to look-alikes
      invisible           unseen characters, up to one after every second letter
      inject_start, inject_middle, inject_end
                          the template in a genuine text of 60, 250, 500 or 1,100 words
      swap                the share of sentences that move between user and system
      shuffle             the share of sentences in random order
      drop                the share of sentences left out, others in each request
      reword              the share of words and constructions changed by rule,
                          anew in each request
      paraphrase          the share of 8 whole rewordings that is in use
      translation         the number of languages in use, up to 4
      payload_domination  a payload of 500, 750, 1,000 or 1,400 words
    """
    from fingerprint import simulate as simulator

    wanted: dict[str, object] = {name: value for name, value in changes.items() if value is not None}
    if start is not None:
        wanted["start"] = start.replace(tzinfo=UTC).date()
    config = simulator.preset(preset, **wanted)
    with reporting(quiet=quiet) as progress, told_when_stopped(lambda: f"stopped; {out} is not complete"):
        files = simulator.write(
            config, out, truth=truth, on_progress=lambda done, total: progress("simulate", done, total)
        )
    if not quiet:
        named = files if truth is None else [*files, truth]
        click.echo(f"{config.rows:,} requests of {config.days} days in {', '.join(map(str, named))}")


@click.command()
@click.option(
    "--home",
    "path",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The home, new or empty; traffic and matches go below it. A temporary directory if not given.",
)
@click.option(
    "--rows",
    type=click.IntRange(min=2000),
    default=8000,
    show_default=True,
    metavar="N",
    help="Requests of each day.",
)
@click.option(
    "--seed", type=int, default=7, show_default=True, metavar="N", help="Another seed, another story."
)
def demo(path: Path | None, rows: int, seed: int) -> None:
    """Show it all in a minute: three simulated nights, then a day of lookups.

    \b
    Example:
      fingerprint demo

    Out comes a short story with real numbers: what each night found, the families and campaigns, how much
    of a fourth day's campaign traffic the stored signatures match, and where to look next.
    """
    import tempfile

    from fingerprint.cli.commands.demo import run

    with told_when_stopped(lambda: "stopped"):
        home = (
            Home(Path(tempfile.mkdtemp(prefix="fingerprint-demo-"))) if path is None else home_of(path, None)
        )
        if home.path.exists() and any(home.path.iterdir()):
            raise StoreError(f"{path}: a new or empty directory expected for the demo, files found in it")
        run(home, rows=rows, seed=seed)


COMMANDS = (simulate, demo)
