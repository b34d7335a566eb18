"""The commands of whoever keeps a home: backup, restore, upgrade."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from fingerprint.base.quantities import count_words
from fingerprint.cli.commands.options import by_option, home_of, home_options, login, output_options
from fingerprint.cli.output.terminal import plain
from fingerprint.domain.errors import FingerprintError, StoreError
from fingerprint.domain.settings import Home


@click.command()
@click.argument("to", type=click.Path(path_type=Path))
@home_options
@output_options
def backup(to: Path, path: Path | None, database: str | None, as_json: bool) -> None:
    """Write a backup of the home to TO, a new folder or a new .tar or .tar.gz file.

    It has the database as one SQLite file, also that of PostgreSQL, as it was at one moment, the lookup snapshot, the lists
    of rejects and what is unexplained. Service and nights go on meanwhile. All of it is read again and compared. Only its owner
    may read it, as the home.

    \b
    Example:
      fingerprint backup /backups/2026-03-02.tar.gz --home home

    The output is how many files and bytes it has; as JSON also their SHA-256.
    """
    from fingerprint.cli.output import printing
    from fingerprint.jobs.backup import back_up

    made = back_up(_there(home_of(path, database)), to)
    words = f"{to}: {count_words(len(made.files), 'file')}, {made.bytes:,} bytes, written and compared"
    printing.result([made], lambda: click.echo(plain(words)), as_json=as_json)


@click.command()
@click.argument("source", metavar="FROM", type=click.Path(path_type=Path))
@home_options
@output_options
@by_option
@click.option("--replace", is_flag=True, help="Let go what the home's database holds.")
def restore(
    source: Path, path: Path | None, database: str | None, as_json: bool, by: str | None, replace: bool
) -> None:
    """Put back the backup FROM into a new home, or with --replace into this one.

    Every file is compared with the backup's list first. The database is replaced in one transaction, which a running service sees
    within a second; a PostgreSQL database must be empty. A backup of an older version is brought up to date. The
    audit log says who put it back.

    \b
    Example:
      fingerprint restore /backups/2026-03-02.tar.gz --home new-home

    The output is when the backup was made, and how many files it has.
    """
    from fingerprint.cli.output import printing
    from fingerprint.jobs.backup import restore as put_back

    made = put_back(source, home_of(path, database), by=by or login(), replace=replace)
    words = f"{source}: the backup of {made.made}, {count_words(len(made.files), 'file')}, is back"
    printing.result([made], lambda: click.echo(plain(words)), as_json=as_json)


@click.command()
@home_options
@output_options
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--no-kernels", is_flag=True, help="Do not compile the kernels.")
def upgrade(path: Path | None, database: str | None, as_json: bool, dry_run: bool, no_kernels: bool) -> None:
    """Bring a home up to date after a new version was installed.

    The database gets the new schema, in one transaction; a snapshot that is missing or old is made anew; and the kernels are
    compiled, half a minute, so that the first night and lookup need not wait for it. Make a backup first. A job that
    works on the home has to end before.

    \b
    Example:
      fingerprint upgrade --home home

    The output says what is to be done, before it is done.
    """
    from fingerprint.cli.output import printing
    from fingerprint.jobs.upgrade import UpgradeStep, plan_upgrade
    from fingerprint.jobs.upgrade import upgrade as bring_up_to_date

    home = _there(home_of(path, database))
    kernels = UpgradeStep(
        "kernels", not no_kernels, "are left" if no_kernels else "compile those that changed"
    )
    steps = [*plan_upgrade(home), kernels]

    def for_people() -> None:
        for step in steps:
            click.echo(f"{step.part}: {step.words}")

    printing.result(steps, for_people, as_json=as_json)
    if dry_run:
        return
    if any(step.needed for step in steps[:-1]):
        bring_up_to_date(home)
    if kernels.needed:
        _compile_kernels()


def _there(home: Home) -> Home:
    if not home.path.is_dir():
        first = f"fingerprint nightly TRAFFIC --home {shlex.quote(str(home.path))}"
        raise StoreError(f"{home.path}: there is no home here; first run: {first}")
    return home


def _compile_kernels() -> None:
    """Run a small demo, and a hunt in it: numba keeps what it compiles for them."""
    with tempfile.TemporaryDirectory(prefix="fingerprint-kernels-") as folder:
        home = Path(folder, "home")
        _run("demo", "--rows", "2000", "--home", home)
        chosen = _run("families", "--home", home, "--limit", "1", "--json")
        family = json.loads(chosen.splitlines()[0])["family_id"]
        _run("hunt", family, home / "demo" / "traffic" / "day4.parquet", "--home", home, "--quiet")


def _run(*words: object) -> str:
    command = [sys.executable, "-m", "fingerprint", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise FingerprintError(f"compiling the kernels: {done.stderr.strip().rpartition(chr(10))[2]}")
    return done.stdout


COMMANDS = (backup, restore, upgrade)
