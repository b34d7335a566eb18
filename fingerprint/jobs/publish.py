"""The lookup snapshot, made anew from the database."""

from __future__ import annotations

from pathlib import Path

from fingerprint.domain.errors import SnapshotError
from fingerprint.domain.settings import Home
from fingerprint.matching import snapshot_build
from fingerprint.matching.snapshot import open_snapshot
from fingerprint.store.lock import HomeLock
from fingerprint.store.store import Store


def is_behind(home: Home) -> bool:
    """Tell whether the snapshot is missing, damaged, or older than the database's last night or label.

    Raises SnapshotError for a home that no night has worked on.
    """
    with Store.open(home.path, home.database, read_only=True) as store:
        nights, stamp, revision = store.nights(), store.stamp(), store.revision()
    if not nights and stamp is None:
        raise SnapshotError(
            f"{home.path}: no families stored yet; run `fingerprint nightly TRAFFIC --home {home.path}`"
        )
    return _behind(home.path, nights[-1].batch_id if nights else None, revision)


def has_snapshot(home: Home) -> bool:
    """Tell whether there is a snapshot that can be looked up in; reads no more of it than its list of files."""
    try:
        open_snapshot(home.path, verify=False)
    except SnapshotError:
        return False
    return True


def _behind(home: Path, night: str | None, revision: int) -> bool:
    try:
        meta = open_snapshot(home, verify=False).meta
        return bool(meta["night"] != night or meta.get("revision", -1) < revision)
    except SnapshotError:
        return True


def publish_snapshot(home: Home) -> str:
    """Make the lookup snapshot anew from the database, after a label or an import; returns its id."""
    with HomeLock(home.path), Store.open(home.path, home.database) as store:
        return publish_from(store, home)


def publish_from(store: Store, home: Home) -> str:
    """Make the lookup snapshot anew as `publish_snapshot` does, for a job that holds the home's lock."""
    stamp, nights, revision = store.stamp(), store.nights(), store.revision()
    if stamp is None:
        raise SnapshotError(f"{home.path}: no families stored yet")
    return snapshot_build.publish(
        home.path,
        store.signatures(),
        stamp,
        night=nights[-1].batch_id if nights else None,
        senders=store.family_accounts(),
        revision=revision,
    )
