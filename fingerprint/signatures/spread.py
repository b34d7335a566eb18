"""How far families have spread: accounts, requests and days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
from scipy import sparse

from fingerprint.discovery.batch import Batch
from fingerprint.discovery.proof import SYNCHRONY_P
from fingerprint.domain.signature import DayCount, Signature, Spread
from fingerprint.evidence.coactivity import behaviour, unsynchronised
from fingerprint.signatures import calibrate


def with_spread_and_reliability(
    batch: Batch, signatures: Sequence[Signature], members: sparse.csr_matrix
) -> list[Signature]:
    """Give signatures their spread in this batch, and the standing that comes of it."""
    rows = (members @ batch.requests()).tocsr()
    act = behaviour(rows, batch.account, batch.second)
    alone = np.where(act.p_synchrony <= SYNCHRONY_P, unsynchronised(rows, batch.account, batch.second), 0)
    return [
        calibrate.with_reliability(replace(signature, spread=spread), spread.requests, int(alone[f]))
        for f, (signature, spread) in enumerate(zip(signatures, spreads(batch, members), strict=True))
    ]


def spreads(batch: Batch, members: sparse.csr_matrix) -> list[Spread]:
    """Accounts, requests and days of each family's requests in this batch."""
    rows = (members @ batch.requests()).tocsr()
    day = np.floor(batch.second / 86400).astype(np.int64)
    out = []
    for f in range(rows.shape[0]):
        mine = rows.indices[rows.indptr[f] : rows.indptr[f + 1]]
        if not len(mine):
            never = datetime.fromtimestamp(0, UTC)
            out.append(Spread(0, 0, never, never, {}))
            continue
        days, at = np.unique(day[mine], return_inverse=True)
        pairs = np.unique(at * len(batch.accounts) + batch.account[mine])
        senders, requests = np.bincount(pairs // len(batch.accounts)), np.bincount(at)
        per_day = {
            str(np.datetime64(int(d), "D")): DayCount(int(r), int(a))
            for d, r, a in zip(days, requests, senders, strict=True)
        }
        first, last = (
            datetime.fromtimestamp(t, UTC) for t in (batch.second[mine].min(), batch.second[mine].max())
        )
        out.append(Spread(len(np.unique(batch.account[mine])), len(mine), first, last, per_day))
    return out
