import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fingerprint.base.hash_tables as module
from fingerprint.base.hash_tables import HashNumbers, SeenIds

BATCHES = st.lists(st.lists(st.integers(0, 50), max_size=20), max_size=12)
SMALL = 4


@given(BATCHES, st.sampled_from([SMALL, module._FIRST_ROOM]))
def test_seen_ids_agree_with_a_set(batches: list[list[int]], room: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_FIRST_ROOM", room)
        seen, known = SeenIds(), set[int]()
    for batch in batches:
        expected = []
        for n in batch:
            expected.append(n not in known)
            known.add(n)
        assert seen.first_time(np.array(batch, np.uint64)).tolist() == expected


@given(BATCHES, st.sampled_from([SMALL, module._FIRST_ROOM]))
def test_numbers_are_those_of_a_dict(batches: list[list[int]], room: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_FIRST_ROOM", room)
        numbers, known = HashNumbers(), dict[int, int]()
    for batch in batches:
        before = len(known)
        expected = [known.setdefault(n, len(known)) for n in batch]
        number, new = numbers.of(np.array(batch, np.uint64))
        assert number.tolist() == expected
        assert number[new].tolist() == list(range(before, len(known)))
        assert all(n not in expected[:at] for at, n in enumerate(expected) if new[at])


def test_many_hashes_keep_their_numbers() -> None:
    hashes = np.random.default_rng(0).permutation(200_000).astype(np.uint64) << np.uint64(40)
    numbers = HashNumbers()
    for part in np.array_split(hashes, 7):
        numbers.of(part)
    number, new = numbers.of(hashes)
    assert (number == np.arange(len(hashes))).all()
    assert not new.any()
