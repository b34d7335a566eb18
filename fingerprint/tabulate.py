"""Writes result tables by file extension, whole or not at all."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import BinaryIO

import orjson
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from fingerprint.errors import StoreError, UsageError


def write_table(table: pa.Table, out: Path | None) -> None:
    """Write .jsonl, .csv or .parquet; None writes JSON lines to stdout. A reader never sees half a file.

    Raises UsageError for another extension, StoreError where the file cannot be written.
    """
    if out is None:
        _lines(table, sys.stdout.buffer)
        return
    check_extension(out)
    aside = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("wb") as file:
            if out.suffix == ".parquet":
                pyarrow.parquet.write_table(table, file)
            elif out.suffix == ".csv":
                pyarrow.csv.write_csv(table, file)
            else:
                _lines(table, file)
        aside.replace(out)
    except OSError as error:
        raise StoreError(f"{out} cannot be written: {error}") from error
    finally:
        with contextlib.suppress(OSError):
            aside.unlink()


def check_extension(out: Path) -> None:
    """Raise UsageError unless a table can be written under this name."""
    if out.suffix not in (".jsonl", ".csv", ".parquet"):
        raise UsageError(
            f"{out}: an extension .jsonl, .csv or .parquet expected, {out.suffix or 'none'} found"
        )


def _lines(table: pa.Table, file: BinaryIO) -> None:
    batches = table.to_batches(max_chunksize=20_000)
    file.writelines(b"".join(orjson.dumps(row) + b"\n" for row in batch.to_pylist()) for batch in batches)
