"""Accounts whose traffic outside all families is unlike that of honest accounts.

What is kept of a night is a mean of random features for each account, and how strange its prompts were on average; those
of several nights add up to one test (`evidence.two_sample`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from fingerprint.base.strings import cuts
from fingerprint.base.types import Doubles, Embed, Ids, IntArray, TextsOfPrompts
from fingerprint.discovery.batch import Batch
from fingerprint.discovery.topics import Unassigned
from fingerprint.domain.rows import AccountRow
from fingerprint.domain.schemas import RANDOM_FEATURES_SCHEMA
from fingerprint.domain.signature import Reason
from fingerprint.evidence.strangeness import SPACES, Prompts, reference_of, surprise
from fingerprint.evidence.two_sample import (
    MIN_PROMPTS,
    RANDOM_FEATURES,
    Departures,
    Sums,
    departures,
    random_features,
)
from fingerprint.text.sentences import heads

MAX_ACCOUNT_PROMPTS = 1_500
"""Prompts of one account that are embedded; fewer where MAX_PROMPTS would be exceeded."""

MAX_PROMPTS = 200_000
"""Prompts of all accounts that are embedded; their vectors are in memory, two bytes a number."""

CHUNK = 16_384
"""Prompts that are embedded at once."""

ROUNDS = 3
"""Times that prompts are compared with a reference, each without the accounts that departed before."""

KEPT = RANDOM_FEATURES + SPACES
"""Numbers that are kept of an account: the means of its features and of -log p. Nights before 0.1 kept features alone."""


@dataclass(frozen=True, slots=True)
class AccountFeatures:
    """What the prompts of a accounts are like that are in no family; accounts: (a,) ids, `sums` over their prompts."""

    accounts: pa.Array
    sums: Sums


def account_features(
    batch: Batch,
    label: Ids,
    embed: Embed,
    texts: TextsOfPrompts,
    sizes: IntArray | Ids,
    embedded: Unassigned | None = None,
) -> AccountFeatures:
    """Sum up what each account's distinct prompts in no family are like; label: (n,) of prompts, -1 = none.

    texts: gives the texts of some prompts, by their ascending numbers. sizes: (n,) bytes of each. embedded: prompts
    whose beginnings have their vectors already.
    """
    prompt, account = _sampled(batch, label)
    distinct, column = np.unique(prompt, return_inverse=True)
    vectors = head_vectors(distinct, embed, texts, sizes, embedded)
    return AccountFeatures(batch.accounts, summed(vectors, column, account, len(batch.accounts)))


def head_vectors(
    prompts: IntArray,
    embed: Embed,
    texts: TextsOfPrompts,
    sizes: IntArray | Ids,
    embedded: Unassigned | None,
) -> npt.NDArray[np.float16]:
    """Return the vectors of the beginnings of some prompts, (p, d); the arguments are those of `account_features`."""
    ready = np.zeros(len(prompts), dtype=np.bool_) if embedded is None else np.isin(prompts, embedded.prompts)
    missing = np.flatnonzero(~ready)
    parts = [
        embed(heads(texts(prompts[missing[begin:end]]))).astype(np.float16)
        for begin, end in cuts(sizes[prompts[missing]], CHUNK)
    ]
    fresh = np.concatenate(parts) if parts else None
    if embedded is None or not ready.any():
        return np.zeros((0, 1), dtype=np.float16) if fresh is None else fresh
    out = np.empty((len(prompts), embedded.vectors.shape[1]), dtype=np.float16)
    out[ready] = embedded.vectors[np.searchsorted(embedded.prompts, prompts[ready])]
    if fresh is not None:
        out[missing] = fresh
    return out


def summed(vectors: npt.NDArray[np.floating], prompt: IntArray, account: IntArray, accounts: int) -> Sums:
    """Sum up what accounts' prompts are like.

    vectors: (m, d) unit rows of distinct prompts. prompt, account: (p,) pairs of a row and an account that sent it.
    The reference for how strange prompts are has none of the accounts that depart by it, or by their mean.
    """
    sent = sparse.csc_matrix(
        (np.ones(len(prompt), dtype=np.float32), (account, prompt)), shape=(accounts, len(vectors))
    )
    requests = np.bincount(account, minlength=accounts).astype(np.float64)
    features, covariance = _features(vectors, sent)
    # one of those who sent a prompt stands for all of them
    owner = np.zeros(len(vectors), dtype=np.int64)
    shuffled = np.random.default_rng(0).permutation(len(prompt))
    owner[prompt[shuffled]] = account[shuffled]
    suspected, everybody = np.zeros(accounts, dtype=np.bool_), np.ones(accounts, dtype=np.bool_)
    for _ in range(ROUNDS):
        reference = reference_of(owner, suspected=suspected)
        each = surprise(Prompts(vectors, owner), reference)
        sums = Sums(requests, features, requests, sent @ each, covariance)
        more = suspected | departures(sums, everybody).departed
        if not more[owner[reference]].any():
            break
        suspected = more
    return sums


def _features(vectors: npt.NDArray[np.floating], sent: sparse.csc_matrix) -> tuple[Doubles, Doubles]:
    """Return the sums of accounts' random features, (a, RANDOM_FEATURES), and the features' covariance over prompts."""
    sums = np.zeros((sent.shape[0], RANDOM_FEATURES))
    total, squares = np.zeros(RANDOM_FEATURES), np.zeros((RANDOM_FEATURES, RANDOM_FEATURES))
    for begin in range(0, len(vectors), CHUNK):
        part = random_features(vectors[begin : begin + CHUNK].astype(np.float32))
        sums += sent[:, begin : begin + CHUNK] @ part
        total += part.sum(axis=0)
        squares += part.T @ part
    n = max(len(vectors), 1)
    return sums, squares / n - np.outer(total / n, total / n)


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
    """Return what may be kept of each account, RANDOM_FEATURES_SCHEMA: means; of too few prompts nothing."""
    sums = features.sums
    rows = np.flatnonzero(sums.requests >= MIN_PROMPTS)
    totals = np.concatenate([sums.features[rows], sums.surprise[rows]], axis=1)
    means = (totals / sums.requests[rows, None]).astype("<f2")
    columns = {
        "account_id": features.accounts.take(pa.array(rows)),
        "requests": sums.requests[rows].astype(np.int64),
        "features": [row.tobytes() for row in means],
    }
    return pa.table(columns, schema=RANDOM_FEATURES_SCHEMA)


def with_earlier_nights(tonight: AccountFeatures, earlier: pa.Table) -> AccountFeatures:
    """Add what earlier nights kept, RANDOM_FEATURES_SCHEMA, to tonight's sums; the covariance stays tonight's."""
    ids = pa.concat_arrays([tonight.accounts, earlier.column("account_id").combine_chunks()]).unique()
    place = pc.index_in(tonight.accounts, ids).to_numpy()
    sums = tonight.sums
    requests, ranked = np.zeros(len(ids)), np.zeros(len(ids))
    means = np.zeros((len(ids), KEPT))
    requests[place], ranked[place] = sums.requests, sums.ranked
    means[place] = np.concatenate([sums.features, sums.surprise], axis=1)
    row = pc.index_in(earlier.column("account_id"), ids).to_numpy()
    count = earlier.column("requests").to_numpy().astype(np.float64)
    stored = [
        np.frombuffer(data, "<f2").astype(np.float64) for data in earlier.column("features").to_pylist()
    ]
    with_surprise = np.array([len(numbers) == KEPT for numbers in stored], dtype=np.bool_)
    np.add.at(requests, row, count)
    np.add.at(ranked, row[with_surprise], count[with_surprise])
    for number, numbers in enumerate(stored):
        means[row[number], : len(numbers)] += numbers * count[number]
    totals = Sums(
        requests=requests,
        features=means[:, :RANDOM_FEATURES],
        ranked=ranked,
        surprise=means[:, RANDOM_FEATURES:],
        covariance=sums.covariance,
    )
    return AccountFeatures(ids, totals)


def with_departures(
    rows: Sequence[AccountRow], features: AccountFeatures, totals: dict[str, int]
) -> list[AccountRow]:
    """Add to assessed accounts how far they depart; others that sent enough for the test become rows of score 0.

    totals: requests of each account, by its id. Accounts that are not flagged count as honest.
    """
    flagged = pa.array([row.account_id for row in rows if row.flagged], pa.large_string())
    honest = ~pc.is_in(features.accounts, flagged).to_numpy(zero_copy_only=False)
    result = departures(features.sums, honest)
    place = {account: number for number, account in enumerate(features.accounts.to_pylist())}
    assessed = {row.account_id for row in rows}
    tested = features.accounts.take(pa.array(np.flatnonzero(np.isfinite(result.value)))).to_pylist()
    others = [AccountRow(name, 0.0, False, totals.get(name, 0)) for name in tested if name not in assessed]
    return [
        _with_departure(row, result, features.sums.requests, place[row.account_id])
        if row.account_id in place
        else row
        for row in (*rows, *others)
    ]


def _with_departure(row: AccountRow, result: Departures, requests: Doubles, number: int) -> AccountRow:
    """Add to a row what the test gives for account `number`; nothing where it gives nothing."""
    if np.isnan(result.value[number]):
        return row
    value, departed = float(result.value[number]), bool(result.departed[number])
    q_value, rank = (
        None if np.isnan(numbers[number]) else float(numbers[number])
        for numbers in (result.q_value, result.rank)
    )
    evidence = row.evidence
    if departed:
        words = _words(result, float(requests[number]), number)
        evidence = (*evidence, Reason("departure", value, 0.0, words))
    return replace(
        row,
        evidence=evidence,
        departure=value,
        departure_q=q_value,
        departure_rank=rank,
        departed=departed,
    )


def _words(result: Departures, requests: float, number: int) -> str:
    """Say how an account departs, with its numbers and what they are held against."""
    each = result.each[number]
    statistic = int(np.nanargmin(each))
    if statistic == 0:
        how = f"as a whole they are about something else (MMD² {result.value[number]:.2g})"
    else:
        where = ("from", "in manner from")[statistic - 1]
        mean = result.surprise[number, statistic - 1]
        how = f"its prompts lie far {where} those of others: mean -log p {mean:.2f}, 1 for honest ones"
    return (
        f"{requests:.0f} prompts in no family are unlike honest traffic: {how}; q {result.q_value[number]:.1g} against "
        f"accounts of its volume, so are {result.rank[number]:.1%} of those that look honest"
    )
