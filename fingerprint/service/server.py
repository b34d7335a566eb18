"""Runs the service: one process or several, which stop accepting connections only after saying "not ready"."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
from contextlib import nullcontext, suppress
from pathlib import Path

import structlog
import uvicorn
from uvicorn.supervisors import Multiprocess

from fingerprint.domain.errors import StoreError, UsageError
from fingerprint.service.http.config import Config
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


def serve(config: Config) -> None:
    """Run until stopped.

    Raises UsageError when other machines could connect and no key exists, and when the policy's file is wrong: at the
    start there is no earlier policy to keep.
    """
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
        http="httptools",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_worker_healthcheck=HEALTHY_S,
        backlog=2048,
    )
    opened = nullcontext() if config.unix is None else unix_socket(Path(config.unix))
    with opened as listening, suppress(KeyboardInterrupt):  # uvicorn raises the signal that stopped it again
        _run(config, settings, listening)


def _run(config: Config, settings: uvicorn.Config, listening: socket.socket | None) -> None:
    if config.workers == 1:
        uvicorn.Server(settings).run(sockets=None if listening is None else [listening])
        return
    with tempfile.TemporaryDirectory(prefix="fingerprint-metrics-") as folder:
        # read when a worker imports prometheus_client
        os.environ[MULTIPROCESS] = folder
        _Workers(settings, sockets=[settings.bind_socket() if listening is None else listening]).run()


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
    read_only = config.home.database_file.exists() and not os.access(config.home.path, os.W_OK)
    try:
        with Store.open(
            config.home.path,
            config.home.database,
            read_only=read_only,
            create=not config.home.current_file.exists(),
        ) as store:
            keys = store.access.all_keys()
    except StoreError as error:
        structlog.get_logger().warning("database", message=str(error))
        return
    if not any(key.row.revoked is None for key in keys):
        raise UsageError(
            f"--host {config.host} lets other machines connect, which needs an API key, and there is none; "
            f"first run: fingerprint keys create NAME --scope lookup --home {config.path}"
        )
