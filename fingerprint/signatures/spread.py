"""How far families have spread: accounts, requests, conversations and days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
from scipy import sparse

from fingerprint.base.times import DAY_SECONDS
from fingerprint.base.types import Doubles, Ids, IntArray
from fingerprint.discovery.batch import Batch, Requests
from fingerprint.discovery.proof import SYNCHRONY_P
from fingerprint.domain.schemas import ACTIVITY_SCHEMA, SPREAD_SCHEMA
from fingerprint.domain.signature import DayCount, Signature, Spread
from fingerprint.evidence.coactivity import behaviour, unsynchronised
from fingerprint.signatures import calibrate


def with_spread_and_reliability(
    batch: Batch, signatures: Sequence[Signature], members: sparse.csr_matrix
) -> list[Signature]:
    """Give signatures (f) their spread in this batch, and the reliability that comes of it; members: (f, n) CSR."""
    rows = (members @ batch.conversations()).tocsr()
    act = behaviour(rows, batch.account, batch.second)
    alone = np.where(act.p_synchrony <= SYNCHRONY_P, unsynchronised(rows, batch.account, batch.second), 0)
    return [
        calibrate.with_reliability(replace(signature, spread=spread), spread.conversations, int(alone[f]))
        for f, (signature, spread) in enumerate(zip(signatures, spreads(batch, members), strict=True))
    ]


def spreads(batch: Batch, members: sparse.csr_matrix) -> list[Spread]:
    """Accounts, conversations and days of each family's members in this batch, as if each conversation were one request.

    members: (f, n) CSR, the prompts of each family. `with_requests` tells the requests.
    """
    rows = (members @ batch.conversations()).tocsr()
    return [
        _spread(batch.account[mine], batch.second[mine], len(mine))
        for mine in np.split(rows.indices, rows.indptr[1:-1])[: rows.shape[0]]
    ]


def with_requests(
    batch: Batch, requests: Requests, signatures: Sequence[Signature], family_of: Ids
) -> list[Signature]:
    """Give the signatures of families that were sent in this batch the spread of all their requests.

    signatures: (f,). family_of: (r,) int32, the row of each conversation's family, -1 = none.
    """
    family = family_of[requests.conversation]
    order = np.argsort(family, kind="stable")
    cuts = np.searchsorted(family[order], np.arange(len(signatures) + 1))
    begins = requests.begins
    out = list(signatures)
    for f in np.flatnonzero(np.diff(cuts)).tolist():
        mine = order[cuts[f] : cuts[f + 1]]
        account = batch.account[requests.conversation[mine]]
        spread = _spread(account, requests.second[mine], int(begins[mine].sum()))
        out[f] = replace(signatures[f], spread=spread)
    return out


def _spread(account: Ids, second: Doubles, conversations: int) -> Spread:
    """Describe requests by their accounts and times, (m,) each."""
    if not len(account):
        never = datetime.fromtimestamp(0, UTC)
        return Spread(0, 0, never, never, {})
    days, at = np.unique(np.floor(second / DAY_SECONDS).astype(np.int64), return_inverse=True)
    accounts = int(account.max()) + 1
    senders = np.bincount(np.unique(at * accounts + account) // accounts)
    per_day = {
        str(np.datetime64(int(d), "D")): DayCount(int(r), int(a))
        for d, r, a in zip(days, np.bincount(at), senders, strict=True)
    }
    first, last = (datetime.fromtimestamp(t, UTC) for t in (second.min(), second.max()))
    return Spread(len(np.unique(account)), len(account), first, last, per_day, conversations)


def family_days(
    batch: Batch, requests: Requests, signatures: Sequence[Signature], family_of: Ids
) -> pa.Table:
    """Count requests and conversations by family, account and day: SPREAD_SCHEMA.

    signatures: (f,). family_of: (r,) int32, the row of each conversation's family, -1 = none.
    """
    family, columns = _daily(batch, requests, family_of)
    ids = pa.array([s.family_id for s in signatures], pa.large_string()).take(pa.array(family))
    return pa.table({"family_id": ids, **columns}, schema=SPREAD_SCHEMA)


def account_days(batch: Batch, requests: Requests) -> pa.Table:
    """Count requests and conversations by account and day, whatever family they are of: ACTIVITY_SCHEMA."""
    _, columns = _daily(batch, requests, np.zeros(len(batch), dtype=np.int32))
    return pa.table(columns, schema=ACTIVITY_SCHEMA)


def _daily(batch: Batch, requests: Requests, group: Ids) -> tuple[IntArray, dict[str, pa.Array]]:
    """Count by group, account and UTC day, in this order; a conversation counts on the day of its first request.

    group: (r,) of the conversations; group -1 is left out.
    """
    rows = np.flatnonzero(group[requests.conversation] >= 0)
    conversation = requests.conversation[rows]
    day = np.floor(requests.second[rows] / DAY_SECONDS).astype(np.int64)
    begin, end = (int(day.min()), int(day.max())) if len(day) else (0, 0)
    days, accounts = end - begin + 1, len(batch.accounts)
    key = (group[conversation].astype(np.int64) * accounts + batch.account[conversation]) * days + (
        day - begin
    )
    key, at, count = np.unique(key, return_inverse=True, return_counts=True)
    conversations = np.bincount(at, weights=requests.begins[rows], minlength=len(key))
    sender, on = np.divmod(key, days)
    groups, account = np.divmod(sender, accounts)
    columns = {
        "account_id": batch.accounts.take(pa.array(account)),
        "day": pa.array((on + begin).astype("datetime64[D]")),
        "requests": pa.array(count.astype(np.int64)),
        "conversations": pa.array(conversations.astype(np.int64)),
    }
    return groups, columns
