"""Accounts whose traffic outside all families is unlike that of honest accounts.

What is kept of a night is a mean of random features for each account; such means of several nights add up to one test
(`evidence.two_sample`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from fingerprint.base.types import Doubles, Embed, Ids, IntArray
from fingerprint.discovery.batch import Batch, TextsOfPrompts
from fingerprint.domain.rows import AccountRow
from fingerprint.domain.schemas import RANDOM_FEATURES_SCHEMA
from fingerprint.domain.signature import Reason
from fingerprint.evidence.two_sample import (
    MIN_PROMPTS,
    RANDOM_FEATURES,
    Departures,
    departures,
    random_features,
)
from fingerprint.text.sentences import heads

MAX_ACCOUNT_PROMPTS = 1_500
"""Prompts of one account that are embedded; fewer where MAX_PROMPTS would be exceeded."""

MAX_PROMPTS = 400_000
"""Prompts of all accounts that are embedded."""

CHUNK = 16_384
"""Prompts whose vectors and features are in memory at once."""


@dataclass(frozen=True, slots=True)
class AccountFeatures:
    """What the prompts of a accounts are like that are in no family.

    accounts: (a,) ids. requests: (a,) how many prompts. sums: (a, RANDOM_FEATURES) of their features. covariance:
    (RANDOM_FEATURES, RANDOM_FEATURES) of tonight's prompts of all accounts.
    """

    accounts: pa.Array
    requests: Doubles
    sums: Doubles
    covariance: Doubles


def account_features(batch: Batch, label: Ids, embed: Embed, texts: TextsOfPrompts) -> AccountFeatures:
    """Sum up the features of each account's distinct prompts in no family; label: (n,) of prompts, -1 = none.

    texts: gives the texts of some prompts, by their ascending numbers.
    """
    prompt, account = _sampled(batch, label)
    distinct, column = np.unique(prompt, return_inverse=True)
    ones = np.ones(len(prompt), dtype=np.float32)
    sent = sparse.csc_matrix((ones, (account, column)), shape=(len(batch.accounts), len(distinct)))
    sums = np.zeros((len(batch.accounts), RANDOM_FEATURES))
    total, squares = np.zeros(RANDOM_FEATURES), np.zeros((RANDOM_FEATURES, RANDOM_FEATURES))
    for begin in range(0, len(distinct), CHUNK):
        part = random_features(embed(heads(texts(distinct[begin : begin + CHUNK]))))
        sums += sent[:, begin : begin + CHUNK] @ part
        total += part.sum(axis=0)
        squares += part.T @ part
    n = max(len(distinct), 1)
    covariance = squares / n - np.outer(total / n, total / n)
    requests = np.bincount(account, minlength=len(batch.accounts)).astype(np.float64)
    return AccountFeatures(batch.accounts, requests, sums, covariance)


def _sampled(batch: Batch, label: Ids) -> tuple[IntArray, IntArray]:
    """Return prompt and account of distinct pairs in no family, (p,) each, of each account at most its quota at random."""
    unassigned = np.flatnonzero(label[batch.prompt] < 0)
    pairs = np.unique(batch.account[unassigned].astype(np.int64) * batch.distinct + batch.prompt[unassigned])
    account, prompt = np.divmod(pairs, max(batch.distinct, 1))
    even_share = MAX_PROMPTS // max(len(batch.accounts), 1)
    quota = min(MAX_ACCOUNT_PROMPTS, max(MIN_PROMPTS, even_share))
    order = np.lexsort((np.random.default_rng(0).permutation(len(pairs)), account))
    first = np.searchsorted(account[order], account[order])
    kept = np.sort(order[np.arange(len(order)) - first < quota])
    return prompt[kept], account[kept]


def storable(features: AccountFeatures) -> pa.Table:
    """Return what may be kept of each account, RANDOM_FEATURES_SCHEMA: a mean; of too few prompts nothing."""
    rows = np.flatnonzero(features.requests >= MIN_PROMPTS)
    means = (features.sums[rows] / features.requests[rows, None]).astype("<f2")
    columns = {
        "account_id": features.accounts.take(pa.array(rows)),
        "requests": features.requests[rows].astype(np.int64),
        "features": [row.tobytes() for row in means],
    }
    return pa.table(columns, schema=RANDOM_FEATURES_SCHEMA)


def with_earlier_nights(tonight: AccountFeatures, earlier: pa.Table) -> AccountFeatures:
    """Add what earlier nights kept, RANDOM_FEATURES_SCHEMA, to tonight's sums; the covariance stays tonight's."""
    ids = pa.concat_arrays([tonight.accounts, earlier.column("account_id").combine_chunks()]).unique()
    sums, requests = np.zeros((len(ids), RANDOM_FEATURES)), np.zeros(len(ids))
    place = pc.index_in(tonight.accounts, ids).to_numpy()
    sums[place], requests[place] = tonight.sums, tonight.requests
    if len(earlier):
        row = pc.index_in(earlier.column("account_id"), ids).to_numpy()
        count = earlier.column("requests").to_numpy().astype(np.float64)
        stored = np.frombuffer(b"".join(earlier.column("features").to_pylist()), "<f2")
        means = stored.reshape(-1, RANDOM_FEATURES).astype(np.float64)
        np.add.at(requests, row, count)
        np.add.at(sums, row, means * count[:, None])
    return AccountFeatures(ids, requests, sums, tonight.covariance)


def with_departures(
    rows: Sequence[AccountRow], features: AccountFeatures, totals: dict[str, int]
) -> list[AccountRow]:
    """Add to assessed accounts how far they depart; those in no family that do become rows of score 0.

    totals: requests of each account, by its id. Accounts that are not flagged count as honest.
    """
    flagged = pa.array([row.account_id for row in rows if row.flagged], pa.large_string())
    honest = ~pc.is_in(features.accounts, flagged).to_numpy(zero_copy_only=False)
    result = departures(features.sums, features.requests, honest, features.covariance)
    place = {account: number for number, account in enumerate(features.accounts.to_pylist())}
    assessed = {row.account_id for row in rows}
    departed = features.accounts.take(pa.array(np.flatnonzero(result.departed))).to_pylist()
    others = [AccountRow(name, 0.0, False, totals.get(name, 0)) for name in departed if name not in assessed]
    return [
        _with_departure(row, result, features.requests, place[row.account_id])
        if row.account_id in place
        else row
        for row in (*rows, *others)
    ]


def _with_departure(row: AccountRow, result: Departures, requests: Doubles, number: int) -> AccountRow:
    """Add to a row what the test gives for account `number`; nothing where it gives nothing."""
    if np.isnan(result.value[number]):
        return row
    value, q_value = float(result.value[number]), float(result.q_value[number])
    rank = None if np.isnan(result.rank[number]) else float(result.rank[number])
    departed, evidence = bool(result.departed[number]), row.evidence
    if departed:
        words = (
            f"{requests[number]:.0f} prompts in no family are unlike honest traffic (MMD² {value:.2g}, q {q_value:.1g}); "
            f"so are {rank:.1%} of honest-looking accounts of its volume"
        )
        evidence = (*evidence, Reason("departure", value, 0.0, words))
    return replace(
        row,
        evidence=evidence,
        departure=value,
        departure_q=q_value,
        departure_rank=rank,
        departed=departed,
    )
