"""A service that starts while its database is away: nobody knows the keys, so nobody is let in."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support.routes import all_routes
from support.service_client import Running, running
from support.small_traffic import TEMPLATES

from fingerprint.domain.errors import UsageError
from fingerprint.service.http.config import Config
from fingerprint.service.server import refuse_without_keys
from fingerprint.service.serving.gate import OPEN
from fingerprint.store.store import Store

BODY = {"prompt": TEMPLATES[0].format("river market engine teacher window garden")}
MADE_UP = "fpk_aaaaaaaaaa_" + "0" * 64
_numbers = itertools.count()


def not_refused(service: Running, key: str | None) -> list[tuple[str, str, int]]:
    """Ask every route that needs a key, and return those that answer anything but that one should come again later."""
    app: Any = service.client.app
    headers = {} if key is None else {"x-api-key": key, "x-fingerprint-key": key}
    asked: list[tuple[str, str, dict[str, Any]]] = [
        (method, path, {"json": BODY, "headers": headers})
        for method, path in all_routes(app.routes)
        if path not in OPEN and method != "HEAD"
    ]
    asked.append(("POST", "/login", {"data": {"key": key or MADE_UP}}))
    out = []
    for method, path, sent in asked:
        got = service.client.request(method, path, **sent)
        if got.status_code != 503 or int(got.headers.get("retry-after", 0)) <= 0:
            out.append((method, path, got.status_code))
    return out


def health(service: Running) -> list[int]:
    """Return the statuses of "alive" and "ready"."""
    return [service.client.get(path).status_code for path in ("/livez", "/readyz")]


def lookups(service: Running, key: str) -> list[int]:
    """Return the statuses of a lookup with this key, with one that nobody made, and without any."""
    asked = [{"x-api-key": key}, {"x-api-key": MADE_UP}, {}]
    return [service.client.post("/v1/lookup", json=BODY, headers=headers).status_code for headers in asked]


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_file_that_is_away_at_the_start(home: Path, tmp_path: Path, host: str) -> None:
    with Store.open(home) as store:
        _, key = store.access.create_key("ann", ["lookup"], by="test")
    away = Path(shutil.move(home / "fingerprint.db", tmp_path / "away.db"))
    refuse_without_keys(Config(str(home), host=host))
    with running(home, host=host, refresh_ms=3_600_000) as service:
        for sent in (None, MADE_UP, key):
            if sent is None and host != "127.0.0.1":
                continue  # who has no key at all is told so
            assert not not_refused(service, sent)
        assert health(service) == [200, 503]
        service.service.refresh()
        assert not (home / "fingerprint.db").exists(), "a database without keys would let everybody in"
        shutil.move(away, home / "fingerprint.db")
        service.service.refresh()
        assert lookups(service, key) == [200, 401, 401]
        assert health(service) == [200, 200]


def test_a_server_that_is_away_at_the_start(home: Path, postgresql: str) -> None:
    name = f"starting{next(_numbers)}"
    url = postgresql.replace("/postgres?", f"/{name}?")
    refuse_without_keys(Config(str(home), database=url, host="0.0.0.0"))
    with running(home, database=url, refresh_ms=3_600_000) as service:
        assert not not_refused(service, MADE_UP)
        assert health(service) == [200, 503]
        with psycopg.connect(postgresql, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        with Store.open(home, url) as store:
            _, key = store.access.create_key("ann", ["lookup"], by="test")
        service.service.refresh()
        assert lookups(service, key) == [200, 401, 401]
        assert health(service) == [200, 200]


def test_without_keys_no_other_machine_connects(home: Path) -> None:
    with pytest.raises(UsageError, match="needs an API key"):
        refuse_without_keys(Config(str(home), host="0.0.0.0"))
