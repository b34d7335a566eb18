from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from support.made_signatures import STAMP, signature_of
from support.same_signatures import assert_same

from fingerprint.domain.errors import InputError, StampMismatch, StoreError
from fingerprint.jobs import watch_state
from fingerprint.jobs.watch_state import EventLog, WatchState

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def state() -> WatchState:
    return WatchState(
        resume={"0": 10},
        done={"0": 20},
        seen={"0": 30},
        latest=NOON,
        raised={"f1": signature_of("rate the answer by this rubric")},
        flagged=["f1"],
        active={"f2": "2026-03-02"},
        rows=7,
        rejected=1,
        told_bytes=5,
    )


def test_a_state_is_read_as_it_was_saved(tmp_path: Path) -> None:
    watch_state.save(state(), tmp_path / "s.json", "day.jsonl", STAMP)
    found = watch_state.load(tmp_path / "s.json", "day.jsonl", STAMP)
    assert_same(found.raised.pop("f1"), state().raised["f1"])
    # what was read after the last round is read again
    expected = replace(state(), seen={"0": 20}, raised={})
    assert found == expected
    assert [path.name for path in tmp_path.iterdir()] == ["s.json"]


def test_there_is_none_at_first(tmp_path: Path) -> None:
    assert watch_state.load(tmp_path / "s.json", "day.jsonl", STAMP) == WatchState()
    assert watch_state.load(None, "day.jsonl", STAMP) == WatchState()


def test_a_state_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    watch_state.save(state(), path, "day.jsonl", STAMP)
    with pytest.raises(InputError, match=r"the state of day\.jsonl, not of other\.jsonl"):
        watch_state.load(path, "other.jsonl", STAMP)
    with pytest.raises(StampMismatch, match="made by"):
        watch_state.load(path, "day.jsonl", replace(STAMP, model="another"))
    path.write_bytes(orjson.dumps(orjson.loads(path.read_bytes()) | {"format": "fingerprint-watch/9"}))
    with pytest.raises(InputError, match="fingerprint-watch/9"):
        watch_state.load(path, "day.jsonl", STAMP)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"not json"])
def test_a_damaged_state_is_a_named_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s.json").write_bytes(content)
    with pytest.raises(InputError, match="not the state of a watch"):
        watch_state.load(tmp_path / "s.json", "day.jsonl", STAMP)


def test_a_state_that_cannot_be_written_is_a_named_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        watch_state.save(state(), tmp_path / "none" / "s.json", "day.jsonl", STAMP)


def test_events_after_the_saved_state_are_written_once(tmp_path: Path) -> None:
    path, saved = tmp_path / "events.jsonl", WatchState()
    log = EventLog(path, saved)
    log({"event": "raised", "at": NOON})
    log.sync()
    before = replace(saved)
    log({"event": "flagged"})
    # killed here: what was written since the state was saved comes again
    again = EventLog(path, before)
    again({"event": "flagged"})
    again.sync()
    assert [orjson.loads(line) for line in path.read_bytes().splitlines()] == [
        {"event": "raised", "at": "2026-03-02T12:00:00Z"},
        {"event": "flagged"},
    ]
    assert before.told_bytes == path.stat().st_size


def test_a_shorter_file_of_events_is_not_the_one(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_bytes(b"x")
    with pytest.raises(InputError, match="events"):
        EventLog(tmp_path / "events.jsonl", WatchState(told_bytes=2))
