import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from fingerprint.base.hashing import SeenIds, hash_strings
from fingerprint.traffic.reader import ContentHash

texts = st.lists(st.text(min_size=1, max_size=40), max_size=30)


@given(texts, st.integers(0, 5))
def test_a_hash_depends_on_the_string_alone(strings: list[str], start: int) -> None:
    column = pa.array(strings, pa.large_string())
    hashes = hash_strings(column)
    assert hashes.dtype == np.uint64
    assert len(set(hashes.tolist())) == len(set(strings))
    assert hash_strings(column.slice(start)).tolist() == hashes[start:].tolist()
    assert all(
        hash_strings(pa.array([s], pa.large_string()))[0] == h for s, h in zip(strings, hashes, strict=True)
    )


def test_hashes_stay_the_same_between_versions() -> None:
    assert hash_strings(pa.array(["r1", "é"], pa.large_string())).tolist() == [
        14427114869752479818,
        11925249508769463973,
    ]


def test_similar_ids_do_not_collide() -> None:
    ids = [f"{n:016x}" for n in range(200_000)] + [f"req-{n}" for n in range(200_000)]
    assert len(np.unique(hash_strings(pa.array(ids, pa.large_string())))) == 400_000


@given(st.lists(st.lists(st.integers(0, 50), max_size=20), max_size=12))
def test_seen_ids_agree_with_a_set(batches: list[list[int]]) -> None:
    seen, known = SeenIds(), set[int]()
    for batch in batches:
        expected = []
        for n in batch:
            expected.append(n not in known)
            known.add(n)
        assert seen.first_time(np.array(batch, np.uint64)).tolist() == expected


@given(st.permutations(range(8)))
def test_content_hash_ignores_order(order: list[int]) -> None:
    rows = np.arange(100, 108, dtype=np.uint64)
    whole, parts = ContentHash(), ContentHash()
    whole.add(rows, rows * 3, rows.astype(np.int64))
    for n in order:
        one = rows[n : n + 1]
        parts.add(one, one * 3, one.astype(np.int64))
    assert whole.hexdigest() == parts.hexdigest()
    parts.add(rows[:0], rows[:0], rows[:0].astype(np.int64))
    assert whole.hexdigest() == parts.hexdigest()
    parts.add(one, one * 3, one.astype(np.int64))
    assert whole.hexdigest() != parts.hexdigest()
