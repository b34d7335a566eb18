"""When families and accounts sent, by the hour, and which n-grams of signatures prompts held: kept for analysts (D-018).

Prompts themselves are not kept. What each of them held is, as patterns: with them an edited signature can be tried on
nights that are gone (`casework.editing`).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy import sparse

from fingerprint.base.distinct import distinct_rows
from fingerprint.base.sparse import ranges
from fingerprint.base.stats import pick_evenly
from fingerprint.base.strings import cuts
from fingerprint.base.times import HOUR_SECONDS
from fingerprint.base.types import Bools, Doubles, HashArray, Ids, IntArray
from fingerprint.discovery.batch import Batch
from fingerprint.domain.casework import grams_digest
from fingerprint.domain.schemas import ACCOUNT_HOURS_SCHEMA, FAMILY_HOURS_SCHEMA, PATTERNS_SCHEMA, Rhythm
from fingerprint.domain.signature import Signature
from fingerprint.nights.night import Night
from fingerprint.nights.over_midnight import given
from fingerprint.signatures.rewordings import NightFamilies
from fingerprint.text.ngram_table import PlaceTable, find_places
from fingerprint.text.ngrams import Shingles, shingle
from fingerprint.text.tokenise import tokens

MAX_ACCOUNTS = 60
"""Accounts of a family and batch whose hours are kept: those that sent most, the first id on a tie."""

MAX_PATTERNS = 128
"""Patterns of a family and batch that are kept: those of most requests."""

MIN_HELD_SHARE = 0.3
"""Prompts that hold less of a signature's weight are no near miss, and are in no pattern of it."""

ALL_PROMPTS_UP_TO = 60_000
"""Distinct prompts of a night up to which the patterns of all are counted; of more, some stand for the others."""

MAX_FAMILY_PROMPTS = 1_000
"""Prompts of each family that are chosen then, beside ALL_PROMPTS_UP_TO of no family."""

CHUNK = 8_192
"""Prompts that are shingled at once."""


@dataclass(frozen=True, slots=True)
class SentRequests:
    """r requests over n prompts.

    label: (n,) int32, the row of each prompt's family, -1 for none. prompt, account: (r,) int32. second: (r,) float64,
    Unix time.
    """

    label: Ids
    prompt: Ids
    account: Ids
    second: Doubles


def rhythm_of(night: Night, families: NightFamilies) -> Rhythm:
    """Count a night's requests by hour, and the patterns of n-grams that its prompts held."""
    batch, label, requests = night.batch, families.label, night.requests
    prompt, account = batch.prompt[requests.conversation], batch.account[requests.conversation]
    family = given(batch, night.continued, families).family
    sent = SentRequests(family, requests.conversation, account, requests.second)
    by_hour = hours(sent, [s.family_id for s in families.signatures], batch.accounts)
    chosen, weight = choose_prompts(label)
    place = np.full(len(label), -1, dtype=np.int32)
    place[chosen] = np.arange(len(chosen))
    rows = np.flatnonzero(place[prompt] >= 0)
    sample = SentRequests(label[chosen], place[prompt[rows]], account[rows], requests.second[rows])
    grams = [s.grams for s in families.signatures]
    hashes = np.unique(np.concatenate([*grams, np.empty(0, dtype=np.uint64)]))
    postings = _postings(night, chosen, hashes)
    return Rhythm(*by_hour, patterns(sample, families.signatures, hashes, postings, weight))


def hours(sent: SentRequests, families: Sequence[str], accounts: pa.Array) -> tuple[pa.Table, pa.Table]:
    """Count requests by family and hour, and by family, account and hour: FAMILY_HOURS_ and ACCOUNT_HOURS_SCHEMA.

    families, accounts: the names of the numbers in `sent.label` and `sent.account`, (f,) and (a,).
    """
    family = sent.label[sent.prompt]
    rows = np.flatnonzero(family >= 0)
    hour = np.floor(sent.second[rows] / HOUR_SECONDS).astype(np.int64)
    keys, _, requests = distinct_rows(family[rows], sent.account[rows], hour)
    names = pa.array(families, pa.large_string())
    slots, at, _ = distinct_rows(keys[0], keys[2])
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


def _most_active(family: IntArray, account: IntArray, requests: IntArray) -> IntArray:
    """Return the rows of each family's MAX_ACCOUNTS accounts of most requests; rows are sorted by both."""
    pairs, at, _ = distinct_rows(family, account)
    total = np.bincount(at, weights=requests, minlength=pairs.shape[1])
    order = np.lexsort((pairs[1], -total, pairs[0]))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order)) - np.searchsorted(pairs[0][order], pairs[0][order])
    return np.flatnonzero(rank[at] < MAX_ACCOUNTS)


def _times(hour: IntArray) -> pa.Array:
    return pa.array((hour * HOUR_SECONDS).astype("datetime64[s]").astype("datetime64[us]")).cast(
        pa.timestamp("us", tz="UTC")
    )


def choose_prompts(label: Ids) -> tuple[IntArray, Doubles]:
    """Choose prompts evenly from each family and from none, (p,) ascending, and how many each stands for, (p,).

    label: (n,) int32, the row of each prompt's family, -1 for none.
    """
    if len(label) <= ALL_PROMPTS_UP_TO:
        return np.arange(len(label)), np.ones(len(label))
    order = np.argsort(label, kind="stable")
    begin = np.searchsorted(label[order], np.arange(-1, int(label.max(initial=-1)) + 2))
    chosen, weight = [], []
    for number, (a, b) in enumerate(itertools.pairwise(begin)):
        some = pick_evenly(order[a:b], MAX_FAMILY_PROMPTS if number else ALL_PROMPTS_UP_TO)
        chosen.append(some)
        weight.append(np.full(len(some), (b - a) / max(len(some), 1)))
    picked, stands = np.concatenate(chosen), np.concatenate(weight)
    ascending = np.argsort(picked)
    return picked[ascending], stands[ascending]


def patterns(
    sent: SentRequests,
    signatures: Sequence[Signature],
    hashes: HashArray,
    postings: sparse.csr_matrix,
    weight: Doubles | None = None,
) -> pa.Table:
    """Count equal patterns among the prompts that hold MIN_HELD_SHARE of a signature or more: PATTERNS_SCHEMA.

    sent.label: rows of signatures; a wording's prompts have its original's. hashes: (k,) uint64, sorted n-grams;
    postings: (k, n) CSR of ones, which prompts hold them. weight: (n,) how many requests each request of a prompt
    stands for, where only some prompts were chosen.
    """
    place = {s.family_id: number for number, s in enumerate(signatures)}
    owner = [place.get(s.variant_of or "", number) for number, s in enumerate(signatures)]
    requests = np.bincount(sent.prompt, minlength=len(sent.label)) * (1.0 if weight is None else weight)
    pairs, _, _ = distinct_rows(sent.prompt, sent.account)
    begin = np.searchsorted(pairs[0], np.arange(len(sent.label) + 1))
    random = np.random.default_rng(0).integers(1, 2**62, len(hashes), dtype=np.int64)
    out: list[dict[str, object]] = []
    for number, signature in enumerate(signatures):
        core = np.minimum(np.searchsorted(hashes, signature.grams), max(len(hashes) - 1, 0))
        there = hashes[core] == signature.grams if len(hashes) else np.zeros(len(core), np.bool_)
        total = float(signature.weights.sum())
        if not there.any() or total <= 0:
            continue
        own_postings = postings[core[there]]
        near = np.flatnonzero(own_postings.T @ signature.weights[there] >= MIN_HELD_SHARE * total)
        digest = own_postings.T.astype(np.int64) @ random[core[there]]
        first, group = _groups(digest[near], sent.label[near] == owner[number])
        count = np.rint(np.bincount(group, weights=requests[near])).astype(np.int64)
        senders = _senders(group, near, begin, pairs[1])
        for top in np.argsort(-count, kind="stable")[:MAX_PATTERNS]:
            bits = np.zeros(len(signature.grams), np.bool_)
            bits[there] = own_postings[:, near[first[top]]].toarray().ravel() > 0
            out.append(
                {
                    "family_id": signature.family_id,
                    "held": np.packbits(bits).tobytes(),
                    "member": bool(sent.label[near[first[top]]] == owner[number]),
                    "grams": grams_digest(signature.grams),
                    "requests": int(count[top]),
                    "accounts": int(senders[top]),
                }
            )
    return pa.Table.from_pylist(out, schema=PATTERNS_SCHEMA)


def _groups(digest: IntArray, member: Bools) -> tuple[IntArray, IntArray]:
    """Return the first of each group of prompts (p,) that are equal in both, groups being sorted by them, and each one's group."""
    order = np.lexsort((member, digest))
    new = np.ones(len(order), np.bool_)
    new[1:] = (np.diff(digest[order]) != 0) | (np.diff(member[order].astype(np.int8)) != 0)
    group = np.empty(len(order), np.int64)
    group[order] = np.cumsum(new) - 1
    return order[new], group


def _senders(group: IntArray, prompts: IntArray, begin: IntArray, account: Ids) -> IntArray:
    """How many accounts sent the prompts of each group."""
    places, ends = ranges(begin, prompts)
    pairs, _, _ = distinct_rows(np.repeat(group, np.diff(ends)), account[places])
    return np.bincount(pairs[0], minlength=int(group.max(initial=-1)) + 1)


def _postings(night: Night, chosen: IntArray, hashes: HashArray) -> sparse.csr_matrix:
    """Return which of these sorted hashes (k,) each of the chosen prompts (p,) holds, (k, p) CSR of ones."""
    parts, table = [sparse.csr_matrix((0, len(hashes)), dtype=np.float32)], PlaceTable.of(hashes)
    for begin, end in cuts(night.sizes[chosen], CHUNK):
        grams = _shingles(night, chosen[begin:end])
        at = find_places(grams.hashes, table)
        known = np.flatnonzero(at >= 0)
        row = np.repeat(np.arange(grams.prompts), np.diff(grams.offsets))[known]
        ones = np.ones(len(known), dtype=np.float32)
        part = sparse.csr_matrix((ones, (row, at[known])), shape=(grams.prompts, len(hashes)))
        part.data[:] = 1.0
        parts.append(part)
    return sparse.vstack(parts).T.tocsr()


def _shingles(night: Night, prompts: IntArray) -> Shingles:
    """Return the n-grams of some prompts, (p,) ascending numbers; those of a night on disk are read again."""
    if night.spool is None:
        return shingles_of(night.batch, prompts)
    texts = night.texts(prompts)
    flat = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    tokenised = tokens(flat.cast(pa.large_string()))
    return shingle(tokenised.hashes, tokenised.section, tokenised.row_offsets)


def shingles_of(batch: Batch, prompts: IntArray) -> Shingles:
    """Return the n-grams of some prompts of a batch that has its tokens, (p,) ascending numbers, at least one."""
    first, last = int(prompts[0]), int(prompts[-1])
    if last - first == len(prompts) - 1:  # all of them: without a copy
        some = slice(batch.offsets[first], batch.offsets[last + 1])
        return shingle(
            batch.token_hashes[some], batch.section[some], batch.offsets[first : last + 2] - some.start
        )
    places, offsets = ranges(batch.offsets, prompts)
    return shingle(batch.token_hashes[places], batch.section[places], offsets)
