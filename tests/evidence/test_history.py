from __future__ import annotations

from datetime import date

import pyarrow as pa

from fingerprint.evidence.history import history_of


def test_history_knows_only_tonights_accounts_and_all_requests() -> None:
    spread = pa.table(
        {
            "family_id": pa.array(["a", "a", "b", "gone"], pa.large_string()),
            "account_id": pa.array(["x", "left", "y", "x"], pa.large_string()),
            "conversations": pa.array([3, 4, 5, 6], pa.int64()),
            "first_day": pa.array([date(2026, 3, 2)] * 4),
        }
    )
    activity = pa.table(
        {
            "account_id": pa.array(["x", "y", "left"], pa.large_string()),
            "conversations": pa.array([9, 5, 4], pa.int64()),
            "last_day": pa.array([date(2026, 3, 2)] * 3),
        }
    )
    accounts = pa.array(["y", "x"], pa.large_string())
    history = history_of(["b", "a", "new"], accounts, spread=spread, activity=activity)
    assert history.members.toarray().tolist() == [[5, 0], [0, 3], [0, 0]]
    assert history.requests.tolist() == [5, 7, 0]
    assert history.total == 18
    assert history.changes is not None
    assert history.changes.silent.tolist() == [0, 1]
    nothing = history_of(["a"], accounts, spread=spread.slice(0, 0), activity=activity.slice(0, 0))
    assert nothing.members.nnz == 0
    assert nothing.changes is None


def test_accounts_last_seen_long_ago_have_not_gone_silent_tonight() -> None:
    spread = pa.table(
        {
            "family_id": pa.array(["a", "a"], pa.large_string()),
            "account_id": pa.array(["late", "long ago"], pa.large_string()),
            "conversations": pa.array([1, 1], pa.int64()),
        }
    )
    activity = pa.table(
        {
            "account_id": pa.array(["late", "long ago"], pa.large_string()),
            "conversations": pa.array([1, 1], pa.int64()),
            "last_day": pa.array([date(2026, 3, 9), date(2026, 3, 1)]),
        }
    )
    history = history_of(["a"], pa.array(["new"], pa.large_string()), spread=spread, activity=activity)
    assert history.changes is not None
    assert history.changes.silent.tolist() == [1]
    assert history.changes.new.tolist() == [True]
