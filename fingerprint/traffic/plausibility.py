"""Whether what was read can be all there is: files passed over, one account for everybody, columns that stay empty.

None of this is an error by itself, and each of it has hidden a night's traffic: a key in the wrong place makes one account
of all, and a log that is rotated under another name is no longer read.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from fingerprint.base.hashing import hash_strings
from fingerprint.domain.errors import DoubtfulTraffic
from fingerprint.domain.results import IngestReport, TrafficWarning

FEWEST = 200
"""Requests from which on it is told that they are alike: fewer may be somebody trying it out."""

NEARLY_ALL = 0.9
"""Share of the requests that one account should not send."""

FAR_FEWER = 0.3
"""Share of an earlier night's usual rows below which a night is told to have few."""

NIGHTS = 7
"""Earlier nights whose rows are compared, the latest ones."""

COLUMNS = {"system": "system prompt", "prompt": "user text", "model": "model", "metadata": "metadata"}

_COUNTED = 16
_SHOWN = 3


class Plausibility:
    """Watches the rows of a batch go by; memory does not grow with them.

    The accounts counted are those that send most (Misra & Gries 1982): what is counted of one falls short of its requests
    by at most 1 / 17 of all, and by nothing while there are no others.
    """

    def __init__(self, passed_over: Sequence[str] = ()) -> None:
        self.left_out = 0
        self._passed_over = passed_over
        self._rows = 0
        self._empty = dict.fromkeys(COLUMNS, True)
        self._counts: dict[int, int] = {}

    def add(self, batch: pa.RecordBatch) -> None:
        """Take the next rows (TRAFFIC_SCHEMA)."""
        self._rows += len(batch)
        for name in COLUMNS:
            if self._empty[name]:
                column = batch.column(name)
                first = column.buffers()[1]
                self._empty[name] = first is None or not np.any(np.diff(_offsets(column)))
        hashes, counts = np.unique(hash_strings(batch.column("account_id")), return_counts=True)
        for at in np.argsort(counts, kind="stable")[::-1][: 2 * _COUNTED].tolist():
            key = int(hashes[at])
            self._counts[key] = self._counts.get(key, 0) + int(counts[at])
        if len(self._counts) > _COUNTED:
            least = sorted(self._counts.values())[-_COUNTED - 1]
            self._counts = {key: n - least for key, n in self._counts.items() if n > least}

    def warnings(self) -> tuple[TrafficWarning, ...]:
        """Return what is odd about all rows so far."""
        found = []
        if self._passed_over:
            shown = ", ".join(self._passed_over[:_SHOWN])
            more = len(self._passed_over) - _SHOWN
            words = f"{len(self._passed_over):,} files passed over, for their names end otherwise: {shown}"
            found.append(
                TrafficWarning("files_passed_over", f"{words}{f' and {more:,} more' if more > 0 else ''}")
            )
        if self.left_out:
            kinds = "a tracer's other spans or a server's other lines"
            words = f"{self.left_out:,} rows are no requests to a model, such as {kinds}: not counted as read"
            found.append(TrafficWarning("rows_left_out", words))
        if self._rows < FEWEST:
            return tuple(found)
        share = max(self._counts.values(), default=0) / self._rows
        if share > NEARLY_ALL:
            words = f"one account sent {share:.0%} of the requests: is account_id read from the right field?"
            found.append(TrafficWarning("one_account", words))
        if empty := [words for name, words in COLUMNS.items() if self._empty[name]]:
            words = f"no request has a {' or '.join(empty)}: is it read from the right field?"
            found.append(TrafficWarning("empty_column", words))
        return tuple(found)


def refuse_doubtful(warnings: Sequence[TrafficWarning], nothing: str) -> None:
    """Raise DoubtfulTraffic where something may be wrong; nothing: what then is not done, "nothing is stored"."""
    faults = [warning.words for warning in warnings if warning.is_fault]
    if faults:
        raise DoubtfulTraffic(f"{'; '.join(faults)}; {nothing}, for --strict says so")


def fewer_rows(ingest: IngestReport, earlier: Sequence[IngestReport]) -> tuple[TrafficWarning, ...]:
    """Tell whether a night has far fewer rows than those before it, the latest last."""
    rows = [night.accepted for night in earlier[-NIGHTS:]]
    usual = statistics.median(rows) if rows else 0
    if usual < FEWEST or ingest.accepted >= FAR_FEWER * usual:
        return ()
    words = (
        f"{ingest.accepted:,} requests, {usual:,.0f} on a usual night before: was all of the traffic there?"
    )
    return (TrafficWarning("fewer_rows", words),)


def _offsets(column: pa.LargeStringArray) -> np.ndarray:
    offsets = np.frombuffer(column.buffers()[1], np.int64)
    return offsets[column.offset : column.offset + len(column) + 1]
