"""Accounts whose traffic outside all families is unlike that of honest accounts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from fingerprint.base.types import Doubles, Embed, Ids, IntArray
from fingerprint.discovery.batch import Batch
from fingerprint.domain.rows import AccountRow
from fingerprint.domain.schemas import RANDOM_FEATURES_SCHEMA
from fingerprint.domain.signature import Reason
from fingerprint.evidence.two_sample import MIN_PROMPTS, RANDOM_FEATURES, Departures, departures, features
from fingerprint.text.sentences import heads

TextsOfPrompts = Callable[[IntArray], pa.Array | pa.ChunkedArray]

MOST_PROMPTS = 1_500
"""Prompts of one account that its departure is told from; fewer where ALL_PROMPTS would be exceeded."""

ALL_PROMPTS = 400_000
CHUNK = 16_384


@dataclass(frozen=True, slots=True)
class AccountFeatures:
    """What accounts' prompts in no family are like.

    sums: (a, FEATURES) of the features of so many requests (a,). covariance: (FEATURES, FEATURES) over all prompts.
    """

    accounts: pa.Array
    requests: Doubles
    sums: Doubles
    covariance: Doubles


def account_features(batch: Batch, label: Ids, embed: Embed, texts: TextsOfPrompts) -> AccountFeatures:
    """Sum up the features of each account's distinct prompts in no family; label: (n,) of prompts, -1 = none.

    texts: gives the texts of some prompts, by their ascending numbers.
    """
    prompt, account = _chosen(batch, label)
    distinct, column = np.unique(prompt, return_inverse=True)
    ones = np.ones(len(prompt), dtype=np.float32)
    sent = sparse.csc_matrix((ones, (account, column)), shape=(len(batch.accounts), len(distinct)))
    sums = np.zeros((len(batch.accounts), RANDOM_FEATURES))
    total, squares = np.zeros(RANDOM_FEATURES), np.zeros((RANDOM_FEATURES, RANDOM_FEATURES))
    for begin in range(0, len(distinct), CHUNK):
        part = features(embed(heads(texts(distinct[begin : begin + CHUNK]))))
        sums += sent[:, begin : begin + CHUNK] @ part
        total += part.sum(axis=0)
        squares += part.T @ part
    n = max(len(distinct), 1)
    covariance = squares / n - np.outer(total / n, total / n)
    requests = np.bincount(account, minlength=len(batch.accounts)).astype(np.float64)
    return AccountFeatures(batch.accounts, requests, sums, covariance)


def _chosen(batch: Batch, label: Ids) -> tuple[IntArray, IntArray]:
    """Return distinct pairs of loose prompt and account, of each account at most its quota, drawn at random."""
    loose = np.flatnonzero(label[batch.prompt] < 0)
    pairs = np.unique(batch.account[loose].astype(np.int64) * batch.distinct + batch.prompt[loose])
    account, prompt = np.divmod(pairs, max(batch.distinct, 1))
    quota = min(MOST_PROMPTS, max(MIN_PROMPTS, ALL_PROMPTS // max(len(batch.accounts), 1)))
    order = np.lexsort((np.random.default_rng(0).permutation(len(pairs)), account))
    first = np.searchsorted(account[order], account[order])
    kept = np.sort(order[np.arange(len(order)) - first < quota])
    return prompt[kept], account[kept]


def to_store(found: AccountFeatures) -> pa.Table:
    """Return what may be kept of each account (FEATURES_SCHEMA): of too few prompts nothing."""
    rows = np.flatnonzero(found.requests >= MIN_PROMPTS)
    means = (found.sums[rows] / found.requests[rows, None]).astype("<f2")
    columns = {
        "account_id": found.accounts.take(pa.array(rows)),
        "requests": found.requests[rows].astype(np.int64),
        "features": [row.tobytes() for row in means],
    }
    return pa.table(columns, schema=RANDOM_FEATURES_SCHEMA)


def together(found: AccountFeatures, earlier: pa.Table) -> AccountFeatures:
    """Add what earlier nights kept (FEATURES_SCHEMA) to tonight's windows."""
    names = pa.concat_arrays([found.accounts, earlier.column("account_id").combine_chunks()]).unique()
    sums, requests = np.zeros((len(names), RANDOM_FEATURES)), np.zeros(len(names))
    here = pc.index_in(found.accounts, names).to_numpy()
    sums[here], requests[here] = found.sums, found.requests
    if len(earlier):
        row = pc.index_in(earlier.column("account_id"), names).to_numpy()
        count = earlier.column("requests").to_numpy().astype(np.float64)
        means = np.frombuffer(b"".join(earlier.column("features").to_pylist()), "<f2").reshape(
            -1, RANDOM_FEATURES
        )
        np.add.at(requests, row, count)
        np.add.at(sums, row, means.astype(np.float64) * count[:, None])
    return AccountFeatures(names, requests, sums, found.covariance)


def with_departures(
    rows: Sequence[AccountRow], found: AccountFeatures, totals: dict[str, int]
) -> list[AccountRow]:
    """Add to assessed accounts how far they depart; those in no family that do become rows of score 0."""
    suspected = pa.array([row.account_id for row in rows if row.flagged], pa.large_string())
    honest = ~pc.is_in(found.accounts, suspected).to_numpy(zero_copy_only=False)
    result = departures(found.sums, found.requests, honest, found.covariance)
    place = {name: number for number, name in enumerate(found.accounts.to_pylist())}
    known = {row.account_id for row in rows}
    departed = found.accounts.take(pa.array(np.flatnonzero(result.departed))).to_pylist()
    fresh = [AccountRow(name, 0.0, False, totals.get(name, 0)) for name in departed if name not in known]
    return [_told(row, result, place.get(row.account_id, -1), found) for row in (*rows, *fresh)]


def _told(row: AccountRow, result: Departures, at: int, found: AccountFeatures) -> AccountRow:
    if at < 0 or np.isnan(result.value[at]):
        return row
    value, q_value, departed = float(result.value[at]), float(result.q_value[at]), bool(result.departed[at])
    rank = None if np.isnan(result.rank[at]) else float(result.rank[at])
    evidence = row.evidence
    if departed:
        words = (
            f"{found.requests[at]:.0f} prompts in no family are unlike honest traffic (MMD² {value:.2g}, q {q_value:.1g}); "
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
