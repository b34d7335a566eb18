"""One batch of traffic, held as requests that point at distinct prompts.

Prompts that consist of the same tokens are one prompt, whatever their case, spacing and punctuation.
Memory: about 60 bytes a request (ids included) and, for each distinct prompt, its text twice
(normalised and as shown) and 9 bytes a token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numba import njit
from scipy import sparse

from fingerprint.base.hashing import SeenIds
from fingerprint.base.parallel import in_order
from fingerprint.base.sparse import ranges
from fingerprint.base.types import Bytes, Doubles, HashArray, Ids, IntArray
from fingerprint.evidence.coactivity import Behaviour, Ranks, behaviour

PIECE = 4_096
"""Requests that one thread reads at a time."""

TextsOfRows = Callable[[pa.RecordBatch], pa.LargeStringArray]
TextsOfPrompts = Callable[[IntArray], pa.Array | pa.ChunkedArray]
"""Gives the normalised texts of some distinct prompts, by their ascending numbers."""


@dataclass(frozen=True, slots=True)
class Batch:
    """r requests of a accounts over n distinct prompts, ordered as they were read.

    request_id: (r,) Arrow strings. account: (r,) int32 into accounts (a,). second: (r,) float64, Unix time.
    prompt: (r,) int32 into the distinct prompts. texts: (n,) normalised; shown: (n,) as a person may see them.
    token_hashes and section: (t,); offsets: (n + 1,) into them.
    """

    request_id: pa.ChunkedArray
    account: Ids
    accounts: pa.Array
    second: Doubles
    prompt: Ids
    texts: pa.ChunkedArray
    shown: pa.ChunkedArray
    token_hashes: HashArray
    section: Bytes
    offsets: IntArray
    metadata: pa.ChunkedArray

    def __len__(self) -> int:
        return len(self.account)

    @property
    def distinct(self) -> int:
        """How many distinct prompts there are."""
        return len(self.offsets) - 1

    def texts_of(self, prompts: IntArray | Ids) -> pa.ChunkedArray:
        """Return the normalised texts of some prompts."""
        return self.texts.take(pa.array(prompts))

    def senders(self) -> sparse.csr_matrix:
        """Return (n, a) CSR of how many requests each account sent of each prompt."""
        ones = np.ones(len(self), dtype=np.float32)
        return sparse.csr_matrix(
            (ones, (self.prompt, self.account)), shape=(self.distinct, len(self.accounts))
        )

    def requests(self) -> sparse.csr_matrix:
        """Return (n, r) CSR of ones, the requests of each prompt."""
        ones = np.ones(len(self), dtype=np.float32)
        return sparse.csr_matrix(
            (ones, (self.prompt, np.arange(len(self)))), shape=(self.distinct, len(self))
        )


def behaviour_of(batch: Batch, members: sparse.csr_matrix, *, ranks: Ranks | None = None) -> Behaviour:
    """Test how the requests of f families are spread over accounts and time; members: (f, n) CSR, their prompts.

    ranks: of the batch's times, where they are known already.
    """
    rows = (members @ batch.requests()).tocsr()
    return behaviour(rows, batch.account, batch.second, ranks=ranks)


def collect(
    batches: Iterable[pa.RecordBatch],
    texts: TextsOfRows,
    tokens: Callable[[pa.LargeStringArray], object],
    shown: TextsOfRows,
    *,
    threads: int = 1,
) -> Batch:
    """Read all batches; `texts` and `shown` give a batch's texts to match and to show, `tokens` those of `texts`."""

    def looked_at(rows: pa.RecordBatch) -> tuple[pa.RecordBatch, pa.Array, pa.Array, Any, HashArray]:
        normal = texts(rows)
        found: Any = tokens(normal)
        key = sequence_hash(found.hashes, found.section, found.row_offsets)
        return rows, normal, shown(rows), found, key

    pieces = (batch.slice(at, PIECE) for batch in batches for at in range(0, len(batch), PIECE))
    seen = SeenIds()
    columns: dict[str, list[pa.Array]] = {
        name: [] for name in ("request_id", "account_id", "timestamp", "metadata")
    }
    keys: list[HashArray] = []
    first_keys: list[HashArray] = []
    kept_texts: list[pa.Array] = []
    kept_shown: list[pa.Array] = []
    parts: list[tuple[HashArray, Bytes, IntArray]] = []
    for rows, normal, readable, found, key in in_order(looked_at, pieces, threads=threads):
        for name, chunks in columns.items():
            chunks.append(rows.column(name))
        new = seen.first_time(key)
        keys.append(key)
        first_keys.append(key[new])
        kept_texts.append(normal.filter(pa.array(new)))
        kept_shown.append(readable.filter(pa.array(new)))
        parts.append(_rows(found.hashes, found.section, found.row_offsets, np.flatnonzero(new)))
    return _assembled(columns, keys, first_keys, (kept_texts, kept_shown), parts)


def _assembled(
    columns: dict[str, list[pa.Array]],
    keys: list[HashArray],
    first_keys: list[HashArray],
    kept: tuple[list[pa.Array], list[pa.Array]],
    parts: list[tuple[HashArray, Bytes, IntArray]],
) -> Batch:
    every = np.concatenate([*keys, np.empty(0, dtype=np.uint64)])
    distinct = np.concatenate([*first_keys, np.empty(0, dtype=np.uint64)])
    order = np.argsort(distinct)
    prompt = order[np.searchsorted(distinct[order], every)] if len(every) else np.empty(0, dtype=np.int64)
    account = pa.chunked_array(columns["account_id"], pa.large_string()).combine_chunks().dictionary_encode()
    times = pa.chunked_array(columns["timestamp"], pa.timestamp("us", tz="UTC")).cast(pa.int64())
    lengths = np.concatenate([np.diff(p[2]) for p in parts] or [np.empty(0, dtype=np.int64)])
    return Batch(
        request_id=pa.chunked_array(columns["request_id"], pa.large_string()),
        account=account.indices.to_numpy().astype(np.int32),
        accounts=account.dictionary,
        second=times.to_numpy().astype(np.float64) / 1e6,
        prompt=prompt.astype(np.int32),
        texts=_one_chunk(kept[0]),
        shown=_one_chunk(kept[1]),
        token_hashes=np.concatenate([p[0] for p in parts] or [np.empty(0, dtype=np.uint64)]),
        section=np.concatenate([p[1] for p in parts] or [np.empty(0, dtype=np.uint8)]),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        metadata=pa.chunked_array(columns["metadata"], pa.large_string()),
    )


def _one_chunk(parts: list[pa.Array]) -> pa.ChunkedArray:
    """Join the parts and let them go: to take rows from many chunks costs a copy of all of them."""
    whole = pa.concat_arrays(parts) if parts else pa.array([], pa.large_string())
    parts.clear()
    return pa.chunked_array([whole])


@njit(cache=True, nogil=True)
def sequence_hash(hashes: HashArray, section: Bytes, offsets: IntArray) -> HashArray:
    """Hash each row's tokens, in their order and sections, (n,) uint64: rows of one hash are one prompt."""
    out = np.empty(len(offsets) - 1, dtype=np.uint64)
    for row in range(len(offsets) - 1):
        mixed = np.uint64(offsets[row + 1] - offsets[row])
        for i in range(offsets[row], offsets[row + 1]):
            mixed = (mixed ^ (hashes[i] + np.uint64(section[i]))) * np.uint64(0x9E3779B97F4A7C15)
            mixed ^= mixed >> np.uint64(32)
        out[row] = mixed
    return out


def _rows(
    hashes: HashArray, section: Bytes, offsets: IntArray, rows: IntArray
) -> tuple[HashArray, Bytes, IntArray]:
    """Return the tokens of some rows only."""
    places, ends = ranges(offsets, rows)
    return hashes[places], section[places], ends
