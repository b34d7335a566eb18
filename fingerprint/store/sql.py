"""Rows in and out of the database in bulk: upserts, and Arrow tables to and from SQL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import Any, TypeVar

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

Row = dict[str, Any]
_Item = TypeVar("_Item")
_CHUNK = 10_000


def upsert(
    connection: sa.Connection,
    table: sa.Table,
    rows: Sequence[Row],
    *,
    keep: Iterable[str] = (),
    widen: Sequence[str] = (),
) -> None:
    """Insert rows of equal columns, or update those whose primary key is there.

    An update leaves the columns named in `keep`; of `widen`, a pair of columns, the first only falls and the second
    only rises.
    """
    if not rows:
        return
    insert = _insert(connection, table)
    new = insert.excluded
    changed = {name: new[name] for name in rows[0] if name not in {*keep, *table.primary_key.columns.keys()}}
    if widen:
        low, high = widen
        changed[low] = sa.case((new[low] < table.c[low], new[low]), else_=table.c[low])
        changed[high] = sa.case((new[high] > table.c[high], new[high]), else_=table.c[high])
    if changed:
        statement = insert.on_conflict_do_update(index_elements=list(table.primary_key), set_=changed)
    else:
        statement = insert.on_conflict_do_nothing()
    for chunk in chunks(rows):
        connection.execute(statement, chunk)


def _insert(connection: sa.Connection, table: sa.Table) -> Any:
    if connection.dialect.name != "postgresql":
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # a home on SQLite starts without it

    return postgresql.insert(table)


def insert_arrow(
    connection: sa.Connection, table: sa.Table, rows: pa.Table, schema: pa.Schema, *, batch_id: str
) -> None:
    """Insert an Arrow table of (at least) the schema's columns as rows of one batch; raises pa.ArrowInvalid, KeyError.

    Past SQLAlchemy's way of one set of named parameters a row, which takes two (SQLite) to five times as long.
    """
    names = ["batch_id", *schema.names]
    if connection.dialect.name == "postgresql":
        columns = [
            sa.func.unnest(sa.bindparam(name, type_=sa.ARRAY(table.c[name].type))) for name in schema.names
        ]
        statement = sa.insert(table).from_select(names, sa.select(sa.literal(batch_id), *columns))
        for batch in _batches(rows, schema):
            connection.execute(statement, batch.to_pydict())
        return
    utc = pa.schema([f.with_type(pa.timestamp("us")) if pa.types.is_timestamp(f.type) else f for f in schema])
    plain = pa.schema([f.with_type(pa.large_string()) if pa.types.is_temporal(f.type) else f for f in schema])
    sql = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join('?' for _ in names)})"  # noqa: S608
    for batch in _batches(rows.select(schema.names).cast(schema).cast(utc), plain):
        values = zip(repeat(batch_id), *(column.to_pylist() for column in batch.columns), strict=False)
        connection.exec_driver_sql(sql, list(values))


def _batches(table: pa.Table, schema: pa.Schema) -> list[pa.RecordBatch]:
    batches: list[pa.RecordBatch] = table.select(schema.names).cast(schema).to_batches(max_chunksize=_CHUNK)
    return batches


def arrow_table(connection: sa.Connection, statement: sa.Select[Any], schema: pa.Schema) -> pa.Table:
    """Run a query into an Arrow table, sorted by the schema's string and date columns."""
    result = connection.execution_options(yield_per=_CHUNK).execute(statement)
    batches = [
        pa.record_batch(
            [
                pa.array(values, type=field.type)
                for field, values in zip(schema, zip(*rows, strict=True), strict=True)
            ],
            schema=schema,
        )
        for rows in result.partitions()
    ]
    keys = [(f.name, "ascending") for f in schema if not pa.types.is_integer(f.type)]
    # the databases sort text by their own rules
    return pa.Table.from_batches(batches, schema=schema).sort_by(keys)


def chunks(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    """Cut a sequence into pieces that one statement takes (SQLite's limit is 32,766 parameters)."""
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]
