"""The files of a spool: texts in packed batches, written and read by threads, for packing takes longer than reading."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa

from fingerprint.base.parallel import in_order, workers
from fingerprint.base.private import private_file
from fingerprint.base.types import IntArray
from fingerprint.domain.errors import StoreError

GROUP = 16
"""Batches that one thread unpacks at a time."""

MOST_PARTS = 1 / 16
"""Runs of consecutive rows, for each row, up to which they are not copied one by one."""

_SCHEMA = pa.schema([pa.field("text", pa.large_string())])
_PACKED = pa.ipc.IpcWriteOptions(compression=pa.Codec("zstd", compression_level=1))
_READ_OFTEN = pa.ipc.IpcWriteOptions(compression="lz4")  # D-039
_OPTIONS = {"texts": _READ_OFTEN, "sent": _PACKED}


class SpoolFiles:
    """The files of a spool while it is written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, pa.ipc.RecordBatchFileWriter] = {}
        self._written: dict[str, Future[None]] = {}
        self._threads = ThreadPoolExecutor(2)

    def __enter__(self) -> Self:
        with refusals(self._folder):
            for name, options in _OPTIONS.items():
                self._open[name] = self._new(name, options)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._threads.shutdown()
        refused = []
        for writer in self._open.values():
            try:
                writer.close()
            except OSError as error:
                refused.append(error)
        # after an error a writer that cannot end its file says nothing new
        if refused and kind is None:
            with refusals(self._folder):
                raise refused[0]

    def _new(self, name: str, options: pa.ipc.IpcWriteOptions | None) -> pa.ipc.RecordBatchFileWriter:
        return pa.ipc.new_file(str(private_file(self._folder / f"{name}.arrow")), _SCHEMA, options=options)

    def write(self, texts: pa.LargeStringArray, sent: pa.LargeStringArray, new: pa.BooleanArray) -> None:
        """Write those of some texts (n,), normalised and as sent, that are new (n,), once all before is written."""
        self.finish()
        for name, column in (("texts", texts), ("sent", sent)):
            self._written[name] = self._threads.submit(self._append, name, column, new)

    def finish(self) -> None:
        """Wait until all is written; raises StoreError when the disk refuses, as all here."""
        with refusals(self._folder):
            for written in self._written.values():
                written.result()

    def _append(self, name: str, column: pa.LargeStringArray, new: pa.BooleanArray) -> None:
        self._open[name].write_batch(pa.record_batch([column.filter(new)], schema=_SCHEMA))

    def write_names(
        self, accounts: pa.LargeStringArray, metadata: pa.LargeStringArray, facts: pa.Table
    ) -> None:
        """Write what the numbers of accounts (a,), of metadata (m,) and of facts (k,) stand for."""
        for name, column in (("accounts", accounts), ("metadata", metadata)):
            with refusals(self._folder), self._new(name, _PACKED) as writer:
                writer.write_batch(pa.record_batch([column], schema=_SCHEMA))
        path = self._folder / "facts.arrow"
        with (
            refusals(self._folder),
            pa.ipc.new_file(str(private_file(path)), facts.schema, options=_PACKED) as writer,
        ):
            writer.write_table(facts)


def forget_sent(folder: Path) -> None:
    """Remove the texts as sent: families are described, and nothing reads them any more."""
    with refusals(folder):
        (folder / "sent.arrow").unlink(missing_ok=True)


@contextmanager
def refusals(folder: Path) -> Iterator[None]:
    """Raise StoreError where the disk refuses to write to this folder."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{folder}: the night cannot be spooled: {error}") from error


def read_table(path: Path) -> pa.Table:
    """Return all of a file, mapped where it is not packed."""
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


def read_rows(
    path: Path, begins: IntArray, rows: IntArray, then: Callable[[pa.Array], pa.Array] | None = None
) -> pa.LargeStringArray:
    """Return some rows (m,), ascending, of a file whose batches begin at begins (b + 1,); others are not unpacked.

    then: what is made of them, row by row.
    """
    cuts = np.searchsorted(rows, begins)

    def read(pieces: IntArray) -> pa.LargeStringArray:
        parts = [pa.array([], pa.large_string())]
        with pa.memory_map(str(path)) as file:
            reader = pa.ipc.open_file(file)
            for number in pieces.tolist():
                inside = rows[cuts[number] : cuts[number + 1]] - begins[number]
                parts.append(reader.get_batch(number).column(0).take(pa.array(inside)))
        return pa.concat_arrays(parts) if then is None else then(pa.concat_arrays(parts))

    pieces = np.flatnonzero(np.diff(cuts))
    groups = np.array_split(pieces, max(1, len(pieces) // GROUP))
    return pa.concat_arrays(list(in_order(read, groups, threads=workers())))


def read_records(files: Sequence[tuple[Path, IntArray]], rows: IntArray) -> pa.RecordBatch:
    """Return some rows (m > 0,), ascending, of files that are not packed.

    files: each one's path, and the rows (b + 1,) at which its batches begin, counted over all files.
    """
    parts: list[pa.RecordBatch] = []
    for path, begins in files:
        cuts = np.searchsorted(rows, begins)
        batches = np.flatnonzero(np.diff(cuts)).tolist()
        if not batches:
            continue
        with pa.memory_map(str(path)) as file:
            reader = pa.ipc.open_file(file)
            for number in batches:
                inside = rows[cuts[number] : cuts[number + 1]] - begins[number]
                parts += _taken(reader.get_batch(number), inside)
    return pa.Table.from_batches(parts).combine_chunks().to_batches()[0]


def _taken(batch: pa.RecordBatch, rows: IntArray) -> list[pa.RecordBatch]:
    """Return some rows (m > 0,), ascending, of a batch: parts of it where they lie together, otherwise a copy."""
    begins = np.flatnonzero(np.diff(rows, prepend=rows[0] - 2) != 1)
    if len(begins) > MOST_PARTS * len(rows):
        return [batch.take(pa.array(rows))]
    lengths = np.diff(begins, append=len(rows))
    return [batch.slice(first, n) for first, n in zip(rows[begins].tolist(), lengths.tolist(), strict=True)]
