from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.crafted import START, Sent, record_batch

from fingerprint.base.hashing import hash_strings
from fingerprint.domain.errors import StoreError
from fingerprint.domain.schemas import SYSTEM_END, TURN_END
from fingerprint.nights import spool_files
from fingerprint.nights import turns as module
from fingerprint.nights.turns import COLUMNS, TurnFiles, in_memory, requests_in, turns
from fingerprint.traffic.conversations import Conversations

WORDS = st.lists(st.sampled_from(["one", "ä", "two\nthree", "四"]), min_size=1, max_size=4).map(TURN_END.join)
SENT = st.builds(
    Sent,
    prompt=WORDS,
    account=st.sampled_from(["a", "b"]),
    second=st.sampled_from([0.0, 60.0, 90_000.0]),
    system=st.sampled_from([None, "", "be one"]),
)
Row = tuple[str, float, str | None, str]


def plain(sent: list[Sent]) -> tuple[list[Row], list[int]]:
    """The conversations as rows, and the conversation of each request, by a loop over plain strings."""
    texts = [f"{s.system}{SYSTEM_END}{s.prompt}" if s.system else s.prompt for s in sent]
    found = Conversations(24).follow(
        hash_strings(pa.array([s.account for s in sent], pa.large_string())),
        np.array([s.second for s in sent]) + START.timestamp(),
        pa.array(texts, pa.large_string()),
    )
    rows: list[Row] = []
    for s, text, number, known in zip(sent, texts, found.conversation, found.known, strict=True):
        if number == len(rows):
            rows.append((s.account, s.second, s.system, s.prompt))
        else:
            account, second, system, prompt = rows[number]
            rows[number] = (account, second, system, prompt + text.encode()[known:].decode())
    return rows, found.conversation.tolist()


def cut(sent: list[Sent], cuts: list[int]) -> Iterator[pa.RecordBatch]:
    whole = record_batch(sent)
    for a, b in itertools.pairwise(sorted({0, len(sent), *(min(c, len(sent)) for c in cuts)})):
        yield whole.slice(a, b - a)


def rows_of(batches: list[pa.RecordBatch]) -> list[Row]:
    rows = [row for batch in batches for row in batch.select(list(COLUMNS)).to_pylist()]
    seconds = [(row["timestamp"] - START).total_seconds() for row in rows]
    return [(r["account_id"], s, r["system"], r["prompt"]) for r, s in zip(rows, seconds, strict=True)]


@given(st.lists(SENT, min_size=1, max_size=30), st.lists(st.integers(0, 30), max_size=4))
def test_conversations_are_those_of_a_plain_loop(sent: list[Sent], cuts: list[int]) -> None:
    expected, conversation = plain(sent)
    rows, requests = in_memory(list(turns(cut(sent, cuts), 24)))
    assert rows_of([rows]) == expected
    assert requests.conversation.tolist() == conversation
    assert requests.request_id.to_pylist() == [f"r{n}" for n in range(len(sent))]
    assert (requests.second - START.timestamp()).tolist() == [s.second for s in sent]
    assert np.flatnonzero(requests.begins).tolist() == [conversation.index(c) for c in range(len(expected))]


@given(
    st.lists(SENT, min_size=1, max_size=30),
    st.lists(st.integers(0, 30), max_size=4),
    st.integers(1, 400),
    st.sampled_from([1, 500, 1_000_000]),
    st.sampled_from([0.0, 1 / 2, 1.0]),
)
def test_on_disk_they_are_those_in_memory(
    tmp_path_factory: pytest.TempPathFactory,
    sent: list[Sent],
    cuts: list[int],
    chunk: int,
    file_bytes: int,
    most_parts: float,
) -> None:
    folder = tmp_path_factory.mktemp("turns")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK_BYTES", chunk)
        patch.setattr(module, "FILE_BYTES", file_bytes)
        patch.setattr(spool_files, "MOST_PARTS", most_parts)
        file = TurnFiles.written(turns(cut(sent, cuts), 24), folder)
        found = list(file.conversations())
    assert rows_of(found) == plain(sent)[0]
    requests = requests_in(folder, file.conversation, file.second)
    _, expected = in_memory(list(turns(cut(sent, cuts), 24)))
    assert requests.request_id.to_pylist() == expected.request_id.to_pylist()
    assert requests.conversation.tolist() == expected.conversation.tolist()
    assert requests.second.tolist() == expected.second.tolist()
    assert [path.name for path in folder.iterdir()] == ["ids.arrow"]


def test_a_file_goes_when_its_conversations_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK_BYTES", 1)
    monkeypatch.setattr(module, "FILE_BYTES", 1)
    said = ["zero\nasks", "one", "two", "zero\nasks\nagain"]
    sent = [Sent(prompt=text, account="a", second=60.0 * n) for n, text in enumerate(said)]
    files = TurnFiles.written(turns(cut(sent, [1, 2, 3]), 24), tmp_path)
    assert files.conversation.tolist() == [0, 1, 2, 0]
    left = [sorted(path.name for path in tmp_path.glob("turns-*")) for _ in files.conversations()]
    assert left == [
        ["turns-0.arrow", "turns-1.arrow", "turns-2.arrow", "turns-3.arrow"],
        ["turns-1.arrow", "turns-2.arrow"],
        ["turns-2.arrow"],
    ]


def test_a_chat_that_is_cut_is_one_row_with_each_turn_once(tmp_path: Path) -> None:
    said = [f"turn {n} asks for something else" for n in range(9)]
    requests = [said[: n + 1] for n in range(7)] + [["summary", *said[5:8]], ["summary", *said[5:]]]
    sent = [
        Sent(prompt=TURN_END.join(turns), account="a", second=60.0 * n, system="be one")
        for n, turns in enumerate(requests)
    ]
    whole = TURN_END.join([*said[:7], "summary", *said[7:]])
    rows, made = in_memory(list(turns(cut(sent, [4, 8]), 24)))
    assert rows_of([rows]) == [("a", 0.0, "be one", whole)]
    assert made.conversation.tolist() == [0] * 9
    assert rows_of(list(TurnFiles.written(turns(cut(sent, [8]), 24), tmp_path).conversations())) == rows_of(
        [rows]
    )


def test_without_hours_every_request_is_a_conversation() -> None:
    sent = [Sent(prompt="one", account="a", second=0.0)] * 3
    rows, requests = in_memory(list(turns(cut(sent, [2]), 0)))
    assert rows_of([rows]) == [("a", 0.0, None, "one")] * 3
    assert requests.conversation.tolist() == [0, 1, 2]


def test_a_disk_that_refuses_is_told(tmp_path: Path) -> None:
    sent = [Sent(prompt="one", account="a", second=0.0)]
    with pytest.raises(StoreError, match="cannot be spooled"):
        TurnFiles.written(turns(cut(sent, []), 24), tmp_path / "gone")
