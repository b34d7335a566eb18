"""What earlier nights hold of tonight's families and accounts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from fingerprint.base.types import Bools, Doubles, IntArray
from fingerprint.evidence.null_models import share_among_like_volume

RECENT = timedelta(days=7)
"""Accounts that were last seen longer ago have not gone silent tonight."""


@dataclass(frozen=True, slots=True)
class AccountChanges:
    """Which of tonight's a accounts are new (a,), and how many earlier accounts of f families went silent (f,).

    expected_silent: (f,) how many of the family's earlier accounts would be silent tonight by chance: as many as of all
    earlier accounts of like volume. Families that nobody sent before may be left out at the end of both (f,).
    """

    new: Bools
    silent: Doubles
    expected_silent: Doubles


@dataclass(frozen=True, slots=True)
class History:
    """What earlier nights hold of f families and tonight's a accounts.

    All are counted in conversations. members: (f, a) CSR. requests: (f,) of all accounts, whether they send tonight or not.
    total: in any family or none. changes: None without earlier nights.
    """

    members: sparse.csr_matrix
    requests: Doubles
    total: float
    changes: AccountChanges | None = None


def history_of(
    families: Sequence[str], accounts: pa.Array, *, spread: pa.Table, activity: pa.Table
) -> History:
    """Arrange earlier nights by tonight's families (f,) and accounts (a,), both ids.

    spread: family_id, account_id and conversations of earlier nights. activity: account_id, conversations and last_day of
    all their traffic.
    """
    number = {family: f for f, family in enumerate(families)}
    coded = spread.column("family_id").combine_chunks().dictionary_encode()
    known = np.array([number.get(name, -1) for name in coded.dictionary.to_pylist()], dtype=np.int64)
    row = known[coded.indices.to_numpy()]
    column = pc.index_in(spread.column("account_id"), accounts).fill_null(-1).to_numpy().astype(np.int64)
    requests = spread.column("conversations").to_numpy().astype(np.float64)
    of_families = row >= 0
    active = of_families & (column >= 0)
    shape = (len(families), len(accounts))
    members = sparse.csr_matrix((requests[active], (row[active], column[active])), shape=shape)
    earlier = np.bincount(row[of_families], requests[of_families], len(families)).astype(np.float64)
    total = float(pc.sum(activity.column("conversations")).as_py() or 0)
    changes = account_changes(accounts, family=row, spread=spread, activity=activity)
    return History(members, earlier, total, changes)


def account_changes(
    accounts: pa.Array, *, family: IntArray, spread: pa.Table, activity: pa.Table
) -> AccountChanges | None:
    """Compare tonight's accounts (a,) with those of earlier nights; None without earlier nights.

    spread: account_id of each pair of a family and an account that sent it earlier; family: number of the pair's
    family, -1 = none of tonight's. activity: account_id, conversations and last_day of all earlier traffic.
    """
    if not len(activity):
        return None
    last = activity.column("last_day")
    recent = activity.filter(pc.greater_equal(last, pa.scalar(pc.max(last).as_py() - RECENT, pa.date32())))
    earlier = recent.column("account_id").combine_chunks()
    silent = ~pc.is_in(earlier, accounts).to_numpy(zero_copy_only=False)
    expected = share_among_like_volume(silent, recent.column("conversations").to_numpy().astype(np.float64))
    account = pc.index_in(spread.column("account_id"), earlier).fill_null(-1).to_numpy()
    known = (family >= 0) & (account >= 0)
    count = int(family.max(initial=-1)) + 1
    return AccountChanges(
        new=~pc.is_in(accounts, earlier).to_numpy(zero_copy_only=False),
        silent=np.bincount(family[known], silent[account[known]].astype(np.float64), count).astype(
            np.float64
        ),
        expected_silent=np.bincount(family[known], expected[account[known]], count).astype(np.float64),
    )
