"""Cursors: opaque words that say where a page begins."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Protocol

import orjson

from fingerprint.service.http.problems import Problem
from fingerprint.store.lists import After


class Ranked(Protocol):
    """A row of a list that is ranked by score."""

    @property
    def score(self) -> float:
        """How likely it is a campaign's."""


def cursor(score: float, named: str) -> str:
    """Write the cursor of the page after a row."""
    return base64.urlsafe_b64encode(orjson.dumps([score, named])).decode().rstrip("=")


def after_of(token: str | None) -> After | None:
    """Read a cursor; raises Problem 400 for what we never wrote."""
    if token is None:
        return None
    try:
        score, named = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        if isinstance(score, float | int) and isinstance(named, str) and "\0" not in named:
            return After(float(score), named)
    except (binascii.Error, ValueError, TypeError):
        pass
    raise Problem(400, "page_token: a token that an earlier page gave expected")


def next_cursor(rows: Sequence[Ranked], size: int, key: str) -> str | None:
    """Return the cursor after these rows; None when they do not fill a page."""
    return cursor(rows[-1].score, getattr(rows[-1], key)) if len(rows) == size else None
