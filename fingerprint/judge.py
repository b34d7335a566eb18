"""Judges what a night found: whose the families are, and which accounts depart from honest traffic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from fingerprint import learn
from fingerprint.batch import Batch
from fingerprint.columns import Trait
from fingerprint.departure import FEATURES, FEWEST, Departures, departures, features
from fingerprint.describe import Described
from fingerprint.discover import members_of
from fingerprint.features import findings
from fingerprint.fillings import Fillings
from fingerprint.meaning import heads
from fingerprint.records import FEATURES_SCHEMA, AccountRow, FloatArray, Ids, Reason, Signature
from fingerprint.traits import past, traits
from fingerprint.verdict import FLAGGED, verdict

MOST_PROMPTS = 1_500
"""Prompts of one account that its departure is told from; fewer where ALL_PROMPTS would be exceeded."""

ALL_PROMPTS = 400_000
CHUNK = 16_384

Doubles = npt.NDArray[np.float64]
Embed = Callable[[pa.Array | pa.ChunkedArray], FloatArray]
Texts = Callable[[npt.NDArray[np.int64]], pa.Array | pa.ChunkedArray]


@dataclass(frozen=True, slots=True)
class Before:
    """What accounts sent on other nights: of families, and in all."""

    families: pa.Table
    accounts: pa.Table


@dataclass(frozen=True, slots=True)
class Windows:
    """What accounts' prompts in no family are like.

    sums: (a, FEATURES) of the features of so many requests (a,). covariance: (FEATURES, FEATURES) over all prompts.
    """

    accounts: pa.Array
    requests: Doubles
    sums: Doubles
    covariance: Doubles


def judged(
    batch: Batch, night: Described, filled: Fillings, before: Before, stored: Sequence[Signature]
) -> list[Signature]:
    """Score the families seen tonight; filled: what each distinct prompt is filled with."""
    names = [s.family_id for s in night.signatures]
    more = traits(
        (members_of(night.label, len(names)) @ batch.requests()).tocsr(),
        batch.account,
        batch.second,
        prompt=batch.prompt,
        metadata=batch.metadata,
        history=past(before.families, before.accounts, names, batch.accounts),
        filled=filled,
    )
    # people who share a subject or a language are no pool, however evenly they send
    worded = np.array([s.kind == "template" for s in night.signatures], dtype=np.bool_)
    even = more.balance
    more = replace(more, balance=Trait(even.value, even.expected, np.where(worded, even.evidence, 0.0)))
    found, weights = findings(night.behaviour, more), learn.weights(stored)
    out, last = list(night.signatures), {s.family_id: s.reasons for s in stored}
    for f in np.flatnonzero(night.behaviour.requests):
        reasons = last.get(out[f].family_id, ())
        score, reasons = verdict(found, int(f), weights, label=out[f].label, before=reasons)
        out[f] = replace(out[f], score=score, flagged=score >= FLAGGED, reasons=reasons)
    return out


def windows(batch: Batch, label: Ids, embed: Embed, texts: Texts) -> Windows:
    """Sum up the features of each account's distinct prompts in no family; label: (n,) of prompts, -1 = none.

    texts: gives the texts of some prompts, by their ascending numbers.
    """
    prompt, account = _chosen(batch, label)
    distinct, column = np.unique(prompt, return_inverse=True)
    ones = np.ones(len(prompt), dtype=np.float32)
    sent = sparse.csc_matrix((ones, (account, column)), shape=(len(batch.accounts), len(distinct)))
    sums = np.zeros((len(batch.accounts), FEATURES))
    total, squares = np.zeros(FEATURES), np.zeros((FEATURES, FEATURES))
    for begin in range(0, len(distinct), CHUNK):
        part = features(embed(heads(texts(distinct[begin : begin + CHUNK]))))
        sums += sent[:, begin : begin + CHUNK] @ part
        total += part.sum(axis=0)
        squares += part.T @ part
    n = max(len(distinct), 1)
    covariance = squares / n - np.outer(total / n, total / n)
    requests = np.bincount(account, minlength=len(batch.accounts)).astype(np.float64)
    return Windows(batch.accounts, requests, sums, covariance)


def _chosen(batch: Batch, label: Ids) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return distinct pairs of loose prompt and account, of each account at most its quota, drawn at random."""
    loose = np.flatnonzero(label[batch.prompt] < 0)
    pairs = np.unique(batch.account[loose].astype(np.int64) * batch.distinct + batch.prompt[loose])
    account, prompt = np.divmod(pairs, max(batch.distinct, 1))
    quota = min(MOST_PROMPTS, max(FEWEST, ALL_PROMPTS // max(len(batch.accounts), 1)))
    order = np.lexsort((np.random.default_rng(0).permutation(len(pairs)), account))
    first = np.searchsorted(account[order], account[order])
    kept = np.sort(order[np.arange(len(order)) - first < quota])
    return prompt[kept], account[kept]


def to_store(found: Windows) -> pa.Table:
    """Return what may be kept of each account (FEATURES_SCHEMA): of too few prompts nothing."""
    rows = np.flatnonzero(found.requests >= FEWEST)
    means = (found.sums[rows] / found.requests[rows, None]).astype("<f2")
    columns = {
        "account_id": found.accounts.take(pa.array(rows)),
        "requests": found.requests[rows].astype(np.int64),
        "features": [row.tobytes() for row in means],
    }
    return pa.table(columns, schema=FEATURES_SCHEMA)


def together(found: Windows, earlier: pa.Table) -> Windows:
    """Add what earlier nights kept (FEATURES_SCHEMA) to tonight's windows."""
    names = pa.concat_arrays([found.accounts, earlier.column("account_id").combine_chunks()]).unique()
    sums, requests = np.zeros((len(names), FEATURES)), np.zeros(len(names))
    here = pc.index_in(found.accounts, names).to_numpy()
    sums[here], requests[here] = found.sums, found.requests
    if len(earlier):
        row = pc.index_in(earlier.column("account_id"), names).to_numpy()
        count = earlier.column("requests").to_numpy().astype(np.float64)
        means = np.frombuffer(b"".join(earlier.column("features").to_pylist()), "<f2").reshape(-1, FEATURES)
        np.add.at(requests, row, count)
        np.add.at(sums, row, means.astype(np.float64) * count[:, None])
    return Windows(names, requests, sums, found.covariance)


def with_departures(rows: Sequence[AccountRow], found: Windows, totals: dict[str, int]) -> list[AccountRow]:
    """Add to assessed accounts how far they depart; those in no family that do become rows of score 0."""
    suspected = pa.array([row.account_id for row in rows if row.flagged], pa.large_string())
    honest = ~pc.is_in(found.accounts, suspected).to_numpy(zero_copy_only=False)
    result = departures(found.sums, found.requests, honest, found.covariance)
    place = {name: number for number, name in enumerate(found.accounts.to_pylist())}
    known = {row.account_id for row in rows}
    departed = found.accounts.take(pa.array(np.flatnonzero(result.departed))).to_pylist()
    fresh = [AccountRow(name, 0.0, False, totals.get(name, 0)) for name in departed if name not in known]
    return [_told(row, result, place.get(row.account_id, -1), found) for row in (*rows, *fresh)]


def _told(row: AccountRow, result: Departures, at: int, found: Windows) -> AccountRow:
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
