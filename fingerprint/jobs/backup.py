"""A home into one folder or one tar file, and back, while the service and nights go on."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from fingerprint.base.files import replacing, sha256, sync
from fingerprint.base.private import FILE, FOLDER, close_to_others, narrow, private_file, private_folder
from fingerprint.base.version import __version__
from fingerprint.domain.errors import FingerprintError, SnapshotError, StoreError, UsageError
from fingerprint.domain.settings import Home
from fingerprint.matching.snapshot_files import current_snapshot
from fingerprint.store.backup import check_database, load_database, log_restore, save_database
from fingerprint.store.database import Database, has_rows
from fingerprint.store.lock import HomeLock

MANIFEST = "backup.json"
DATABASE = "fingerprint.db"
_TRIES = 5
"""A night may remove a snapshot while it is copied; then the newer one is."""


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup has; files: SHA-256 (hex) of each, by its path. snapshot: None where the home had none."""

    version: str
    made: str
    snapshot: str | None
    bytes: int
    files: dict[str, str]


def back_up(home: Home, to: Path) -> Backup:
    """Write the database, the lookup snapshot, lists of rejects and what is unexplained to a new folder, or .tar or .tar.gz.

    What is written is read again and compared. Raises UsageError where something is there already, StoreError.
    """
    if to.exists() and (to.is_file() or any(to.iterdir())):
        raise UsageError(f"{to}: a new file or an empty folder expected, something is there")
    with _storing(to):
        aside = to.with_name(f".{to.name}.writing")
        shutil.rmtree(aside, ignore_errors=True)
        private_folder(aside)
        try:
            backup = _collected(home, aside)
            if _is_tar(to):
                _packed(aside, to)
                with _unpacked(to, to.with_name(f".{to.name}.reading")) as folder:
                    _verified(folder)
            else:
                if to.exists():
                    to.rmdir()
                aside.rename(to)
                _verified(to)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return backup


def restore(source: Path, home: Home, *, by: str, replace: bool = False) -> Backup:
    """Put a backup back, after all of it was checked; the database in one transaction.

    replace: what the home's SQLite database holds may go; without, it has to be empty. A backup of an older version is brought
    up to date on its way. Raises HomeLocked while another job works on the home, StoreError.
    """
    if not source.exists():
        raise StoreError(f"{source}: there is no backup here")
    with _storing(home.path), HomeLock(home.path):
        if not replace and has_rows(home.path, home.database):
            raise UsageError(f"{home.path}: the database holds something; --replace lets it go")
        aside = home.path / ".restoring"
        shutil.rmtree(aside, ignore_errors=True)
        private_folder(aside)
        try:
            with _unpacked(source, aside / "backup") as folder:
                backup = _verified(folder)
                database = aside / DATABASE
                shutil.copyfile(folder / DATABASE, private_file(database))
                check_database(database)
                Database(None, f"sqlite:///{database}").close()  # brings it up to date
                load_database(database, home)
                log_restore(home, backup.made, by=by)
                _put_back(folder, home, aside, backup)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        close_to_others(home.parts())
    return backup


def _collected(home: Home, folder: Path) -> Backup:
    """Copy all of a home that is to be kept into a folder, with a manifest."""
    save_database(home, folder / DATABASE)
    snapshot = _copied_snapshot(home, folder)
    for part in (home.rejects, home.leftovers, home.conversations):
        if part.is_dir():
            shutil.copytree(part, folder / part.name)
    close_to_others([folder])
    files = {
        path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()
    }
    backup = Backup(
        __version__,
        datetime.now(UTC).isoformat(timespec="seconds"),
        snapshot,
        sum(path.stat().st_size for path in files.values()),
        {name: sha256(path) for name, path in files.items()},
    )
    private_file(folder / MANIFEST).write_text(json.dumps({"format": 1, **asdict(backup)}, indent=1) + "\n")
    for path in folder.rglob("*"):
        sync(path)
    return backup


def _copied_snapshot(home: Home, folder: Path) -> str | None:
    for _ in range(_TRIES):
        try:
            name = current_snapshot(home.path)
        except SnapshotError:
            return None
        to = folder / home.snapshots.name / name
        try:
            shutil.copytree(home.snapshots / name, to)
        except (shutil.Error, FileNotFoundError):
            shutil.rmtree(to, ignore_errors=True)
            continue
        private_file(folder / home.current_file.name).write_text(f"{name}\n")
        return name
    return None


def _put_back(folder: Path, home: Home, aside: Path, backup: Backup) -> None:
    for part in (home.work, home.spill):  # of a night that was killed, against another database
        shutil.rmtree(part, ignore_errors=True)
    for part in (home.rejects, home.leftovers, home.conversations):
        new = aside / part.name
        if (folder / part.name).is_dir():
            shutil.copytree(folder / part.name, new)
        shutil.rmtree(part, ignore_errors=True)
        if new.is_dir():
            new.rename(part)
    if backup.snapshot is None:
        return
    kept = home.snapshots / backup.snapshot
    if not kept.is_dir():
        private_folder(home.snapshots)
        shutil.copytree(folder / home.snapshots.name / backup.snapshot, aside / backup.snapshot)
        (aside / backup.snapshot).rename(kept)
    with replacing(home.current_file, durable=True) as file:
        file.write(f"{backup.snapshot}\n".encode())


def _verified(folder: Path) -> Backup:
    """Read a backup's manifest, and compare every file with it; raises StoreError."""
    try:
        told = json.loads((folder / MANIFEST).read_bytes())
        if told.pop("format") != 1:
            raise ValueError("another format")
        backup = Backup(**told)
        files = dict(backup.files)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StoreError(f"{folder / MANIFEST}: the list of a backup's files expected: {error}") from error
    there = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()} - {MANIFEST}
    if there != set(files):
        odd = min(there.symmetric_difference(files))
        raise StoreError(
            f"{folder}: {len(files)} files expected, {len(there)} found; {odd} is one side's only"
        )
    if backup.snapshot is not None and f"snapshots/{backup.snapshot}/manifest.json" not in files:
        raise StoreError(f"{folder}: no snapshot {backup.snapshot}, which its list names")
    for name, expected in files.items():
        actual = sha256(folder / name)
        if actual != expected:
            raise StoreError(f"{folder / name}: damaged: SHA-256 {expected} expected, {actual} found")
    return backup


def _is_tar(path: Path) -> bool:
    return path.name.endswith((".tar", ".tar.gz", ".tgz"))


def _packed(folder: Path, to: Path) -> None:
    def private(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.mode = FOLDER if member.isdir() else FILE
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        return member

    with replacing(to, durable=True) as file:
        plain = to.name.endswith(".tar")
        with (
            tarfile.open(fileobj=file, mode="w|") if plain else tarfile.open(fileobj=file, mode="w|gz")
        ) as tar:
            for path in sorted(folder.iterdir()):
                tar.add(path, path.name, filter=private)
    narrow(to)


@contextmanager
def _unpacked(source: Path, aside: Path) -> Iterator[Path]:
    """Give the folder of a backup: itself, or what a tar file has, as long as it is needed."""
    if source.is_dir():
        yield source
        return
    try:
        private_folder(aside)
        with tarfile.open(source) as tar:
            tar.extractall(aside, filter="data")
    except (tarfile.TarError, EOFError) as error:
        shutil.rmtree(aside, ignore_errors=True)
        raise StoreError(f"{source}: a backup's tar file expected: {error}") from error
    try:
        yield aside
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def _storing(place: Path) -> Iterator[None]:
    try:
        yield
    except FingerprintError:
        raise
    except OSError as error:
        raise StoreError(f"{error.filename or place}: {error.strerror or error}") from error
