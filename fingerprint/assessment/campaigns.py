"""Campaigns: families whose account pools overlap beyond chance; and what that says of each account."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from scipy import sparse

from fingerprint.base.types import Doubles
from fingerprint.domain.rows import AccountRow, CampaignRow
from fingerprint.domain.signature import Reason, Signature
from fingerprint.evidence.pools import linked

PER_REQUEST = 3
"""Requests of one family that count towards an account's score."""


def pools(history: pa.Table, families: Sequence[str]) -> tuple[sparse.csr_matrix, pa.Array]:
    """Return requests by family and account, (f, a) CSR, and the accounts; history has family_id, account_id, requests."""
    account = history.column("account_id").combine_chunks().dictionary_encode()
    place = {family: number for number, family in enumerate(families)}
    family = history.column("family_id").combine_chunks().dictionary_encode()
    number = np.array([place.get(name, -1) for name in family.dictionary.to_pylist()], dtype=np.int64)
    rows, columns = number[family.indices.to_numpy()], account.indices.to_numpy()
    requests = history.column("requests").to_numpy().astype(np.float64)
    mine = rows >= 0
    shape = (len(families), len(account.dictionary))
    return sparse.csr_matrix((requests[mine], (rows[mine], columns[mine])), shape=shape), account.dictionary


def campaigns(signatures: Sequence[Signature], pool: sparse.csr_matrix, accounts: int) -> list[CampaignRow]:
    """Group flagged families into campaigns; accounts: how many there are in all."""
    flagged = np.array([f for f, s in enumerate(signatures) if s.flagged], dtype=np.int64)
    if not len(flagged):
        return []
    group = linked(pool[flagged], accounts)
    rows, used = [], set[str]()
    for number in range(group.max() + 1):
        members = [signatures[f] for f in flagged[group == number]]
        known = Counter(s.campaign_id for s in members if s.campaign_id and s.campaign_id not in used)
        name = max(known, key=lambda c: (known[c], c)) if known else _name(members)
        used.add(name)
        score = max(s.score for s in members)
        rows.append(CampaignRow(name, None, score, True, tuple(sorted(s.family_id for s in members))))
    return sorted(rows, key=lambda row: row.campaign_id)


def accounts(
    signatures: Sequence[Signature], pool: sparse.csr_matrix, names: pa.Array, totals: dict[str, int]
) -> list[AccountRow]:
    """Score the accounts that sent requests of any family: one minus the chance that all of them are honest.

    A family's score counts whatever share of the account's traffic it is: mixing campaign requests into
    honest traffic does not dilute them. Further requests of the family add little, up to PER_REQUEST.
    """
    doubt = np.log1p(-np.minimum(np.array([s.score for s in signatures]), 1 - 1e-6))
    by_account = pool.T.tocsr()
    rows = []
    for number, name in enumerate(names.to_pylist()):
        families = by_account.indices[by_account.indptr[number] : by_account.indptr[number + 1]]
        sent = by_account.data[by_account.indptr[number] : by_account.indptr[number + 1]]
        if not len(families):
            continue
        score = float(1 - np.exp((_counted(sent) * doubt[families]).sum()))
        total = totals.get(name, int(sent.sum()))
        evidence = tuple(
            Reason(
                signatures[f].family_id,
                float(count),
                float(-doubt[f] * _counted(count)),
                f"{int(count)} of {total} requests are of family {signatures[f].family_id} (score {signatures[f].score:.2f})",
            )
            for f, count in sorted(zip(families, sent, strict=True), key=lambda x: (doubt[x[0]], x[0]))
        )
        flagged = any(signatures[f].flagged for f in families)
        rows.append(
            AccountRow(
                name, score, flagged, total, tuple(signatures[f].family_id for f in families), evidence
            )
        )
    return rows


def _counted(requests: Doubles) -> Doubles:
    """Weigh a number of requests of one family: 1 for the first, 1.5 from PER_REQUEST on."""
    return np.asarray(1 + 0.5 * (np.minimum(requests, PER_REQUEST) - 1) / (PER_REQUEST - 1))


def _name(members: Sequence[Signature]) -> str:
    return "c" + hashlib.blake2b(min(s.family_id for s in members).encode(), digest_size=5).hexdigest()
