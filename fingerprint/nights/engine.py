"""Where the work on all texts of a night is done: by threads of this process, or by the machines of a cluster.

Stages hand an engine a function of a module, what all its calls need (`given`), and a stream of items. They know
nothing of where it runs (D-044): `Threads` here, `engine_ray.Ray` elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from fingerprint.base.parallel import in_order
from fingerprint.base.types import FloatArray
from fingerprint.clustering.faiss_index import EXACT_UP_TO
from fingerprint.clustering.knn import Neighbours, Search, knn_graph

Given = TypeVar("Given")
Item = TypeVar("Item")
Result = TypeVar("Result")


class Engine(Protocol):
    """Works streams and finds neighbours; results depend neither on the engine nor on how many workers it has."""

    @property
    def spreads(self) -> bool:
        """Whether every night goes by way of the disk, in pieces, however small it is."""

    def sees(self, path: Path) -> bool:
        """Tell whether all that work can read this file under this name, as it is here."""

    def in_order(
        self, work: Callable[[Given, Item], Result], given: Given, items: Iterable[Item]
    ) -> Iterator[Result]:
        """Yield work(given, item) of each item, in the order of the items; few items are held at once.

        work: a function of a module. given: the same for all items; it is not changed. What is kept of a result is
        copied: its arrays may lie in memory that is shared with workers, and keep all of it there.
        An error of `work` is raised where its result would stand.
        """

    def graph(
        self, vectors: FloatArray, k: int, *, seed: int = 0, exact_up_to: int = EXACT_UP_TO
    ) -> Neighbours:
        """Find each vector's nearest others, as `index.knn_graph` does."""


@dataclass(frozen=True, slots=True)
class Threads:
    """Threads of this process; search: finds neighbours in the place of FAISS (`gpu.Search`)."""

    count: int
    search: Search | None = None

    @property
    def spreads(self) -> bool:
        """Never: what fits in memory is worked there."""
        return False

    def sees(self, path: Path) -> bool:  # noqa: ARG002
        """Tell that a thread reads what its process reads."""
        return True

    def in_order(
        self, work: Callable[[Given, Item], Result], given: Given, items: Iterable[Item]
    ) -> Iterator[Result]:
        """Work items by `count` threads; at most count + 1 are held at once."""
        return in_order(partial(work, given), items, threads=self.count)

    def graph(
        self, vectors: FloatArray, k: int, *, seed: int = 0, exact_up_to: int = EXACT_UP_TO
    ) -> Neighbours:
        """Search with FAISS's own threads, or on a device."""
        return knn_graph(vectors, k, seed=seed, exact_up_to=exact_up_to, search=self.search)
