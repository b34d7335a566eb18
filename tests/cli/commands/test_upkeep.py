"""backup, restore and upgrade of a home, while others use it."""

from __future__ import annotations

import shutil
import sqlite3
import stat
import tarfile
from pathlib import Path

import psycopg
import pytest
from support.migrated import migrate
from support.service_client import running
from support.small_traffic import TEMPLATES, done, failed, objects

from fingerprint.store.tables import REVISION

PROMPT = TEMPLATES[0].format("river market engine teacher window garden")


def labels(home: Path) -> list[object]:
    return [row["label"] for row in objects("families", "--home", home, "--json")]


@pytest.mark.parametrize("name", ["copy", "copy.tar", "copy.tar.gz"])
def test_a_backup_comes_back_whole_and_is_its_owners(home: Path, tmp_path: Path, name: str) -> None:
    (home / "rejects").mkdir(exist_ok=True)
    (home / "rejects" / "r.jsonl").write_text("{}\n")
    [made] = objects("backup", tmp_path / name, "--home", home, "--json")
    assert {"fingerprint.db", "current", "rejects/r.jsonl"} <= set(made["files"])  # type: ignore[call-overload]
    assert (tmp_path / name).stat().st_mode & 0o077 == 0
    if name != "copy":
        with tarfile.open(tmp_path / name) as tar:
            assert {stat.S_IMODE(m.mode) for m in tar.getmembers()} == {0o600, 0o700}
    else:
        assert not [p for p in (tmp_path / name).rglob("*") if p.stat().st_mode & 0o077]
    assert {p.name for p in tmp_path.iterdir()} == {"home", name}
    assert made["made"] in done("restore", tmp_path / name, "--home", tmp_path / "new", "--by", "ann")
    new = tmp_path / "new"
    assert objects("families", "--home", new, "--json") == objects("families", "--home", home, "--json")
    assert (new / "current").read_text() == (home / "current").read_text()
    assert (new / "rejects" / "r.jsonl").exists()
    assert not [p for p in new.rglob("*") if p.stat().st_mode & 0o077]
    assert not (new / ".restoring").exists()
    assert '"match"' in done("try", PROMPT, "--home", new, "--json") or "family" in done(
        "try", PROMPT, "--home", new
    )
    assert "new file or an empty folder" in failed(2, "backup", tmp_path / name, "--home", home)


def test_a_running_service_goes_on_and_sees_what_came_back(home: Path, tmp_path: Path) -> None:
    with running(home) as service:
        body = {"prompt": PROMPT}
        assert service.client.post("/v1/lookup", json=body).json()["label"] is None
        done("backup", tmp_path / "b.tar", "--home", home)
        matched = service.client.post("/v1/lookup", json=body).json()["family_id"]
        done("label", matched, "campaign", "--home", home)
        service.service.refresh()
        assert service.client.post("/v1/lookup", json=body).json()["label"] == "campaign"
        assert "--replace" in failed(2, "restore", tmp_path / "b.tar", "--home", home)
        done("restore", tmp_path / "b.tar", "--home", home, "--replace", "--by", "ann")
        service.service.refresh()
        assert service.client.post("/v1/lookup", json=body).json()["label"] is None
    assert set(labels(home)) == {None}
    with sqlite3.connect(home / "fingerprint.db") as connection:
        assert connection.execute("SELECT actor, action FROM audit ORDER BY id DESC").fetchone() == (
            "ann",
            "restore",
        )


def test_what_is_damaged_is_not_put_back(home: Path, tmp_path: Path) -> None:
    done("backup", tmp_path / "b", "--home", home)
    file = tmp_path / "b" / "fingerprint.db"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert "fingerprint.db: damaged: SHA-256" in failed(
        5, "restore", tmp_path / "b", "--home", tmp_path / "n"
    )
    file.unlink()
    assert "fingerprint.db is one side's only" in failed(
        5, "restore", tmp_path / "b", "--home", tmp_path / "n"
    )
    assert "there is no backup" in failed(5, "restore", tmp_path / "none", "--home", tmp_path / "n")
    (tmp_path / "no.tar").write_text("a letter")
    assert "a backup's tar file expected" in failed(
        5, "restore", tmp_path / "no.tar", "--home", tmp_path / "n"
    )
    assert "list of a backup's files expected" in failed(5, "restore", home, "--home", tmp_path / "n")
    assert not (tmp_path / "n" / "fingerprint.db").exists()


def test_postgresql_is_backed_up_too(home: Path, tmp_path: Path, postgresql: str) -> None:
    urls = []
    for name in ("backed", "back"):
        with psycopg.connect(postgresql, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE {name}")
        urls.append(postgresql.replace("/postgres?", f"/{name}?"))
    done("db", "copy", home, urls[0])
    done("backup", tmp_path / "b.tar", "--home", home, "--database", urls[0])
    done("restore", tmp_path / "b.tar", "--home", tmp_path / "n", "--database", urls[1])
    assert objects("families", "--home", tmp_path / "n", "--database", urls[1], "--json") == objects(
        "families", "--home", home, "--json"
    )
    again = ("restore", tmp_path / "b.tar", "--home", tmp_path / "n", "--database", urls[1])
    assert "--replace" in failed(2, *again)
    assert "an empty database expected" in failed(5, *again, "--replace")


def older(home: Path) -> None:
    """Make a home's database one of an older version, by taking the last migration back, and its snapshot one that is lost."""
    (home / "fingerprint.db").unlink()
    migrate(home, None, "0010_sessions")
    shutil.rmtree(home / "snapshots")


def test_upgrade_says_what_it_does_and_does_it(home: Path) -> None:
    older(home)
    told = failed(5, "families", "--home", home)
    assert f"schema {REVISION} expected, 0010_sessions found: run `fingerprint upgrade`" in told
    planned = done("upgrade", "--home", home, "--no-kernels", "--dry-run")
    assert f"schema: bring it from 0010_sessions to {REVISION}" in planned
    assert "run `fingerprint upgrade`" in failed(5, "families", "--home", home)
    assert done("upgrade", "--home", home, "--no-kernels") == planned
    done("families", "--home", home)
    schema, *_ = objects("upgrade", "--home", home, "--no-kernels", "--dry-run", "--json")
    assert (schema["part"], schema["needed"]) == ("schema", False)


def test_upgrade_makes_a_lost_snapshot(home: Path) -> None:
    assert "snapshot: is of this database already" in done("upgrade", "--home", home, "--no-kernels")
    shutil.rmtree(home / "snapshots")
    assert "snapshot: make one" in done("upgrade", "--home", home, "--no-kernels")
    assert list((home / "snapshots").iterdir())
    assert "there is no home here" in failed(5, "upgrade", "--home", home / "none")


def test_a_service_brings_an_old_home_up_to_date(home: Path) -> None:
    older(home)
    with running(home) as service:
        assert service.client.get("/livez").status_code == 200
    assert "schema: is" in done("upgrade", "--home", home, "--no-kernels", "--dry-run")
