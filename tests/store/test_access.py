"""Keys, scopes, sessions, CSRF, and the log that keeps what it is told."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from support.service_client import Running, running
from support.small_traffic import done, failed

from fingerprint.domain.errors import NotFound, StoreError, UsageError
from fingerprint.domain.vocabulary import SCOPES
from fingerprint.service.http.config import Config
from fingerprint.service.server import refuse_without_keys
from fingerprint.service.serving.sessions import COOKIE
from fingerprint.store import api_keys
from fingerprint.store.store import Store


@pytest.fixture
def service(home: Path) -> Iterator[Running]:
    with running(home) as found:
        yield found


def test_of_a_key_only_its_hash_is_kept(store: Store, tmp_path: Path, store_url: str | None) -> None:
    row, key = store.access.create_key("gateway", ["read", "lookup"], by="ann")
    assert re.fullmatch(r"fpk_[a-z0-9]{10}_[0-9a-f]{64}", key)
    assert api_keys.id_in(key) == row.key_id
    (stored,) = store.access.all_keys()
    assert stored.row == row
    assert stored.row.scopes == ("lookup", "read")
    assert api_keys.same(key, stored.digest)
    assert not api_keys.same(key[:-1] + ("0" if key[-1] != "0" else "1"), stored.digest)
    if store_url is None:
        store.close()
        assert key.encode()[16:] not in (tmp_path / "fingerprint.db").read_bytes()


def test_keys_are_revoked_once_and_for_all(store: Store) -> None:
    row, _ = store.access.create_key("gateway", ["lookup"], by="ann")
    first = store.access.revoke_key(row.key_id, by="bob").revoked
    assert first is not None
    assert store.access.revoke_key(row.key_id, by="bob").revoked == first
    with pytest.raises(NotFound, match="no key nothing"):
        store.access.revoke_key("nothing", by="bob")
    log = [(line.actor, line.action, line.subject) for line in store.access.audit()]
    assert log == [("bob", "key.revoke", row.key_id), ("ann", "key.create", row.key_id)]


@pytest.mark.parametrize(("name", "scopes"), [("", ["read"]), ("x", []), ("x", ["root"])])
def test_keys_need_a_name_and_known_scopes(store: Store, name: str, scopes: list[str]) -> None:
    with pytest.raises(UsageError, match=r"expected|must not be empty"):
        store.access.create_key(name, scopes, by="ann")


@pytest.mark.parametrize("sql", ["UPDATE audit SET actor = 'nobody'", "DELETE FROM audit"])
def test_the_audit_log_takes_rows_and_gives_none_back(
    store: Store, tmp_path: Path, store_url: str | None, sql: str
) -> None:
    store.access.record("ann", "test", "x")
    store.close()
    if store_url is None:
        with (
            sqlite3.connect(tmp_path / "fingerprint.db") as connection,
            pytest.raises(sqlite3.DatabaseError, match="append-only"),
        ):
            connection.execute(sql)
    else:
        with psycopg.connect(store_url) as server, pytest.raises(psycopg.Error, match="append-only"):
            server.execute(sql)
    with Store.open(tmp_path, store_url) as again:
        assert [line.actor for line in again.access.audit()] == ["ann"]


def test_audit_pages(store: Store) -> None:
    for number in range(5):
        store.access.record("ann", "test", f"s{number % 2}", {"number": number})
    newest = store.access.audit(limit=2)
    older = store.access.audit(limit=9, before=newest[-1].id)
    assert [line.detail["number"] for line in (*newest, *older)] == [4, 3, 2, 1, 0]
    assert [line.detail["number"] for line in store.access.audit(subject="s1")] == [3, 1]
    assert store.access.revision("s1") == newest[1].id
    assert store.access.revision("never") == 0


def test_keys_on_the_command_line(home: Path) -> None:
    key = done("keys", "create", "ana", "--scope", "read", "--days", "1", "--home", home).strip()
    (line,) = done("keys", "list", "--home", home, "--format", "jsonl").splitlines()
    assert '"name":"ana"' in line.replace(" ", "")
    assert key not in line
    key_id = api_keys.id_in(key)
    assert "ana revoked" in done("keys", "revoke", key_id, "--home", home)
    assert "revoked" in done("keys", "list", "--home", home)
    assert "no key nothing" in failed(7, "keys", "revoke", "nothing", "--home", home)
    failed(2, "keys", "create", "ana", "--scope", "root", "--home", home)


@pytest.mark.parametrize("command", [("list",), ("revoke", "3f9a1c20"), ("rotate-sessions",)])
def test_a_mistyped_home_has_no_keys_and_is_not_made(command: tuple[str, ...], tmp_path: Path) -> None:
    assert "there is no home here yet" in failed(5, "keys", *command, "--home", tmp_path / "hoem")
    assert not list(tmp_path.iterdir())


def test_others_may_connect_only_where_a_key_is_valid(home: Path) -> None:
    everywhere = Config(str(home), host="0.0.0.0")
    refuse_without_keys(Config(str(home), host="127.0.0.1"))
    refuse_without_keys(Config(str(home), host="::1"))
    with pytest.raises(UsageError, match=r"--host 0\.0\.0\.0 lets other machines connect, .* there is none"):
        refuse_without_keys(everywhere)
    with Store.open(home) as store:
        row, _ = store.access.create_key("x", ["lookup"], by="ann")
        refuse_without_keys(everywhere)
        store.access.revoke_key(row.key_id, by="ann")
    with pytest.raises(UsageError, match="there is none"):
        refuse_without_keys(everywhere)
    assert "lets other machines connect" in failed(2, "serve", "--host", "0.0.0.0", "--home", home)


def status(service: Running, path: str, headers: dict[str, str], method: str = "GET") -> int:
    return service.client.request(method, path, json={"prompt": "x"}, headers=headers).status_code


def test_scopes(service: Running, family: str) -> None:
    wanted = {
        ("POST", "/v1/lookup"): "lookup",
        ("POST", "/v1/lookup/batch"): "lookup",
        ("GET", "/v1/families"): "read",
        ("GET", f"/v1/families/{family}"): "read",
        ("GET", f"/v1/families/{family}/signature"): "read",
        ("GET", "/v1/campaigns"): "read",
        ("GET", "/v1/accounts/pool1"): "read",
        ("GET", "/metrics"): "read",
        ("POST", f"/v1/families/{family}/labels"): "label",
        ("GET", "/v1/audit"): "admin",
    }
    keys = {scope: service.key(scope, name=scope) for scope in SCOPES}
    for (method, path), needed in wanted.items():
        assert status(service, path, {}, method) == 401
        assert status(service, path, {"x-api-key": "fpk_abc"}, method) == 401
        for scope, headers in keys.items():
            refused = status(service, path, headers, method) == 403
            assert refused == (scope not in (needed, "admin")), (method, path, scope)


def test_bearer_and_header_carry_a_key_and_revoked_or_expired_ones_do_not(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = service.key("read")["x-api-key"]
    assert status(service, "/v1/families", {"authorization": f"Bearer {key}"}) == 200
    assert status(service, "/v1/families", {"authorization": f"bearer {key}x"}) == 401
    with Store.open(service.home) as store:
        store.access.revoke_key(str(api_keys.id_in(key)), by="ann")
        _, old = store.access.create_key(
            "old", ["read"], by="ann", expires=datetime.now(UTC) + timedelta(hours=1)
        )
    service.service.refresh()
    assert status(service, "/v1/families", {"x-api-key": key}) == 401
    assert status(service, "/v1/families", {"x-api-key": old}) == 200
    later = datetime.now(UTC) + timedelta(hours=1)
    monkeypatch.setattr(type(service.service), "now", lambda _self: later)
    assert status(service, "/v1/families", {"x-api-key": old}) == 401


def test_without_any_key_this_machine_may_look_but_not_label(service: Running, family: str) -> None:
    assert status(service, "/v1/families", {}) == 200
    assert status(service, "/v1/lookup", {}, "POST") == 200
    assert status(service, f"/v1/families/{family}/labels", {}, "POST") == 403
    assert status(service, "/v1/families", {"host": "evil.example:8765"}) == 401
    key = service.key("read")
    assert status(service, "/v1/families", {}) == 401
    with Store.open(service.home) as store:
        store.access.revoke_key(str(api_keys.id_in(key["x-api-key"])), by="ann")
    service.service.refresh()
    assert status(service, "/v1/families", {}) == 401, "a home that had keys stays closed"


def log_in(service: Running, *scopes: str) -> str:
    """Log in with a new key, and return the CSRF token of the session."""
    key = service.key(*scopes)["x-api-key"]
    got = service.client.post("/login", data={"key": key})
    assert got.status_code == 303, got.text
    cookie = got.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    page = service.client.get("/overview")
    return re.findall(r'"X-CSRF-Token":"(\w+)"', page.text.replace("&#34;", '"').replace("&quot;", '"'))[0]


def test_log_in_needs_a_key_in_force_that_may_read(service: Running) -> None:
    assert service.client.post("/login", data={"key": "fpk_wrong"}).status_code == 401
    only_lookup = service.key("lookup")["x-api-key"]
    assert service.client.post("/login", data={"key": only_lookup}).status_code == 401
    assert COOKIE not in service.client.cookies
    log_in(service, "read")
    assert status(service, "/v1/families", {}) == 200
    with Store.open(service.home) as store:
        assert store.access.audit(limit=1)[0].action == "session.start"


def test_a_session_changes_something_only_with_its_token(service: Running, family: str) -> None:
    token = log_in(service, "read", "label")
    url = f"/v1/families/{family}/labels"
    star = {"if-match": "*"}

    def label(**headers: str) -> int:
        return service.client.post(url, json={"label": "benign"}, headers={**star, **headers}).status_code

    assert label() == 403
    assert label(**{"x-csrf-token": "0" * 64}) == 403
    assert label(**{"x-csrf-token": token, "origin": "http://evil.example"}) == 403
    assert label(**{"x-csrf-token": token, "origin": "http://127.0.0.1:8765"}) == 201
    with Store.open(service.home) as store:
        assert [word.by for word in store.labels(family)] == ["ann"]


def test_a_forged_or_old_session_is_none(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    log_in(service, "read")
    good = service.client.cookies[COOKIE]
    service.client.cookies.clear()
    for cookie in (good[:-2], "x" + good, "", "a.b.c"):
        assert status(service, "/v1/families", {"cookie": f"{COOKIE}={cookie}"}) == 401
    assert status(service, "/v1/families", {"cookie": f"{COOKIE}={good}"}) == 200
    later = datetime.now(UTC) + timedelta(hours=13)
    monkeypatch.setattr(service.service, "now", lambda: later)
    assert status(service, "/v1/families", {"cookie": f"{COOKIE}={good}"}) == 401


def test_a_session_ends_with_its_key_and_at_log_out(service: Running) -> None:
    token = log_in(service, "read")
    cookie = {"cookie": f"{COOKIE}={service.client.cookies[COOKIE]}"}
    got = service.client.post("/logout", headers={"x-csrf-token": token})
    assert got.status_code == 303
    assert status(service, "/v1/families", {}) == 401
    assert status(service, "/v1/families", cookie) == 401, "the browser kept it, the service did not"
    log_in(service, "read")
    with Store.open(service.home) as store:
        for key in store.access.all_keys():
            store.access.revoke_key(key.row.key_id, by="ann")
    service.service.refresh()
    assert status(service, "/v1/families", {}) == 401


def test_cookies_go_over_https_only_where_that_is_set(home: Path) -> None:
    with running(home, secure_cookies=True) as service:
        key = service.key("read")["x-api-key"]
        got = service.client.post("/login", data={"key": key})
        assert "Secure" in got.headers["set-cookie"]


def test_the_store_away_is_told_without_its_name(tmp_path: Path) -> None:
    with running(tmp_path / "home") as service:
        (service.home / "fingerprint.db").unlink()
        service.service.close()
        service.service._store = None
        (service.home / "fingerprint.db").mkdir()
        got = service.client.get("/v1/families", headers={})
        assert got.status_code == 503
        assert str(service.home) not in got.text
    with pytest.raises(StoreError):
        Store.open(tmp_path / "home")
