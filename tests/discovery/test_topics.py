from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from scipy import sparse
from support.bare_signatures import signature
from support.bursts import in_bursts
from support.crafted import background, batch_of, words

from fingerprint.base.types import Embed, FloatArray, Ids, IntArray
from fingerprint.discovery.batch import Batch
from fingerprint.discovery.discover import discover
from fingerprint.discovery.topics import (
    cluster_by_meaning,
    compare_unassigned,
    embed_heads,
    read_unassigned,
    topics,
)
from fingerprint.domain.errors import UsageError
from fingerprint.domain.settings import Settings
from fingerprint.text.sentences import EMBEDDED_CHARACTERS, heads

DAY = 86_400.0


def around(random: np.random.Generator, centre: np.ndarray, count: int, spread: float = 0.05) -> FloatArray:
    points = centre + spread * random.standard_normal((count, len(centre)))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def directions(random: np.random.Generator, count: int) -> FloatArray:
    return around(random, np.zeros(32), count, 1.0)


def found(
    vectors: FloatArray, account: np.ndarray, second: np.ndarray, *, least: int = 8, accounts: int = 3
) -> Ids:
    """Topics among prompts that are sent once each."""
    once = sparse.identity(len(vectors), dtype=np.float32, format="csr")
    return cluster_by_meaning(
        vectors,
        once,
        account.astype(np.int32),
        second,
        least=least,
        accounts=accounts,
        neighbours=15,
        rate=1e-3,
    )


def traffic(
    random: np.random.Generator, account: np.ndarray, second: np.ndarray
) -> tuple[FloatArray, np.ndarray, np.ndarray]:
    """One subject's prompts, followed by 400 of two other subjects, of 200 accounts over a day."""
    subject = around(random, directions(random, 1)[0], len(account))
    others = np.concatenate([around(random, centre, 200) for centre in directions(random, 2)])
    return (
        np.concatenate([subject, others]),
        np.concatenate([account, 100 + random.integers(0, 200, 400)]),
        np.concatenate([second, random.uniform(0, DAY, 400)]),
    )


def test_a_subject_that_a_pool_sends_together_is_a_topic() -> None:
    random = np.random.default_rng(0)
    label = found(*traffic(random, random.integers(0, 6, 40), 3000 + random.uniform(0, 200, 40)))
    assert (label[:40] == 0).mean() > 0.9
    assert (label[40:] == -1).all()


def test_a_subject_that_anybody_sends_at_any_time_is_none() -> None:
    random = np.random.default_rng(1)
    label = found(*traffic(random, 100 + random.integers(0, 200, 40), random.uniform(0, DAY, 40)))
    assert (label == -1).all()


def test_a_language_that_few_people_write_at_any_time_is_none() -> None:
    random = np.random.default_rng(7)
    sent = traffic(random, random.integers(0, 6, 40), random.uniform(0, DAY, 40))
    assert (found(*sent) == -1).all()


def test_a_subject_of_too_few_accounts_is_none() -> None:
    random = np.random.default_rng(2)
    sent = traffic(random, random.integers(0, 2, 40), 3000 + random.uniform(0, 200, 40))
    assert (found(*sent) == -1).all()
    assert (found(*sent, accounts=2)[:40] == 0).mean() > 0.9


def test_topics_are_numbered_without_gaps() -> None:
    random = np.random.default_rng(3)
    centres = directions(random, 3)
    vectors = np.concatenate([around(random, c, 30) for c in centres] + [directions(random, 300)])
    # the second subject is everybody's
    account = np.concatenate(
        [
            np.arange(30) % 5,
            100 + random.integers(0, 200, 30),
            10 + np.arange(30) % 5,
            100 + np.arange(300) % 200,
        ]
    )
    second = np.concatenate(
        [
            np.linspace(0, 99, 30),
            random.uniform(0, DAY, 30),
            np.linspace(5e4, 5e4 + 99, 30),
            random.uniform(0, DAY, 300),
        ]
    )
    label = found(vectors, account, second)
    assert set(label.tolist()) == {-1, 0, 1}
    assert (label[30:60] == -1).all()
    assert len(set(label[:30].tolist()) & set(label[60:90].tolist()) - {-1}) == 0


@pytest.mark.parametrize("prompts", [0, 1, 7])
def test_too_few_prompts(prompts: int) -> None:
    random = np.random.default_rng(4)
    assert (
        found(directions(random, prompts), np.arange(prompts), np.arange(float(prompts))).tolist()
        == [-1] * prompts
    )


def test_all_prompts_mean_the_same_or_nothing() -> None:
    random = np.random.default_rng(5)
    same = np.repeat(directions(random, 1), 50, axis=0)
    # with no other traffic there is nobody to compare with
    assert len(set(found(same, np.arange(50) % 5, np.arange(50.0)).tolist())) == 1
    nothing = np.zeros((50, 32), dtype=np.float32)
    assert found(nothing, np.arange(50) % 5, np.arange(50.0)).tolist() == [-1] * 50


def test_too_few_neighbours_are_a_named_error() -> None:
    random = np.random.default_rng(6)
    once = sparse.identity(50, dtype=np.float32, format="csr")
    with pytest.raises(UsageError, match="5 neighbours an item expected"):
        cluster_by_meaning(
            directions(random, 50),
            once,
            np.zeros(50, np.int32),
            np.zeros(50),
            least=8,
            accounts=3,
            neighbours=3,
            rate=1e-3,
        )


def test_only_the_beginning_of_a_prompt_is_embedded() -> None:
    long = "é" * 5000
    assert heads(pa.array(["short", long], pa.large_string())).to_pylist() == [
        "short",
        long[:EMBEDDED_CHARACTERS],
    ]


SUBJECTS = {
    word: directions(np.random.default_rng(n), 1) for n, word in enumerate(("kitchen", "garden", "market"))
}


def embed(texts: pa.Array | pa.ChunkedArray) -> FloatArray:
    """Embed a text near its subject, the first word; others anywhere."""
    out = np.empty((len(texts), 32), dtype=np.float32)
    for row, text in enumerate(texts.to_pylist()):
        random, subject = np.random.default_rng(list(text.encode())), SUBJECTS.get(text.strip().split()[0])
        out[row] = directions(random, 1) if subject is None else around(random, subject[0], 1)
    return out


def test_a_stored_topic_goes_on_and_others_are_found_beside_it() -> None:
    random = np.random.default_rng(0)
    sent = [
        *in_bursts(random, [f"kitchen {words(random, 8)}" for _ in range(30)]),
        *in_bursts(random, [f"garden {words(random, 8)}" for _ in range(30)]),
        *(replace(s, prompt=f"market {s.prompt}") for s in background(random, 300)),
    ]
    batch = batch_of(sent)
    stored = [
        signature({1: 1.0}),
        signature({}, kind="topical", prototypes=SUBJECTS["garden"], similarity=0.8),
    ]
    discovery = discover(batch, stored, Settings(), lambda stage: None)
    before = discovery.assignment
    assert (before.label == -1).all()
    found = topics(batch, discovery, before, stored, embed, Settings())
    assert found.known.tolist() == [1, -1]
    goes_on, new = (len(discovery.families) + row for row in (0, 1))
    assert found.assignment.label.tolist() == [new] * 30 + [goes_on] * 30 + [-1] * 300
    assert found.assignment.strength.tolist() == [1] * 60 + [0] * 300
    assert found.unassigned.prompts.tolist() == list(range(60, 360))
    assert (before.label == -1).all()
    known_only = topics(batch, discovery, before, stored, embed, Settings(), fresh=False)
    assert known_only.known.tolist() == [1]
    assert known_only.assignment.label.tolist() == [-1] * 30 + [len(discovery.families)] * 30 + [-1] * 300


def test_prompts_that_were_adopted_are_in_no_topic() -> None:
    random = np.random.default_rng(0)
    batch = batch_of(in_bursts(random, [f"garden {words(random, 8)}" for _ in range(30)]))
    stored = [
        signature({1: 1.0}),
        signature({}, kind="topical", prototypes=SUBJECTS["garden"], similarity=0.8),
    ]
    discovery = discover(batch, stored, Settings(), lambda stage: None)
    adopted = discovery.assignment.with_prompts(np.arange(5), np.zeros(5, np.int32), 0.9)
    found = topics(batch, discovery, adopted, stored, embed, Settings())
    assert found.assignment.label[:5].tolist() == [0] * 5
    assert (found.assignment.label[5:] == len(discovery.families)).all()


def test_prompts_that_were_read_while_others_were_looked_for_are_not_read_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    random = np.random.default_rng(0)
    pool = in_bursts(random, [f"garden {words(random, 8)}" for _ in range(30)])
    batch = batch_of([*pool, *background(random, 100)])
    discovery = discover(batch, (), Settings(), lambda stage: None)
    again = topics(batch, discovery, discovery.assignment, (), embed, Settings())
    read: list[int] = []

    def recorded(batch: Batch, prompts: IntArray, embed: Embed) -> FloatArray:
        read.extend(prompts.tolist())
        return embed_heads(batch, prompts, embed)

    monkeypatch.setattr("fingerprint.discovery.topics.embed_heads", recorded)
    before = replace(discovery, label=np.where(np.arange(batch.distinct) < 20, 0, -1).astype(np.int32))
    readings = read_unassigned(batch, before, embed)
    assert read == list(range(20, batch.distinct))
    open_prompts = compare_unassigned(
        batch, discovery, discovery.assignment, (), embed, Settings(), readings=readings
    )
    out = topics(batch, discovery, discovery.assignment, (), embed, Settings(), open_prompts=open_prompts)
    assert read == [*range(20, batch.distinct), *range(20)]
    assert out.assignment.label.tolist() == again.assignment.label.tolist()
    np.testing.assert_array_equal(out.unassigned.vectors, again.unassigned.vectors)
    for taken in (readings, open_prompts):
        with pytest.raises(IndexError):
            taken.take()
