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


def is_closed(service: Running, key: str | None) -> None:
    """Ask every route that needs a key, and see that none answers."""
    app: Any = service.client.app
    headers = {} if key is None else {"x-api-key": key, "x-fingerprint-key": key}
    for method, path in all_routes(app.routes):
        if path in OPEN or method == "HEAD":
            continue
        got = service.client.request(method, path, json=BODY, headers=headers)
        assert got.status_code == 503, (method, path, got.status_code)
        assert int(got.headers["retry-after"]) > 0, (method, path)
    got = service.client.post("/login", data={"key": key or MADE_UP})
    assert (got.status_code, "retry-after" in got.headers) == (503, True)
    assert service.client.get("/livez").status_code == 200
    assert service.client.get("/readyz").status_code == 503


def is_open_by_key_alone(service: Running, key: str) -> None:
    asked = [{"x-api-key": key}, {"x-api-key": MADE_UP}, {}]
    got = [service.client.post("/v1/lookup", json=BODY, headers=headers) for headers in asked]
    assert [answer.status_code for answer in got] == [200, 401, 401]
    assert service.client.get("/readyz").status_code == 200


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
            is_closed(service, sent)
        service.service.refresh()
        assert not (home / "fingerprint.db").exists(), "a database without keys would let everybody in"
        shutil.move(away, home / "fingerprint.db")
        service.service.refresh()
        is_open_by_key_alone(service, key)


def test_a_server_that_is_away_at_the_start(home: Path, postgresql: str) -> None:
    name = f"starting{next(_numbers)}"
    url = postgresql.replace("/postgres?", f"/{name}?")
    refuse_without_keys(Config(str(home), database=url, host="0.0.0.0"))
    with running(home, database=url, refresh_ms=3_600_000) as service:
        is_closed(service, MADE_UP)
        with psycopg.connect(postgresql, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        with Store.open(home, url) as store:
            _, key = store.access.create_key("ann", ["lookup"], by="test")
        service.service.refresh()
        is_open_by_key_alone(service, key)


def test_without_keys_no_other_machine_connects(home: Path) -> None:
    with pytest.raises(UsageError, match="needs an API key"):
        refuse_without_keys(Config(str(home), host="0.0.0.0"))
