"""Whatever the umask, nobody but its owner can read anything in a home."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support.large_nights import by_disk
from support.service_client import running
from support.small_traffic import done, objects

from fingerprint.domain.settings import Home
from fingerprint.jobs import nightly
from fingerprint.store.store import Store


@pytest.fixture(params=[0o000, 0o022])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield int(request.param)
    os.umask(before)


def open_to_others(home: Path) -> list[str]:
    """Name what in a home, itself included, others may do anything with."""
    return [str(path) for path in (home, *home.rglob("*")) if path.lstat().st_mode & 0o077]


def test_a_home_is_private_while_it_is_worked_and_used(
    umask: int, traffic: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, seen = tmp_path / "home", dict[str, list[str]]()
    by_disk(monkeypatch, 60_000)
    bad = tmp_path / "bad.jsonl"
    bad.write_bytes(traffic[0].read_bytes() + b"{}\n")

    def look(stage: str, *_: object) -> None:
        seen[stage] = seen.get(stage, []) + (open_to_others(home) if home.exists() else [])

    nightly.nightly([bad], Home(home), assignments=home / "exports" / "night.parquet", on_progress=look)
    assert {"read", "describe", "judge", "store"} <= set(seen)
    assert not any(seen.values()), seen
    family = str(objects("families", "--home", home, "--json")[0]["family_id"])
    done("label", family, "campaign", "--home", home)
    done("export", "--all", "--home", home, "--format", "json", "--output", home / "exports" / "all.json")
    done(
        *("watch", traffic[1], "--home", home, "--state", home / "watch.json"),
        *("--events", home / "events.jsonl"),
    )
    with running(home) as service, closing(Store.open(home)):
        headers = service.key("lookup")
        assert service.client.post("/v1/lookup", json={"prompt": "hello"}, headers=headers).status_code == 200
        assert {"fingerprint.db-wal", "fingerprint.db-shm"} <= {path.name for path in home.iterdir()}
        assert open_to_others(home) == []
    kept = {path.relative_to(home).parts[0] for path in home.rglob("*")}
    assert {
        "fingerprint.db",
        "lock",
        "current",
        "snapshots",
        "rejects",
        "unexplained",
        "conversations",
    } <= kept
    assert {"watch.json", "events.jsonl", "exports"} <= kept
    assert open_to_others(home) == []


def test_a_home_that_others_could_read_is_closed(worked: Path, family: str, tmp_path: Path) -> None:
    home = Path(shutil.copytree(worked, tmp_path / "home"))
    for path in (home, *home.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)
    done("label", family, "campaign", "--home", home)
    assert open_to_others(home) == []


def test_of_a_folder_with_other_things_only_ours_is_closed(worked: Path, family: str, tmp_path: Path) -> None:
    home = Path(shutil.copytree(worked, tmp_path / "project"))
    (home / "src").mkdir()
    (home / "src" / "main.py").write_text("pass\n")
    home.chmod(0o755)
    for path in home.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    done("label", family, "campaign", "--home", home)
    assert open_to_others(home) == [str(p) for p in (home, home / "src", home / "src" / "main.py")]
