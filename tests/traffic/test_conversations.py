from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from fingerprint.base.hashing import hash_strings
from fingerprint.domain.schemas import SYSTEM_END, TURN_END
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


def test_whole_hours_are_read_by_the_same_compiled_form() -> None:
    follow(Conversations(24.0), [("anna", 0.0, "a text")])
    forms = list(conversations._follow.signatures)  # type: ignore[attr-defined]
    follow(Conversations(24), [("anna", 0.0, "a text")])
    assert conversations._follow.signatures == forms  # type: ignore[attr-defined]


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


SAID = [f"turn {n} asks for something else" for n in range(12)]
SYSTEM = "You help with code." + SYSTEM_END


def chat(*turns: str, account: str = "anna", system: str = SYSTEM) -> Row:
    return account, 0.0, system + TURN_END.join(turns)


def adds(found: Turns, rows: list[Row]) -> list[list[str]]:
    """The turns that each request adds."""
    cut = dict(zip(found.cut.tolist(), found.added.to_pylist(), strict=True))
    texts = [
        cut[n] if n in cut else text.encode()[known:].decode()
        for n, ((_, _, text), known) in enumerate(zip(rows, found.known, strict=True))
    ]
    return [[t for t in text.removeprefix(SYSTEM).split(TURN_END) if t] for text in texts]


def test_turns_that_a_summary_replaces_are_one_conversation_with_what_follows() -> None:
    summary = "The user asked for turns 0 to 5, all of which are done."
    rows = [chat(*SAID[: n + 1]) for n in range(8)]
    rows += [chat(summary, *SAID[6 : n + 1]) for n in range(8, 12)]
    found = follow(Conversations(), rows)
    assert set(found.conversation.tolist()) == {0}
    assert adds(found, rows) == [*([turn] for turn in SAID[:8]), [summary, SAID[8]], *([t] for t in SAID[9:])]


def test_a_summary_before_the_same_last_turns_adds_the_summary() -> None:
    """As an agent sends it whose tool results are not read: nothing new follows."""
    rows = [chat(*SAID[:8]), chat("summary", *SAID[5:8]), chat("summary", *SAID[5:9])]
    found = follow(Conversations(), rows)
    assert found.conversation.tolist() == [0, 0, 0]
    assert adds(found, rows)[1:] == [["summary"], [SAID[8]]]


@given(st.integers(3, 8), st.booleans(), st.integers(1, 8))
def test_a_window_that_slides_over_a_chat_counts_each_turn_once(size: int, first: bool, cut: int) -> None:
    """The oldest turns are dropped; some clients keep the first, which says what the task is."""
    rows = [
        chat(*SAID[: first and n >= size], *SAID[max(n + 1 - size, 0) : n + 1], system=system)
        for n in range(len(SAID))
        for system in (SYSTEM, "")
    ]
    seen = Conversations()
    for system in (0, 1):
        mine = rows[system::2]
        parts = [(follow(seen, part), part) for part in (mine[:cut], mine[cut:])]
        assert {number for found, _ in parts for number in found.conversation.tolist()} == {system}
        assert [turn for found, part in parts for turns in adds(found, part) for turn in turns] == SAID


def test_a_turn_that_is_replaced_in_its_place_adds_itself() -> None:
    rows = [chat(*SAID[:6]), chat(*SAID[:2], "[cleared]", *SAID[3:7])]
    found = follow(Conversations(), [chat(*SAID[:2]), *rows])
    assert found.conversation.tolist() == [0, 0, 0]
    assert adds(found, [chat(*SAID[:2]), *rows])[2] == ["[cleared]", SAID[6]]


def test_what_only_looks_like_a_cut_is_none() -> None:
    whole = chat(*SAID[:8])
    for other in (
        chat("summary", *SAID[6:9], account="bert"),
        chat("summary", *SAID[6:9], system="You help with law." + SYSTEM_END),
        chat("summary", SAID[7], SAID[8]),  # one turn alone may be a template
        chat("summary", SAID[7], SAID[6], SAID[8]),
        chat(*SAID[8:], *SAID[:8]),  # longer than what it repeats
    ):
        assert follow(Conversations(), [whole, other]).conversation.tolist() == [0, 1]
    late = (whole[0], 25 * 3600.0, chat("summary", *SAID[6:9])[2])
    assert follow(Conversations(), [whole, late]).conversation.tolist() == [0, 1]


def test_small_talk_joins_no_conversations() -> None:
    rows = [chat(*SAID[:4], "yes", "go on"), chat("another task", "yes", "go on", "thanks")]
    assert follow(Conversations(), rows).conversation.tolist() == [0, 1]


def test_last_turns_that_all_requests_share_are_a_template() -> None:
    """Texts before two turns that say what to do with them: of one length each, or of many."""
    ask = ("Now list the arguments of the text above.", "Then say which of them is the weakest.")
    rows = [chat(f"text {n}", *ask) for n in range(20)]
    assert follow(Conversations(), rows).conversation.tolist() == list(range(20))
    rows = [chat(*(f"text {n} {k}" for k in range(30 - n)), *ask) for n in range(20)]
    assert len(set(follow(Conversations(), rows).conversation)) == 20 - MAX_BRANCHES


def test_a_chat_of_many_turns_is_cut() -> None:
    said = [f"turn {n}" for n in range(300)]
    rows = [
        chat(*said),
        chat("summary", *said[200:], "more"),
        chat("summary", *said[200:], "more", "and more"),
    ]
    found = follow(Conversations(), rows)
    assert adds(found, rows)[1:] == [["summary", "more"], ["and more"]]
