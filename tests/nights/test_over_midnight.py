"""Chats that begin in one night's file and go on in the next one's."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.large_nights import by_disk
from support.small_traffic import TEMPLATES, Row, night_rows, row, written

from fingerprint.base.hashing import hash_strings
from fingerprint.domain.results import NightReport
from fingerprint.domain.schemas import TURN_END
from fingerprint.domain.settings import Home, Settings
from fingerprint.jobs import nightly
from fingerprint.jobs.erase import erase_accounts
from fingerprint.nights import over_midnight
from fingerprint.store.store import Store
from fingerprint.traffic import earlier_texts
from fingerprint.traffic.conversations import MAX_BRANCHES, Conversations
from fingerprint.traffic.earlier_texts import EarlierTexts, newest

DAY = 86_400
BEFORE, AFTER = DAY - 600, DAY + 600
OPENINGS = {
    "pool1": TEMPLATES[0].format("harbour lanterns and evening tides"),
    "pool2": TEMPLATES[1].format("copper kettles in a railway cafe"),
    "user1": "Which of my seven tomato plants should I water first tomorrow?",
}
"""The first turns of three chats: of each family one, and one of none."""

REPLIES = ("Thanks, and what about the second point?", "Please put that into a table for my notes.")


def chat(number: int, account: str, turns: Sequence[str], second: int, *, plain: bool) -> Row:
    """Return one request of a chat: in messages form, or as a plain text that grows by a line."""
    sent = row(number, "\n".join(turns), account, second)
    if plain:
        return sent
    del sent["prompt"]
    return sent | {"messages": [{"role": "user", "content": turn} for turn in turns]}


def both_nights(folder: Path, *, plain: bool) -> tuple[Path, Path]:
    first, second = night_rows(0), night_rows(1)
    for number, (account, opening) in enumerate(OPENINGS.items()):
        first.append(chat(5_000_000 + number, account, [opening], BEFORE, plain=plain))
        for turn in (1, 2):
            turns = [opening, *REPLIES[:turn]]
            second.append(
                chat(6_000_000 + 10 * number + turn, account, turns, AFTER + 60 * turn, plain=plain)
            )
    # a chat of no family that tonight adds a template is one of its family tonight
    first.append(chat(5_000_009, "pool3", [REPLIES[0]], BEFORE, plain=plain))
    added = TEMPLATES[0].format("seven grey stones beside a well")
    second.append(chat(6_000_091, "pool3", [REPLIES[0], added], AFTER, plain=plain))
    return written(folder / "first.jsonl", first), written(folder / "second.jsonl", second)


def work(night: Path, home: Path, **settings: object) -> NightReport:
    return nightly.nightly(
        [night],
        Home(home),
        Settings(**settings),  # type: ignore[arg-type]
        assignments=home.parent / f"{night.stem}.parquet",
    )


def families_in(home: Path, night: Path) -> dict[str, str | None]:
    rows = pq.read_table(home.parent / f"{night.stem}.parquet").to_pylist()
    return {r["request_id"]: r["family_id"] for r in rows}


def counted(home: Path) -> list[tuple[object, ...]]:
    with Store.open(home, read_only=True) as store:
        every = [(f.family_id, f.accounts, f.requests, f.conversations, f.score) for f in store.families()]
        return [*every, *store.account_totals().sort_by("account_id").to_pylist()]


@pytest.fixture(scope="module", params=[False, True], ids=["messages", "plain"])
def nights(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return both_nights(tmp_path_factory.mktemp("nights"), plain=request.param)


def test_what_was_sent_before_midnight_is_not_counted_again(
    nights: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    assert work(nights[0], home).conversations == 424
    before = families_in(home, nights[0])
    had = [before[f"r{5_000_000 + number}"] for number in range(3)]
    assert len({*had[:2]} - {None}) == 2
    assert had[2] is None
    (kept,) = (home / "conversations").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600

    report = work(nights[1], home)
    assert report.ingest.accepted == 427
    assert report.conversations == 421  # the last chat adds a template
    given = families_in(home, nights[1])
    for number, family in enumerate(had):
        assert [given[f"r{6_000_000 + 10 * number + turn}"] for turn in (1, 2)] == [family] * 2
    assert given["r6000091"] == had[0]
    assert report.assigned == 120 + 4 + 1
    with Store.open(home, read_only=True) as store:
        sent = {f.family_id: (f.requests, f.conversations) for f in store.families()}
        (user1,) = [r for r in store.account_totals().to_pylist() if r["account_id"] == "user1"]
    assert sent[str(had[0])] == (60 + 1 + 60 + 2 + 1, 60 + 1 + 60 + 1)
    assert sent[str(had[1])] == (60 + 1 + 60 + 2, 60 + 1 + 60)
    assert user1["requests"] == user1["conversations"] + 2

    first_time, families = (home.parent / "second.parquet").read_bytes(), counted(home)
    work(nights[1], home)
    assert (home.parent / "second.parquet").read_bytes() == first_time
    assert counted(home) == families

    other = tmp_path / "disk" / "home"
    work(nights[0], other)
    by_disk(monkeypatch, 1_000_000)
    assert work(nights[1], other).conversations == 421
    assert families_in(other, nights[1]) == given


def test_hours_end_and_erased_accounts_begin_anew(tmp_path: Path) -> None:
    nights = both_nights(tmp_path, plain=False)
    late, erased = tmp_path / "late" / "home", tmp_path / "erased" / "home"
    work(nights[0], late)
    assert work(nights[1], late, conversation_hours=0.25).conversations == 420 + 4
    work(nights[0], erased)
    erase_accounts(Home(erased), ["pool1", "nobody", ""], by="ann")
    gone = hash_strings(pa.array(["pool1"], pa.large_string()))[0]
    left = over_midnight.read(erased / "conversations", but="")
    assert len(left)
    assert gone not in left["account"].to_numpy()
    assert work(nights[1], erased).conversations == 421 + 1


def test_old_nights_and_earlier_runs_are_forgotten(tmp_path: Path) -> None:
    rows = over_midnight.read(tmp_path, but="")
    over_midnight.write(tmp_path, "a", 0.0, 3600.0, rows, hours=24)
    over_midnight.write(tmp_path, "b", 3600.0, 2 * 3600.0, rows, hours=24)
    over_midnight.write(tmp_path, "b", 3600.0, 3 * 3600.0, rows, hours=24)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a-3600.arrow", "b-10800.arrow"]
    over_midnight.write(tmp_path, "c", 26 * 3600.0, 27 * 3600.0, rows, hours=24)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b-10800.arrow", "c-97200.arrow"]
    over_midnight.write(tmp_path, "c", 26 * 3600.0, 27 * 3600.0, rows, hours=0)
    assert list(tmp_path.iterdir()) == []


def texts(*values: str) -> pa.LargeStringArray:
    return pa.array(values, pa.large_string())


def remembered(hours: float, *sent: tuple[str, float]) -> EarlierTexts:
    """What one account sent: text and hour of each request."""
    seen = Conversations(24)
    account, second = np.full(len(sent), 7, np.uint64), np.array([at * 3600.0 for _, at in sent])
    seen.follow(account, second, texts(*(text for text, _ in sent)))
    last = newest(seen.end(), 24)
    return EarlierTexts(last.key, last.second, last.ways, hours)


def follow(earlier: EarlierTexts, *sent: str, account: int = 7, hour: float = 10.0) -> list[int]:
    """How many bytes of some texts were sent before, -1 where they begin anew."""
    accounts = np.full(len(sent), account, np.uint64)
    size = np.array([len(text) for text in sent])
    place, known = earlier.follow(accounts, np.full(len(sent), hour * 3600.0), texts(*sent), size)
    return np.where(place >= 0, known, -1).tolist()


def test_a_text_goes_on_where_a_line_or_a_turn_of_an_earlier_one_of_its_account_ends() -> None:
    two = f"one{TURN_END}two"
    earlier = remembered(24, ("one", 1), (two, 2))
    assert follow(earlier, f"{two}{TURN_END}three", "one\nmore", "ones", "two") == [7, 3, -1, -1]
    assert follow(earlier, f"{two}{TURN_END}three", account=8) == [-1]
    # one turn again is how a chat begins, two as they were are a step that adds no text
    assert follow(earlier, "one", two) == [-1, 7]
    assert follow(earlier, f"{two}{TURN_END}three", hour=26.5) == [-1]
    assert follow(earlier, f"{two}{TURN_END}three", hour=1.5) == [-1]


def test_a_text_that_goes_on_in_many_ways_is_a_template() -> None:
    earlier = remembered(24, ("one", 1), ("one\na", 2))
    ways = [f"one\n{n}" for n in range(MAX_BRANCHES)]
    assert follow(earlier, *ways) == [3] * (MAX_BRANCHES - 1) + [-1]
    assert follow(earlier, "one\nlast") == [-1]


def test_of_many_texts_the_last_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(earlier_texts, "MAX_TEXTS", 3)
    sent = [(f"text {n}", float(n)) for n in range(9)]
    earlier = remembered(24, *sent)
    assert follow(earlier, *(f"{text}\nmore" for text, _ in sent)) == [-1] * 6 + [6] * 3
    assert len(newest(Conversations(24).end(), 24).key) == 0
