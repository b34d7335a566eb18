"""Growing chats: each request repeats its conversation, and the same chats can be had once."""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from support.simulated import together

from fingerprint.simulate import ChatsConfig, preset

CHATS = ChatsConfig(rows=3_000, accounts=300, templates=8)


@pytest.fixture(scope="module")
def growing() -> pa.Table:
    return together(CHATS)


def test_each_request_repeats_all_before_and_adds_a_turn(growing: pa.Table) -> None:
    assert growing.num_rows == CHATS.rows
    assert growing["session"].null_count == 0
    talks: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in growing.select(["session", "account_id", "prompt"]).to_pylist():
        talks[row["session"]].append(row)
    for rows in talks.values():
        assert len({row["account_id"] for row in rows}) == 1
        assert all(b["prompt"].startswith(a["prompt"] + "\n\n") for a, b in itertools.pairwise(rows))
    assert np.mean([len(rows) for rows in talks.values()]) == pytest.approx(CHATS.turns, rel=0.15)


def test_requests_are_as_long_as_real_chats(growing: pa.Table) -> None:
    assert np.mean(pc.binary_length(growing["prompt"]).to_numpy()) == pytest.approx(6_400, rel=0.12)


def test_the_same_chats_once_are_the_last_request_of_each(growing: pa.Table) -> None:
    once = together(replace(CHATS, once=True))
    assert once.num_rows == len(pc.unique(growing["session"]))
    last = {row["session"]: row for row in growing.to_pylist()}
    for row in once.to_pylist():
        grown = last[row["session"]]
        assert {**row, "mixing": None} == {**grown, "mixing": None}


def test_templates_begin_a_part_of_the_chats(growing: pa.Table) -> None:
    once = together(replace(CHATS, once=True))
    assert 0.2 < 1 - once["family"].null_count / once.num_rows < 0.5
    assert len(pc.unique(once["family"].drop_null())) == CHATS.templates
    assert {"campaign", "benign_template", "background"} == set(growing["role"].to_pylist())
    # some templates stand in a later turn; the requests before it are nobody's
    roles: dict[str, set[str]] = defaultdict(set)
    for row in growing.select(["session", "role"]).to_pylist():
        roles[row["session"]].add(row["role"])
    assert any(len(found) > 1 for found in roles.values())
    assert set(together(replace(CHATS, templates=0))["role"].to_pylist()) == {"background"}


def test_presets() -> None:
    assert preset("chats") == ChatsConfig()
    assert preset("chats-once").once
    assert preset("chats", rows=100).rows_on(0) == 100
