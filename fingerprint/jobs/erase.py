"""Accounts out of a home: the database, the snapshots, what nights left and sent last, and what a killed night had begun."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from fingerprint.discovery import leftovers
from fingerprint.domain.settings import Home
from fingerprint.jobs.publish import publish_from
from fingerprint.matching.snapshot_files import prune
from fingerprint.nights import over_midnight
from fingerprint.store.erasure import Erased
from fingerprint.store.lock import HomeLock
from fingerprint.store.store import Store


def erase_accounts(home: Home, ids: Sequence[str], *, by: str) -> Erased:
    """Erase accounts from everything that a home keeps, and log how many, not which.

    Of ids that are not stored nothing is left either. A job that was stopped in between is finished by the same call.
    Raises HomeLocked while another job works on the home, StoreError where it cannot be written or the database is in use.
    """
    with HomeLock(home.path), Store.open(home.path, home.database) as store:
        for folder in (home.work, home.spill):  # of a night that was killed
            shutil.rmtree(folder, ignore_errors=True)
        leftovers.forget(home.leftovers, ids)
        over_midnight.forget(home.conversations, ids)
        outcome = store.erase_accounts(ids, by=by)
        if store.stamp() is not None:
            publish_from(store, home)
            prune(home.path, keep=1)
        store.scrub()
    return outcome
