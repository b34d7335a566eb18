"""What `keys` prints."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from fingerprint.cli.output.tables import table
from fingerprint.cli.output.terminal import iso
from fingerprint.domain.rows import KeyRow


def keys(rows: Sequence[KeyRow]) -> None:
    """Print a table of API keys."""
    names = ("key", "name", "scopes", "created", "last used", "state")
    lines = (
        (
            r.key_id,
            r.name,
            " ".join(r.scopes),
            iso(r.created),
            iso(r.last_used) if r.last_used else "never",
            _key_state(r),
        )
        for r in rows
    )
    table(names, lines, "no keys yet")


def _key_state(row: KeyRow) -> str:
    if row.revoked is not None:
        return "revoked"
    return "expired" if row.expires is not None and row.expires <= datetime.now(UTC) else "active"
