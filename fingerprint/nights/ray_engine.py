"""The engine that works a night on a Ray cluster; the one user of ray, which it loads when it is first used.

Every piece of work is a task that Ray repeats elsewhere when its worker dies; a lost shard of an index is built anew
from its points. What all tasks need is put into the object store once. At most AHEAD tasks a worker are under way.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import socket
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np
import pyarrow as pa

from fingerprint.base.private import private_folder
from fingerprint.base.types import FloatArray, IntArray
from fingerprint.base.version import __version__
from fingerprint.clustering.faiss_index import BATCH, EXACT_UP_TO, search, train
from fingerprint.clustering.knn import Neighbours, knn_graph
from fingerprint.clustering.knn_shards import Shard, ShardHits, merge_hits
from fingerprint.domain.errors import EngineError, UsageError

AHEAD = 2
"""Tasks under way for each worker: one that is worked, one that waits."""

RETRIES = 8
"""Times that a piece of work is begun again, or a shard built anew, when a worker dies of it."""

MIN_SHARD_POINTS = 8_192
"""Points that a shard has at least: fewer are found sooner than a worker has started."""

STORE_BASE, STORE_WORKER = 256_000_000, 120_000_000
"""Bytes of a local object store: what all tasks share, and for each worker AHEAD pieces with their results."""

Given = TypeVar("Given")
Item = TypeVar("Item")
Result = TypeVar("Result")


class Ray:
    """Works on a Ray cluster; from the first use to the end of `with`.

    address: HOST:PORT or "auto", of a cluster that this machine is a node of; None starts `workers` processes on this
    machine that nothing but this process reaches, and ends them.
    spill: where these put what does not fit into their object store; removed at the end.
    warm_up: a function of a module that loads or compiles what the first tasks need; each node of a cluster calls it.
    Raises UsageError without ray, EngineError for a cluster that cannot be used.
    """

    def __init__(
        self,
        address: str | None,
        *,
        workers: int,
        spill: Path,
        warm_up: Callable[[], object] | None = None,
    ) -> None:
        if (
            address is not None
            and address != "auto"
            and not re.fullmatch(r"[^:/]+:\d+|\[[^]]+\]:\d+", address)
        ):
            raise UsageError(f"--ray-address: HOST:PORT or auto expected, {address!r} found")
        self._address = address
        self._workers = workers
        self._spill = spill
        self._warm_up = warm_up
        self._ray: Any = None
        self._folder: str | None = None
        self._seen: dict[Path, bool] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._ray is not None:
            self._ray.shutdown()
            self._ray = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            shutil.rmtree(self._spill, ignore_errors=True)

    @property
    def spreads(self) -> bool:
        """Always: a cluster works a night in pieces."""
        return True

    def sees(self, path: Path) -> bool:
        """Tell whether every node of the cluster reads this very file under this name."""
        if self._address is None:
            return True
        if path not in self._seen:
            here = _identity(path)
            self._seen[path] = all(identity == here for identity in self._everywhere(_identity, path))
        return self._seen[path]

    def in_order(
        self, work: Callable[[Given, Item], Result], given: Given, items: Iterable[Item]
    ) -> Iterator[Result]:
        """Work items by tasks of one processor each; at most AHEAD a worker are held at once."""
        ray = self._started()
        task = ray.remote(num_cpus=1, max_retries=RETRIES)(_call).options(name=work.__name__)
        shared = ray.put(given)
        pending: deque[Any] = deque()
        try:
            for item in items:
                pending.append(task.remote(work, shared, _compact(item)))
                if len(pending) >= AHEAD * self._workers:
                    yield self._result(pending.popleft())
            while pending:
                yield self._result(pending.popleft())
        finally:
            # a stream that is dropped after the end of `with` would have ray.cancel start Ray anew
            for reference in pending if self._ray is not None else ():
                ray.cancel(reference)

    def graph(
        self, vectors: FloatArray, k: int, *, seed: int = 0, exact_up_to: int = EXACT_UP_TO
    ) -> Neighbours:
        """Search shards of the points, each an actor, where there are enough points for two of them."""
        return knn_graph(vectors, k, seed=seed, exact_up_to=exact_up_to, search=self._search)

    def _search(self, points: FloatArray, wide: int, seed: int, exact_up_to: int) -> Iterator[IntArray]:
        shards = min(self._workers, len(points) // MIN_SHARD_POINTS)
        if shards < 2:
            yield from search(points, wide, seed, exact_up_to)
            return
        ray = self._started()
        cuts = np.linspace(0, len(points), shards + 1).astype(np.int64)
        empty = ray.put(train(points, seed, exact_up_to))
        made_of = [[empty, ray.put(part)] for part in np.split(points, cuts[1:-1])]
        shard = ray.remote(num_cpus=1, max_restarts=RETRIES, max_task_retries=RETRIES)(_ShardActor)
        actors = [shard.remote() for _ in made_of]
        pending: deque[Any] = deque()
        try:
            for start in range(0, len(points), BATCH):
                queries = ray.put(points[start : start + BATCH])
                pending.append(
                    [a.search.remote(of, queries, wide) for a, of in zip(actors, made_of, strict=True)]
                )
                if len(pending) > AHEAD:
                    yield merge_hits(self._result(pending.popleft()), cuts[:-1].tolist(), wide)
            while pending:
                yield merge_hits(self._result(pending.popleft()), cuts[:-1].tolist(), wide)
        finally:
            for actor in actors if self._ray is not None else ():
                ray.kill(actor)

    def _result(self, references: Any) -> Any:
        """Wait for results; what went wrong in a task is raised as it was there."""
        errors = self._ray.exceptions
        try:
            return self._ray.get(references)
        except errors.RayError as error:
            cause = getattr(error, "cause", None)
            if isinstance(cause, Exception) and not isinstance(cause, errors.RayError):
                raise cause from error
            raise EngineError(f"Ray gave up on a piece of work: {_first_line(cause or error)}") from error

    def _started(self) -> Any:
        if self._ray is None:
            self._ray = _ray(own=self._address is None)
            with _kept_handler():
                if self._address is None:
                    self._start()
                else:
                    self._connect(self._address)
        return self._ray

    def _start(self) -> None:
        # not below the home: a socket's name has at most 107 bytes
        self._folder = tempfile.mkdtemp(prefix="fingerprint-ray-")
        private_folder(self._spill)
        self._init(
            "a local Ray cannot be started",
            address="local",  # whatever RAY_ADDRESS says
            num_cpus=self._workers,
            num_gpus=0,
            object_store_memory=STORE_BASE + STORE_WORKER * self._workers,
            object_spilling_directory=str(self._spill.resolve()),
            include_dashboard=False,
            _temp_dir=self._folder,
        )

    def _connect(self, address: str) -> None:
        if address != "auto":
            _knock(address)
        self._init(f"no Ray cluster at {address}", address=address)
        self._workers = max(1, int(self._ray.cluster_resources().get("CPU", 1)))
        here = _versions()
        for versions in self._everywhere(_ready, self._warm_up):
            if versions != here:
                raise EngineError(f"every node with {here} expected, one with {versions} found")

    def _init(self, trouble: str, **options: Any) -> None:
        try:
            self._ray.init(log_to_driver=False, configure_logging=False, **options)
        except (OSError, ValueError, RuntimeError) as error:
            raise EngineError(f"{trouble}: {_first_line(error)}") from error

    def _everywhere(self, work: Callable[..., Any], *arguments: Any) -> list[Any]:
        """Do the same on every node that is alive."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        ray = self._started()
        task = ray.remote(num_cpus=0, max_retries=RETRIES)(work)
        nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
        places = [NodeAffinitySchedulingStrategy(node, soft=False) for node in nodes]
        results: list[Any] = self._result(
            [task.options(scheduling_strategy=place).remote(*arguments) for place in places]
        )
        return results


class _ShardActor:
    """A shard in an actor; one that died is built again by the next search."""

    def __init__(self) -> None:
        self._shard: Shard | None = None

    def search(self, made_of: list[Any], queries: FloatArray, wide: int) -> ShardHits:
        """Search as `Shard.search`; made_of: references to what `Shard` takes."""
        if self._shard is None:
            import ray

            self._shard = Shard(*ray.get(made_of))
        return self._shard.search(queries, wide)


def _call(work: Callable[[Any, Any], Any], given: Any, item: Any) -> Any:
    return work(given, item)


def _compact(item: Any) -> Any:
    """Return an item that is sent as large as it is: of a slice, Arrow would send all that it was cut from."""
    if isinstance(item, pa.RecordBatch):
        return pa.ipc.read_record_batch(item.serialize(), item.schema)
    return item


def _knock(address: str) -> None:
    """Raise EngineError where nobody answers; Ray would try for minutes."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except OSError as error:
        raise EngineError(f"no Ray cluster at {address}: {error.strerror or error}") from error


def _identity(path: Path) -> tuple[int, int] | None:
    """Return a file's size and time, None where there is none."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns


def _ready(warm_up: Callable[[], object] | None) -> str:
    """Make a node ready for its first tasks, and tell its versions."""
    if warm_up is not None:
        warm_up()
    return _versions()


def _versions() -> str:
    """Name what results depend on to the last digit."""
    return f"fingerprint {__version__}, NumPy {np.__version__}, pyarrow {pa.__version__}"


_QUIET = {"RAY_USAGE_STATS_ENABLED": "0"}
_OWN = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # what keeps Ray on laptops at 127.0.0.1 does so everywhere
    "RAY_AUTH_MODE": "token",
    "RAY_worker_niceness": "0",
}


def _ray(*, own: bool) -> Any:
    """Load ray, which reads its environment then; own: for a cluster that this process alone can reach."""
    token = {"RAY_AUTH_TOKEN": secrets.token_hex(32)}
    for name, value in (_QUIET | _OWN | token if own else _QUIET).items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as error:
        raise UsageError("--engine ray: Ray is not installed; pip install 'fingerprint[ray]'") from error
    if ray.is_initialized():
        raise UsageError("--engine ray: this process uses Ray already")
    _speak_on_stderr(ray)
    return ray


def _speak_on_stderr(ray: Any) -> None:
    """Let Ray tell of dead workers on stderr; it has no setting for that, and stdout belongs to results."""
    printed = ray._private.worker.print_to_stdstream
    if not isinstance(printed, _OnStderr):
        ray._private.worker.print_to_stdstream = _OnStderr(printed)


class _OnStderr:
    def __init__(self, printed: Callable[..., None]) -> None:
        self._printed = printed

    def __call__(self, data: dict[str, Any], **options: Any) -> None:
        self._printed({**data, "is_err": True}, **options)


@contextmanager
def _kept_handler() -> Iterator[None]:
    """Keep the handler of SIGTERM, which Ray replaces by one that says nothing."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
