"""Copies all tables of a database into an empty one, SQLite or PostgreSQL, and proves it by a checksum of every table."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from fingerprint.domain.errors import StoreError
from fingerprint.store.database import Database
from fingerprint.store.tables import metadata

_ROWS = 1000
"""Rows at a time; those of families have tens of kilobytes each."""

_MEMORY = {
    "sqlite": "PRAGMA cache_size = -262144",
    "postgresql": "SELECT set_config('work_mem', '128MB', true), set_config('maintenance_work_mem', '256MB', true)",
}
"""Lets a connection sort, and make indexes, in memory."""


@dataclass(frozen=True, slots=True)
class CopiedTable:
    """A table that was copied: its rows, and the SHA-256 (hex) of all that they hold, the same on both sides."""

    table: str
    rows: int
    sha256: str


def copy_database(source: Database, target: Database) -> list[CopiedTable]:
    """Copy every table, as one state of the source, in one transaction of the target.

    Raises StoreError for a target that holds rows, and where the target does not give back what it was given; then it is
    as it was.
    """
    with source.reading() as reading, target.writing(alone=True) as writing:
        _require_empty(writing, target.name)
        for connection in (reading, writing):
            connection.exec_driver_sql(_MEMORY[connection.dialect.name])
        return [
            _copy(reading, writing, table, (source.name, target.name)) for table in metadata.sorted_tables
        ]


def _require_empty(connection: sa.Connection, name: str) -> None:
    for table in metadata.sorted_tables:
        if connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first() is not None:
            raise StoreError(f"{name}: an empty database expected, rows in its table {table.name} found")


def _copy(
    reading: sa.Connection, writing: sa.Connection, table: sa.Table, names: tuple[str, str]
) -> CopiedTable:
    source, target = names
    digest, count = hashlib.sha256(), 0
    insert = _into_postgresql if writing.dialect.name == "postgresql" else _into_sqlite
    # made of all rows at once, an index takes a fraction of the time
    for index in table.indexes:
        index.drop(writing)
    for rows in _chunks(reading, table, source):
        digest.update(repr(rows).encode())
        count += len(rows)
        try:
            insert(writing, table, rows)
        except writing.dialect.loaded_dbapi.Error as error:  # of COPY, which SQLAlchemy does not see
            raise StoreError(f"{target}: table {table.name}: {' '.join(str(error).split())}") from error
    for index in table.indexes:
        index.create(writing)
    if writing.dialect.name == "postgresql":
        _advance_ids(writing, table)
    stored = hashlib.sha256()
    for rows in _chunks(writing, table, target):
        stored.update(repr(rows).encode())
    if stored.digest() != digest.digest():
        raise StoreError(
            f"{target}: table {table.name}: SHA-256 {digest.hexdigest()} expected, {stored.hexdigest()} found; "
            "nothing was copied"
        )
    return CopiedTable(table.name, count, digest.hexdigest())


def _chunks(connection: sa.Connection, table: sa.Table, name: str) -> Iterator[list[tuple[Any, ...]]]:
    """Read a table in the order of its primary key, text by its bytes; all chunks but the last have _ROWS rows."""
    ordered = sa.select(table).order_by(*(_by_bytes(connection, column) for column in table.primary_key))
    try:
        result = connection.execute(ordered, execution_options={"yield_per": _ROWS})
        for rows in result.partitions(_ROWS):
            yield [tuple(row) for row in rows]
    except sa.exc.SQLAlchemyError as error:
        raise StoreError(f"{name}: table {table.name}: {error}") from error


def _by_bytes(connection: sa.Connection, column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    # SQLite does so by itself
    if connection.dialect.name == "postgresql" and isinstance(column.type, sa.Text):
        return sa.collate(column, "C")
    return column


def _into_sqlite(connection: sa.Connection, table: sa.Table, rows: Sequence[tuple[Any, ...]]) -> None:
    names = table.columns.keys()
    connection.execute(sa.insert(table), [dict(zip(names, row, strict=True)) for row in rows])


def _into_postgresql(connection: sa.Connection, table: sa.Table, rows: Sequence[tuple[Any, ...]]) -> None:
    # COPY takes a third of the time of INSERT
    driver = connection.connection.driver_connection
    assert driver is not None
    quoted = connection.dialect.identifier_preparer.quote
    names = ", ".join(quoted(column.name) for column in table.columns)
    is_json = [isinstance(column.type, sa.JSON) for column in table.columns]
    with driver.cursor() as cursor, cursor.copy(f"COPY {quoted(table.name)} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(
                [json.dumps(v, allow_nan=False) if j else v for v, j in zip(row, is_json, strict=True)]
            )


def _advance_ids(connection: sa.Connection, table: sa.Table) -> None:
    """Let numbered rows go on after the last one."""
    numbered = table.autoincrement_column
    if numbered is None:
        return
    last = connection.scalar(sa.select(sa.func.max(numbered)))
    if last is not None:
        sequence = sa.func.pg_get_serial_sequence(table.name, numbered.name)
        connection.execute(sa.select(sa.func.setval(sequence, last)))
