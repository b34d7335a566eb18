"""Sessions of the console: kept as hashes, ended one by one or all at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from support.small_traffic import done

from fingerprint.store.sessions import StoredSession, digest_of
from fingerprint.store.store import Store


def session(token: str, hours: float = 1) -> StoredSession:
    return StoredSession(digest_of(token), "key1", datetime.now(UTC) + timedelta(hours=hours))


def test_sessions_begin_and_end(store: Store) -> None:
    first, second, old = session("a"), session("b"), session("c", -1)
    for one in (old, first, second):
        store.sessions.start(one, by="ann")
    assert store.sessions.in_force() == {first.digest: first, second.digest: second}
    assert store.sessions.find(old.digest) is None
    assert store.sessions.find(first.digest) == first
    for _ in range(2):
        store.sessions.end(first.digest, by="ann")
    assert store.sessions.find(first.digest) is None
    assert store.sessions.end_all(by="root") == 1
    assert store.sessions.in_force() == {}
    log = [(line.actor, line.action) for line in store.access.audit()]
    assert log == [("root", "session.end_all"), ("ann", "session.end"), *[("ann", "session.start")] * 3]


def test_the_database_holds_nothing_that_would_open_a_session(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.sessions.start(session("a" * 64), by="ann")
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("fingerprint.db*"))
    assert b"a" * 64 not in stored
    assert b"session_secret" not in stored


def test_an_administrator_ends_all_sessions(home: Path) -> None:
    with Store.open(home) as store:
        store.sessions.start(session("a"), by="ann")
    assert done("keys", "rotate-sessions", "--home", home) == "1 session ended\n"
    with Store.open(home) as store:
        assert store.sessions.in_force() == {}
