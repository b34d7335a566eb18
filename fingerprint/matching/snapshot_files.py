"""The files of lookup snapshots: named by number and hash, made durable, one of them live, the old ones removed."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

from fingerprint.base import files
from fingerprint.base.files import replacing, sync
from fingerprint.base.private import private_file
from fingerprint.domain.errors import SnapshotError
from fingerprint.domain.settings import Home

MANIFEST = "manifest.json"

FORMAT = 6
"""Of the files and what they hold; a snapshot of another one is made anew from the database."""


def make_live(home: Path, aside: Path, manifest: bytes) -> str:
    """Make the files of `aside` durable, give them their name, and let home/current name them; returns that name."""
    private_file(aside / MANIFEST).write_bytes(manifest)
    for path in aside.iterdir():
        sync(path)
    sync(aside)
    number = max((int(name[:8]) for name in _snapshots(home)), default=0) + 1
    name = f"{number:08d}-{hashlib.sha256(manifest).hexdigest()[:12]}"
    aside.rename(Home(home).snapshots / name)
    sync(Home(home).snapshots)
    with replacing(Home(home).current_file, durable=True) as file:
        file.write(f"{name}\n".encode())
    return name


def current_snapshot(home: Path) -> str:
    """Return the id of the snapshot that home/current names; raises SnapshotError where there is none."""
    try:
        return Home(home).current_file.read_text().strip()
    except OSError as error:
        raise SnapshotError(f"no snapshot in {home}: {error}") from error


def published_at(home: Path, snapshot: str) -> float:
    """Return when a snapshot was written, in seconds of the epoch; raises SnapshotError when it is gone."""
    try:
        return (Home(home).snapshots / snapshot / MANIFEST).stat().st_mtime
    except OSError as error:
        raise SnapshotError(f"no snapshot {snapshot} in {home}: {error}") from error


def prune(home: Path, keep: int = 2) -> list[str]:
    """Remove all but the newest `keep` snapshots and the live one; returns the ids removed.

    Processes that still map a removed snapshot keep reading it: its pages live until they let go.
    Raises SnapshotError where home cannot be written.
    """
    current = Home(home).current_file
    live = current.read_text().strip() if current.is_file() else ""
    names = _snapshots(home)
    gone = [name for name in names[: max(0, len(names) - keep)] if name != live]
    try:
        for name in gone:
            shutil.rmtree(Home(home).snapshots / name)
    except OSError as error:
        raise SnapshotError(f"old snapshots cannot be removed under {home}: {error}") from error
    return gone


def _snapshots(home: Path) -> list[str]:
    names = (path.name for path in Home(home).snapshots.glob("*"))
    return sorted(name for name in names if re.fullmatch(r"\d{8}-[0-9a-f]{12}", name))


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read a snapshot's manifest and check it against the snapshot's name; raises SnapshotError."""
    path = folder / MANIFEST
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SnapshotError(f"{path} is missing: {error}") from error
    compare(path, folder.name.partition("-")[2], hashlib.sha256(data).hexdigest()[:12])
    manifest: dict[str, Any] = json.loads(data)
    if manifest["format"] != FORMAT:
        raise SnapshotError(f"{path}: format {FORMAT} expected, {manifest['format']} found")
    return manifest


def compare(path: Path, expected: str, actual: str) -> None:
    """Raise SnapshotError unless a file's hash is the expected one."""
    if actual != expected:
        raise SnapshotError(f"{path} is damaged: SHA-256 {expected} expected, {actual} found")


def sha256(path: Path) -> str:
    """Hash a file, hex; raises SnapshotError when it cannot be read."""
    try:
        return files.sha256(path)
    except OSError as error:
        raise SnapshotError(f"{path} cannot be read: {error}") from error
