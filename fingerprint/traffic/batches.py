"""Batches of a size that is worth a stage's while, whatever blocks rows come in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

BATCH_BYTES = 64 << 20


def coalesced(blocks: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """Join small blocks and cut large ones, to batches of at most `rows` rows and about BATCH_BYTES."""
    pending: list[pa.RecordBatch] = []
    count = size = 0
    for block in blocks:
        for start in range(0, len(block), rows):
            piece = block.slice(start, rows) if len(block) > rows else block
            if pending and (count + len(piece) > rows or size + piece.nbytes > BATCH_BYTES):
                yield _joined(pending)
                pending, count, size = [], 0, 0
            pending.append(piece)
            count += len(piece)
            size += piece.nbytes
    if pending:
        yield _joined(pending)


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    """Return one batch; Arrow would copy even a single one."""
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)
