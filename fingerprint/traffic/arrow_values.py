"""Columns of any Arrow type, brought to types whose values Python holds without loss or failure."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pyarrow as pa

Convert = Callable[[pa.Array], pa.Array]


def plain(table: pa.Table) -> pa.Table:
    """Return a table in which times are numbers of their unit, decimals and dates text, fixed bytes hexadecimal.

    Python's datetime ends in the year 9999 and knows no nanoseconds, and a decimal is no id. What cannot be converted
    is null.
    """
    columns = [_plain_column(table.column(name)) for name in table.column_names]
    return pa.Table.from_arrays(columns, table.column_names)


def one_row(table: pa.Table) -> dict[str, Any]:
    """Return a row in which of a map's equal keys the last counts."""
    with warnings.catch_warnings(action="ignore"):
        return dict(table.to_pylist(maps_as_pydicts="lossy")[0])


def values_of(column: pa.Array) -> list[Any]:
    """Return the values of a column (n,), converted as `plain` does; of a map's equal keys the last counts."""
    with warnings.catch_warnings(action="ignore"):
        return list(_plain_column(pa.chunked_array([column])).to_pylist(maps_as_pydicts="lossy"))


def _plain_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if not _is_odd(kind):
        return column
    try:
        return pa.chunked_array([_plain_array(chunk) for chunk in column.chunks] or [pa.nulls(0)])
    except (pa.ArrowException, ValueError):
        return pa.chunked_array([pa.nulls(len(column))])


def _is_odd(kind: Any) -> bool:
    t = pa.types
    if isinstance(kind, pa.ExtensionType | pa.BaseExtensionType) or t.is_dictionary(kind):
        return isinstance(kind, pa.BaseExtensionType) or _is_odd(kind.value_type)
    if t.is_struct(kind) or t.is_map(kind) or _is_list(kind):
        return any(_is_odd(kind.field(i).type) for i in range(kind.num_fields))
    return any(
        is_kind(kind)
        for is_kind in (
            *(t.is_timestamp, t.is_duration, t.is_date, t.is_time, t.is_decimal),
            *(t.is_fixed_size_binary, t.is_interval, t.is_float16),
        )
    )


def _is_list(kind: Any) -> bool:
    t = pa.types
    return bool(t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind))


def _plain_array(array: pa.Array) -> pa.Array:
    """Convert one array, and what it holds."""
    t, kind = pa.types, array.type
    if isinstance(kind, pa.BaseExtensionType):
        return _plain_array(array.storage)
    if not _is_odd(kind):
        return array
    if t.is_dictionary(kind):
        return _plain_array(array.dictionary_decode())
    if t.is_timestamp(kind) or t.is_duration(kind):
        return array.cast(pa.int64())
    if t.is_date(kind) or t.is_time(kind) or t.is_decimal(kind):
        return array.cast(pa.string())
    if t.is_float16(kind):
        return array.cast(pa.float32())
    if t.is_fixed_size_binary(kind):
        return pa.array([None if v is None else v.hex() for v in array.to_pylist()], pa.string())
    if t.is_struct(kind):
        fields = [_plain_array(array.field(i)) for i in range(kind.num_fields)]
        return pa.StructArray.from_arrays(
            fields, [kind.field(i).name for i in range(kind.num_fields)], mask=array.is_null()
        )
    if t.is_map(kind):
        return pa.MapArray.from_arrays(_offsets(array), _plain_array(array.keys), _plain_array(array.items))
    if t.is_fixed_size_list(kind):
        return _plain_array(array.cast(pa.list_(kind.value_type)))
    if _is_list(kind):
        made = pa.LargeListArray if t.is_large_list(kind) else pa.ListArray
        return made.from_arrays(_offsets(array), _plain_array(array.values))
    return pa.nulls(len(array))


def _offsets(array: pa.Array) -> pa.Array:
    """Return where each list begins and ends, null where there is none."""
    offsets = array.offsets
    if not array.null_count:
        return offsets
    missing = pa.concat_arrays([array.is_null(), pa.array([False])])
    return pa.array(offsets.to_pylist(), offsets.type, mask=missing.to_numpy(zero_copy_only=False))
