"""The settings of the service, and how worker processes get them."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from ipaddress import ip_address, ip_network
from pathlib import Path

from fingerprint.domain.errors import UsageError
from fingerprint.domain.reading import ROLES
from fingerprint.domain.settings import Home

ENVIRONMENT = "FINGERPRINT_SERVE"
"""Carries the settings from `fingerprint serve` to its worker processes, as JSON; no secret is among them but a
database URL."""


@dataclass(frozen=True, slots=True)
class Config:
    """How the service runs; the defaults are those of `fingerprint serve`.

    policy: file of the operator's policy; None: every decision is observe.
    max_body: bytes of a request's body.
    max_gateway_body: bytes of a gateway's request that are read; of a longer one what comes after them is not looked up.
    max_waiting: lookups that may wait in one worker; further ones are refused with 503.
    deadline_ms: a lookup that has waited for so long is refused with 503. batch: requests in one batch.
    batch_deadline_ms: the same for a batch, whose parts take turns with other requests.
    refresh_ms: time between two looks for newer snapshots, labels, keys and policies. session_hours: length of a login.
    drain_ms: time between saying "not ready" and accepting no more connections.
    secure_cookies: cookies over HTTPS only.
    unix: path of a Unix socket to listen on instead of host and port.
    proxies: addresses and networks whose X-Forwarded-For and X-Forwarded-Proto are believed; raises UsageError for another word.
    history: files and folders of past traffic that analysts may search from the console.
    roles: whose turns are looked up beside those of system and user.
    """

    path: str
    database: str | None = None
    host: str = "127.0.0.1"
    port: int = 8765
    workers: int = 1
    model: str | None = None
    policy: str | None = None
    max_body: int = 16 * 1024 * 1024
    max_gateway_body: int = 16 * 1024 * 1024
    max_waiting: int = 512
    deadline_ms: int = 1000
    batch: int = 1000
    batch_deadline_ms: int = 30_000
    refresh_ms: int = 500
    session_hours: float = 12.0
    drain_ms: int = 500
    secure_cookies: bool = False
    unix: str | None = None
    history: tuple[str, ...] = ()
    roles: tuple[str, ...] = ROLES
    proxies: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for proxy in self.proxies:
            try:
                ip_network(proxy)
            except ValueError as error:
                raise UsageError(f"--proxy: an IP address or network expected: {error}") from None

    @property
    def home(self) -> Home:
        """The home that is served."""
        return Home(Path(self.path), self.database)

    @property
    def is_local(self) -> bool:
        """True when only this machine can connect."""
        return self.unix is not None or is_loopback(self.host)

    def to_environment(self) -> None:
        """Leave the settings where `from_environment` of a child process finds them."""
        os.environ[ENVIRONMENT] = json.dumps(asdict(self))

    @classmethod
    def from_environment(cls) -> Config:
        """Read the settings that the parent process left; raises UsageError without."""
        text = os.environ.get(ENVIRONMENT)
        if text is None:
            raise UsageError(
                f"settings in {ENVIRONMENT} expected, none found; start with `fingerprint serve`"
            )
        read = json.loads(text)
        lists = {name: tuple(read[name]) for name in ("history", "roles", "proxies")}
        return replace(cls(""), **{**read, **lists})


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address is this machine's own."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
