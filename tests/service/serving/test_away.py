"""A database or a snapshot that is taken away from under a running service."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from support.service_client import Running, running
from support.small_traffic import TEMPLATES
from support.until import until

from fingerprint.domain.errors import StoreError
from fingerprint.service.serving.publisher import Publisher
from fingerprint.store.store import Store

PROMPT = TEMPLATES[0].format("river market engine teacher window garden")
STAR = {"if-match": "*"}


def label(service: Running, key: dict[str, str], family: str) -> int:
    got = service.client.post(
        f"/v1/families/{family}/labels", json={"label": "benign"}, headers={**key, **STAR}
    )
    assert got.status_code != 503 or "retry-after" in got.headers
    return got.status_code


def looks_up(service: Running, key: dict[str, str]) -> bool:
    got = service.client.post("/v1/lookup", json={"prompt": PROMPT}, headers=key)
    return got.status_code == 200 and got.json()["match"] is True


def test_a_removed_database_is_noticed_and_not_made_again(home: Path, family: str) -> None:
    with running(home) as service:
        key = service.key("lookup", "read", "label")
        assert label(service, key, family) == 201
        for path in home.glob("fingerprint.db*"):
            path.unlink()
        assert label(service, key, family) == 503
        service.service.refresh()
        assert not service.service.database_up
        assert label(service, key, family) == 503
        assert not (home / "fingerprint.db").exists()
        assert looks_up(service, key)
        assert service.client.get("/readyz").status_code == 200


def test_a_replaced_database_is_the_one_that_is_read_from_then_on(
    home: Path, family: str, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(home, tmp_path / "copy"))
    with running(home) as service:
        with Store.open(copy) as store:
            _, theirs = store.access.create_key("theirs", ["read", "label"], by="test")
        ours = service.key("read", "label")
        for path in home.glob("fingerprint.db*"):
            path.unlink()
        shutil.copy(copy / "fingerprint.db", home / "fingerprint.db")
        service.service.refresh()
        assert label(service, ours, family) == 401, "a key of the database that is gone"
        assert label(service, {"x-api-key": theirs}, family) == 201
    with Store.open(home) as store:
        assert [word.label for word in store.labels(family)] == ["benign"]


def test_what_is_written_to_a_file_that_goes_meanwhile_is_not_acknowledged(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    with pytest.raises(StoreError, match="removed or replaced"), store.database.writing():
        (tmp_path / "fingerprint.db").unlink()
    store.close()
    with pytest.raises(StoreError, match="the database was removed"):
        Store.open(tmp_path, create=False)


def test_removed_snapshots_are_told_once_and_made_again(
    home: Path, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted: list[bool] = []
    monkeypatch.setattr(Publisher, "want", lambda _self: wanted.append(True))
    with running(home) as service:
        key = service.key("lookup", "read", "label")
        for gone in ("snapshots", "current"):
            path = home / gone
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            wanted.clear()
            service.service.refresh()
            said = service.service._told
            service.service.refresh()
            assert said is not None
            assert service.service._told == said
            assert wanted
            assert looks_up(service, key)
        # what people say still reaches lookups
        assert label(service, key, family) == 201
        service.service.refresh()
        serving = service.service.live.serving
        assert serving is not None
        assert "benign" in {facts["label"] for facts in serving.matcher.families}


def test_a_missing_snapshot_is_there_again_soon(home: Path) -> None:
    with running(home) as service:
        key = service.key("lookup")
        shutil.rmtree(home / "snapshots")
        until(lambda: looks_up(service, key) and service.service.live.on_disk())
        assert looks_up(service, key)


def test_a_home_that_only_may_be_read_is_served(
    home: Path, monkeypatch: pytest.MonkeyPatch, family: str
) -> None:
    with Store.open(home) as store:
        _, key = store.access.create_key("ann", ["lookup", "read", "label"], by="test")
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*")}
    # whoever runs the tests may be root, who may write anywhere
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: allowed(path, mode) and mode != os.W_OK)
    with running(home) as service:
        headers = {"x-api-key": key}
        assert looks_up(service, headers)
        assert service.client.get("/v1/families", headers=headers).status_code == 200
        assert label(service, headers, family) == 503
        service.service.refresh()
        assert service.service.database_up
    assert {
        path: path.stat().st_mtime_ns for path in home.rglob("*") if path in before and path.is_file()
    } == {path: at for path, at in before.items() if path.is_file() and path.exists()}
