"""Traffic of any known shape, streamed into Arrow batches of one schema."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import orjson
import pyarrow as pa

from fingerprint.base.hash_tables import SeenIds
from fingerprint.base.hashing import hash_strings
from fingerprint.base.types import Bools, IntArray
from fingerprint.domain.errors import UsageError
from fingerprint.domain.reading import Reading
from fingerprint.domain.results import IngestReport
from fingerprint.domain.schemas import TRAFFIC_SCHEMA
from fingerprint.traffic.alike import RowsAlike
from fingerprint.traffic.arrow_values import one_row, plain
from fingerprint.traffic.batches import coalesced
from fingerprint.traffic.content_hash import ContentHash
from fingerprint.traffic.documents import Row, documents
from fingerprint.traffic.facts import facts_column
from fingerprint.traffic.inspection import Trace
from fingerprint.traffic.jsonl import read_rows
from fingerprint.traffic.lenient_json import UNDECODABLE
from fingerprint.traffic.line_values import rows_of_faulty, with_exact_integers
from fingerprint.traffic.log_formats import rows_in
from fingerprint.traffic.plausibility import Plausibility
from fingerprint.traffic.rejects import BadRow, Rejects, json_type
from fingerprint.traffic.requests import Fields, Request, extract, native_fields
from fingerprint.traffic.row_reading import RowReading
from fingerprint.traffic.server_logs import ServerLog
from fingerprint.traffic.sources import (
    LINE_BYTES,
    TEXT_BYTES,
    ByteStream,
    Lines,
    Source,
    find_sources,
    lines_of,
    passed_over,
)
from fingerprint.traffic.tabular import (
    ID_EXPECTED,
    TableBlock,
    check_native,
    is_native,
    read_csv,
    read_parquet,
    renamed,
    unusable,
    with_columns,
)
from fingerprint.traffic.timestamps import EXPECTED, describe, utc_values

ReadProgress = Callable[[int, int | None, int], None]
"""Called with bytes read, bytes in all (None when unknown) and rows read."""

_TRIED = 8
DOCUMENT_BYTES = 64 << 20


def read_traffic(
    sources: Sequence[str | Path],
    *,
    rejects: Path | None,
    max_rejects: int | None = None,
    reading: Reading | None = None,
    batch_rows: int = 50_000,
    line_bytes: int = LINE_BYTES,
    columns: Sequence[str] | None = None,
    on_progress: ReadProgress | None = None,
    stdin: BinaryIO | None = None,
    trace: Trace | None = None,
) -> TrafficReader:
    """Read files, directories and "-" (JSONL on stdin) as batches of TRAFFIC_SCHEMA.

    rejects: where rejected rows are listed (file, line, kind, reason; never their text); None: only counts.
    max_rejects: more rejected rows than this raise TooManyRejects; None allows any number.
    reading: how rows are read; None: as they are.
    line_bytes: longer lines are rejected, and so are texts longer than that or than TEXT_BYTES.
    trace: is told of each row that is not of our own.
    columns: the columns that are wanted of Parquet files that have ours, and of lines that are rows of ours; the others are null. None
    wants all.
    Raises InputError for a source that is missing, unknown or unreadable, and while iterating, when batches
    may already have been handed out, for one that turns out damaged: store nothing before the end.
    Raises UsageError for a bad mapping.
    """
    if batch_rows < 1:
        raise UsageError(f"batch_rows: at least 1 expected, {batch_rows} found")
    options = _Options(reading or Reading(), batch_rows, line_bytes, columns, on_progress, stdin, trace)
    plausibility = Plausibility(passed_over(sources))
    return TrafficReader(find_sources(sources), Rejects(rejects, max_rejects), options, plausibility)


@dataclass(frozen=True, slots=True)
class _Options:
    reading: Reading
    batch_rows: int
    line_bytes: int
    columns: Sequence[str] | None
    on_progress: ReadProgress | None
    stdin: BinaryIO | None
    trace: Trace | None


class TrafficReader:
    """Iterates once over RecordBatches of TRAFFIC_SCHEMA; `report` and `content_hash` hold at the end.

    A batch has at most `batch_rows` rows and about BATCH_BYTES. A request id that came before in the same run,
    in whatever file, is a duplicate and left out: the first one counts (SeenIds: memory and certainty).
    """

    def __init__(
        self, sources: Sequence[Source], rejects: Rejects, options: _Options, plausibility: Plausibility
    ) -> None:
        self._sources = sources
        self._rejects = rejects
        self._options = options
        self._reading = RowReading.of(options.reading)
        self._alike = RowsAlike(self._reading)
        self._seen = SeenIds()
        self._hash = ContentHash()
        self._plausibility = plausibility
        self._no_plain_rows = False
        self._server_log = ServerLog(None, whole=False)
        self._rows_read = self._accepted = self._duplicates = 0

    @property
    def named(self) -> str:
        """The sources by name, for messages."""
        return ", ".join(source.label for source in self._sources)

    @property
    def is_pipe(self) -> bool:
        """Whether any source is one of which nobody knows when more comes."""
        return any(source.path is None for source in self._sources)

    @property
    def content_hash(self) -> str:
        """A hash of id, account and time of all accepted rows; neither file names nor the order matter.

        Of rows that share an id the first is hashed, so where these differ the order of files matters.
        """
        return self._hash.hexdigest()

    @property
    def _text_bytes(self) -> int:
        return min(self._options.line_bytes, TEXT_BYTES)

    @property
    def rejected(self) -> dict[str, str]:
        """Of each kind of rejected rows the first: its file, its line and the reason."""
        return dict(self._rejects.examples)

    def report(self) -> IngestReport:
        """Return the counts; rows_read == accepted + rejected + duplicates."""
        path = self._rejects.path
        return IngestReport(
            rows_read=self._rows_read,
            accepted=self._accepted,
            rejected=self._rejects.total,
            duplicates=self._duplicates,
            reasons=dict(sorted(self._rejects.reasons.items())),
            rejects_path=None if path is None else str(path),
            left_out=self._plausibility.left_out,
            warnings=self._plausibility.warnings(),
        )

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            for batch in coalesced(self._blocks(), self._options.batch_rows):
                fresh = self._without_duplicates(batch)
                if len(fresh):
                    yield fresh
        finally:
            self._rejects.close()
            self._seen = SeenIds()  # the job that reads goes on without the ids

    def _without_duplicates(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        ids = hash_strings(batch.column("request_id"))
        new = self._seen.first_time(ids)
        fresh = batch if new.all() else batch.filter(pa.array(new))
        times = fresh.column("timestamp").cast(pa.int64()).to_numpy()
        self._hash.add(ids[new], hash_strings(fresh.column("account_id")), times)
        self._plausibility.add(fresh)
        self._accepted += len(fresh)
        self._duplicates += len(batch) - len(fresh)
        return fresh

    def _blocks(self) -> Iterator[pa.RecordBatch]:
        sizes = [source.size for source in self._sources]
        total = None if None in sizes else sum(size or 0 for size in sizes)
        done = 0
        for source in self._sources:
            for batch, read in self._read(source):
                if self._options.on_progress is not None:
                    self._options.on_progress(done + read, total, self._rows_read)
                yield batch
            done += source.size or 0

    def _read(self, source: Source) -> Iterator[tuple[pa.RecordBatch, int]]:
        """Yield the good rows of one source, block by block, with the bytes read so far."""
        rows, limit = self._options.batch_rows, self._options.line_bytes
        # the ids of one batch file alone are unique as they are
        self._reading = self._reading.in_file(
            source.label if len(self._sources) > 1 else None, source.partitions
        )
        self._server_log = ServerLog(source.changed, whole=source.format == "log")
        if source.format == "parquet":
            for block in read_parquet(
                source, rows, self._options.columns if self._reading.is_plain else None
            ):
                yield self._from_table(source.label, block), int(block.share * (source.size or 0))
            return
        stream = ByteStream(source, self._options.stdin)
        if source.format == "csv":
            for block in read_csv(source, stream, rows, limit):
                yield self._from_table(source.label, block), stream.consumed
        elif _may_be_document(source) and (items := _document(stream)) is not None:
            rows_of = (Row(number, item) for number, item in enumerate(items, 1))
            yield self._from_items(source.label, rows_of), stream.consumed
        else:
            number = 1
            for lines in lines_of(stream, limit, lambda: self._no_plain_rows):
                yield self._from_lines(source.label, number, lines), stream.consumed
                number += len(lines)

    def _from_lines(self, label: str, first: int, lines: Lines) -> pa.RecordBatch:
        if not self._reading.is_plain:
            return self._from_items(
                label, self._parsed(label, ((first + i, lines[i]) for i in range(len(lines))))
            )
        batch, read = self._plain_rows(lines.up_to(self._text_bytes))
        self._rows_read += len(batch)
        if len(batch) == len(lines):
            return batch
        alike, which = self._alike_rows(lines.up_to(self._text_bytes), ~read)
        self._rows_read += len(alike)
        if len(alike) == len(lines):
            return alike
        left = ((first + i, lines[i]) for i in np.flatnonzero(~(read | which)).tolist())
        others, numbers = self._numbered(label, self._parsed(label, left))
        if not len(batch) and not len(alike):
            return others
        numbers = np.concatenate([np.flatnonzero(read) + first, np.flatnonzero(which) + first, numbers])
        return pa.concat_batches([batch, alike, others]).take(pa.array(np.argsort(numbers, kind="stable")))

    def _plain_rows(self, lines: Lines) -> tuple[pa.RecordBatch, Bools]:
        """Read the lines that are plain rows; where none were before, the first ones tell whether any are looked for."""
        if self._no_plain_rows and not len(read_rows(lines.first(_TRIED))[0]):
            return pa.RecordBatch.from_pylist([], TRAFFIC_SCHEMA), np.zeros(len(lines), np.bool_)
        columns = self._options.columns
        batch, read = read_rows(lines) if columns is None else read_rows(lines, columns)
        self._no_plain_rows = not len(batch)
        return batch, read

    def _alike_rows(self, lines: Lines, wanted: Bools) -> tuple[pa.RecordBatch, Bools]:
        """Read wanted lines of known shapes together; a trace is told of each row, which takes objects."""
        if self._options.trace is not None:
            return pa.RecordBatch.from_pylist([], TRAFFIC_SCHEMA), np.zeros(len(lines), np.bool_)
        return self._alike.read(lines, wanted)

    def _parsed(self, label: str, lines: Iterable[tuple[int, bytes | None]]) -> Iterator[Row]:
        too_long = f"over {self._options.line_bytes:,} bytes in a line"
        for number, line in lines:
            if line is None:
                self._reject(label, number, BadRow("too_long", too_long))
                continue
            try:
                value = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                try:
                    yield from rows_of_faulty(number, line, error, self._server_log)
                except BadRow as bad:
                    self._reject(label, number, bad)
            else:
                yield Row(number, with_exact_integers(value, line))

    def _from_table(self, label: str, block: TableBlock) -> pa.RecordBatch:
        for number, bad in block.bad:
            self._reject(label, number, bad)
        block = replace(block, table=with_columns(block.table, self._reading.beside))
        table = renamed(block.table, self._options.reading)
        if table is None or not is_native(table.schema):
            return self._from_items(label, self._objects(label, block))
        batch, rejected = check_native(replace(block, table=table), self._text_bytes)
        self._rows_read += len(batch)
        for number, bad in rejected:
            self._reject(label, number, bad)
        return batch

    def _objects(self, label: str, block: TableBlock) -> Iterator[Row]:
        table = plain(block.table)
        try:
            yield from map(Row, block.numbers.tolist(), table.to_pylist(maps_as_pydicts="strict"))
        except (UnicodeDecodeError, KeyError):
            for i, number in enumerate(block.numbers.tolist()):
                try:
                    yield Row(number, one_row(table.slice(i, 1)))
                except UnicodeDecodeError:
                    self._reject(label, number, BadRow("invalid_utf8", "a text is not valid UTF-8"))

    def _from_items(self, label: str, items: Iterable[Row]) -> pa.RecordBatch:
        """Bring rows of JSON values to TRAFFIC_SCHEMA."""
        return self._numbered(label, items)[0]

    def _numbered(self, label: str, items: Iterable[Row]) -> tuple[pa.RecordBatch, IntArray]:
        """Do as `_from_items`, and tell each row's line."""
        requests: list[Fields] = []
        numbers: list[int] = []
        is_plain, limit = self._reading.is_plain, self._text_bytes
        for row in items:
            fields = native_fields(row.value) if is_plain and not row.undecodable else None
            if fields is not None and len(fields[4]) + len(fields[3] or "") <= limit:
                requests.append(fields)
                numbers.append(row.number)
            else:
                for request in self._requests(label, row):
                    requests.append(request)
                    numbers.append(row.number)
        batch, good = self._batch(label, requests, numbers)
        return batch, np.array(numbers, dtype=np.int64)[good]

    def _requests(self, label: str, row: Row) -> Iterator[Request]:
        items, limit = list(rows_in(row.value)), self._text_bytes
        self._plausibility.left_out += not items
        for item in items:
            try:
                if not isinstance(item, dict):
                    raise BadRow("not_object", f"an object expected, {json_type(item)} found")
                request = extract(item, self._reading)
                if row.undecodable and any(isinstance(v, str) and UNDECODABLE in v for v in request):
                    raise BadRow("invalid_utf8", f"not valid UTF-8 at byte {row.undecodable}")
                if len(request.prompt) + len(request.system or "") > limit:
                    raise BadRow("too_long", f"over {limit:,} characters of text")
            except BadRow as bad:
                self._reject(label, row.number, bad)
            else:
                if self._options.trace is not None:
                    self._options.trace.add(item, self._reading)
                yield request

    def _batch(
        self, label: str, requests: Sequence[Fields], numbers: Sequence[int]
    ) -> tuple[pa.RecordBatch, Bools]:
        """Turn fields into Arrow columns, and tell which are good; an id that cannot be stored or a time that cannot be read rejects its row."""
        if not requests:
            return pa.RecordBatch.from_pylist([], TRAFFIC_SCHEMA), np.empty(0, dtype=np.bool_)
        ids, accounts, raw_times, systems, prompts, models, metadata, facts = zip(*requests, strict=True)
        times = utc_values(raw_times)
        texts = [pa.array(column, pa.large_string()) for column in (ids, accounts, systems, prompts, models)]
        # orjson writes UTF-8, so the bytes need no second check
        packed = pa.array(metadata, pa.large_binary()).cast(pa.large_string(), safe=False)
        columns = [*texts[:2], times, *texts[2:], packed, facts_column(facts)]
        timeless, nameless, senderless = np.asarray(times.is_null()), unusable(texts[0]), unusable(texts[1])
        bad = timeless | nameless | senderless
        self._rows_read += len(requests) - int(bad.sum())
        for i in np.flatnonzero(bad).tolist():
            if nameless[i]:
                row = BadRow("bad_id", f"request_id: {ID_EXPECTED}")
            elif senderless[i]:
                row = BadRow("bad_account", f"account_id: {ID_EXPECTED}")
            else:
                row = BadRow("bad_timestamp", f"timestamp: {EXPECTED}, {describe(raw_times[i])} found")
            self._reject(label, numbers[i], row)
        if bad.any():
            columns = [column.filter(pa.array(~bad)) for column in columns]
        return pa.RecordBatch.from_arrays(columns, schema=TRAFFIC_SCHEMA), ~bad

    def _reject(self, label: str, number: int, bad: BadRow) -> None:
        self._rows_read += 1
        self._rejects.add(label, number, bad)


def _may_be_document(source: Source) -> bool:
    return source.format == "json" or (source.format == "lines" and source.begins_over_lines())


def _document(stream: ByteStream) -> list[Any] | None:
    """Read a .json file as one document, a list of rows; None if it is none or over DOCUMENT_BYTES."""
    data = bytearray()
    for block in stream:
        data += block
        if len(data) > DOCUMENT_BYTES:
            return None
    if not data.strip():
        return []
    return documents(bytes(data))
