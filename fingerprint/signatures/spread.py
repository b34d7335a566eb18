"""How far families have spread: accounts, requests and days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
from scipy import sparse

from fingerprint.base.types import Ids, IntArray
from fingerprint.discovery.batch import Batch
from fingerprint.discovery.proof import SYNCHRONY_P
from fingerprint.domain.schemas import ACTIVITY_SCHEMA, SPREAD_SCHEMA
from fingerprint.domain.signature import DayCount, Signature, Spread
from fingerprint.evidence.coactivity import behaviour, unsynchronised
from fingerprint.signatures import calibrate

DAY_SECONDS = 86_400


def with_spread_and_reliability(
    batch: Batch, signatures: Sequence[Signature], members: sparse.csr_matrix
) -> list[Signature]:
    """Give signatures (f) their spread in this batch, and the reliability that comes of it; members: (f, n) CSR."""
    rows = (members @ batch.requests()).tocsr()
    act = behaviour(rows, batch.account, batch.second)
    alone = np.where(act.p_synchrony <= SYNCHRONY_P, unsynchronised(rows, batch.account, batch.second), 0)
    return [
        calibrate.with_reliability(replace(signature, spread=spread), spread.requests, int(alone[f]))
        for f, (signature, spread) in enumerate(zip(signatures, spreads(batch, members), strict=True))
    ]


def spreads(batch: Batch, members: sparse.csr_matrix) -> list[Spread]:
    """Count the accounts, requests and days of each family's requests in this batch; members: (f, n) CSR."""
    rows = (members @ batch.requests()).tocsr()
    day = np.floor(batch.second / DAY_SECONDS).astype(np.int64)
    out = []
    for f in range(rows.shape[0]):
        sent = rows.indices[rows.indptr[f] : rows.indptr[f + 1]]
        if not len(sent):
            never = datetime.fromtimestamp(0, UTC)
            out.append(Spread(0, 0, never, never, {}))
            continue
        days, at = np.unique(day[sent], return_inverse=True)
        pairs = np.unique(at * len(batch.accounts) + batch.account[sent])
        senders, requests = np.bincount(pairs // len(batch.accounts)), np.bincount(at)
        per_day = {
            str(np.datetime64(int(d), "D")): DayCount(int(r), int(a))
            for d, r, a in zip(days, requests, senders, strict=True)
        }
        first, last = (
            datetime.fromtimestamp(t, UTC) for t in (batch.second[sent].min(), batch.second[sent].max())
        )
        out.append(Spread(len(np.unique(batch.account[sent])), len(sent), first, last, per_day))
    return out


def family_days(batch: Batch, signatures: Sequence[Signature], label: Ids) -> pa.Table:
    """Count requests by family, account and day: SPREAD_SCHEMA.

    signatures: (f,). label: (n,) int32, the row of each distinct prompt's family, -1 = none.
    """
    family, columns = _daily(batch, label[batch.prompt])
    ids = pa.array([s.family_id for s in signatures], pa.large_string()).take(pa.array(family))
    return pa.table({"family_id": ids, **columns}, schema=SPREAD_SCHEMA)


def account_days(batch: Batch) -> pa.Table:
    """Count requests by account and day, whatever family they are of: ACTIVITY_SCHEMA."""
    _, columns = _daily(batch, np.zeros(len(batch), dtype=np.int32))
    return pa.table(columns, schema=ACTIVITY_SCHEMA)


def _daily(batch: Batch, group: Ids) -> tuple[IntArray, dict[str, pa.Array]]:
    """Count requests (r,) by group, account and UTC day, in this order; group -1 is left out."""
    rows = np.flatnonzero(group >= 0)
    day = np.floor(batch.second[rows] / DAY_SECONDS).astype(np.int64)
    begin, end = (int(day.min()), int(day.max())) if len(day) else (0, 0)
    days, accounts = end - begin + 1, len(batch.accounts)
    key = (group[rows].astype(np.int64) * accounts + batch.account[rows]) * days + (day - begin)
    key, requests = np.unique(key, return_counts=True)
    sender, on = np.divmod(key, days)
    groups, account = np.divmod(sender, accounts)
    columns = {
        "account_id": batch.accounts.take(pa.array(account)),
        "day": pa.array((on + begin).astype("datetime64[D]")),
        "requests": pa.array(requests.astype(np.int64)),
    }
    return groups, columns
