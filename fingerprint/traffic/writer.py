"""Writes result tables by file extension, whole or not at all, here or to object storage."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, BinaryIO

import orjson
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from fingerprint.base.files import replacing
from fingerprint.base.private import folder_for_output
from fingerprint.base.strings import harmless_texts
from fingerprint.domain.errors import StoreError, UsageError
from fingerprint.traffic.remote import FAILURES, STORES, RemoteFile, label_of, remote_file


def write_table(table: pa.Table, out: Path | str | None) -> None:
    """Write .jsonl, .csv or .parquet to a path or URL; None writes JSON lines to stdout. A reader never sees half a file.

    Raises UsageError for another extension or a bad URL, StoreError where the file cannot be written.
    """
    if out is None:
        _lines(table, sys.stdout.buffer)
        return
    check_extension(out)
    place = remote_file(out)
    if isinstance(place, RemoteFile):
        _send(table, place)
        return
    try:
        folder_for_output(place.parent)
        with replacing(place) as file:
            _write(table, place, file)
    except OSError as error:
        raise StoreError(f"{place} cannot be written: {error}") from error


def check_extension(out: Path | str) -> None:
    """Raise UsageError unless a table can be written under this name."""
    name = label_of(str(out))
    suffix = PurePath(name).suffix
    if suffix not in (".jsonl", ".csv", ".parquet"):
        raise UsageError(f"{name}: an extension .jsonl, .csv or .parquet expected, {suffix or 'none'} found")


def rejects_of(out: Path | str) -> Path:
    """Return where rows that cannot be used are listed: beside a table, and of one by URL in the working folder."""
    place = remote_file(out)
    file = Path(PurePosixPath(place.path).name) if isinstance(place, RemoteFile) else place
    return file.with_name(f"{file.stem}.rejects.jsonl")


def _send(table: pa.Table, place: RemoteFile) -> None:
    """Write a table on this machine, then send it in one go."""
    path = PurePosixPath(place.path)
    try:
        with tempfile.TemporaryFile() as file:
            _write(table, path, file)
            file.seek(0)
            if place.system.type_name in STORES:
                _copy(file, place.system, place.path)
            else:
                _by_way_of(
                    place.system, str(path.with_name(f".{path.name}.{os.getpid()}.tmp")), place.path, file
                )
    except FAILURES as error:
        raise StoreError(f"{place.label} cannot be written: {error}") from error


def _by_way_of(system: Any, aside: str, path: str, file: BinaryIO) -> None:
    system.create_dir(str(PurePosixPath(path).parent), recursive=True)
    try:
        _copy(file, system, aside)
        system.move(aside, path)
    except BaseException:
        with contextlib.suppress(*FAILURES):
            system.delete_file(aside)
        raise


def _copy(file: BinaryIO, system: Any, path: str) -> None:
    with system.open_output_stream(path, compression=None) as out:
        shutil.copyfileobj(file, out, 8 << 20)


def _write(table: pa.Table, name: PurePath, file: Any) -> None:
    writers: dict[str, Callable[[pa.Table, Any], None]] = {
        ".parquet": pyarrow.parquet.write_table,
        ".csv": _csv,
        ".jsonl": _lines,
    }
    writers[name.suffix](table, file)


def _csv(table: pa.Table, file: BinaryIO) -> None:
    """Write a table; a list is JSON text, and text that a spreadsheet would run begins with '."""
    for number, field in enumerate(table.schema):
        if pa.types.is_large_list(field.type):
            values = [orjson.dumps(value).decode() for value in table.column(number).to_pylist()]
            table = table.set_column(number, field.name, pa.array(values, pa.large_string()))
        elif pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            table = table.set_column(number, field.name, harmless_texts(table.column(number)))
    pyarrow.csv.write_csv(table, file)


def _lines(table: pa.Table, file: BinaryIO) -> None:
    batches = table.to_batches(max_chunksize=20_000)
    file.writelines(b"".join(orjson.dumps(row) + b"\n" for row in batch.to_pylist()) for batch in batches)
