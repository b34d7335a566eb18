"""Vectors by content: keys of texts, and a cache on disk that stays valid for one model."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from threading import Lock
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fingerprint.base.files import durable_file
from fingerprint.base.private import private_folder
from fingerprint.base.strings import buffers, plain
from fingerprint.base.times import DAY_SECONDS
from fingerprint.base.types import Bools, FloatArray, HashArray, IntArray
from fingerprint.domain.errors import StoreError

MAX_CHARS = 20_000
"""Only this many characters of a text are embedded."""

TextSequence: TypeAlias = Sequence[str] | pa.Array | pa.ChunkedArray


def as_strings(texts: TextSequence) -> pa.LargeStringArray:
    """Cut the texts to MAX_CHARS; null becomes empty."""
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    strings = texts if isinstance(texts, pa.Array) else pa.array(texts, type=pa.large_string())
    whole = plain(strings)
    _, offsets = buffers(whole)
    # no more bytes, no more characters
    if len(whole) == 0 or int(np.diff(offsets).max()) <= MAX_CHARS:
        return whole
    return pc.utf8_slice_codeunits(whole, 0, MAX_CHARS)


def content_keys(texts: TextSequence) -> HashArray:
    """(n, 2) uint64, BLAKE2b-128 of what is embedded of each text.

    A strong hash, since the texts are an adversary's: whoever can make two prompts collide in a cache
    can lend one of them the other's vector.
    """
    return np.frombuffer(b"".join(_digests(as_strings(texts))), dtype="<u8").reshape(-1, 2)


def _digests(strings: pa.LargeStringArray) -> list[bytes]:
    if len(strings) == 0:
        return []
    _, offsets, data = strings.buffers()
    ends = np.frombuffer(offsets, dtype=np.int64)[strings.offset : strings.offset + len(strings) + 1]
    view = memoryview(data or b"")
    return [hashlib.blake2b(view[a:b], digest_size=16).digest() for a, b in pairwise(ends.tolist())]


class RecentVectors:
    """The last vectors made, in memory, under the hash of their text: requests repeat what others sent before.

    rows: how many are kept; the oldest go first. Safe to use from several threads.
    """

    def __init__(self, rows: int, dimension: int) -> None:
        self.rows = rows
        self._vectors = np.empty((rows, dimension), dtype=np.float32)
        self._key_at: list[bytes | None] = [None] * rows
        self._place: dict[bytes, int] = {}
        self._next = 0
        self._guard = Lock()

    def encode(
        self, strings: pa.LargeStringArray, encode: Callable[[pa.LargeStringArray], FloatArray]
    ) -> FloatArray:
        """Return the vectors of at most `rows` texts (n, d), having those made that are not remembered."""
        keys = _digests(strings)
        with self._guard:
            places = np.fromiter((self._place.get(key, -1) for key in keys), np.int64, len(keys))
            out = self._vectors[places]
        missing = np.flatnonzero(places < 0)
        if len(missing):
            every = len(missing) == len(strings)
            made = encode(strings if every else strings.take(pa.array(missing)))
            out[missing] = made
            with self._guard:
                for key, vector in zip([keys[i] for i in missing.tolist()], made, strict=True):
                    self._put(key, vector)
        return out

    def _put(self, key: bytes, vector: FloatArray) -> None:
        if key in self._place:
            return
        if (old := self._key_at[self._next]) is not None:
            del self._place[old]
        self._vectors[self._next] = vector
        self._key_at[self._next] = key
        self._place[key] = self._next
        self._next = (self._next + 1) % self.rows


class _Generation:
    """One pair of append-only files: `N.vectors`, and `N.keys` whose length says how many rows are whole."""

    def __init__(self, folder: Path, number: int, dimension: int):
        self.number = number
        self.dimension = dimension
        self.paths = folder / f"{number:08d}.vectors", folder / f"{number:08d}.keys"
        self.row_bytes = 4 * dimension, 16
        self.refresh()

    def refresh(self) -> None:
        """Read the keys and map the vectors; a torn tail, or a file that a writer dropped, counts for nothing."""
        try:
            keys: HashArray = np.fromfile(self.paths[1], dtype="<u8")
            count = min(len(keys) // 2, self.paths[0].stat().st_size // self.row_bytes[0])
            self.keys = keys[: 2 * count].reshape(count, 2)
            shape = (count, self.dimension)
            self.vectors = (
                np.memmap(self.paths[0], dtype="<f4", mode="r", shape=shape) if count else np.empty(shape)
            )
        except FileNotFoundError:
            self.keys, self.vectors = np.empty((0, 2), np.uint64), np.empty((0, self.dimension), np.float32)
        self.order = np.argsort(self.keys[:, 0], kind="stable")
        self.sorted = self.keys[self.order, 0]

    def append(self, keys: HashArray, vectors: FloatArray) -> None:
        """Vectors reach the disk before their keys do."""
        columns = np.ascontiguousarray(vectors, "<f4"), np.ascontiguousarray(keys, "<u8")
        for path, size, column in zip(self.paths, self.row_bytes, columns, strict=True):
            with durable_file(path, "r+b") as file:
                file.truncate(len(self.keys) * size)
                file.seek(0, os.SEEK_END)
                file.write(column.tobytes())
        self.refresh()

    def find(self, keys: HashArray) -> IntArray:
        """Row of each key, -1 where it is not here."""
        if len(self.keys) == 0:
            return np.full(len(keys), -1)
        # the last of equals: a row put again since the first was damaged
        place = np.searchsorted(self.sorted, keys[:, 0], side="right") - 1
        rows = self.order[np.maximum(place, 0)]
        return np.where((self.keys[rows] == keys).all(axis=1), rows, -1)


def forget_older(path: Path, days: int) -> None:
    """Remove cached vectors that were written more than so many days ago, of all models; a file goes when its last row is old.

    Raises StoreError when the disk refuses.
    """
    try:
        for keys in path.glob("*/[0-9]*.keys"):
            if time.time() - keys.stat().st_mtime >= days * DAY_SECONDS:
                keys.unlink()
                keys.with_suffix(".vectors").unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{path}: old vectors cannot be removed: {error}") from error


class VectorCache:
    """Vectors by content hash, for one model stamp: a folder of append-only files under `path`.

    One writer (who holds the home's lock), any number of readers; a reader sees what was there when it opened.
    When `max_bytes` is reached the oldest eighth goes.
    """

    GENERATIONS = 8

    def __init__(self, path: Path, stamp: str, dimension: int, *, max_bytes: int = 2 << 30):
        digest = hashlib.blake2b(f"{stamp} {dimension}".encode(), digest_size=8).hexdigest()
        self.folder = path / f"{re.sub(r'[^A-Za-z0-9.-]', '_', stamp)[:40]}-{digest}"
        self.dimension = dimension
        row = 4 * dimension + 16
        self.rows_per_generation = max(1, max_bytes // self.GENERATIONS // row)
        numbers = sorted(int(p.stem) for p in self.folder.glob("[0-9]*.keys"))
        self._generations = [_Generation(self.folder, number, dimension) for number in numbers]

    def __len__(self) -> int:
        return sum(len(g.keys) for g in self._generations)

    def get(self, keys: HashArray) -> tuple[FloatArray, Bools]:
        """Vectors (n, d) float32 of the keys (n, 2), and which were there (n,) bool; others are zero rows."""
        vectors = np.zeros((len(keys), self.dimension), dtype=np.float32)
        hit = np.zeros(len(keys), dtype=bool)
        for generation in reversed(self._generations):
            pending = np.flatnonzero(~hit)
            rows = generation.find(keys[pending])
            pending, rows = pending[rows >= 0], rows[rows >= 0]
            stored = generation.vectors[rows]
            # only unit rows are ever stored: anything else is a damaged block
            whole = np.abs(np.einsum("ij,ij->i", stored, stored) - 1) < 1e-3
            vectors[pending[whole]] = stored[whole]
            hit[pending[whole]] = True
        return vectors, hit

    def put(self, keys: HashArray, vectors: FloatArray) -> None:
        """Append the unit rows of vectors (n, d) float32 under keys (n, 2) uint64; zero rows are not kept.

        Raises StoreError when the disk refuses, ValueError on vectors of another shape.
        """
        if vectors.shape != (len(keys), self.dimension):
            raise ValueError(f"{(len(keys), self.dimension)} vectors expected, {vectors.shape} found")
        kept = vectors.any(axis=1)
        keys, vectors = keys[kept], vectors[kept]
        try:
            private_folder(self.folder.parent)
            private_folder(self.folder)
            while len(keys):
                room = self._current_generation()
                count = self.rows_per_generation - len(room.keys)
                room.append(keys[:count], vectors[:count])
                keys, vectors = keys[count:], vectors[count:]
        except OSError as error:
            raise StoreError(f"{self.folder}: the embedding cache cannot be written: {error}") from error

    def _current_generation(self) -> _Generation:
        """Return the generation to append to; start a new one, and drop the oldest, when it is full."""
        if not self._generations or len(self._generations[-1].keys) >= self.rows_per_generation:
            number = self._generations[-1].number + 1 if self._generations else 1
            self._generations.append(_Generation(self.folder, number, self.dimension))
        while len(self._generations) > self.GENERATIONS:
            for path in self._generations.pop(0).paths:
                path.unlink(missing_ok=True)
        return self._generations[-1]
