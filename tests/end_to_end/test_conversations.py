"""Chats that grow by a turn a request are worked as the same chats sent once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from support.large_nights import by_disk, same, worked
from support.small_traffic import Row, night_rows, objects, written

from fingerprint.domain.settings import Home, Settings
from fingerprint.jobs import nightly
from fingerprint.jobs.watch import WatchFiles, WatchOptions, watch
from fingerprint.nights import memory
from fingerprint.store.store import Store
from fingerprint.traffic.feeds import File

TURNS = 4


def chats() -> Iterator[tuple[Row, list[str]]]:
    """Small traffic as chats: the row of each, and its turns; a template stands in two of them, between other talk."""
    for number, row in enumerate(night_rows(0)):
        words = str(row["prompt"]).split()
        middle = len(words) // 2
        turns = [f"hello {number} there", " ".join(words[:middle]), " ".join(words[middle:]), f"bye {number}"]
        yield row, turns


def sent(row: Row, turns: Sequence[str], number: int) -> Row:
    at = datetime.fromisoformat(str(row["timestamp"])) + timedelta(seconds=40 * number)
    messages = [{"role": "user", "content": turn} for turn in turns]
    mine = {key: value for key, value in row.items() if key != "prompt"}
    name = f"{row['request_id']}.{number}"
    return mine | {"request_id": name, "timestamp": at.isoformat(), "messages": messages}


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [sent(row, turns, 0) for row, turns in chats()]
    return written(tmp_path_factory.mktemp("once") / "day.jsonl", rows)


@pytest.fixture(scope="module")
def growing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [sent(row, turns[: n + 1], n) for row, turns in chats() for n in range(TURNS)]
    rows.sort(key=lambda row: (str(row["timestamp"]), str(row["request_id"])))
    return written(tmp_path_factory.mktemp("growing") / "day.jsonl", rows)


@pytest.fixture(scope="module")
def home(growing: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that has worked the growing chats; its assignments are beside it."""
    home = tmp_path_factory.mktemp("home") / "home"
    worked(growing, home)
    return home


def families(home: Path) -> list[tuple[object, ...]]:
    with Store.open(home, read_only=True) as store:
        return [(f.family_id, f.accounts, f.conversations, f.score, f.template) for f in store.families()]


def assignments(home: Path) -> dict[str, str | None]:
    rows = pq.read_table(home.with_suffix(".parquet")).to_pylist()
    return {row["request_id"]: row["family_id"] for row in rows}


def test_families_are_those_of_the_same_chats_sent_once(once: Path, home: Path, tmp_path: Path) -> None:
    report = worked(once, tmp_path / "home")
    assert report.conversations == report.ingest.accepted == 420
    assert families(home) == families(tmp_path / "home")
    assert [family[2] for family in families(home)] == [60, 60]
    whole = assignments(tmp_path / "home")
    for name, family in assignments(home).items():
        assert family == whole[f"{name.partition('.')[0]}.0"], name


def test_counts_are_told_both_ways(home: Path) -> None:
    (night,) = objects("nights", "--home", home, "--format", "jsonl")
    assert (night["ingest"]["accepted"], night["conversations"]) == (420 * TURNS, 420)  # type: ignore[index]
    assert night["assigned"] == 120 * TURNS
    for family in objects("families", "--home", home, "--format", "jsonl"):
        assert (family["requests"], family["conversations"]) == (60 * TURNS, 60)
        (signature,) = objects("families", "show", family["family_id"], "--home", home, "--format", "jsonl")
        spread = signature["spread"]
        assert (spread["requests"], spread["conversations"]) == (60 * TURNS, 60)  # type: ignore[index]
        assert {day["requests"] for day in spread["per_day"].values()} == {60 * TURNS}  # type: ignore[index]
        assert spread["last_seen"] > spread["first_seen"]  # type: ignore[index]
    for account in objects("accounts", "--home", home, "--format", "jsonl"):
        assert account["requests"] == TURNS * account["conversations"] > 0  # type: ignore[operator]
    for campaign in objects("campaigns", "--home", home, "--format", "jsonl"):
        assert (campaign["requests"], campaign["conversations"]) == (120 * TURNS, 120)


def test_without_hours_every_request_counts_by_itself(growing: Path, tmp_path: Path) -> None:
    report = nightly.nightly([growing], Home(tmp_path / "home"), Settings(conversation_hours=0))
    assert report.conversations == report.ingest.accepted == 420 * TURNS


def test_by_way_of_the_disk_it_is_the_same_and_goes_on_where_it_was(
    growing: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_disk(monkeypatch, memory.MOST_SAMPLE)

    def interrupted(stage: str, _done: int, _total: int | None) -> None:
        if stage == "describe":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        nightly.nightly([growing], Home(tmp_path / "home"), on_progress=interrupted)
    begun: list[str] = []
    nightly.nightly(
        [growing],
        Home(tmp_path / "home"),
        assignments=tmp_path / "home.parquet",
        on_progress=lambda stage, _done, _total: begun.append(stage),
    )
    assert "describe" in begun
    assert not {"cluster 1", "claim 1"} & set(begun)
    same(tmp_path / "home", home)
    assert families(tmp_path / "home") == families(home)


def test_what_earlier_nights_held_is_counted_in_conversations(home: Path) -> None:
    with Store.open(home, read_only=True) as store:
        of_families, in_all = store.family_accounts(), store.account_totals()
    for table, conversations in ((of_families, 120), (in_all, 420)):
        assert sum(table["conversations"].to_pylist()) == conversations
        assert sum(table["requests"].to_pylist()) == conversations * TURNS


def test_a_watch_counts_conversations(growing: Path, tmp_path: Path) -> None:
    options = WatchOptions(every_minutes=60)
    files = WatchFiles("s", tmp_path / "state", tmp_path / "events")
    watch(File(growing), Home(tmp_path / "home"), files, options)
    events = [json.loads(line) for line in (tmp_path / "events").read_text().splitlines()]
    # chats that have only begun share a greeting, and their pool sends it: that is raised, too, but has no template
    raised = [event for event in events if event["event"] == "raised" and event["template"]]
    assert len(raised) == 2
    for event in raised:
        assert event["accounts"] == 12
        assert 8 <= event["conversations"] < event["requests"] <= 60 * TURNS  # type: ignore[operator]
