from __future__ import annotations

import numpy as np
import pyarrow as pa

from fingerprint.matching.known_senders import known, sender_keys


def keys(pairs: list[tuple[str, str]]) -> np.ndarray:
    accounts, families = (pa.array(side, pa.large_string()) for side in zip(*pairs, strict=True))
    return np.unique(sender_keys(accounts, families))


def test_only_the_very_pairs_are_known() -> None:
    stored = keys([("a1", "f1"), ("a2", "f1"), ("a2", "f2")])
    accounts = ["a1", "a1", "a2", "a3", "a2"]
    nearest = np.array([0, 1, 1, 0, -1], dtype=np.int32)
    assert known(stored, accounts, nearest, ["f1", "f2"]).tolist() == [
        True,
        False,
        True,
        False,
        False,
    ]


def test_account_and_family_do_not_run_together() -> None:
    assert keys([("a", "bf1")]) != keys([("ab", "f1")])


def test_slices_and_chunks_hash_alike() -> None:
    accounts, families = (
        pa.array(["x", "a", "b"], pa.large_string()),
        pa.array(["x", "f", "g"], pa.large_string()),
    )
    whole = sender_keys(accounts, families)[1:]
    assert sender_keys(accounts[1:], families[1:]).tolist() == whole.tolist()
    chunked = sender_keys(pa.chunked_array([accounts[1:2], accounts[2:]]), pa.chunked_array([families[1:]]))
    assert chunked.tolist() == whole.tolist()


def test_nothing_is_known_without_history() -> None:
    nothing = np.empty(0, dtype=np.uint64)
    assert not known(nothing, ["a"], np.array([0], dtype=np.int32), ["f1"]).any()
