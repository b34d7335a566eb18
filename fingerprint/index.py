"""Nearest neighbours by cosine similarity, and the immutable snapshots that lookups read; the one user of FAISS.

FAISS hangs in a forked child once the parent has searched with several threads: start workers with
`spawn` or `forkserver`, and call `set_threads(1)` first in a process that answers single lookups.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt
from numba import njit

from fingerprint.errors import SnapshotError, UsageError
from fingerprint.kernels import kernel, kernel_with
from fingerprint.records import FloatArray, IntArray, Neighbours
from fingerprint.snapshot_files import (
    FORMAT,
    SNAPSHOTS,
    compare,
    current_snapshot,
    make_live,
    read_manifest,
    sha256,
)

EXACT_UP_TO = 50_000
"""Vectors above this number are searched through inverted lists."""

LOOKUP_EXACT_UP_TO = 4_096
LOOKUP_PROBES = 8
"""The same for snapshots: a prompt looked up has many sentences, and a millisecond."""

SPARE = 8
"""Candidates fetched beyond k, so that rounding in FAISS does not decide who is the k-th neighbour."""

PROBES = 32
"""Inverted lists read per query; recall at k = 41 over 200,000 clustered 128-d vectors: 0.96."""

BATCH = 8_192

LANDMARKS = 8_192
"""Vectors that `Outside` compares with; labels of 16,000 items agree with all landmarks' at an ARI of 0.999."""

INDEX_FILE = "prototypes.faiss"

Doubles = npt.NDArray[np.float64]

Progress = Callable[[int, int], None]
"""Called with the number of vectors done and the number of all."""

Search = Callable[[FloatArray, int, int, int], Iterator[IntArray]]
"""Called as `searched` is."""


def set_threads(count: int) -> None:
    """Let FAISS use `count` threads in this process; torch and NumPy keep their own."""
    if count < 1:
        raise UsageError(f"at least 1 thread expected, {count} given")
    faiss.omp_set_num_threads(count)


def knn_graph(
    vectors: FloatArray,
    k: int,
    *,
    threads: int | None = None,
    seed: int = 0,
    exact_up_to: int = EXACT_UP_TO,
    on_progress: Progress | None = None,
    search: Search | None = None,
) -> Neighbours:
    """Find the k nearest others of every vector: exactly up to so many vectors, then through inverted lists.

    vectors: (n, d) float32, unit rows; a row of zeros neither has nor is a neighbour.
    threads: None for all cores. search: in the place of `searched`, for an index in parts. The similarities are
    computed again from the vectors in a fixed order of summation, so they are symmetric and do not depend on threads
    or batches; FAISS chooses the candidates.
    Raises UsageError on another shape, dtype or length.
    """
    norms = _norms(vectors)
    if k < 1:
        raise UsageError(f"at least 1 neighbour expected, k = {k} given")
    live = np.flatnonzero(norms > 0)
    ids = np.full((len(vectors), k), -1, dtype=np.int32)
    similarity = np.full((len(vectors), k), -1.0, dtype=np.float32)
    if len(live) < 2:
        return Neighbours(ids, similarity)
    with _threads(threads) as workers, ThreadPoolExecutor(workers) as pool:
        points = vectors if len(live) == len(vectors) else vectors[live]
        each = (search or searched)(points, min(k + 1 + SPARE, len(live)), seed, exact_up_to)
        for start, found in zip(range(0, len(live), BATCH), each, strict=True):
            rows = live[start : start + BATCH]
            candidates = np.where(found >= 0, live[found], -1)
            jobs = [
                pool.submit(_rank, vectors, rows[part], candidates[part], ids, similarity)
                for part in np.array_split(np.arange(len(rows)), workers)
            ]
            for job in jobs:
                job.result()
            if on_progress is not None:
                on_progress(min(start + BATCH, len(live)), len(live))
    return Neighbours(ids, similarity)


def searched(points: FloatArray, wide: int, seed: int, exact_up_to: int) -> Iterator[IntArray]:
    """Yield for every BATCH points (n, d) the numbers of the `wide` nearest to each, (rows, wide), -1 = none."""
    index = _index(points, "SQ8", seed, exact_up_to=exact_up_to)
    for start in range(0, len(points), BATCH):
        yield index.search(points[start : start + BATCH], wide)[1]


def trained(points: FloatArray, seed: int, exact_up_to: int) -> npt.NDArray[np.uint8]:
    """Return the index of `searched` without its points, in FAISS's format: what its parts have in common."""
    return np.asarray(
        faiss.serialize_index(_empty(np.ascontiguousarray(points), "SQ8", seed, exact_up_to, PROBES))
    )


def filled(empty: npt.NDArray[np.uint8], points: FloatArray) -> Any:
    """Return an index that holds these points alone; empty: of `trained`."""
    index = faiss.deserialize_index(empty)
    index.add(np.ascontiguousarray(points))
    return index


def _norms(vectors: FloatArray) -> FloatArray:
    if vectors.ndim != 2 or vectors.dtype != np.float32:
        raise UsageError(f"(n, d) float32 vectors expected, {vectors.shape} {vectors.dtype} given")
    norms: FloatArray = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    off = np.flatnonzero(~((norms == 0) | (np.abs(norms - 1) < 1e-3)))
    if len(off):
        raise UsageError(f"rows of length 1 or 0 expected, row {off[0]} has length {norms[off[0]]:.6g}")
    return norms


@contextmanager
def _threads(count: int | None) -> Iterator[int]:
    before = faiss.omp_get_max_threads()
    wanted = count or os.cpu_count() or 1
    set_threads(wanted)
    try:
        yield wanted
    finally:
        set_threads(before)


def _index(
    points: FloatArray, codes: str, seed: int, *, exact_up_to: int = EXACT_UP_TO, probes: int = PROBES
) -> Any:
    """Index points: flat, or above `exact_up_to` inverted lists of `codes` (HNSW differs from build to build)."""
    points = np.ascontiguousarray(points)
    index = _empty(points, codes, seed, exact_up_to, probes)
    index.add(points)
    return index


def _empty(points: FloatArray, codes: str, seed: int, exact_up_to: int, probes: int) -> Any:
    index: Any = faiss.IndexFlatIP(points.shape[1])
    if len(points) > exact_up_to:
        lists = int(4 * np.sqrt(len(points)))
        index = faiss.index_factory(points.shape[1], f"IVF{lists},{codes}", faiss.METRIC_INNER_PRODUCT)
        index.cp.seed = seed + 1
        index.cp.niter = 6
        index.cp.min_points_per_centroid = 1  # fewer only make FAISS write to stderr
        index.nprobe = probes
        wanted = min(len(points), 32 * lists)
        sample = np.random.default_rng(seed).choice(len(points), wanted, replace=False)
        index.train(points[np.sort(sample)])
    return index


@kernel_with(fastmath={"reassoc", "contract"})
def _dot(a: FloatArray, b: FloatArray) -> np.float32:
    total = np.float32(0.0)
    for c in range(a.shape[0]):
        total += a[c] * b[c]
    return min(np.float32(1.0), max(np.float32(-1.0), total))


@kernel
def _rank(
    vectors: FloatArray,
    rows: IntArray,
    candidates: IntArray,
    ids: npt.NDArray[np.int32],
    similarity: FloatArray,
) -> None:
    """Write the best candidates of `rows` into ids and similarity, by similarity and then by id."""
    k = ids.shape[1]
    for r in range(rows.shape[0]):
        i = rows[r]
        held = 0
        for c in range(candidates.shape[1]):
            j = candidates[r, c]
            if j < 0 or j == i:
                continue
            s = _dot(vectors[i], vectors[j])
            at = held
            while at > 0 and (
                similarity[i, at - 1] < s or (similarity[i, at - 1] == s and ids[i, at - 1] > j)
            ):
                at -= 1
            if at >= k:
                continue
            held = min(held + 1, k)
            for t in range(held - 1, at, -1):
                similarity[i, t] = similarity[i, t - 1]
                ids[i, t] = ids[i, t - 1]
            similarity[i, at] = s
            ids[i, at] = j


@dataclass(frozen=True)
class Outside:
    """Finds each row's nearest item of another group by mutual reachability, by brute force over landmarks.

    vectors: (n, d) float32 unit rows, as given to `knn_graph`. Exact up to LANDMARKS vectors; above, every
    second, third … vector is a landmark, and the distance found is an upper bound.
    """

    vectors: FloatArray

    def __call__(self, rows: IntArray, group: IntArray, core: Doubles) -> tuple[IntArray, FloatArray]:
        """Answer for `rows`: ids, -1 where there is one group only, and similarities; see `cluster`."""
        count = min(len(self.vectors), LANDMARKS)
        marks = np.arange(count) * len(self.vectors) // max(count, 1)
        columns = np.ascontiguousarray(self.vectors[marks].T)
        ids = np.full(len(rows), -1, dtype=np.int64)
        similarity = np.full(len(rows), -1.0, dtype=np.float32)
        for start in range(0, len(rows), BATCH // 8):
            part = slice(start, start + BATCH // 8)
            near = self.vectors[rows[part]] @ columns
            _nearest_outside(near, rows[part], marks, group, core, ids[part])
            _compare_pairs(self.vectors, rows[part], ids[part], similarity[part])
        return ids, similarity


@njit(cache=True, nogil=True)
def _nearest_outside(
    near: FloatArray, rows: IntArray, marks: IntArray, group: IntArray, core: Doubles, ids: IntArray
) -> None:
    mark_group, mark_core = group[marks], core[marks]
    for r in range(len(rows)):
        own, least = group[rows[r]], np.inf
        for m in range(len(marks)):
            reach = max(mark_core[m], 1.0 - near[r, m])
            if reach < least and mark_group[m] != own:
                least = reach
                ids[r] = marks[m]


@kernel
def _compare_pairs(vectors: FloatArray, i: IntArray, j: IntArray, similarity: FloatArray) -> None:
    for e in range(len(i)):
        if j[e] >= 0:
            similarity[e] = _dot(vectors[i[e]], vectors[j[e]])


@dataclass(frozen=True)
class Snapshot:
    """What lookups read, memory-mapped; workers of one machine share the pages, and nothing here is written.

    arrays: by the names that `write_snapshot` was given. meta: the JSON object that it was given.
    """

    id: str
    arrays: Mapping[str, npt.NDArray[Any]]
    meta: Mapping[str, Any]
    owners: npt.NDArray[np.int32]
    _index: Any

    def search(self, queries: FloatArray, k: int) -> tuple[FloatArray, npt.NDArray[np.int32]]:
        """Find the k prototypes nearest to each query.

        queries: (q, d) float32 unit rows. Returns similarity (q, k) float32, descending, and owners (q, k)
        int32; where there are fewer prototypes, -1 and -1. One owner may stand more than once.
        Raises UsageError on another dimension.
        """
        if queries.ndim != 2 or queries.shape[1] != self._index.d:
            raise UsageError(f"queries (q, {self._index.d}) expected, {queries.shape} given")
        similarity, found = self._index.search(np.ascontiguousarray(queries, dtype=np.float32), k)
        if not len(self.owners):
            return np.full(found.shape, -1, np.float32), np.full(found.shape, -1, np.int32)
        none = found < 0
        similarity[none] = -1.0
        return np.minimum(similarity, 1.0), np.where(none, -1, self.owners[found]).astype(np.int32)


def write_snapshot(
    home: Path,
    *,
    vectors: FloatArray,
    owners: npt.NDArray[np.int32],
    arrays: Mapping[str, npt.NDArray[Any]],
    meta: Mapping[str, Any],
) -> str:
    """Write a snapshot aside, make it durable, and let home/current name it; returns its id.

    vectors: (p, d) float32 unit rows, the prototypes; owners: (p,) int32, each one's family.
    A crash or a full disk at any point leaves the previous snapshot live. One writer at a time.
    Raises SnapshotError where home cannot be written, UsageError on shapes that differ.
    """
    _norms(vectors)
    if owners.shape != (len(vectors),):
        raise UsageError(f"{len(vectors)} owners expected, one a prototype, {owners.shape} given")
    bad = [name for name in arrays if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name == "owners"]
    if bad:
        raise UsageError(f"an array is named in [a-z0-9_] and not 'owners', {bad[0]!r} given")
    aside = home / SNAPSHOTS / ".writing"
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        try:
            return make_live(home, aside, _fill(aside, vectors, {**arrays, "owners": owners}, meta))
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise SnapshotError(f"snapshot cannot be written under {home}: {error}") from error


def _fill(
    aside: Path, vectors: FloatArray, arrays: Mapping[str, npt.NDArray[Any]], meta: Mapping[str, Any]
) -> bytes:
    """Write the index and the arrays, and return the manifest that lists them."""
    # faiss.write_index does not tell of a disk that fills up on its last page
    index = _index(vectors, "Flat", 0, exact_up_to=LOOKUP_EXACT_UP_TO, probes=LOOKUP_PROBES)
    (aside / INDEX_FILE).write_bytes(faiss.serialize_index(index).data)
    for name, array in arrays.items():
        np.save(aside / f"{name}.npy", np.ascontiguousarray(array), allow_pickle=False)
    files = {path.name: sha256(path) for path in sorted(aside.iterdir())}
    return json.dumps(
        {"format": FORMAT, "files": files, "meta": dict(meta)}, sort_keys=True, indent=1
    ).encode()


def open_snapshot(home: Path, *, verify: bool = True) -> Snapshot:
    """Map the snapshot that home/current names.

    verify: read every file and compare its SHA-256 with the manifest's; without it only the manifest is checked.
    Raises SnapshotError where there is none, or a file is missing or damaged.
    """
    name = current_snapshot(home)
    folder = home / SNAPSHOTS / name
    manifest = read_manifest(folder)
    for file, expected in manifest["files"].items():
        if verify:
            compare(folder / file, expected, sha256(folder / file))
        elif not (folder / file).is_file():
            raise SnapshotError(f"{folder / file} is missing")
    try:
        # this flag alone maps every index type used here; IO_FLAG_MMAP maps only inverted lists
        index = faiss.read_index(str(folder / INDEX_FILE), faiss.IO_FLAG_MMAP_IFC)
        arrays = {
            # a plain view: every slice of a memmap makes a memmap
            Path(file).stem: np.asarray(np.load(folder / file, mmap_mode="r", allow_pickle=False))
            for file in manifest["files"]
            if file.endswith(".npy")
        }
    except (OSError, RuntimeError, ValueError) as error:
        raise SnapshotError(f"snapshot {folder} cannot be mapped: {error}") from error
    return Snapshot(name, arrays, manifest["meta"], arrays.pop("owners"), index)
