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
from numpy.lib import format as npy

from fingerprint.base.jit import njit
from fingerprint.base.parallel import in_order, workers
from fingerprint.base.private import private_file, private_folder
from fingerprint.base.types import FloatArray, Ids
from fingerprint.clustering.byte_lists import ByteLists, make_lists, nearest
from fingerprint.clustering.faiss_index import norms_of
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

TOGETHER = 1_024
"""Queries that one thread searches for at once: those of a lookup, or of several together, are fewer."""

_OWN = frozenset(("owners", "prototypes", *(f"near_{name}" for name in ByteLists._fields)))
"""Arrays that are made here."""


@dataclass(frozen=True)
class Snapshot:
    """What lookups read, memory-mapped; workers of one machine share the pages, and nothing here is written.

    arrays: by the names that `write_snapshot` was given, and prototypes, (p, d). meta: the JSON object that it was given.
    """

    id: str
    arrays: Mapping[str, npt.NDArray[Any]]
    meta: Mapping[str, Any]
    owners: Ids
    _lists: ByteLists

    def search(self, queries: FloatArray, k: int) -> Ids:
        """Find the k prototypes nearest to each query: returns their owners (q, k) int32, the nearest first, -1 where there are fewer.

        queries: (q, d) float32 unit rows, or zeros, to which none is near. One owner may stand more than once. Raises
        UsageError on another dimension.
        """
        dimension = self._lists.code.shape[1]
        if queries.ndim != 2 or queries.shape[1] != dimension:
            raise UsageError(f"queries (q, {dimension}) expected, {queries.shape} given")
        queries = np.ascontiguousarray(queries, dtype=np.float32)

        def of(part: FloatArray) -> Ids:
            return _nearest_owners(self._lists, self.owners, part, LOOKUP_PROBES, k)

        if len(queries) <= TOGETHER:
            return of(queries)
        parts = (queries[begin : begin + TOGETHER] for begin in range(0, len(queries), TOGETHER))
        return np.concatenate(list(in_order(of, parts, threads=workers())))


@njit(cache=True, nogil=True)
def _nearest_owners(lists: ByteLists, owners: Ids, queries: FloatArray, probes: int, k: int) -> Ids:
    near = nearest(lists, queries, probes, k)
    for row in range(len(near)):
        for n in range(k):
            if near[row, n] >= 0:
                near[row, n] = owners[near[row, n]]
    return near


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
    bad = [name for name in arrays if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name in _OWN]
    if bad:
        raise UsageError(f"an array is named in [a-z0-9_] and not as one made here, {bad[0]!r} given")
    aside = Home(home).snapshots / ".writing"
    try:
        shutil.rmtree(aside, ignore_errors=True)
        private_folder(Home(home).snapshots)
        private_folder(aside)
        try:
            lists = make_lists(vectors, 0, LOOKUP_EXACT_UP_TO)._asdict()
            own = {
                "owners": owners,
                "prototypes": vectors,
                **{f"near_{name}": a for name, a in lists.items()},
            }
            return make_live(home, aside, _fill(aside, {**arrays, **own}, meta))
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise SnapshotError(f"snapshot cannot be written under {home}: {error}") from error


def _fill(aside: Path, arrays: Mapping[str, npt.NDArray[Any]], meta: Mapping[str, Any]) -> bytes:
    """Write the arrays, and return the manifest that lists them."""
    for name, array in arrays.items():
        array = np.ascontiguousarray(array)
        # np.save does not tell of a disk that fills up on an array's last page
        with private_file(aside / f"{name}.npy").open("wb") as file:
            npy.write_array_header_1_0(file, npy.header_data_from_array_1_0(array))
            file.write(array.data)
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
        arrays = {
            # a plain view: every slice of a memmap makes a memmap
            Path(file).stem: np.asarray(np.load(folder / file, mmap_mode="r", allow_pickle=False))
            for file in manifest["files"]
            if file.endswith(".npy")
        }
    except (OSError, ValueError) as error:
        raise SnapshotError(f"snapshot {folder} cannot be mapped: {error}") from error
    lists = ByteLists(*(arrays.pop(f"near_{field}") for field in ByteLists._fields))
    return Snapshot(name, arrays, manifest["meta"], arrays.pop("owners"), lists)
