"""Rows that cannot be used: why, where, and how many are too many."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import BinaryIO, Literal

import orjson

from fingerprint.base.private import folder_for_output, like_its_folder
from fingerprint.domain.errors import InputError, StoreError, TooManyRejects

RejectKind = Literal[
    "too_long",
    "too_many_values",
    "repeated_name",
    "invalid_utf8",
    "not_json",
    "not_object",
    "wrong_columns",
    "missing_request_id",
    "missing_account_id",
    "missing_timestamp",
    "bad_id",
    "bad_account",
    "bad_timestamp",
    "wrong_type",
    "no_text",
]

SHOWN = 3


def json_type(value: object) -> str:
    """Name a JSON value's type in words."""
    names = {str: "text", bool: "a boolean", list: "a list", dict: "an object", type(None): "null"}
    return names.get(type(value), "a number")


class BadRow(InputError):
    """One row cannot be used; caught inside ingest and written to the rejects file.

    The reason names fields, types and lengths, never what a user wrote.
    """

    def __init__(self, kind: RejectKind, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason


class Rejects:
    """Counts rejected rows by kind and writes one JSON line for each: file, line, kind, reason.

    The file is made with the first reject, so a clean run leaves none.
    Raises TooManyRejects with the (limit + 1)th row, StoreError when the file cannot be written.
    """

    def __init__(self, path: Path | None, limit: int | None) -> None:
        self.reasons: Counter[str] = Counter()
        self.examples: dict[str, str] = {}  # of each kind the first
        self._path = path
        self._limit = limit
        self._out: BinaryIO | None = None
        self._first: list[str] = []

    @property
    def total(self) -> int:
        """Rows rejected so far."""
        return self.reasons.total()

    @property
    def path(self) -> Path | None:
        """The rejects file, or None while there is nothing in it."""
        return self._path if self.reasons else None

    def add(self, file: str, line: int, bad: BadRow) -> None:
        """Take one rejected row; `line` is 1-based, a row number for CSV and Parquet."""
        self.reasons[bad.kind] += 1
        self.examples.setdefault(bad.kind, f"{file} line {line}: {bad.reason}")
        if len(self._first) < SHOWN:
            self._first.append(f"{file} line {line}: {bad.reason}")
        if self._path is not None:
            self._write({"file": file, "line": line, "kind": bad.kind, "reason": bad.reason})
        if self._limit is not None and self.total > self._limit:
            raise TooManyRejects(self._complaint(file))

    def close(self) -> None:
        """Flush and close the rejects file."""
        out, self._out = self._out, None
        if out is not None:
            try:
                out.close()
            except OSError as error:
                raise self._unwritable(error) from error

    def _write(self, entry: dict[str, object]) -> None:
        assert self._path is not None
        try:
            if self._out is None:
                folder_for_output(self._path.parent)
                self._out = like_its_folder(self._path).open("wb")
            self._out.write(orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE))
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> StoreError:
        return StoreError(f"{self._path}: the rejects file cannot be written: {error.strerror}")

    def _complaint(self, file: str) -> str:
        listed = "; ".join(self._first)
        where = f" (all of them in {self._path})" if self._path is not None else ""
        return (
            f"{file}: {self.total} rejected rows, at most {self._limit} allowed by --max-rejects; "
            f"the first: {listed}{where}"
        )
