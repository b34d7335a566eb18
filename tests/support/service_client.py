"""A service in this process, over a home that small traffic made, and the keys to ask it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fastapi.testclient import TestClient

from fingerprint.service.app import create_app
from fingerprint.service.http.config import Config
from fingerprint.service.serving.context import Service
from fingerprint.store.store import Store


@dataclass(frozen=True)
class Running:
    """A service that answers; the client sends no key of its own."""

    client: TestClient
    service: Service
    home: Path

    def key(self, *scopes: str, name: str = "ann") -> dict[str, str]:
        """Make a key and return the headers that carry it, once the service knows it."""
        with Store.open(self.home, self.service.config.database) as store:
            _, key = store.access.create_key(name, scopes, by="test")
        self.service.refresh()
        return {"x-api-key": key}


@contextmanager
def running(home: Path, **settings: object) -> Iterator[Running]:
    """Start a service over a home; settings: as Config has them, but that lookups may take as long as a busy machine needs."""
    app = create_app(Config(str(home), **{"deadline_ms": 60_000, **settings}))  # type: ignore[arg-type]
    with TestClient(app, base_url="http://127.0.0.1:8765", follow_redirects=False) as client:
        yield Running(client, app.state.service, home)
