"""The command `simulate`: write simulated traffic."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fingerprint.cli.commands.options import explain_stop, output_options, quiet_option, reporting

if TYPE_CHECKING:
    from fingerprint.simulate import Config

PRESETS = (
    "default", "demo", "evasive", "hard", "bare", "crowded", "scale", "lifelike", "chats", "chats-once"
)  # fmt: skip


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--truth",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the truth about each request to FILE (.jsonl, .jsonl.gz or .parquet).",
)
@click.option(
    "--preset",
    type=click.Choice(PRESETS),
    default="default",
    show_default=True,
    help="Settings to start from; the options below change them.",
)
@click.option("--rows", type=int, metavar="N", help="Requests in all days together.")
@click.option("--days", type=int, metavar="N", help="Number of days.")
@click.option("--start", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="First day, UTC.")
@click.option("--seed", type=int, metavar="N", help="Random seed; the same seed gives the same bytes.")
@click.option("--accounts", type=int, metavar="N", help="Number of honest accounts.")
@click.option("--campaigns", type=int, metavar="N", help="Number of extraction campaigns.")
@click.option(
    "--base-rate", type=float, metavar="X", help="Share of the requests that are campaigns' (lifelike only)."
)
@click.option(
    "--honest-templates", type=int, metavar="N", help="Number of templates that honest software sends."
)
@click.option(
    "--evasion",
    metavar="NAME[:STRENGTH]",
    help="none, mix, or names from the list above, separated by commas, a+b for two at once; STRENGTH is 0 to 1.",
)
@click.option(
    "--evasion-share",
    type=float,
    metavar="X",
    help="Share of an evading template's requests that are disguised.",
)
@click.option(
    "--jitter", type=float, metavar="X", help="0: campaigns send in bursts; 1: they follow a daily rhythm."
)
@click.option(
    "--metadata/--no-metadata",
    default=None,
    help="With or without addresses, payment hashes and user agents.",
)
@output_options
@quiet_option
def simulate(
    out: Path,
    truth: Path | None,
    preset: str,
    start: datetime | None,
    as_json: bool,
    quiet: bool,
    **changes: str | int | float | bool | None,
) -> None:
    """Write simulated traffic with campaigns in it to OUT.

    OUT is a file (.parquet, .jsonl or .jsonl.gz) or a directory, which gets one Parquet file a day.

    \b
    Example:
      fingerprint simulate traffic/ --truth truth.jsonl.gz --rows 60000 --days 3 --evasion mix:0.8

    The output is the traffic and, with --truth, the family, campaign and evasion of each request.

    Preset lifelike is nearer to life than the others: 2 % of the requests are campaigns', people have topics and
    hours of their own, and much honest software acts in step. In preset chats each request repeats its conversation;
    chats-once has the last request of each of the same conversations. An option that a preset does not have is an
    error.

    \b
    Evasions, and what a strength from 0 to 1 means:
      nonce               1 to 8 random ids, hashes or times at the ends of the prompt
      scatter             nonces between words, up to one after every second
      case                4 to 44 % of letters in the other case, spacing and
                          punctuation changed as often
      homoglyph           the share of letters replaced by look-alikes
      invisible           invisible characters, up to one after every second letter
      inject_start, inject_middle, inject_end
                          the template in a genuine text of 60, 250, 500 or 1,100 words
      swap                the share of sentences that move between user and system
      shuffle             the share of sentences in random order
      drop                the share of sentences left out, chosen for each request
      reword              the share of words and constructions changed by rule,
                          chosen for each request
      paraphrase          the share of 8 complete rewordings in use
      translation         the number of languages in use, up to 4
      payload_domination  a payload of 500, 750, 1,000 or 1,400 words
    """
    from fingerprint import simulate as simulator
    from fingerprint.cli.output import printing

    settings: dict[str, object] = {name: value for name, value in changes.items() if value is not None}
    if start is not None:
        settings["start"] = start.replace(tzinfo=UTC).date()
    config = simulator.preset(preset, **settings)
    rows, files = _write(config, out, truth, quiet=quiet, as_json=as_json)
    printing.result(
        [{"rows": rows, "days": config.days, "files": files}],
        lambda: click.echo(f"{rows:,} requests in {config.days} days, written to {', '.join(files)}"),
        as_json=as_json,
        quiet=quiet,
    )


def _write(
    config: Config, out: Path, truth: Path | None, *, quiet: bool, as_json: bool
) -> tuple[int, list[str]]:
    """Write the traffic and its truth; return the number of requests and the names of the files."""
    from fingerprint import simulate as simulator

    rows = 0
    with (
        reporting(quiet=quiet, as_json=as_json) as progress,
        explain_stop(lambda: f"stopped; {out} is not complete"),
    ):

        def count(done: int, total: int) -> None:
            nonlocal rows
            rows = done
            progress("simulate", done, total)

        files = simulator.write(config, out, truth=truth, on_progress=count)
    return rows, [str(file) for file in (files if truth is None else [*files, truth])]


COMMANDS = (simulate,)
