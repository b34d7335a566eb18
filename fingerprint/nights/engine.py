"""Where the work on all texts of a night is done: by threads of this process, or by the machines of a cluster.

Stages hand an engine a function of a module, what all its calls need (`given`), and a stream of items. They know
nothing of where it runs (D-044): `Threads` here, `ray_engine.Ray` elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from fingerprint.base.parallel import in_order, workers
from fingerprint.base.types import FloatArray
from fingerprint.clustering.faiss_index import EXACT_UP_TO
from fingerprint.clustering.knn import Neighbours, Search, knn_graph
from fingerprint.domain.errors import UsageError
from fingerprint.domain.settings import Settings
from fingerprint.nights.ray_engine import Ray

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
        """Find the k nearest others of each of n vectors, (n, d) float32 unit rows, as `knn.knn_graph` does."""


@dataclass(frozen=True, slots=True)
class Threads:
    """Threads of this process; search: finds neighbours in the place of FAISS (`knn_gpu.DeviceSearch`)."""

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


def choose_engine(
    settings: Settings, *, spill: Path, warm_up: Callable[[], object]
) -> AbstractContextManager[Engine]:
    """Return the engine that the settings ask for; it starts when it is first used, and ends with the context.

    spill: folder for what does not fit into the memory of a local Ray. warm_up: a function of a module that each node
    of a cluster calls first. Raises UsageError for settings that do not go together.
    """
    count = settings.threads or workers()
    if settings.engine not in ("local", "ray"):
        raise UsageError(f"engine: local or ray expected, {settings.engine!r} found")
    if settings.engine == "ray":
        if settings.device is not None:
            raise UsageError("--device: only with --engine local")
        return Ray(settings.ray_address, workers=count, spill=spill, warm_up=warm_up)
    if settings.ray_address is not None:
        raise UsageError("--ray-address: only with --engine ray")
    if settings.device is None:
        return nullcontext(Threads(count))
    from fingerprint.clustering.knn_gpu import DeviceSearch  # torch takes seconds to import

    return nullcontext(Threads(count, DeviceSearch(settings.device)))
