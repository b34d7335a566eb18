"""Campaigns: flagged families of one pool of accounts; and what families say of each account."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy import sparse

from fingerprint.assessment.assess import EarlierNights
from fingerprint.assessment.campaign_names import campaign_name
from fingerprint.base.types import Doubles, IntArray
from fingerprint.domain.rows import AccountRow, CampaignRow
from fingerprint.domain.signature import Reason, Signature
from fingerprint.evidence.pools import pool_groups
from fingerprint.signatures.rewordings import NightFamilies

MAX_COUNTED = 3
"""Conversations of one family that count towards an account's score."""


@dataclass(frozen=True, slots=True)
class AllNights:
    """What was sent tonight and on all earlier nights.

    pool: (f, a) CSR of float64, conversations by family and account. accounts: (a,) ids of those that sent any family.
    totals, requests: all conversations and all requests of each account, by its id.
    """

    pool: sparse.csr_matrix
    accounts: pa.Array
    totals: dict[str, int]
    requests: dict[str, int]

    @classmethod
    def of(
        cls, families: NightFamilies, *, spread: pa.Table, activity: pa.Table, earlier: EarlierNights
    ) -> AllNights:
        """Add tonight's traffic to the earlier; spread: SPREAD_SCHEMA, activity: ACTIVITY_SCHEMA."""
        ids = [s.family_id for s in families.signatures]
        pool, accounts = pools(_summed(spread, earlier.families), ids)
        totals = _summed(activity, earlier.accounts)
        senders, *counts = (totals.column(name).to_pylist() for name in ("account_id", *_COUNTS))
        return cls(pool, accounts, *(dict(zip(senders, count, strict=True)) for count in counts))


_COUNTS = ("conversations", "requests")


def _summed(tonight: pa.Table, earlier: pa.Table) -> pa.Table:
    """Sum tonight's and earlier _COUNTS by everything but the day, in the order in which keys first come.

    Not by Arrow's `group_by`, whose first use loads an engine of queries, for 0.05 s and more.
    """
    keys = [name for name in ("family_id", "account_id") if name in tonight.column_names]
    columns = [*keys, *_COUNTS]
    rows = pa.concat_tables([tonight.select(columns), earlier.select(columns)], promote_options="permissive")
    coded = [rows.column(name).combine_chunks().dictionary_encode() for name in keys]
    number = np.zeros(len(rows), dtype=np.int64)
    for column in coded:
        number = number * max(len(column.dictionary), 1) + column.indices.to_numpy()
    _, first, group = np.unique(number, return_index=True, return_inverse=True)
    order = np.argsort(first)
    summed = {name: rows.column(name).take(pa.array(first[order])) for name in keys}
    for name in _COUNTS:
        sums = np.bincount(group, rows.column(name).to_numpy(), minlength=len(first))
        summed[name] = pa.array(sums[order].astype(np.int64))
    return pa.table(summed)


def pools(sent: pa.Table, families: Sequence[str]) -> tuple[sparse.csr_matrix, pa.Array]:
    """Return conversations by family and account, (f, a) CSR of float64, and the ids of the accounts, (a,).

    sent: family_id, account_id and conversations of all nights; rows of other families are left out. families: (f,) ids.
    """
    account = sent.column("account_id").combine_chunks().dictionary_encode()
    number = {family: f for f, family in enumerate(families)}
    coded = sent.column("family_id").combine_chunks().dictionary_encode()
    known = np.array([number.get(name, -1) for name in coded.dictionary.to_pylist()], dtype=np.int64)
    row, column = known[coded.indices.to_numpy()], account.indices.to_numpy()
    count = sent.column("conversations").to_numpy().astype(np.float64)
    # 0 where a conversation only went on that another batch counts
    listed = (row >= 0) & (count > 0)
    shape = (len(families), len(account.dictionary))
    return sparse.csr_matrix((count[listed], (row[listed], column[listed])), shape=shape), account.dictionary


def campaigns(signatures: Sequence[Signature], pool: sparse.csr_matrix, accounts: int) -> list[CampaignRow]:
    """Group flagged families whose pools are one; pool: (f, a) CSR, accounts: how many there are in all.

    A group keeps the id that most of its families had, if no other group has it; the name counts for new ids only.
    """
    flagged = np.array([f for f, s in enumerate(signatures) if s.flagged], dtype=np.int64)
    if not len(flagged):
        return []
    group = pool_groups(pool[flagged], accounts)
    rows, used = [], set[str]()
    for number in range(group.max() + 1):
        members = [signatures[f] for f in flagged[group == number]]
        earlier = Counter(s.campaign_id for s in members if s.campaign_id and s.campaign_id not in used)
        campaign_id = max(earlier, key=lambda c: (earlier[c], c)) if earlier else _new_id(members)
        used.add(campaign_id)
        score = max(s.score for s in members)
        families = tuple(sorted(s.family_id for s in members))
        rows.append(
            CampaignRow(campaign_id, None, score, True, families, name=campaign_name(campaign_id, members))
        )
    return sorted(rows, key=lambda row: row.campaign_id)


def _new_id(members: Sequence[Signature]) -> str:
    """Name a campaign by its first family: the same families always make the same id."""
    first = min(s.family_id for s in members)
    return "c" + hashlib.blake2b(first.encode(), digest_size=5).hexdigest()


def accounts(
    signatures: Sequence[Signature], pool: sparse.csr_matrix, names: pa.Array, totals: Mapping[str, int]
) -> list[AccountRow]:
    """Score the accounts that sent any family: one minus the chance that all their families are honest.

    All is counted in conversations, and rows tell as many requests. pool: (f, a) CSR; names: (a,) ids of accounts;
    totals: of each account, by its id.
    A family's score counts whatever share of the account's traffic it is: mixing campaign requests into honest traffic
    does not dilute them (D-058). Further conversations of the family add little, up to MAX_COUNTED.
    """
    # (f,) log of the chance that a family is honest; a score of 1 would leave none whatever the others say
    log_honest = np.log1p(-np.minimum(np.array([s.score for s in signatures]), 1 - 1e-6))
    by_account = pool.T.tocsr()
    rows = []
    for number, name in enumerate(names.to_pylist()):
        entries = slice(by_account.indptr[number], by_account.indptr[number + 1])
        families, requests = by_account.indices[entries], by_account.data[entries]
        if not len(families):
            continue
        score = float(1 - np.exp((_counted(requests) * log_honest[families]).sum()))
        total = totals.get(name, int(requests.sum()))
        rows.append(
            AccountRow(
                name,
                score,
                any(signatures[f].flagged for f in families),
                total,
                tuple(signatures[f].family_id for f in families),
                _reasons(signatures, families, requests, log_honest, total),
            )
        )
    return rows


def _reasons(
    signatures: Sequence[Signature], families: IntArray, requests: Doubles, log_honest: Doubles, total: int
) -> tuple[Reason, ...]:
    """Say what each of an account's families adds to its score, the most suspect first."""
    return tuple(
        Reason(
            signatures[f].family_id,
            float(count),
            float(-log_honest[f] * _counted(count)),
            f"{int(count)} of {total} conversations are of family {signatures[f].family_id} (score {signatures[f].score:.2f})",
        )
        for f, count in sorted(
            zip(families, requests, strict=True), key=lambda entry: (log_honest[entry[0]], entry[0])
        )
    )


def _counted(requests: Doubles) -> Doubles:
    """Weigh a number of conversations of one family: 1 for the first, 1.5 from MAX_COUNTED on."""
    return np.asarray(1 + 0.5 * (np.minimum(requests, MAX_COUNTED) - 1) / (MAX_COUNTED - 1))
