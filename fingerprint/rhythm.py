"""What a batch tells that analysts ask for later, when its prompts are gone: hours, and patterns of grams.

A pattern is which grams of a family's signature a prompt held. Only counts of equal patterns are kept: enough to
say what another threshold or template would have matched, and no text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy import sparse

from fingerprint.casework import ACCOUNT_HOURS_SCHEMA, FAMILY_HOURS_SCHEMA, PATTERNS_SCHEMA
from fingerprint.columns import ranges
from fingerprint.records import HashArray, Ids, IntArray, Signature

MOST_ACCOUNTS = 60
"""Accounts of a family and batch whose hours are kept: those that sent most, the first id on a tie."""

MOST_PATTERNS = 128
"""Patterns of a family and batch that are kept: those of most requests."""

NEAR = 0.3
"""Prompts that hold less of a signature's weight are no near miss."""

_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Sent:
    """r requests over n prompts: label (n,) each prompt's family, -1 for none; prompt and account (r,); second (r,)."""

    label: Ids
    prompt: Ids
    account: Ids
    second: npt.NDArray[np.float64]


def hours(sent: Sent, families: Sequence[str], accounts: pa.Array) -> tuple[pa.Table, pa.Table]:
    """Count requests by family and hour, and by family, account and hour: FAMILY_HOURS_ and ACCOUNT_HOURS_SCHEMA."""
    family = sent.label[sent.prompt]
    rows = np.flatnonzero(family >= 0)
    hour = np.floor(sent.second[rows] / _HOUR).astype(np.int64)
    keys, _, requests = _distinct(family[rows], sent.account[rows], hour)
    names = pa.array(families, pa.large_string())
    slots, at, _ = _distinct(keys[0], keys[2])
    per_family = {
        "family_id": names.take(pa.array(slots[0])),
        "hour": _times(slots[1]),
        "requests": pa.array(np.bincount(at, weights=requests, minlength=slots.shape[1]).astype(np.int64)),
        "accounts": pa.array(np.bincount(at, minlength=slots.shape[1]).astype(np.int64)),
    }
    top = _most_active(keys[0], keys[1], requests)
    per_account = {
        "family_id": names.take(pa.array(keys[0][top])),
        "account_id": accounts.take(pa.array(keys[1][top])),
        "hour": _times(keys[2][top]),
        "requests": pa.array(requests[top].astype(np.int64)),
    }
    return (
        pa.table(per_family, schema=FAMILY_HOURS_SCHEMA),
        pa.table(per_account, schema=ACCOUNT_HOURS_SCHEMA),
    )


def patterns(
    sent: Sent,
    signatures: Sequence[Signature],
    hashes: HashArray,
    postings: sparse.csr_matrix,
    weight: npt.NDArray[np.float64] | None = None,
) -> pa.Table:
    """Count equal patterns among the prompts that hold NEAR of a signature or more: PATTERNS_SCHEMA.

    hashes: (k,) sorted, the batch's shared grams; postings: (k, n) CSR, which prompts hold them. label: numbers
    of signatures, a wording's prompts those of its original. weight: (n,) how many requests each request of a
    prompt stands for, where only some prompts were looked at.
    """
    place = {s.family_id: number for number, s in enumerate(signatures)}
    owner = [place.get(s.variant_of or "", number) for number, s in enumerate(signatures)]
    requests = np.bincount(sent.prompt, minlength=len(sent.label)) * (1.0 if weight is None else weight)
    pairs, _, _ = _distinct(sent.prompt, sent.account)
    begin = np.searchsorted(pairs[0], np.arange(len(sent.label) + 1))
    random = np.random.default_rng(0).integers(1, 2**62, len(hashes), dtype=np.int64)
    out: list[dict[str, object]] = []
    for number, signature in enumerate(signatures):
        core = np.minimum(np.searchsorted(hashes, signature.grams), max(len(hashes) - 1, 0))
        there = hashes[core] == signature.grams if len(hashes) else np.zeros(len(core), np.bool_)
        total = float(signature.weights.sum())
        if not there.any() or total <= 0:
            continue
        mine = postings[core[there]]
        near = np.flatnonzero(mine.T @ signature.weights[there] >= NEAR * total)
        key = np.stack([mine.T.astype(np.int64) @ random[core[there]], sent.label == owner[number]])[:, near]
        _, first, group = np.unique(key, axis=1, return_index=True, return_inverse=True)
        count = np.rint(np.bincount(group, weights=requests[near])).astype(np.int64)
        senders = _senders(group, near, begin, pairs[1])
        for top in np.argsort(-count, kind="stable")[:MOST_PATTERNS]:
            held = np.zeros(len(signature.grams), np.bool_)
            held[there] = mine[:, near[first[top]]].toarray().ravel() > 0
            out.append(
                {
                    "family_id": signature.family_id,
                    "held": np.packbits(held).tobytes(),
                    "member": bool(sent.label[near[first[top]]] == owner[number]),
                    "grams": name_of(signature.grams),
                    "requests": int(count[top]),
                    "accounts": int(senders[top]),
                }
            )
    return pa.Table.from_pylist(out, schema=PATTERNS_SCHEMA)


def name_of(grams: HashArray) -> str:
    """Name a signature's grams, so that a pattern's bits are never read against others."""
    return hashlib.sha256(np.asarray(grams, dtype="<u8").tobytes()).hexdigest()[:32]


def _senders(group: IntArray, prompts: IntArray, begin: IntArray, account: Ids) -> IntArray:
    """How many accounts sent the prompts of each group."""
    places, ends = ranges(begin, prompts)
    pairs, _, _ = _distinct(np.repeat(group, np.diff(ends)), account[places])
    return np.bincount(pairs[0], minlength=int(group.max(initial=-1)) + 1)


def _most_active(family: IntArray, account: IntArray, requests: IntArray) -> IntArray:
    """Return the rows of each family's MOST_ACCOUNTS accounts of most requests; rows are sorted by both."""
    pairs, at, _ = _distinct(family, account)
    total = np.bincount(at, weights=requests, minlength=pairs.shape[1])
    order = np.lexsort((pairs[1], -total, pairs[0]))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order)) - np.searchsorted(pairs[0][order], pairs[0][order])
    return np.flatnonzero(rank[at] < MOST_ACCOUNTS)


def _distinct(*columns: npt.NDArray[np.integer]) -> tuple[IntArray, IntArray, IntArray]:
    """Return the distinct rows of some columns, sorted, (columns, k); which of them each row is; and how often each is.

    Rows become one number each: to sort rows as such takes many times longer.
    """
    key = np.zeros(len(columns[0]), dtype=np.int64)
    least = [int(column.min(initial=0)) for column in columns]
    wide = [int(column.max(initial=0)) - low + 1 for column, low in zip(columns, least, strict=True)]
    for column, low, width in zip(columns, least, wide, strict=True):
        key = key * width + (column.astype(np.int64) - low)
    key, at, count = np.unique(key, return_inverse=True, return_counts=True)
    parts = []
    for low, width in zip(reversed(least), reversed(wide), strict=True):
        key, part = np.divmod(key, width)
        parts.append(part + low)
    return np.stack(parts[::-1]), at, count


def _times(hour: IntArray) -> pa.Array:
    return pa.array((hour * _HOUR).astype("datetime64[s]").astype("datetime64[us]")).cast(
        pa.timestamp("us", tz="UTC")
    )
