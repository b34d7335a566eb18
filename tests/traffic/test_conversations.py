from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from fingerprint.base.hashing import hash_strings
from fingerprint.traffic import conversations
from fingerprint.traffic.conversations import MAX_BRANCHES, Conversations, Turns

Row = tuple[str, float, str]


def follow(seen: Conversations, rows: list[Row]) -> Turns:
    accounts = hash_strings(pa.array([account for account, _, _ in rows], pa.large_string()))
    texts = pa.array([text for _, _, text in rows], pa.large_string())
    return seen.follow(accounts, np.array([float(t) for _, t, _ in rows]), texts)


def plain(rows: list[Row], hours: float) -> list[tuple[int, int]]:
    """What `Conversations` does, in plain Python."""
    sent: dict[tuple[str, str], list[float]] = {}  # conversation, last time, continuations
    out, count = [], 0
    for account, second, text in rows:
        beginnings = [text[:n] for n in range(len(text), 0, -1) if n == len(text) or 10 <= ord(text[n]) <= 30]
        known = ""
        for beginning in beginnings:
            entry = sent.get((account, beginning))
            if entry is not None and abs(second - entry[1]) <= hours * 3600:
                known = beginning
                break
        if known and known != text:
            sent[account, known][2] += 1
            if sent[account, known][2] > MAX_BRANCHES:
                known = ""
        if known:
            number = int(sent[account, known][0])
        else:
            number, count = count, count + 1
        out.append((number, len(known.encode())))
        branches = sent.get((account, text), [0, 0, 0])[2]
        sent[account, text] = [number, second, branches]
    return out


TEXTS = (
    st.lists(st.sampled_from(["a", "ä", "b\nc", "", "b"]), min_size=1, max_size=4)
    .map("\x1e".join)
    .filter(bool)
)
ROWS = st.lists(
    st.tuples(st.sampled_from("xy"), st.sampled_from([0.0, 3600.0, 9e4, 2e5]), TEXTS), max_size=60
)


@given(ROWS, st.integers(0, 60))
def test_conversations_are_those_of_a_plain_loop(rows: list[Row], cut: int) -> None:
    seen = Conversations(hours=24)
    parts = [follow(seen, rows[:cut]), follow(seen, rows[cut:])]
    found = [
        pair
        for turns in parts
        for pair in zip(turns.conversation.tolist(), turns.known.tolist(), strict=True)
    ]
    assert found == plain(rows, 24)
    assert seen.count == len({number for number, _ in found})


def test_a_growing_chat_is_one_conversation_whatever_stands_between() -> None:
    turns = [f"turn {n} says something" for n in range(40)]
    rows = []
    for n in range(40):
        rows += [
            ("anna", 60.0 * n, "\x1e".join(turns[: n + 1])),
            ("bert", 60.0 * n, "\x1e".join(turns[: n + 1])),
        ]
        rows.append(("anna", 60.0 * n, f"another question, number {n}"))
    found = follow(Conversations(), rows)
    numbers = found.conversation.reshape(40, 3)
    assert (numbers[:, :2] == numbers[0, :2]).all()
    assert len(set(numbers[:, 2])) == 40
    assert found.known.reshape(40, 3)[1:, 0].tolist() == [len("\x1e".join(turns[:n])) for n in range(1, 40)]


def test_the_table_grows() -> None:
    rows = [("anna", 0.0, f"text {n}") for n in range(3 * conversations._FIRST_ROOM)]
    seen = Conversations()
    assert len(set(follow(seen, rows).conversation)) == len(rows)
    again = follow(seen, rows)
    assert again.known.tolist() == [len(text) for _, _, text in rows]


def test_a_word_is_no_beginning_of_a_longer_one() -> None:
    found = follow(Conversations(), [("anna", 0.0, "summarise"), ("anna", 1.0, "summarised by whom?")])
    assert found.conversation.tolist() == [0, 1]


def test_a_template_that_is_filled_again_and_again_is_no_conversation() -> None:
    rows = [("anna", 0.0, "Translate this:"), *(("anna", n, f"Translate this:\ntext {n}") for n in range(20))]
    found = follow(Conversations(), rows)
    assert len(set(found.conversation)) == 1 + 20 - MAX_BRANCHES
