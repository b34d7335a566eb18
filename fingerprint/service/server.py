"""Runs the service: one process or several, which stop accepting connections only after saying "not ready"."""

from __future__ import annotations

import os
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog
import uvicorn
from uvicorn.supervisors import Multiprocess

from fingerprint.domain.errors import SnapshotError, StoreError, UsageError
from fingerprint.matching.snapshot import open_snapshot
from fingerprint.service.http.config import Config
from fingerprint.service.http.heads import BoundedHeads
from fingerprint.service.listening import bound_sockets, url_of
from fingerprint.service.serving.metrics import MULTIPROCESS
from fingerprint.service.serving.policy import GatewayPolicy
from fingerprint.service.unix_socket import unix_socket
from fingerprint.store.store import Store

GRACE_S = 25
"""How long requests may still take after the service stops accepting: less than Kubernetes and systemd wait."""

KEEP_ALIVE_S = 75
"""How long an idle connection is kept: longer than gateways do, or they would use a closed one."""

HEALTHY_S = 60
"""A worker that does not answer for so long is replaced."""


def serve(config: Config, prepare: Callable[[], None] = lambda: None) -> None:
    """Run until stopped; the first line on stdout says where, and what is served.

    prepare: what may take a while, done once all is known to be right and before anybody can connect.
    Raises StoreError without a home, UsageError when other machines could connect and no key exists, when the address cannot be
    had, and when the policy's file is wrong: at the start there is no earlier policy to keep.
    """
    if not config.home.path.is_dir():
        raise StoreError(
            f"{config.path}: there is no home here; first run: fingerprint nightly TRAFFIC --home {config.path}"
        )
    refuse_without_keys(config)
    if config.policy is not None:
        GatewayPolicy.load(Path(config.policy))  # later, a wrong file is reported and ignored
    config.to_environment()
    settings = uvicorn.Config(
        "fingerprint.service.app:from_environment",
        factory=True,
        host=config.host,
        port=config.port,
        workers=config.workers,
        loop="uvloop",
        http=BoundedHeads,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(config.proxies),
        forwarded_allow_ips=list(config.proxies),
        timeout_graceful_shutdown=GRACE_S,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_worker_healthcheck=HEALTHY_S,
        backlog=2048,
    )
    with _listening(config) as (sockets, address):
        prepare()
        sys.stdout.write(f"{address} {_served(config)}\n")
        sys.stdout.flush()
        with suppress(KeyboardInterrupt):  # uvicorn raises the signal that stopped it again
            _run(config, settings, sockets)


@contextmanager
def _listening(config: Config) -> Iterator[tuple[list[socket.socket], str]]:
    """Give the sockets to listen on, bound before anything starts, and their address."""
    if config.unix is not None:
        with unix_socket(Path(config.unix)) as one:
            yield [one], f"unix:{config.unix}"
        return
    sockets = bound_sockets(config.host, config.port)
    try:
        yield sockets, url_of(config.host, sockets)
    finally:
        for one in sockets:
            one.close()


def _run(config: Config, settings: uvicorn.Config, sockets: list[socket.socket]) -> None:
    if config.workers == 1:
        uvicorn.Server(settings).run(sockets=sockets)
        return
    with tempfile.TemporaryDirectory(prefix="fingerprint-metrics-") as folder:
        # read when a worker imports prometheus_client
        os.environ[MULTIPROCESS] = folder
        _Workers(settings, sockets=sockets).run()


class _Workers(Multiprocess):
    """uvicorn's supervisor, but that SIGHUP is passed on, where it would replace all workers."""

    def handle_hup(self) -> None:
        """Let every worker read the policy again."""
        for process in self.processes:
            if process.pid is not None and process.process.is_alive():
                os.kill(process.pid, signal.SIGHUP)


def refuse_without_keys(config: Config) -> None:
    """Raise UsageError when other machines could connect and every API key is revoked, or there is none.

    While the database is away nobody knows, and nobody is let in (D-231).
    """
    if config.is_local:
        return
    try:
        with _opened(config) as store:
            keys = store.access.all_keys()
    except StoreError as error:
        structlog.get_logger().warning("database", message=str(error))
        return
    if not any(key.row.revoked is None for key in keys):
        raise UsageError(
            f"--host {config.host} lets other machines connect, which needs an API key, and there is none; "
            f"first run: fingerprint keys create NAME --scope lookup --home {config.path}"
        )


def _opened(config: Config) -> Store:
    read_only = config.home.database_file.exists() and not os.access(config.home.path, os.W_OK)
    # a home with a snapshot had a database: it is not made again
    return Store.open(
        config.home.path,
        config.home.database,
        read_only=read_only,
        create=not config.home.current_file.exists(),
    )


def _served(config: Config) -> str:
    """Say what is served, in words; a database of an older version is brought up to date on the way."""
    told = [f"serves {config.path}"]
    try:
        with _opened(config) as store:
            if store.database.upgraded_from is not None:
                told.append(f"its database was of {store.database.upgraded_from}, and is up to date now")
            nights = store.nights()
            told.append(f"{store.database.name} with {len(nights)} nights" if nights else "no nights yet")
    except StoreError as error:
        told.append(f"without its database: {error}")
    try:
        snapshot = open_snapshot(config.home.path, verify=False)
        told.append(f"{len(snapshot.meta['families'])} families in snapshot {snapshot.id}")
    except SnapshotError:
        told.append("no snapshot yet: lookups answer 503 until there is one")
    return "; ".join(told)
