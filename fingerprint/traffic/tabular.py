"""CSV and Parquet: native columns checked column by column, other columns handed on as objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fingerprint.base.jit import njit
from fingerprint.base.types import Bools, Bytes, IntArray
from fingerprint.domain.errors import InputError
from fingerprint.domain.reading import Reading
from fingerprint.domain.schemas import FACTS, ROW_SCHEMA, SECTION_MARK, SYSTEM_END, TRAFFIC_SCHEMA, TURN_END
from fingerprint.traffic.arrow_values import values_of
from fingerprint.traffic.csv_records import TOO_LONG, csv_records
from fingerprint.traffic.metadata import metadata_json
from fingerprint.traffic.rejects import BadRow, RejectKind
from fingerprint.traffic.remote import BUFFER_BYTES
from fingerprint.traffic.requests import READ_ELSEWHERE
from fingerprint.traffic.sources import ByteStream, Source
from fingerprint.traffic.timestamps import EXPECTED, describe, utc_column

NATIVE = ("request_id", "account_id", "timestamp", "prompt")
BLOCK_BYTES = 8 << 20
_STEP = 1 << 12
_FIRST, _LAST = np.uint8(ord(SYSTEM_END)), np.uint8(ord(SECTION_MARK))  # TURN_END is between
ID_BYTES = 2_000  # PostgreSQL indexes no longer ones, and takes no NUL in a text

ID_EXPECTED = f"at most {ID_BYTES:,} bytes without a NUL expected, others found"

Numbers = IntArray
Check = tuple[Bools, RejectKind, str]


@dataclass(frozen=True, slots=True)
class TableBlock:
    """Some rows of a table with their 1-based numbers; `bad` are rows that the file's own syntax spoils."""

    table: pa.Table
    numbers: Numbers
    bad: list[tuple[int, BadRow]] = field(default_factory=list)
    share: float = 0.0  # of the file read so far


def is_native(schema: pa.Schema) -> bool:
    """Tell whether a table has our own columns in types that can be checked column by column."""
    kinds = {name: schema.field(name).type for name in schema.names}
    texts = all(_is_text(kinds[name]) for name in ("prompt", "system", "model") if name in kinds)
    ids = all(
        _is_text(kinds[name]) or pa.types.is_integer(kinds[name]) for name in NATIVE[:2] if name in kinds
    )
    says_more = not READ_ELSEWHERE.isdisjoint(kinds)
    return texts and ids and kinds.keys() >= set(NATIVE) and not says_more


def renamed(table: pa.Table, reading: Reading) -> pa.Table | None:
    """Apply to a table's columns what is said of how they are read; None if that takes more than that."""
    mapping = reading.mapping
    if (
        reading.shared
        or not set(mapping) <= set(TRAFFIC_SCHEMA.names)
        or not set(mapping.values()) <= set(table.column_names)
    ):
        return None
    kept = {name: table.column(name) for name in table.column_names if name not in mapping}
    kept |= {name: table.column(column) for name, column in mapping.items()}
    for name, value in (("account_id", reading.account), ("timestamp", reading.time)):
        if value is not None:
            kept[name] = pa.repeat(pa.scalar(value, pa.large_string()), len(table))
    return pa.table(kept)


def with_columns(table: pa.Table, values: Mapping[str, str]) -> pa.Table:
    """Add columns of one value each, but for those that the table has."""
    for name, value in values.items():
        if name not in table.column_names:
            table = table.append_column(name, pa.repeat(pa.scalar(value, pa.large_string()), len(table)))
    return table


def read_parquet(source: Source, rows: int, columns: Sequence[str] | None = None) -> Iterator[TableBlock]:
    """Read Parquet in blocks of at most `rows` rows and about BLOCK_BYTES; InputError if it is damaged.

    columns: of a native file only these are read; None reads all.
    """
    assert source.path is not None
    if source.size == 0:
        return
    try:
        buffer = 1 << 20 if source.system is None else BUFFER_BYTES
        with pq.ParquetFile(
            source.path, filesystem=source.system, buffer_size=buffer, pre_buffer=False
        ) as file:
            _check_names(source, file.schema_arrow.names)
            groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
            widest = max((g.total_byte_size / max(g.num_rows, 1) for g in groups), default=1.0)
            size = max(1, min(rows, int(BLOCK_BYTES / max(widest, 1.0))))
            names = file.schema_arrow.names
            wanted = [n for n in names if n in columns] if columns and is_native(file.schema_arrow) else None
            done = 0
            for batch in file.iter_batches(batch_size=size, columns=wanted):
                numbers = np.arange(done + 1, done + 1 + len(batch))
                done += len(batch)
                yield TableBlock(pa.Table.from_batches([batch]), numbers, share=done / file.metadata.num_rows)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        # the last: a column's name is no UTF-8
        raise InputError(f"{source.label}: not a readable Parquet file: {error}") from error


def read_csv(source: Source, blocks: ByteStream, rows: int, limit: int) -> Iterator[TableBlock]:
    """Read a CSV file with a header line in blocks of at most `rows` rows and about BLOCK_BYTES of text.

    Bad rows have a wrong number of cells, a cell over `limit` bytes or invalid UTF-8. Empty cells are null.
    """
    reader = csv_records(blocks, limit)
    header = next(reader, [])
    if isinstance(header, BadRow):
        raise InputError(f"{source.label}: the header line cannot be read: {header.reason}")
    if any(TOO_LONG in name for name in header):
        raise InputError(f"{source.label}: the header line is longer than {limit:,} bytes")
    # what is no UTF-8 in a name makes it the name of another column, and spoils no row
    header = [name.encode(errors="surrogateescape").decode(errors="replace") for name in header]
    header = [_our_name(name, header) for name in header]
    _check_names(source, header)
    number = 0
    ended = not header
    while not ended:
        cells: list[list[str]] = []
        numbers: list[int] = []
        bad: list[tuple[int, BadRow]] = []
        size = 0
        while len(numbers) < rows and size < BLOCK_BYTES and not ended:
            row = next(reader, None)
            if row is None:
                ended = True
                continue
            number += 1
            if isinstance(row, BadRow):
                bad.append((number, row))
            elif len(row) != len(header):
                bad.append((number, _wrong_width(len(header), row)))
            else:
                cells.append(row)
                numbers.append(number)
                size += sum(map(len, row))
        yield _csv_block(header, cells, numbers, bad)


def check_native(block: TableBlock, limit: int) -> tuple[pa.RecordBatch, list[tuple[int, BadRow]]]:
    """Bring a native table to TRAFFIC_SCHEMA; return the good rows, and the bad ones' numbers and reasons."""
    table = block.table
    names = ("request_id", "account_id", "system", "prompt", "model")
    (ids, accounts, system, prompt, model), spoilt = zip(
        *(_text_column(table, n) for n in names), strict=True
    )
    raw_time = table.column("timestamp").combine_chunks()
    if _is_text(raw_time.type):
        raw_time, _ = _text_column(table, "timestamp")
        raw_time = pc.if_else(pa.array(_empty(raw_time)), None, raw_time)
    time = utc_column(raw_time)
    metadata, metadata_bad = _metadata_column(table)
    checks: list[Check] = [
        (np.logical_or.reduce(spoilt), "invalid_utf8", "a text is not valid UTF-8"),
        (_empty(ids), "missing_request_id", "no request_id: the column is empty here"),
        (_empty(accounts), "missing_account_id", "no account_id: the column is empty here"),
        (unusable(ids), "bad_id", f"request_id: {ID_EXPECTED}"),
        (unusable(accounts), "bad_account", f"account_id: {ID_EXPECTED}"),
        (_mask(pc.is_null(raw_time)), "missing_timestamp", "no timestamp: the column is empty here"),
        (_mask(pc.is_null(time)), "bad_timestamp", f"timestamp: {EXPECTED}, "),
        (_length(prompt) + _length(system) > limit, "too_long", f"over {limit:,} bytes"),
        (_empty(prompt) & _empty(system), "no_text", "no text: neither user nor system text found"),
        (metadata_bad, "wrong_type", "metadata: an object expected, something else found"),
    ]
    first = _first_failure(checks)
    bad = []
    for row in np.flatnonzero(first >= 0).tolist():
        _, kind, reason = checks[first[row]]
        found = f"{_described(raw_time[row])} found" if kind == "bad_timestamp" else ""
        bad.append((int(block.numbers[row]), BadRow(kind, reason + found)))
    system, model = (pc.if_else(pa.array(_empty(column)), None, column) for column in (system, model))
    texts = (_cleaned(system), _cleaned(pc.fill_null(prompt, "")), model, metadata)
    columns = [ids, accounts, time, *texts, pa.nulls(len(table), FACTS)]
    if bad:
        columns = [column.filter(pa.array(first < 0)) for column in columns]
    return pa.RecordBatch.from_arrays(columns, schema=TRAFFIC_SCHEMA), bad


def unusable(ids: pa.Array) -> Bools:
    """Tell which ids no database can hold."""
    return _mask(pc.fill_null(pc.match_substring(ids, "\0"), False)) | (_length(ids) > ID_BYTES)


def _described(time: pa.Scalar) -> str:
    """Describe a time that is none; not all that Arrow has can be a value of Python."""
    try:
        return describe(time.as_py())
    except (ValueError, OverflowError):
        return f"a value of type {time.type}"


def _first_failure(checks: Sequence[Check]) -> npt.NDArray[np.int8]:
    """Return for each row the index of the first check that fails it, -1 if none does."""
    first = np.full(len(checks[0][0]), -1, np.int8)
    for i, (fails, _, _) in enumerate(checks):
        first[fails & (first < 0)] = i
    return first


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    t = pa.types
    checks = (t.is_string, t.is_large_string, t.is_string_view, t.is_binary, t.is_large_binary, t.is_null)
    return any(check(kind) for check in checks)


def _mask(array: pa.Array) -> Bools:
    return np.asarray(array.to_numpy(zero_copy_only=False), dtype=np.bool_)


def _length(column: pa.Array) -> Numbers:
    return np.asarray(pc.fill_null(pc.binary_length(column), 0), dtype=np.int64)


def _empty(column: pa.Array) -> Bools:
    return _mask(pc.fill_null(pc.equal(pc.binary_length(column), 0), True))


def _text_column(table: pa.Table, name: str) -> tuple[pa.Array, Bools]:
    """Return a column as large_string and which of its rows hold invalid UTF-8 (null in the array)."""
    spoilt = np.zeros(len(table), np.bool_)
    if name not in table.column_names:
        return pa.nulls(len(table), pa.large_string()), spoilt
    column = table.column(name).combine_chunks()
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_integer(column.type):
        return column.cast(pa.large_string()), spoilt
    raw = column.cast(pa.large_binary())
    try:
        # this cast validates, reading a string column from Parquet does not
        return raw.cast(pa.large_string()), spoilt
    except pa.ArrowInvalid:
        texts = [_decoded(value) for value in raw.to_pylist()]
        decoded = pa.array(texts, pa.large_string())
        return decoded, _mask(pc.and_(pc.is_null(decoded), pc.is_valid(raw)))


def _decoded(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None


def _cleaned(column: pa.Array) -> pa.Array:
    """Replace the separators by spaces, and leave marks out; looking at the bytes first is many times faster than the regex."""
    buffer = column.buffers()[2]
    data = np.frombuffer(buffer, np.uint8) if buffer is not None else np.empty(0, np.uint8)
    if not _holds_separator(data):
        return column
    parted = pc.replace_substring_regex(column, f"[{SYSTEM_END}{TURN_END}]", " ")
    return pc.replace_substring(parted, SECTION_MARK, "")


@njit(cache=True, nogil=True)
def _holds_separator(data: Bytes) -> bool:
    for begin in range(0, len(data), _STEP):
        found = False
        for byte in data[begin : begin + _STEP]:
            found |= _FIRST <= byte <= _LAST
        if found:
            return True
    return False


def _metadata_column(table: pa.Table) -> tuple[pa.Array, Bools]:
    """Return the metadata as compact JSON and which rows hold no object; equal texts are parsed once."""
    bad = np.zeros(len(table), np.bool_)
    if "metadata" not in table.column_names:
        return pa.nulls(len(table), pa.large_string()), bad
    column = table.column("metadata").combine_chunks()
    where: pa.Array | None = None
    if _is_text(column.type):
        encoded = _text_column(table, "metadata")[0].dictionary_encode()
        where, column = encoded.indices, encoded.dictionary
    values: list[bytes | None] = []
    wrong = np.zeros(len(column), np.bool_)
    for i, value in enumerate(values_of(column)):
        try:
            values.append(metadata_json(value))
        except BadRow:
            values.append(None)
            wrong[i] = True
    texts = pa.array(values, pa.large_binary()).cast(pa.large_string())
    if where is None:
        return texts, wrong
    return texts.take(where), _mask(pc.fill_null(pa.array(wrong).take(where), False))


def _check_names(source: Source, names: Sequence[str]) -> None:
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise InputError(
            f"{source.label}: column names must differ, but {', '.join(twice)} occurs more than once"
        )


def _our_name(name: str, header: Sequence[str]) -> str:
    """Return the name of one of our own columns that is written another way (`Request_ID`) as we write it."""
    small = name.strip().lower()
    return small if small in ROW_SCHEMA.names and small not in header else name


def _wrong_width(width: int, row: Sequence[str]) -> BadRow:
    if any(TOO_LONG in cell for cell in row):
        return BadRow("too_long", "a line of this row is too long")
    return BadRow("wrong_columns", f"{width} cells expected, {len(row)} found")


def _csv_block(
    header: list[str], cells: list[list[str]], numbers: list[int], bad: list[tuple[int, BadRow]]
) -> TableBlock:
    try:
        table = _csv_table(header, cells)
    except UnicodeEncodeError:
        good = []
        for number, row in zip(numbers, cells, strict=True):
            text = "".join(row)
            if TOO_LONG in text:
                bad.append((number, BadRow("too_long", "a line of this row is too long")))
            elif any("\udc80" <= char <= "\udcff" for char in text):
                bad.append((number, BadRow("invalid_utf8", "not valid UTF-8")))
            else:
                good.append((number, row))
        numbers, table = [number for number, _ in good], _csv_table(header, [row for _, row in good])
    return TableBlock(table, np.array(numbers, np.int64), bad)


def _csv_table(header: list[str], cells: list[list[str]]) -> pa.Table:
    columns = [pa.array(column, pa.large_string()) for column in zip(*cells, strict=True)]
    if not columns:
        columns = [pa.array([], pa.large_string())] * len(header)
    filled = [pc.if_else(pc.equal(column, ""), None, column) for column in columns]
    return pa.Table.from_arrays(filled, header)
