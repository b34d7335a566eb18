"""Kills, a full disk and two at once: a night is stored whole or not at all, and one job works on a home."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from support.stored_nights import TODAY, dump, make_night, make_signature, save_first, save_next, table

from fingerprint.casework.actions import Actions
from fingerprint.domain.errors import HomeLocked, StoreError
from fingerprint.domain.schemas import ACTIVITY_SCHEMA, SPREAD_SCHEMA
from fingerprint.store.lock import HomeLock
from fingerprint.store.store import Store

SPAWNED = multiprocessing.get_context("fork")


def test_two_write_at_once(store: Store, tmp_path: Path, store_url: str | None) -> None:
    save_first(store)

    def label(by: str) -> None:
        with Store.open(tmp_path, store_url) as other:
            for _ in range(10):
                Actions(other.database).set_label("f1", "benign", by=by)

    threads = [threading.Thread(target=label, args=(by,)) for by in ("ann", "bob")]
    for thread in threads:
        thread.start()
    for _ in range(5):
        save_next(store)
    for thread in threads:
        thread.join()
    assert len(store.labels("f1")) == 20


def test_killed_at_every_statement(tmp_path: Path, store_url: str | None) -> None:
    with Store.open(tmp_path, store_url) as store:
        save_first(store)
    before = dump(tmp_path, store_url)

    def save_and_die(statement: int) -> None:
        with Store.open(tmp_path, store_url) as store:
            left = iter(range(statement))

            def count(*_: object) -> None:
                if next(left, None) is None:
                    os.kill(os.getpid(), signal.SIGKILL)

            sa.event.listen(sa.Engine, "after_cursor_execute", count)
            save_next(store)

    killed = 0
    while True:
        process = SPAWNED.Process(target=save_and_die, args=(killed,))
        process.start()
        process.join()
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        assert dump(tmp_path, store_url) == before, f"after statement {killed}"
        killed += 1
    assert killed > 15
    with Store.open(tmp_path, store_url) as store:
        assert store.signature("f1").spread.requests == 11


def save_much(store: Store) -> None:
    many = [(f"f{i}", f"a{j}", TODAY, 1) for i in (1, 2) for j in range(20_000)]
    signatures = [make_signature("f1"), make_signature("f2")]
    store.save_night(
        make_night("n9"), signatures, spread=table(SPREAD_SCHEMA, *many), activity=table(ACTIVITY_SCHEMA)
    )


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A home on a disk of 1 MB; without the right to mount one, a limit of SQLite's own."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)]
    if shutil.which("mount") and subprocess.run(mount, capture_output=True, check=False).returncode == 0:
        yield tmp_path
        subprocess.run(["umount", str(tmp_path)], check=True)
        return

    def limit(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA max_page_count = 64")

    sa.event.listen(sa.pool.Pool, "connect", limit)
    yield tmp_path
    sa.event.remove(sa.pool.Pool, "connect", limit)


def test_disk_full(small_disk: Path) -> None:
    with Store.open(small_disk) as store:
        save_first(store)
        before = dump(small_disk, None)
        with pytest.raises(StoreError, match=r"fingerprint\.db: database or disk is full"):
            save_much(store)
        assert dump(small_disk, None) == before
        Actions(store.database).set_label("f1", "benign", by="ann")


def test_commits_are_durable(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    with contextlib.closing(sqlite3.connect(tmp_path / "fingerprint.db")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_home_lock(tmp_path: Path) -> None:
    held, free = SPAWNED.Event(), SPAWNED.Event()

    def hold() -> None:
        with HomeLock(tmp_path):
            held.set()
            free.wait()

    process = SPAWNED.Process(target=hold)
    process.start()
    assert held.wait(60)
    with pytest.raises(HomeLocked, match=rf"another job is running on this home \(process {process.pid}\)"):
        HomeLock(tmp_path).__enter__()
    process.kill()
    process.join()
    with HomeLock(tmp_path), pytest.raises(HomeLocked, match=f"process {os.getpid()}"), HomeLock(tmp_path):
        pass
    with HomeLock(tmp_path):
        assert (tmp_path / "lock").read_text() == str(os.getpid())
