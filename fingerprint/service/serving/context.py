"""What all routes share: the settings, the matcher that answers now, the database, the API keys."""

from __future__ import annotations

import asyncio
import os
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
        self._was_open = False
        self._told: str | None = None
        self._told_of_database: str | None = None
        self._opening = Lock()
        self._publisher = Publisher(config)
        self._wake: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def policy(self) -> GatewayPolicy:
        """The operator's policy in use."""
        return self.policy_file.policy

    def store(self) -> Store:
        """Return the database of the home; raises StoreError while it is away.

        One that was replaced is opened anew; one that was removed is not made again, for its keys and labels are lost, and
        without a key anybody on this machine could look up. Nor is one made for a home that has a snapshot (D-231).
        """
        with self._opening:
            if self._store is not None and not self._store.database.in_place():
                self._store.close()
                self._store = None
            if self._store is None:
                home = self.config.home
                read_only = home.database is None and home.path.exists() and not os.access(home.path, os.W_OK)
                create = not self._was_open and not home.current_file.exists()
                self._store = Store.open(home.path, home.database, read_only=read_only, create=create)
                self._was_open = True
                if (old := self._store.database.upgraded_from) is not None:
                    log.info("upgraded", schema=old)
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
            if not self.live.on_disk():
                self._tell("the snapshot's files are gone; lookups go on with what is in memory")
            else:
                self._told = None
        except FingerprintError as error:
            # before the first night every worker misses it, and `fingerprint serve` has said so
            if self.live.serving is not None or self.config.home.current_file.exists():
                self._tell(f"{type(error).__name__}: {error}")
        try:
            if store is not None and not store.database.read_only and self._lacks_snapshot(store):
                self._publisher.want()
        except FingerprintError as error:
            log.warning("database", message=str(error))

    def _lacks_snapshot(self, store: Store) -> bool:
        """Tell whether a snapshot should be made: something is not in it, or its files are gone."""
        return self.live.is_behind(store) or (store.last_night() is not None and not self.live.on_disk())

    def _tell(self, message: str) -> None:
        """Write down what is wrong with the snapshot, once."""
        if message != self._told:
            log.warning("snapshot", message=message)
        self._told = message

    def _reached(self) -> Store | None:
        """Return the store after reading the keys; None while the database is away."""
        try:
            store = self.store()
            self.keys = {key.row.key_id: key for key in store.access.all_keys()}
            self.sessions = store.sessions.in_force()
            used, self.last_used = self.last_used, {}
            if used and not store.database.read_only:
                store.access.used(used)
        except StoreError as error:
            if str(error) != self._told_of_database:
                log.warning("database", message=str(error))
            self._told_of_database = str(error)
            self.database_up = False
            return None
        self._told_of_database = None
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
