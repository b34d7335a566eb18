"""The immutable lookup snapshot: its files, mapped into memory."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprint.base.private import private_file, private_folder
from fingerprint.base.types import FloatArray, Ids
from fingerprint.clustering.faiss_index import (
    centroids_of,
    make_index,
    map_index,
    nearest,
    norms_of,
    write_index,
)
from fingerprint.domain.errors import SnapshotError, UsageError
from fingerprint.domain.settings import Home
from fingerprint.matching.snapshot_files import (
    FORMAT,
    compare,
    current_snapshot,
    make_live,
    read_manifest,
    sha256,
)

LOOKUP_EXACT_UP_TO = 4_096
LOOKUP_PROBES = 8
"""Prototypes that are searched one by one, and the inverted lists that a search reads of more: fewer than for a night's
neighbour graph, for a prompt looked up has many sentences, and a millisecond (D-053)."""

INDEX_FILE = "prototypes.faiss"


@dataclass(frozen=True)
class Snapshot:
    """What lookups read, memory-mapped; workers of one machine share the pages, and nothing here is written.

    arrays: by the names that `write_snapshot` was given. meta: the JSON object that it was given.
    """

    id: str
    arrays: Mapping[str, npt.NDArray[Any]]
    meta: Mapping[str, Any]
    owners: Ids
    _index: Any
    _centroids: FloatArray

    def search(self, queries: FloatArray, k: int) -> tuple[FloatArray, Ids]:
        """Find the k prototypes nearest to each query.

        queries: (q, d) float32 unit rows. Returns similarity (q, k) float32, descending, and owners (q, k)
        int32; where there are fewer prototypes, -1 and -1. One owner may stand more than once.
        Raises UsageError on another dimension.
        """
        if queries.ndim != 2 or queries.shape[1] != self._index.d:
            raise UsageError(f"queries (q, {self._index.d}) expected, {queries.shape} given")
        similarity, hits = nearest(self._index, self._centroids, queries, k)
        if not len(self.owners):
            return np.full(hits.shape, -1, np.float32), np.full(hits.shape, -1, np.int32)
        none = hits < 0
        similarity[none] = -1.0
        return np.minimum(similarity, 1.0), np.where(none, -1, self.owners[hits]).astype(np.int32)


def write_snapshot(
    home: Path,
    *,
    vectors: FloatArray,
    owners: Ids,
    arrays: Mapping[str, npt.NDArray[Any]],
    meta: Mapping[str, Any],
) -> str:
    """Write a snapshot aside, make it durable, and let home/current name it; returns its id.

    vectors: (p, d) float32 unit rows, the prototypes; owners: (p,) int32, each one's family.
    A crash or a full disk at any point leaves the previous snapshot live. One writer at a time.
    Raises SnapshotError where home cannot be written, UsageError on shapes that differ.
    """
    norms_of(vectors)
    if owners.shape != (len(vectors),):
        raise UsageError(f"{len(vectors)} owners expected, one a prototype, {owners.shape} given")
    bad = [name for name in arrays if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name == "owners"]
    if bad:
        raise UsageError(f"an array is named in [a-z0-9_] and not 'owners', {bad[0]!r} given")
    aside = Home(home).snapshots / ".writing"
    try:
        shutil.rmtree(aside, ignore_errors=True)
        private_folder(Home(home).snapshots)
        private_folder(aside)
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
    index = make_index(vectors, "Flat", 0, exact_up_to=LOOKUP_EXACT_UP_TO, probes=LOOKUP_PROBES)
    write_index(index, private_file(aside / INDEX_FILE))
    for name, array in arrays.items():
        np.save(private_file(aside / f"{name}.npy"), np.ascontiguousarray(array), allow_pickle=False)
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
    folder = Home(home).snapshots / name
    manifest = read_manifest(folder)
    for file, expected in manifest["files"].items():
        if verify:
            compare(folder / file, expected, sha256(folder / file))
        elif not (folder / file).is_file():
            raise SnapshotError(f"{folder / file} is missing")
    try:
        index = map_index(folder / INDEX_FILE)
        arrays = {
            # a plain view: every slice of a memmap makes a memmap
            Path(file).stem: np.asarray(np.load(folder / file, mmap_mode="r", allow_pickle=False))
            for file in manifest["files"]
            if file.endswith(".npy")
        }
    except (OSError, RuntimeError, ValueError) as error:
        raise SnapshotError(f"snapshot {folder} cannot be mapped: {error}") from error
    return Snapshot(name, arrays, manifest["meta"], arrays.pop("owners"), index, centroids_of(index))
