"""Simulated traffic as a stream of tables or as files, made by two threads ahead of the reader."""

from __future__ import annotations

import gzip
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Protocol

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from fingerprint.domain.errors import UsageError
from fingerprint.domain.schemas import ROW_SCHEMA
from fingerprint.simulate.config import Config, SimulationConfig
from fingerprint.simulate.lifelike.world import parts
from fingerprint.simulate.traffic import TRUTH_SCHEMA, stretch
from fingerprint.simulate.world import build, stretches

SUFFIXES = (".parquet", ".jsonl", ".jsonl.gz")
TRUTH_COLUMNS = ("request_id", "account_id", *TRUTH_SCHEMA.names)
_REPEATING = ["account_id", "system", "model", "metadata", *TRUTH_SCHEMA.names]

OnProgress = Callable[[int, int], None]
"""Called with the requests written so far and their total."""


def simulate(
    config: Config, *, chunk_rows: int | None = None, threads: int | None = None
) -> Iterator[pa.Table]:
    """Yield SIMULATED_SCHEMA tables in order of time.

    chunk_rows: rows of each table (the last may be shorter); by default some ten thousand, never across midnight.
    """
    made = _stretches(config, threads or os.cpu_count() or 1)
    return made if chunk_rows is None else _regroup(made, chunk_rows)


def _parts(config: Config) -> list[Callable[[], pa.Table]]:
    """Return what makes each part of the traffic, in order of time."""
    if not isinstance(config, SimulationConfig):
        return parts(config)
    world = build(config)
    return [
        partial(stretch, world, day, begin, end)
        for day in range(config.days)
        for begin, end in stretches(config.rows_on(day))
    ]


def _stretches(config: Config, threads: int) -> Iterator[pa.Table]:
    todo = iter(_parts(config))
    waiting: deque[Future[pa.Table]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for _ in range(threads + 1):
                if (part := next(todo, None)) is not None:
                    waiting.append(pool.submit(part))
            while waiting:
                table = waiting.popleft().result()
                if (part := next(todo, None)) is not None:
                    waiting.append(pool.submit(part))
                yield table
        finally:
            for future in waiting:
                future.cancel()


def _regroup(tables: Iterator[pa.Table], rows: int) -> Iterator[pa.Table]:
    if rows < 1:
        raise UsageError(f"chunk_rows: at least 1 expected, {rows} found")
    pending: list[pa.Table] = []
    count = 0
    for table in tables:
        pending.append(table)
        count += table.num_rows
        while count >= rows:
            joined = pa.concat_tables(pending)
            yield joined.slice(0, rows).combine_chunks()
            pending, count = [joined.slice(rows)], count - rows
    if count:
        yield pa.concat_tables(pending).combine_chunks()


def write(
    config: Config, out: Path, *, truth: Path | None = None, on_progress: OnProgress | None = None
) -> list[Path]:
    """Write the traffic, and the ground truth to `truth`, and return the traffic files.

    out: a file (.parquet, .jsonl or .jsonl.gz) of all days, or a directory that gets day1.parquet, day2.parquet …
    """
    if truth is not None:
        suffix(truth)
    as_directory = not out.name.endswith(SUFFIXES)
    if as_directory and out.suffix:
        suffix(out)
    files: dict[str, Path] = {}
    done = 0
    with ExitStack() as stack:
        truth_writer = stack.enter_context(open_writer(truth)) if truth is not None else None
        day_stack = stack.enter_context(ExitStack())
        writer: Writer | None = None
        for table in simulate(config):
            day = table["day"][0].as_py() if as_directory and table.num_rows else out.name
            if day not in files:
                day_stack.close()
                files[day] = out / f"{day}.parquet" if as_directory else out
                writer = day_stack.enter_context(open_writer(files[day]))
            assert writer is not None
            writer.write(table.select(ROW_SCHEMA.names))
            if truth_writer is not None:
                truth_writer.write(table.select(TRUTH_COLUMNS))
            done += table.num_rows
            if on_progress is not None:
                on_progress(done, config.rows)
    return list(files.values())


def suffix(path: Path) -> str:
    """Return the one of SUFFIXES that the name ends in; UsageError if none."""
    for known in reversed(SUFFIXES):
        if path.name.endswith(known):
            return known
    raise UsageError(f"a name ending in {', '.join(SUFFIXES)} expected, {path.name!r} found")


class Writer(Protocol):
    """Takes tables of one schema, one after another."""

    def write(self, table: pa.Table) -> None:
        """Append a table."""


@contextmanager
def open_writer(path: Path) -> Iterator[Writer]:
    """Return a writer in the format of the path's suffix; its directory is made."""
    kind = suffix(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == ".parquet":
        with _Parquet(path) as parquet:
            yield parquet
        return
    with ExitStack() as stack:
        raw = stack.enter_context(path.open("wb"))
        # no name and no time in the header: the same rows give the same bytes
        file = stack.enter_context(gzip.GzipFile("", "wb", 6, raw, 0)) if kind == ".jsonl.gz" else raw
        yield _Lines(file)


class _Parquet:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> _Parquet:
        return self

    def write(self, table: pa.Table) -> None:
        if self._writer is None:
            repeating = [name for name in _REPEATING if name in table.column_names]
            self._writer = pq.ParquetWriter(
                self._path, table.schema, compression="zstd", compression_level=1, use_dictionary=repeating
            )
        self._writer.write_table(table)

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()


class _Lines:
    def __init__(self, file: IO[bytes] | gzip.GzipFile) -> None:
        self._file = file

    def write(self, table: pa.Table) -> None:
        rows = table.to_pylist()
        for row in rows:
            if "timestamp" in row:
                row["timestamp"] = row["timestamp"].isoformat(timespec="milliseconds").replace("+00:00", "Z")
            if row.get("metadata") is not None:
                row["metadata"] = orjson.Fragment(row["metadata"])
        self._file.write(b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows))
