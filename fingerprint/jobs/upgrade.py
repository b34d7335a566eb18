"""A home of an older version, brought up to date: its database's schema, then its lookup snapshot."""

from __future__ import annotations

from dataclasses import dataclass

from fingerprint.domain.errors import SnapshotError
from fingerprint.domain.settings import Home
from fingerprint.jobs.publish import has_snapshot, is_behind, publish_from
from fingerprint.store.database import stored_revision
from fingerprint.store.lock import HomeLock
from fingerprint.store.store import Store
from fingerprint.store.tables import REVISION


@dataclass(frozen=True, slots=True)
class UpgradeStep:
    """A part of a home, whether something is to be done to it, and what, in words."""

    part: str
    needed: bool
    words: str


def plan_upgrade(home: Home) -> list[UpgradeStep]:
    """Say what `upgrade` would do; writes nothing. Raises StoreError where the database cannot be read."""
    revision = stored_revision(home.path, home.database)
    return [_schema_step(revision), _snapshot_step(home, current=revision == REVISION)]


def upgrade(home: Home) -> None:
    """Bring the schema up to date, in one transaction, then make the snapshot anew if it is missing, old or of an older form.

    Raises HomeLocked while another job works on the home, StoreError for a database of a newer version.
    """
    with HomeLock(home.path), Store.open(home.path, home.database) as store:
        if store.stamp() is not None and is_behind(home):
            publish_from(store, home)


def _schema_step(revision: str | None) -> UpgradeStep:
    if revision is None:
        return UpgradeStep("schema", True, f"make the tables of {REVISION}, for the database is empty")
    if revision == REVISION:
        return UpgradeStep("schema", False, f"is {REVISION} already")
    return UpgradeStep("schema", True, f"bring it from {revision} to {REVISION}, all or nothing")


def _snapshot_step(home: Home, *, current: bool) -> UpgradeStep:
    if not has_snapshot(home):
        return UpgradeStep("snapshot", True, "make one, if a night has stored families")
    if not current:
        return UpgradeStep("snapshot", True, "make it anew if it is older than the database")
    try:
        behind = is_behind(home)
    except SnapshotError:  # of no families
        behind = False
    words = "make it anew, for the database has changed since" if behind else "is of this database already"
    return UpgradeStep("snapshot", behind, words)
