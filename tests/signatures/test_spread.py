"""How far families have spread, counted by hand and by the arrays alike."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from support.bare_signatures import signature
from support.crafted import START, Sent, batch_of

from fingerprint.discovery.batch import Requests
from fingerprint.discovery.families import members_of
from fingerprint.domain.schemas import ACTIVITY_SCHEMA, SPREAD_SCHEMA
from fingerprint.signatures.spread import account_days, family_days, spreads, with_requests

PROMPTS = ["one thing is asked here", "another thing is asked here", "nothing of this kind at all"]
sent = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 3), st.floats(0, 200_000)), min_size=1, max_size=25
).map(lambda rows: sorted(rows, key=lambda row: row[2]))


def day(second: float) -> str:
    return datetime.fromtimestamp(START.timestamp() + second, UTC).date().isoformat()


def arranged(rows: list[tuple[int, int, float]]) -> tuple[object, np.ndarray]:
    """A batch, and the family of each of its distinct prompts: the last prompt is of none."""
    batch = batch_of([Sent(PROMPTS[prompt], f"a{account}", second) for prompt, account, second in rows])
    texts = batch.texts.to_pylist()
    return batch, np.array([PROMPTS.index(text) if text != PROMPTS[2] else -1 for text in texts], np.int32)


@given(rows=sent)
def test_spreads_are_what_counting_gives(rows: list[tuple[int, int, float]]) -> None:
    batch, label = arranged(rows)
    for family, spread in enumerate(spreads(batch, members_of(label, 2))):
        mine = [(account, second) for prompt, account, second in rows if prompt == family]
        assert spread.requests == spread.conversations == len(mine)
        assert spread.accounts == len({account for account, _ in mine})
        assert {d: count.requests for d, count in spread.per_day.items()} == Counter(day(s) for _, s in mine)
        for d, count in spread.per_day.items():
            assert count.accounts == len({account for account, s in mine if day(s) == d})
        if mine:
            first, last = (START.timestamp() + s for s in (min(s for _, s in mine), max(s for _, s in mine)))
            assert abs(spread.first_seen.timestamp() - first) < 1e-3
            assert abs(spread.last_seen.timestamp() - last) < 1e-3


@given(rows=sent, again=st.lists(st.integers(0, 3), min_size=25, max_size=25))
def test_requests_are_counted_beside_conversations(
    rows: list[tuple[int, int, float]], again: list[int]
) -> None:
    batch, label = arranged(rows)
    # each conversation is a request, and some more within the hour
    requests = sorted(
        (second + 60.0 * turn, n) for n, (_, _, second) in enumerate(rows) for turn in range(1 + again[n])
    )
    conversation = np.array([n for _, n in requests], np.int32)
    every = Requests(
        pa.array([f"r{n}" for n in range(len(requests))], pa.large_string()),
        conversation,
        np.array([START.timestamp() + second for second, _ in requests]),
    )
    signatures = [signature({1: 1.0}, "f0"), signature({2: 1.0}, "f1")]
    by_family = family_days(batch, every, signatures, label[batch.prompt])
    assert by_family.schema.equals(SPREAD_SCHEMA)
    expected: Counter[tuple[str, str, str]] = Counter()
    for second, n in requests:
        prompt, account, _ = rows[n]
        if prompt < 2:
            expected[f"f{prompt}", f"a{account}", day(second)] += 1
    assert {
        (r["family_id"], r["account_id"], r["day"].isoformat()): r["requests"] for r in by_family.to_pylist()
    } == expected
    assert sum(by_family["conversations"].to_pylist()) == sum(prompt < 2 for prompt, _, _ in rows)
    by_account = account_days(batch, every)
    assert by_account.schema.equals(ACTIVITY_SCHEMA)
    assert sum(by_account["requests"].to_pylist()) == len(requests)
    assert sum(by_account["conversations"].to_pylist()) == len(rows)
    for family, one in enumerate(with_requests(batch, every, signatures, label[batch.prompt])):
        mine = [n for _, n in requests if rows[n][0] == family]
        assert (one.spread.requests, one.spread.conversations) == (len(mine), len(set(mine)))
