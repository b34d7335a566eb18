"""The command `deploy-files`."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from fingerprint.cli.commands.options import output_options
from fingerprint.domain.errors import FingerprintError, UsageError

PARTS = {"deploy": "README.md", "data": "sample.jsonl.gz"}
"""Folders that are written, each with a file by which it is known."""


@click.command(name="deploy-files")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@output_options
def deploy_files(folder: Path, as_json: bool) -> None:
    """Write what deploys the service, and the sample, to DIR.

    DIR gets deploy/ (systemd units, Dockerfile, Kubernetes manifests, gateways' files, a dashboard) and data/, a night of sample
    traffic with its truth. Nothing that is there is overwritten.

    \b
    Example:
      fingerprint deploy-files fingerprint-files

    The output is the list of the files.
    """
    from fingerprint.base.shipped import shipped_folder
    from fingerprint.cli.output import printing

    written: list[Path] = []
    for name, having in PARTS.items():
        source, to = shipped_folder(name, having), folder / name
        if source is None:
            raise FingerprintError(f"{name}/ did not come with this installation")
        if to.exists():
            raise UsageError(f"{to}: a new folder expected, one is there")
        try:
            shutil.copytree(source, to, ignore=shutil.ignore_patterns("__pycache__", ".env", "make_*.py"))
        except (shutil.Error, OSError) as error:
            raise FingerprintError(f"{to} cannot be written: {error}") from error
        written += sorted(path for path in to.rglob("*") if path.is_file())

    def for_people() -> None:
        for path in written:
            click.echo(path)

    printing.result([{"file": str(path)} for path in written], for_people, as_json=as_json)


COMMANDS = (deploy_files,)
