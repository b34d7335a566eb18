"""Accounts of a pool without a template get a sentence, and are found by it; scores and flags stay."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from fingerprint.assessment.departures import AccountFeatures
from fingerprint.assessment.turn_taking import with_turn_takers
from fingerprint.domain.rows import AccountRow
from fingerprint.domain.settings import Home
from fingerprint.evidence.two_sample import RANDOM_FEATURES, Sums
from fingerprint.store.night_writer import save_accounts
from fingerprint.store.store import Store

PEOPLE, POOL, SUBJECTS, EACH = 200, 20, 30, 15


def features() -> AccountFeatures:
    """People who ask about one thing each, and a pool whose accounts ask about everything; one feature a subject."""
    random = np.random.default_rng(3)
    counts = np.concatenate([random.integers(8, 40, PEOPLE), np.full(POOL, EACH)])
    sums = np.zeros((PEOPLE + POOL, RANDOM_FEATURES))
    for account, count in enumerate(counts):
        single = random.integers(SUBJECTS)
        asked = np.full(count, single) if account < PEOPLE else random.integers(SUBJECTS, size=count)
        np.add.at(sums[account], asked, 1.0)
    requests = counts.astype(np.float64)
    names = pa.array([f"user{n}" for n in range(PEOPLE)] + [f"key{n}" for n in range(POOL)])
    return AccountFeatures(
        names, Sums(requests, sums, requests, np.zeros((len(counts), 2)), np.eye(RANDOM_FEATURES))
    )


def test_who_takes_turns_is_told_with_numbers_and_is_not_accused() -> None:
    known = features()
    totals = dict(zip(known.accounts.to_pylist(), known.sums.requests.astype(int).tolist(), strict=True))
    rows = [AccountRow(name, 0.0, False, totals[name]) for name in totals]
    judged = with_turn_takers(rows, known, totals)
    named = [row for row in judged if row.relay]
    assert len(named) > POOL / 2
    assert all(row.account_id.startswith("key") for row in named)
    assert [(row.account_id, row.score, row.flagged) for row in judged] == [
        (row.account_id, 0.0, False) for row in rows
    ]
    [reason] = named[0].evidence
    assert (reason.name, reason.contribution) == ("relay", 0.0)
    assert f"one of {len(named)} accounts that take turns: each sent 15 to 15 conversations" in reason.words
    assert [row for row in judged if not row.relay] == [
        row for row in rows if row.account_id not in {r.account_id for r in named}
    ]


def test_they_can_be_listed(tmp_path: Path) -> None:
    with Store.open(Home(tmp_path).path) as store:
        with store.database.writing() as connection:
            rows = [
                AccountRow("key1", 0.0, False, 3, departure=0.0, relay=True),
                AccountRow("user1", 0.2, False, 3),
            ]
            save_accounts(connection, rows, datetime(2026, 3, 3, tzinfo=UTC))
        assert [row.account_id for row in store.accounts(relay=True)] == ["key1"]
        assert store.account("key1").relay
        assert not store.account("user1").relay
