from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
from scipy import sparse
from support.observed import observed

from fingerprint.evidence.history import History, account_changes
from fingerprint.evidence.null_models import Trait
from fingerprint.evidence.statistics.turnover import newcomers, turnover, turnover_traits

ACCOUNTS = 1000


def measure(
    before: list[list[int]], tonight: list[list[int]], regulars: range = range(900)
) -> tuple[Trait, Trait]:
    """Families sent before and tonight by the accounts of these numbers; all regulars sent something before."""
    everyone = sorted({*regulars, *(a for pool in before for a in pool)})
    sent = pa.table(
        {
            "account_id": pa.array([f"a{n}" for n in everyone], pa.large_string()),
            "conversations": pa.array([4] * len(everyone), pa.int64()),
            "last_day": pa.array([date(2026, 3, 2)] * len(everyone)),
        }
    )
    rows = [(f, a) for f, pool in enumerate(before) for a in pool]
    spread = pa.table({"account_id": pa.array([f"a{a}" for _, a in rows], pa.large_string())})
    family = np.array([f for f, _ in rows], dtype=np.int64)
    silent = {a for pool in before for a in pool if a >= 900} - {a for pool in tonight for a in pool}
    active = [n for n in range(ACCOUNTS) if n not in silent]
    place = {a: i for i, a in enumerate(active)}
    pool = np.zeros((len(tonight), len(active)))
    for f, members in enumerate(tonight):
        pool[f, [place[a] for a in members]] = 2
    names = pa.array([f"a{n}" for n in active], pa.large_string())
    changes = account_changes(names, family=family, spread=spread, activity=sent)
    assert changes is not None
    return turnover_traits(sparse.csr_matrix(pool), np.full(len(active), 4.0), changes)


def test_replaced_accounts_are_new_as_others_went_silent() -> None:
    old = [*range(100, 120), *range(900, 915)]
    new, replaced = measure([old], [[*range(100, 120), *range(920, 935)]])
    assert new.value[0] == replaced.value[0] == 15
    assert new.expected[0] < 5
    assert new.evidence[0] > 2
    assert replaced.evidence[0] > 2


def test_a_new_tool_has_new_accounts_but_replaces_none() -> None:
    new, replaced = measure([list(range(100, 120))], [[*range(100, 120), *range(920, 935)]])
    assert new.evidence[0] > 2
    assert replaced.value[0] == 0
    assert replaced.evidence[0] < 0.5


def test_regulars_are_neither() -> None:
    random = np.random.default_rng(1)
    pools = [random.choice(1000, 30, replace=False).tolist() for _ in range(50)]
    new, _ = measure([list(range(200, 230))], pools)
    assert (new.evidence > 2).mean() <= 0.05


def test_without_earlier_nights_nothing_is_known() -> None:
    nothing = account_changes(
        pa.array(["a"], pa.large_string()),
        family=np.empty(0, dtype=np.int64),
        spread=pa.table({"account_id": pa.array([], pa.large_string())}),
        activity=pa.table({"account_id": [], "conversations": [], "last_day": []}),
    )
    assert nothing is None
    history = History(sparse.csr_matrix((2, 1)), np.zeros(2), 0.0, changes=nothing)
    data = observed(np.zeros(2), np.zeros(2), [np.array([0]), np.array([1])], history=history)
    assert np.isnan(newcomers(data).value).all()
    assert turnover(data).evidence.tolist() == [0, 0]
