"""Signatures that others shared, into a home: read, checked, stored all or none, and published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fingerprint.domain.settings import Home
from fingerprint.jobs.publish import publish_snapshot
from fingerprint.sharing.imports import ImportFile, check_model, read_shared
from fingerprint.store.lock import HomeLock
from fingerprint.store.signature_import import ImportOutcome, ImportPolicy
from fingerprint.store.store import Store


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of the signatures, and how many indicators were left out because they are revoked."""

    outcome: ImportOutcome
    revoked: int


def import_files(
    home: Home, files: Sequence[ImportFile], policy: ImportPolicy, *, model: str | None = None
) -> Imported:
    """Store all signatures of some files, or none, and let lookups match them.

    model: as `Embedder.for_stamp` takes it. Raises as `read_shared` and `check_model`.
    """
    shared = read_shared(files)
    with HomeLock(home.path), Store.open(home.path, home.database) as store:
        if store.stamp() is None:
            check_model(shared.signatures, model)
        outcome = store.import_signatures(shared.signatures, policy)
    publish_snapshot(home)
    return Imported(outcome, shared.revoked)
