"""Cursors: words in a URL that say after which row the next page of a ranked list begins."""

from __future__ import annotations

import base64
import json
import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from fingerprint.domain.errors import UsageError


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last row of a page: its rank (a score, finite) and its id. Ranks fall; rows of one rank go by their ids.

    as_of: the time that the ranks are of, with its zone; None where they do not depend on the time.
    """

    rank: float
    id: str
    as_of: datetime | None = None

    def __str__(self) -> str:
        """Return the cursor as `read` takes it: letters, digits, - and _."""
        values: list[float | str] = [self.rank, self.id]
        values += [] if self.as_of is None else [self.as_of.isoformat()]
        return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")

    @classmethod
    def read(cls, text: str) -> Cursor:
        """Read a cursor; raises UsageError for text that is none."""
        try:
            rank, row_id, *rest = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            as_of = datetime.fromisoformat(rest[0]) if rest else None
            sound = (
                isinstance(rank, float | int)
                and math.isfinite(rank)
                and isinstance(row_id, str)
                and "\0" not in row_id  # PostgreSQL's text takes none
                and (as_of is None or as_of.tzinfo is not None)
            )
        except (ValueError, TypeError, OverflowError) as error:
            raise _unreadable(text) from error
        if not sound:
            raise _unreadable(text)
        return cls(float(rank), row_id, as_of)

    def follows(self, rank: sa.ColumnElement[Any], row_id: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
        """Return the condition for rows after this one, in the order of falling rank and rising id."""
        return sa.or_(rank < self.rank, sa.and_(rank == self.rank, row_id > self.id))


def _unreadable(text: str) -> UsageError:
    return UsageError(f"a cursor of an earlier page expected, {text[:40]!r} found")
