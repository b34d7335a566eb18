"""The same text is known again, and no other."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from fingerprint.hunting import negative_cache
from fingerprint.hunting.negative_cache import contains, hashes, remember


def large(texts: list[str]) -> pa.LargeStringArray:
    return pa.array(texts, pa.large_string())


def test_only_remembered_texts_are_known() -> None:
    texts = large([*(f"{'word ' * (n % 40)}{n}" for n in range(5000)), "", "é", "x" * 16, "x" * 32])
    keys, cache = hashes(texts), negative_cache.empty_cache()
    assert len(np.unique(keys)) == len(texts)
    assert (keys != 0).all()
    remember(cache, keys[::2])
    assert np.array_equal(contains(cache, keys), np.arange(len(texts)) % 2 == 0)
    # where a text lies among others does not matter
    assert np.array_equal(hashes(texts.slice(17, 300)), keys[17:317])


def test_texts_that_differ_in_one_bit_differ() -> None:
    text = bytearray(b"write one brief table and add no remark, for this text is long")
    one_off = []
    for i in range(len(text)):
        for bit in range(6):
            text[i] ^= 1 << bit
            one_off.append(text.decode("latin-1"))
            text[i] ^= 1 << bit
    assert len(np.unique(hashes(large([text.decode(), *one_off])))) == len(one_off) + 1


def test_when_full_all_are_forgotten() -> None:
    cache = negative_cache.empty_cache()
    keys = np.random.default_rng(1).integers(1, 1 << 63, negative_cache._MAX_TEXTS + 10).astype(np.uint64)
    remember(cache, keys)
    known = contains(cache, keys)
    assert known[-10:].all()
    assert not known[:-10].any()
