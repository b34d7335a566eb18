"""How a client asks: where, for how long, how often again, and what holds when there is no answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from fingerprint.base.version import __version__
from fingerprint.domain.errors import UsageError

OnFailure = Literal["raise", "open", "closed"]
UNIX = "unix:"


@dataclass(frozen=True, slots=True)
class Options:
    """What a client is made of; raises UsageError for what cannot be.

    address: the service's, such as http://127.0.0.1:8765, or unix:/run/fingerprint.sock. key: an API key of scope lookup.
    timeout_s: of a lookup with all its tries and waits; the service is told, and gives up in time. batch_timeout_s: the same
    for each batch. retries: further tries after the first. on_failure: without an answer, raise LookupFailed, or decide by
    oneself: "open" observe, "closed" block. batch: requests in one batch. connections: open at once.
    """

    address: str = "http://127.0.0.1:8765"
    key: str | None = field(default=None, repr=False)
    timeout_s: float = 1.0
    batch_timeout_s: float = 30.0
    retries: int = 2
    on_failure: OnFailure = "raise"
    batch: int = 1000
    connections: int = 100

    def __post_init__(self) -> None:
        parts = urlsplit(self.address)
        if not (parts.scheme in ("http", "https") and parts.hostname) and not self.socket:
            raise UsageError(f"address: http://…, https://… or unix:/path expected, {self.address!r} found")
        if self.on_failure not in ("raise", "open", "closed"):
            raise UsageError(f"on_failure: raise, open or closed expected, {self.on_failure!r} found")
        for name in ("timeout_s", "batch_timeout_s", "batch", "connections"):
            if not getattr(self, name) > 0:
                raise UsageError(f"{name}: more than 0 expected, {getattr(self, name)} found")
        if self.retries < 0:
            raise UsageError(f"retries: 0 or more expected, {self.retries} found")

    @property
    def socket(self) -> str | None:
        """The path of a Unix socket, or None."""
        return self.address.removeprefix(UNIX) or None if self.address.startswith(UNIX) else None

    @property
    def url(self) -> str:
        """What paths are added to."""
        return "http://fingerprint" if self.socket else self.address.rstrip("/")

    @property
    def trusts_proxies(self) -> bool:
        """Whether proxies that the environment names stand between: never on the way to this machine or by plain HTTP."""
        return self.address.startswith("https:")

    @property
    def headers(self) -> dict[str, str]:
        """The headers that every request carries."""
        headers = {"content-type": "application/json", "user-agent": f"fingerprint/{__version__}"}
        return headers if self.key is None else {**headers, "x-api-key": self.key}
