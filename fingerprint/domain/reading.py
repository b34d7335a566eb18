"""How rows are to be read, as whoever starts a job says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

ROLES = ("assistant", "tool")


@dataclass(frozen=True, slots=True)
class Reading:
    """What is said of traffic that its rows do not say themselves.

    mapping: field → path in a row (`timestamp` → `meta.times[0]`) for logs of unknown shape.
    account, time: of every row, whatever it says itself; None: each row says.
    roles: of ROLES, whose turns are read beside those of system and user.
    shared: more keys of metadata, beside META_FIELDS, of which it counts who has the same value.
    """

    mapping: Mapping[str, str] = field(default_factory=dict)
    account: str | None = None
    time: str | None = None
    roles: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
