"""The requests of a night as turns of conversations, and conversations as rows: what all later stages count.

A turn is a row of traffic whose text is only what its request adds to its conversation. In memory they are joined at
once. On disk they go to files first, for a conversation's turns lie anywhere in a day, and are read back in the order
of the conversations. Memory then: 28 bytes a request, and CHUNK_BYTES of text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fingerprint.base.hashing import hash_strings
from fingerprint.base.parallel import in_order, workers
from fingerprint.base.private import private_file
from fingerprint.base.strings import buffers, gather, sizes_of, strings
from fingerprint.base.types import Doubles, Ids, IntArray
from fingerprint.discovery.batch import Requests, firsts
from fingerprint.domain.schemas import TRAFFIC_SCHEMA
from fingerprint.nights.spool_files import read_records, read_table, refusals
from fingerprint.text.normalise import compose
from fingerprint.traffic.conversations import Conversations, Turns

CHUNK_BYTES = 48_000_000
"""Text of conversations that are read back from the disk at once, but for a longer conversation."""

FILE_BYTES = 64_000_000
"""Bytes of a file of turns, about; the disk has that much of what is read back beside what is made of it."""

ROW_BYTES = 64
"""What a row counts for beside its text."""

COLUMNS = ("account_id", "timestamp", "system", "prompt", "model", "metadata", "facts")
"""What stages read of a conversation, named as in traffic."""

_IDS = pa.schema([TRAFFIC_SCHEMA.field("request_id")])
_TURNS = pa.schema([*(TRAFFIC_SCHEMA.field(name) for name in COLUMNS), pa.field("conversation", pa.int32())])


def turns(
    batches: Iterable[pa.RecordBatch], hours: float, seen: Conversations | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield batches of traffic as turns: `prompt` is what each request adds, beside a new column, `conversation`.

    conversation: int32, numbered in the order of the first requests; these keep system and prompt, others have no
    system. hours: after so many nothing continues an earlier request; 0: every request is a conversation.
    seen: keeps what was sent, for the same hours.
    """
    seen, count = seen or Conversations(hours), 0
    for rows in filter(len, batches):
        number, added = np.arange(count, count + len(rows)), rows
        if hours > 0:
            texts = compose(rows.column("system"), rows.column("prompt"))
            followed = seen.follow(hash_strings(rows.column("account_id")), seconds_of(rows), texts)
            number, added = followed.conversation, only_added(rows, texts, followed)
        count += len(rows)
        yield added.append_column("conversation", pa.array(number.astype(np.int32)))


def only_added(rows: pa.RecordBatch, texts: pa.LargeStringArray, turns: Turns) -> pa.RecordBatch:
    """Leave out of each text (n,), of rows with system and prompt, what is known of it."""
    continuing = turns.known > 0
    if not continuing.any():
        return rows
    data, ends = buffers(texts)
    own = np.diff(buffers(rows.column("prompt"))[1])
    begins = np.where(continuing, ends[:-1] + turns.known, ends[1:] - own)
    system = pc.if_else(pa.array(continuing), pa.scalar(None, pa.large_string()), rows.column("system"))
    prompt = strings(*gather(data, begins, ends[1:]))
    if len(turns.cut):
        cut = np.zeros(len(rows), np.bool_)
        cut[turns.cut] = True
        prompt = pc.replace_with_mask(prompt, pa.array(cut), turns.added)
    for name, column in (("system", system), ("prompt", prompt)):
        place = rows.schema.get_field_index(name)
        rows = rows.set_column(place, rows.schema.field(place), column)
    return rows


def joined(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Return the conversations of some turns (n > 0), COLUMNS, in their order: the first turn of each with all that is added."""
    number = rows.column("conversation").to_numpy()
    order = np.argsort(number, kind="stable")
    begin = np.flatnonzero(np.diff(number[order], prepend=-1))
    if len(begin) == len(number) and (np.diff(order) == 1).all():
        return rows.select(list(COLUMNS))
    others = rows.select([name for name in COLUMNS if name != "prompt"])
    with ThreadPoolExecutor(1) as aside:
        first = aside.submit(others.take, pa.array(order[begin]))
        data, ends = buffers(rows.column("prompt").take(pa.array(order)))
    whole = strings(data, np.append(ends[begin], ends[-1]))  # what is added lies one behind the other
    return first.result().append_column(rows.schema.field("prompt"), whole)


def first_sizes(batches: Sequence[pa.RecordBatch]) -> Ids:
    """Return how many bytes of prompt the first request of each conversation of some turns (n > 0) sent, (r,) int32."""
    number = np.concatenate([rows.column("conversation").to_numpy() for rows in batches])
    size = np.concatenate([sizes_of(rows.column("prompt")) for rows in batches])
    return size[firsts(number)].astype(np.int32)


def in_memory(batches: Sequence[pa.RecordBatch]) -> tuple[pa.RecordBatch, Requests]:
    """Return the conversations of all turns (n > 0), COLUMNS, and the requests that they are."""
    table = pa.Table.from_batches(batches)
    columns = list(in_order(pa.ChunkedArray.combine_chunks, table.columns, threads=workers()))
    rows = pa.RecordBatch.from_arrays(columns, schema=table.schema)
    ids = pa.chunked_array([rows.column("request_id")])
    return joined(rows), Requests(ids, rows.column("conversation").to_numpy(), seconds_of(rows))


def seconds_of(rows: pa.RecordBatch) -> Doubles:
    """Return the times of some rows, Unix time."""
    return np.asarray(rows.column("timestamp").cast(pa.int64()).to_numpy() / 1e6)


@dataclass(frozen=True, slots=True)
class TurnFiles:
    """Turns on the disk: q > 0 rows in files of about FILE_BYTES, each of which goes when its conversations are read.

    files: each file's path, and the rows (b + 1,) at which its batches begin, counted over all files.
    conversation: (q,) int32. second: (q,) float64. size: (q,) int32, bytes of what each adds.
    """

    files: Sequence[tuple[Path, IntArray]]
    conversation: Ids
    second: Doubles
    size: Ids

    @classmethod
    def written(cls, batches: Iterable[pa.RecordBatch], folder: Path) -> TurnFiles:
        """Write turns to `folder`, and their ids to a file of its own, as `requests_in` finds them.

        Raises StoreError when the disk refuses, and whatever reading raises.
        """
        number: list[Ids] = []
        second: list[Doubles] = []
        size: list[Ids] = []
        files: list[tuple[Path, IntArray]] = []
        begins = [0]
        with (
            refusals(folder),
            pa.ipc.new_file(str(private_file(folder / "ids.arrow")), _IDS) as ids,
        ):
            for part in _by_size(batches, FILE_BYTES):
                begins, path = begins[-1:], folder / f"turns-{len(files)}.arrow"
                with pa.ipc.new_file(str(private_file(path)), _TURNS) as file:
                    for rows in part:
                        file.write_batch(
                            pa.record_batch([rows.column(n) for n in _TURNS.names], schema=_TURNS)
                        )
                        ids.write_batch(pa.record_batch([rows.column("request_id")], schema=_IDS))
                        number.append(rows.column("conversation").to_numpy())
                        second.append(seconds_of(rows))
                        size.append(np.diff(buffers(rows.column("prompt"))[1]).astype(np.int32))
                        begins.append(begins[-1] + len(rows))
                files.append((path, np.array(begins)))
        return cls(files, np.concatenate(number), np.concatenate(second), np.concatenate(size))

    def first_sizes(self) -> Ids:
        """Return how many bytes of prompt the first request of each conversation sent, (r,) int32."""
        return self.size[firsts(self.conversation)]

    def conversations(self) -> Iterator[pa.RecordBatch]:
        """Yield all conversations (`joined`), in their order; a file is removed when nothing more is read from it."""
        weight = np.bincount(self.conversation, weights=self.size + float(ROW_BYTES))
        order = np.argsort(self.conversation, kind="stable")
        end_of = np.cumsum(np.bincount(self.conversation))
        last_in = {path: self.conversation[begins[0] : begins[-1]].max() for path, begins in self.files}
        begin = 0
        for last in np.append(np.flatnonzero(np.diff(np.cumsum(weight) // CHUNK_BYTES)), len(weight) - 1):
            rows = np.sort(order[begin : end_of[last]])
            begin = int(end_of[last])
            yield joined(read_records(self.files, rows))
            for path in [path for path, number in last_in.items() if number <= last]:
                path.unlink()
                del last_in[path]


def _by_size(batches: Iterable[pa.RecordBatch], most: int) -> Iterator[Iterator[pa.RecordBatch]]:
    """Divide batches into such as have about so many bytes together."""

    def numbered() -> Iterator[tuple[int, pa.RecordBatch]]:
        size = 0
        for rows in batches:
            yield size // most, rows
            size += rows.nbytes

    for _, part in groupby(numbered(), itemgetter(0)):
        yield (rows for _, rows in part)


def requests_in(folder: Path, conversation: Ids, second: Doubles) -> Requests:
    """Return the r requests whose ids `TurnFiles.written` wrote to a folder; conversation: (r,) int32, second: (r,) float64."""
    return Requests(read_table(folder / "ids.arrow").column(0), conversation, second)
