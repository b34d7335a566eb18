from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy import sparse
from support.crafted import Sent, batch_of
from support.stored_nights import make_signature

from fingerprint.base.types import Ids
from fingerprint.casework.editing import scores
from fingerprint.casework.queries import PageQueries
from fingerprint.domain.casework import grams_digest
from fingerprint.nights import rhythm
from fingerprint.nights.rhythm import SentRequests, choose_prompts, hours, patterns, shingles_of
from fingerprint.store.store import Store
from fingerprint.text.ngrams import shingle
from fingerprint.text.tokenise import tokens

HOUR = 3600.0


def sent(label: list[int], requests: list[tuple[int, int, float]]) -> SentRequests:
    """requests: prompt, account, hour."""
    prompt, account, hour = zip(*requests, strict=True)
    return SentRequests(
        np.array(label, np.int32),
        np.array(prompt, np.int32),
        np.array(account, np.int32),
        np.array(hour) * HOUR,
    )


def test_hours_count_requests_and_distinct_accounts() -> None:
    traffic = sent([0, 0, -1], [(0, 0, 1.1), (1, 0, 1.9), (1, 1, 1.5), (0, 1, 3.0), (2, 2, 1.0)])
    family, account = hours(traffic, ["f0"], pa.array(["a", "b", "c"], pa.large_string()))
    first, third = (datetime.fromtimestamp(h * HOUR, UTC) for h in (1, 3))
    assert family.to_pylist() == [
        {"family_id": "f0", "hour": first, "requests": 3, "accounts": 2},
        {"family_id": "f0", "hour": third, "requests": 1, "accounts": 1},
    ]
    assert [tuple(row.values()) for row in account.to_pylist()] == [
        ("f0", "a", first, 2),
        ("f0", "b", first, 1),
        ("f0", "b", third, 1),
    ]


def test_hours_keep_the_most_active_accounts_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rhythm, "MAX_ACCOUNTS", 2)
    traffic = sent([0, 1], [(0, 0, 1), (0, 1, 1), (0, 1, 2), (0, 2, 1), (0, 2, 9), (1, 0, 1)])
    _, account = hours(traffic, ["f0", "f1"], pa.array(["a", "b", "c"], pa.large_string()))
    kept = {(row["family_id"], row["account_id"]) for row in account.to_pylist()}
    assert kept == {("f0", "b"), ("f0", "c"), ("f1", "a")}


def postings(grams: int, held: list[list[int]]) -> sparse.csr_matrix:
    out = sparse.lil_matrix((grams, len(held)), dtype=np.float32)
    for prompt, mine in enumerate(held):
        out[mine, prompt] = 1.0
    return out.tocsr()


def test_equal_patterns_are_counted_together() -> None:
    signature = make_signature("f0")
    grams, weights = signature.grams, signature.weights
    every = list(range(len(grams)))
    most = sorted(np.argsort(-weights)[:15].tolist())
    few = [int(np.argmin(weights))]
    label = [0, 0, 0, -1, -1]
    requests = [(0, 0, 0), (0, 1, 0), (1, 1, 0), (2, 2, 0), (3, 3, 0), (3, 3, 1), (4, 4, 0)]
    table = patterns(
        sent(label, requests), [signature], grams, postings(len(grams), [every, every, most, most, few])
    )
    found = [(r["member"], r["requests"], r["accounts"], r["held"]) for r in table.to_pylist()]
    bits = {n: np.packbits(np.isin(every, m)).tobytes() for n, m in (("every", every), ("most", most))}
    assert found == [(True, 3, 2, bits["every"]), (False, 2, 1, bits["most"]), (True, 1, 1, bits["most"])]
    assert {r["grams"] for r in table.to_pylist()} == {grams_digest(grams)}


def test_a_wording_has_patterns_of_its_own_grams() -> None:
    signatures = [make_signature("f0"), make_signature("f1", seed=1, variant_of="f0")]
    hashes = np.union1d(signatures[0].grams, signatures[1].grams)
    held = [np.flatnonzero(np.isin(hashes, s.grams)).tolist() for s in signatures]
    label: Ids = np.array([0, 0], np.int32)
    table = patterns(
        SentRequests(label, label * 0 + [0, 1], np.array([0, 1], np.int32), np.zeros(2)),
        signatures,
        hashes,
        postings(len(hashes), held),
    )
    assert [(r["family_id"], r["member"], r["requests"]) for r in table.to_pylist()] == [
        ("f0", True, 1),
        ("f1", True, 1),
    ]


def test_only_the_largest_patterns_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rhythm, "MAX_PATTERNS", 3)
    signature = make_signature("f0")
    count = len(signature.grams)
    held = [[g for g in range(count) if g != p] for p in range(6)]
    requests = [(p, 0, 0.0) for p in range(6) for _ in range(p + 1)]
    table = patterns(sent([0] * 6, requests), [signature], signature.grams, postings(count, held))
    sizes = table["requests"].to_pylist()
    assert sizes == [6, 5, 4]
    assert all(a >= b for a, b in pairwise(sizes))


def test_families_without_grams_have_no_patterns() -> None:
    nothing = make_signature("f0", grams=np.empty(0, np.uint64), weights=np.empty(0, np.float32))
    assert (
        patterns(sent([0], [(0, 0, 0.0)]), [nothing], np.empty(0, np.uint64), postings(0, [[]])).num_rows == 0
    )


def test_all_prompts_of_a_small_night_are_choose_prompts() -> None:
    chosen, weight = choose_prompts(np.array([0, -1, 0, 2], np.int32))
    assert (chosen.tolist(), weight.tolist()) == ([0, 1, 2, 3], [1, 1, 1, 1])


def test_of_a_large_night_each_family_has_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rhythm, "ALL_PROMPTS_UP_TO", 10)
    monkeypatch.setattr(rhythm, "MAX_FAMILY_PROMPTS", 4)
    label = np.array([-1] * 100 + [0] * 3 + [2] * 40, np.int32)
    chosen, weight = choose_prompts(label)
    assert (np.diff(chosen) > 0).all()
    found = label[chosen]
    assert [int((found == f).sum()) for f in (-1, 0, 1, 2)] == [10, 3, 0, 4]
    assert [float(weight[found == f].sum()) for f in (-1, 0, 2)] == [100, 3, 40]


@pytest.mark.parametrize("prompts", [[0, 1, 2, 3], [1, 2], [0, 3], [2]])
def test_tokens_of_a_batch_have_the_ngrams_of_its_texts(prompts: list[int]) -> None:
    words = [f"word{number}" for number in range(12)]
    batch = batch_of([Sent(" ".join(words[start:])) for start in range(4)])
    rows = np.array(prompts, dtype=np.int64)
    read = tokens(batch.texts_of(rows).combine_chunks())
    expected = shingle(read.hashes, read.section, read.row_offsets)
    of_batch = shingles_of(batch, rows)
    assert np.array_equal(of_batch.hashes, expected.hashes)
    assert np.array_equal(of_batch.offsets, expected.offsets)
    assert np.array_equal(of_batch.joined, expected.joined)


def test_a_night_keeps_patterns_that_agree_with_its_matches(worked: Path, family: str) -> None:
    """What the patterns say the signature matches is what the night gave to the family."""
    with Store.open(worked, read_only=True) as store:
        signature, queries = store.signature(family), PageQueries(store.database)
        found = scores(signature, queries.patterns(family))
        line, heat = queries.timeline([family]), queries.heat([family])
    mine = sum(p.requests for _, p in found if p.member)
    assert mine == signature.spread.requests
    assert sum(p.requests for s, p in found if p.member and s >= signature.threshold) >= 0.95 * mine
    assert (line.step, sum(line.requests)) == (1, signature.spread.requests)
    assert heat.requests.sum() == signature.spread.requests
    assert len(heat.accounts) == heat.of == signature.spread.accounts
