"""What all routes share: the settings, the matcher that answers now, the database, the API keys."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

import structlog
from fastapi.requests import HTTPConnection

from fingerprint.domain.errors import FingerprintError, StoreError
from fingerprint.matching.live import Live
from fingerprint.service.http.config import Config
from fingerprint.service.serving import metrics
from fingerprint.service.serving.batcher import Batcher
from fingerprint.service.serving.in_flight import InFlight
from fingerprint.service.serving.logins import Logins
from fingerprint.service.serving.policy import GatewayPolicy
from fingerprint.service.serving.policy_file import PolicyFile
from fingerprint.service.serving.publisher import Publisher
from fingerprint.store.access import StoredKey
from fingerprint.store.sessions import StoredSession
from fingerprint.store.store import Store

log = structlog.get_logger()


class Service:
    """One worker process's state; `refresh` runs in a thread of its own, everything else reads."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.live = Live(config.home, config.model)
        self.engine = Batcher(self.live, most_waiting=config.max_waiting)
        self.policy_file = PolicyFile(None if config.policy is None else Path(config.policy))
        self.policy_file.look()
        self.keys: dict[str, StoredKey] | None = None
        self.sessions: dict[str, StoredSession] = {}
        self.logins = Logins()
        self.in_flight = InFlight()
        # sessions looked for in the database at once: made-up ones must not take all its connections
        self.few = asyncio.Semaphore(4)
        self.draining = False
        self.database_up = False
        self.last_used: dict[str, datetime] = {}
        self._store: Store | None = None
        self._opening = Lock()
        self._publisher = Publisher(config)
        self._wake: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def policy(self) -> GatewayPolicy:
        """The operator's policy in use."""
        return self.policy_file.policy

    def store(self) -> Store:
        """Return the database of the home, opened once; raises StoreError while it is away."""
        with self._opening:
            if self._store is None:
                self._store = Store.open(self.config.home.path, self.config.home.database)
            return self._store

    def close(self) -> None:
        """Close the database's connections."""
        self._publisher.close()
        if self._store is not None:
            self._store.close()

    def refresh(self) -> None:
        """Look once for a newer policy, keys, snapshots and labels; what there was stays in use when something is away."""
        self.policy_file.look()
        store = self._reached()
        try:
            if self.live.refresh(store):
                serving = self.live.serving
                assert serving is not None
                metrics.SWAPS.inc()
                log.info("swapped", snapshot=serving.snapshot_id, revision=serving.revision)
            if store is not None and self.live.is_behind(store):
                self._publisher.want()
        except FingerprintError as error:
            log.warning("snapshot", error=type(error).__name__, message=str(error))

    def _reached(self) -> Store | None:
        """Return the store after reading the keys; None while the database is away."""
        try:
            store = self.store()
            self.keys = {key.row.key_id: key for key in store.access.all_keys()}
            self.sessions = store.sessions.in_force()
            used, self.last_used = self.last_used, {}
            if used:
                store.access.used(used)
        except StoreError as error:
            if self.database_up:
                log.warning("database", message=str(error))
            self.database_up = False
            return None
        self.database_up = True
        return store

    def now(self) -> datetime:
        """Return the time."""
        return datetime.now(UTC)

    async def following(self) -> None:
        """Refresh until cancelled: at the pace of the settings, and at once when this worker changed something."""
        loop = asyncio.get_running_loop()
        self._wake = wake = asyncio.Event()
        self._loop = loop
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(wake.wait(), self.config.refresh_ms / 1000)
            wake.clear()
            await asyncio.to_thread(self.refresh)
            self._publisher.look()

    def read_policy_again(self) -> None:
        """Read the policy's file at once, though it may seem unchanged."""
        self.policy_file.forget()
        self.changed()

    def changed(self) -> None:
        """Use a new label or edit at once; `refresh` has a snapshot made of it soon."""
        if self._loop is not None and self._wake is not None:
            self._loop.call_soon_threadsafe(self._wake.set)


def service_of(request: HTTPConnection) -> Service:
    """Return the state of the application that got this request (a dependency for routes)."""
    service: Service = request.app.state.service
    return service
