"""A hunter gives the answers that the family's own matcher gives, in the requests' order, on any number of threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st
from support.matched import ASK, END, family

from fingerprint.domain.errors import StampMismatch
from fingerprint.domain.schemas import TRAFFIC_SCHEMA
from fingerprint.embedding.embedder import Embedder
from fingerprint.hunting.hunter import HIT_SCHEMA, Hunter, Target
from fingerprint.hunting.prefilter import BLOCK
from fingerprint.text.normalise import compose, normalise

FILLING = "the garden is full of old roses"
PROMPTS = [f"{ASK} my house {END}", f"{ASK.upper()}\n{END}", FILLING, "", f"{END} {FILLING}", ASK]


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder.load("static")


@pytest.fixture(scope="module")
def hunter(embedder: Embedder) -> Hunter:
    return Hunter(Target((family(embedder, ASK, END),)), embedder)


def requests(
    prompts: list[str], systems: list[str | None] | None = None, account: str = "u"
) -> pa.RecordBatch:
    rows = [
        {"request_id": f"r{n}", "account_id": account, "timestamp": n, "system": system, "prompt": prompt}
        for n, (prompt, system) in enumerate(zip(prompts, systems or [None] * len(prompts), strict=True))
    ]
    return pa.RecordBatch.from_pylist(rows, TRAFFIC_SCHEMA)


def test_a_wording_is_hunted_under_its_familys_name(embedder: Embedder) -> None:
    one = family(embedder, ASK, END)
    assert Target((one,)).family_id == one.family_id
    assert Target((replace(one, family_id="w", variant_of="f0"), one)).family_id == "f0"


@effort(max_examples=40)
@given(
    some=st.lists(
        st.tuples(st.sampled_from(PROMPTS), st.sampled_from([None, "", "be brief", f"{ASK} {END}"])),
        max_size=8,
    )
)
def test_hits_are_what_the_familys_matcher_matches(
    hunter: Hunter, some: list[tuple[str, str | None]]
) -> None:
    batch = requests([prompt for prompt, _ in some], [system for _, system in some])
    hits = hunter.find(batch)
    assert hits.schema.equals(HIT_SCHEMA)
    if not some:
        assert not hits.num_rows
        return
    texts = normalise(compose(batch.column("system"), batch.column("prompt")))
    nearest = hunter._matcher.find(texts, batch.column("account_id"))
    rows = np.flatnonzero(nearest.matched)
    assert hits["request_id"].to_pylist() == [f"r{n}" for n in rows]
    assert hits["timestamp"].to_pylist() == batch.column("timestamp").take(pa.array(rows)).to_pylist()
    np.testing.assert_allclose(hits["score"].to_numpy(), nearest.score[rows], atol=1e-6)
    np.testing.assert_allclose(hits["coverage"].to_numpy(), nearest.coverage[rows], atol=1e-4)


def test_more_requests_than_a_block_keep_their_order(hunter: Hunter) -> None:
    prompts = [FILLING] * (2 * BLOCK + 10)
    wanted = [0, 7, BLOCK - 1, BLOCK, 2 * BLOCK, 2 * BLOCK + 9]
    for n in wanted:
        prompts[n] = PROMPTS[0]
    assert hunter.find(requests(prompts))["request_id"].to_pylist() == [f"r{n}" for n in wanted]


def test_threads_find_the_same(hunter: Hunter) -> None:
    batches = [requests(PROMPTS[n:] + PROMPTS[:n]) for n in range(len(PROMPTS))]
    alone = [hunter.find(batch) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(hunter.find, batches * 5)) == alone * 5


def test_a_known_sender_needs_less(embedder: Embedder) -> None:
    one = family(embedder, ASK, END, threshold=0.95)
    senders = pa.table({"account_id": ["u"], "family_id": [one.family_id]})
    pieces = f"{ASK} {END}".split()
    prompts = [" ".join(pieces[:n]) for n in range(4, len(pieces))]
    counts = {
        account: Hunter(Target((one,), senders), embedder).find(requests(prompts, account=account)).num_rows
        for account in ("u", "stranger")
    }
    assert counts["u"] > counts["stranger"]
    assert counts["stranger"] == Hunter(Target((one,)), embedder).find(requests(prompts)).num_rows


def test_signatures_of_another_model_are_hunted_by_text_alone(embedder: Embedder) -> None:
    one = family(embedder, ASK, END)
    foreign = replace(
        one, stamp=replace(one.stamp, model="another", dimension=3), prototypes=np.zeros((1, 3), np.float32)
    )
    with pytest.raises(StampMismatch, match=r"signatures made by .* expected, f1? ?.* is by .*another"):
        Hunter(Target((foreign,)), embedder)
    by_text = Hunter(Target((foreign,)), embedder, by_meaning=False)
    assert by_text.find(requests(PROMPTS))["request_id"].to_pylist()[:2] == ["r0", "r1"]
    old = replace(one, stamp=replace(one.stamp, normaliser="0"))
    with pytest.raises(StampMismatch, match="normaliser='0'"):
        Hunter(Target((old,)), embedder, by_meaning=False)
