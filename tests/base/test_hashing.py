import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from fingerprint.base.hashing import (
    FNV_OFFSET,
    FNV_PRIME,
    finalise,
    find_slot,
    free_slot,
    hash_strings,
    mix,
    xmx_mix,
)
from fingerprint.traffic.content_hash import ContentHash

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


def fnv(text: bytes) -> np.uint64:
    h = int(FNV_OFFSET)
    for byte in text:
        h = (h ^ byte) * int(FNV_PRIME) % 2**64
    return np.uint64(h)


def test_fnv_is_the_published_hash() -> None:
    assert (fnv(b""), fnv(b"a"), fnv(b"foobar")) == (
        0xCBF29CE484222325,
        0xAF63DC4C8601EC8C,
        0x85944171F73967E8,
    )


def test_finalise_mixes_as_mix_does_but_never_to_nothing() -> None:
    words = np.array([fnv(bytes([n])) for n in range(256)], np.uint64)
    assert [finalise(h) for h in words] == mix(words).tolist()
    assert finalise(np.uint64(0)) == 1


def test_xmx_mix_takes_different_words_apart() -> None:
    high = np.arange(1, 4097, dtype=np.uint64) << np.uint64(52)
    low = {int(xmx_mix(h)) % 4096 for h in high}
    assert len(low) > 2_400  # of 4,096 drawn at random 2,589 are expected to differ
    assert xmx_mix(np.uint64(0)) == 0


@given(st.lists(st.integers(1, 200), max_size=40, unique=True), st.sampled_from([np.uint64, np.int32]))
def test_a_table_finds_what_was_put_into_it(entered: list[int], dtype: type) -> None:
    keys = np.zeros(64, dtype)
    for key in entered:
        slot = free_slot(keys, np.uint64(key))
        assert keys[slot] == 0
        assert find_slot(keys, dtype(key), np.uint64(key)) == slot
        keys[slot] = key
    for key in range(1, 201):
        held = keys[find_slot(keys, dtype(key), np.uint64(key))]
        assert held == (key if key in entered else 0)
