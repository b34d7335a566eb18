from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.small_traffic import WORDS, row, written

from fingerprint.base.types import FloatArray
from fingerprint.domain.errors import StoreError
from fingerprint.domain.settings import Home
from fingerprint.embedding.embedder import Embedder, cached_encoder, encode_cached
from fingerprint.embedding.vector_cache import (
    RecentVectors,
    TextSequence,
    VectorCache,
    as_strings,
    content_keys,
    forget_older,
)
from fingerprint.jobs.nightly import nightly

TEXTS = ["Write a poem about the sea.", "Compose a verse on the ocean.", "How do I sort a list in Python?"]


@pytest.fixture(scope="module")
def static() -> Embedder:
    return Embedder.load("static", device="cpu")


class Lengths(Embedder):
    """A model that tells texts apart by their length alone."""

    def encode(self, texts: TextSequence) -> FloatArray:
        rows = np.zeros((len(as_strings(texts)), self.dimension), dtype=np.float32)
        rows[np.arange(len(rows)), [len(text) for text in as_strings(texts).to_pylist()]] = 1
        return rows


def open_cache(path: Path, embedder: Embedder, **options: int) -> VectorCache:
    return VectorCache(path, embedder.stamp, embedder.dimension, **options)


def test_cache_returns_what_encode_returned(tmp_path: Path, static: Embedder) -> None:
    texts = [*TEXTS, TEXTS[0], ""]
    expected = static.encode(texts)
    cache = open_cache(tmp_path, static)
    np.testing.assert_array_equal(encode_cached(static, cache, texts), expected)
    assert len(cache) == 3
    again = open_cache(tmp_path, static)
    vectors, hit = again.get(content_keys(pa.array(texts)))
    assert hit.tolist() == [True, True, True, True, False]
    np.testing.assert_array_equal(vectors, expected)
    assert encode_cached(static, again, []).shape == (0, 256)


def test_only_what_is_new_is_embedded(tmp_path: Path, static: Embedder) -> None:
    encode_cached(static, open_cache(tmp_path, static), TEXTS)
    # unit rows that no model made: had the texts been embedded again, they would not come back
    marked = np.eye(2, 256, dtype=np.float32)
    cache = open_cache(tmp_path, static)
    cache.put(content_keys(["new 1", "new 2"]), marked)
    rows = encode_cached(static, open_cache(tmp_path, static), ["new 2", TEXTS[0], "new 1"])
    np.testing.assert_array_equal(rows[[2, 0]], marked)
    np.testing.assert_array_equal(rows[1], static.encode(TEXTS)[0])


@pytest.mark.parametrize("suffix", ["keys", "vectors"])
def test_torn_tail_is_ignored_and_repaired(tmp_path: Path, static: Embedder, suffix: str) -> None:
    cache = open_cache(tmp_path, static)
    encode_cached(static, cache, TEXTS)
    (torn,) = cache.folder.glob(f"*.{suffix}")
    with torn.open("r+b") as file:
        file.truncate(torn.stat().st_size - 7)
    reopened = open_cache(tmp_path, static)
    assert len(reopened) == 2
    np.testing.assert_array_equal(encode_cached(static, reopened, TEXTS), static.encode(TEXTS))
    vectors, hit = open_cache(tmp_path, static).get(content_keys(TEXTS))
    assert hit.all()
    np.testing.assert_array_equal(vectors, static.encode(TEXTS))


def test_damaged_block_is_embedded_again(tmp_path: Path, static: Embedder) -> None:
    cache = open_cache(tmp_path, static)
    encode_cached(static, cache, TEXTS)
    (path,) = cache.folder.glob("*.vectors")
    with path.open("r+b") as file:
        file.write(bytes(1024))
    reopened = open_cache(tmp_path, static)
    assert reopened.get(content_keys(TEXTS))[1].sum() == 2
    np.testing.assert_array_equal(encode_cached(static, reopened, TEXTS), static.encode(TEXTS))
    assert open_cache(tmp_path, static).get(content_keys(TEXTS))[1].all()


def test_stamps_never_mix(tmp_path: Path, static: Embedder) -> None:
    encode_cached(static, open_cache(tmp_path, static), TEXTS)
    for stamp, dimension in (("other model", 256), (static.stamp, 128)):
        assert not VectorCache(tmp_path, stamp, dimension).get(content_keys(TEXTS))[1].any()


def test_oldest_generation_goes_when_the_cache_is_full(tmp_path: Path, static: Embedder) -> None:
    row = 4 * 256 + 16
    cache = open_cache(tmp_path, static, max_bytes=8 * 5 * row)
    reader = open_cache(tmp_path, static)
    texts = [f"prompt number {i}" for i in range(60)]
    for start in range(0, 60, 4):
        encode_cached(static, cache, texts[start : start + 4])
        if start == 0:
            reader = open_cache(tmp_path, static)
    assert sum(p.stat().st_size for p in cache.folder.iterdir()) <= 8 * 5 * row
    hit = open_cache(tmp_path, static).get(content_keys(texts))[1]
    assert not hit[:20].any()
    assert hit[20:].all()
    # a reader that had opened a file keeps what it saw, though the writer dropped the file since
    assert reader.get(content_keys(texts[:4]))[1].all()


def test_cache_that_cannot_be_written_is_a_store_error(tmp_path: Path, static: Embedder) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(StoreError, match="embedding cache cannot be written"):
        encode_cached(static, open_cache(tmp_path / "cache", static), TEXTS)


def test_put_checks_shapes(tmp_path: Path, static: Embedder) -> None:
    with pytest.raises(ValueError, match=r"\(1, 256\) vectors expected, \(1, 8\) found"):
        open_cache(tmp_path, static).put(content_keys(["a"]), np.ones((1, 8), dtype=np.float32))


@given(texts=st.lists(st.text(max_size=8), max_size=30))
def test_keys_tell_texts_apart(texts: list[str]) -> None:
    keys = content_keys(texts)
    assert keys.shape == (len(texts), 2)
    assert len({tuple(key) for key in keys.tolist()}) == len(set(texts))


def test_memory_gives_what_was_made_and_lets_the_oldest_go() -> None:
    made: list[str] = []

    def encode(strings: pa.LargeStringArray) -> np.ndarray:
        made.extend(strings.to_pylist())
        return np.array([[len(s), ord(s[0])] for s in strings.to_pylist()], dtype=np.float32)

    memory = RecentVectors(3, 2)

    def ask(*texts: str) -> list[list[float]]:
        found: list[list[float]] = memory.encode(pa.array(texts, pa.large_string()), encode).tolist()
        return found

    assert ask("a", "bb", "a") == [[1, 97], [2, 98], [1, 97]]
    assert ask("bb", "ccc") == [[2, 98], [3, 99]]
    assert made == ["a", "bb", "a", "ccc"]
    assert ask("dddd") == [[4, 100]]  # "a" goes
    assert ask("bb", "a") == [[2, 98], [1, 97]]
    assert made == ["a", "bb", "a", "ccc", "dddd", "a"]
    assert ask() == []


def test_vectors_expire(tmp_path: Path, static: Embedder) -> None:
    encode_cached(static, open_cache(tmp_path, static), TEXTS)
    (keys,) = tmp_path.glob("*/*.keys")
    forget_older(tmp_path, 7)
    assert len(open_cache(tmp_path, static)) == 3
    long_ago = time.time() - 8 * 86_400
    os.utime(keys, (long_ago, long_ago))
    forget_older(tmp_path, 7)
    assert not list(keys.parent.iterdir())
    assert len(open_cache(tmp_path, static)) == 0
    encode_cached(static, open_cache(tmp_path, static), TEXTS)
    forget_older(tmp_path, 0)
    assert not list(keys.parent.iterdir())


def test_nights_of_the_default_model_leave_no_vectors(tmp_path: Path) -> None:
    traffic = written(
        tmp_path / "t.jsonl",
        [row(i, f"please {word} the text below now", f"a{i}", i) for i, word in enumerate(WORDS[:20])],
    )
    nightly([traffic], Home(tmp_path / "home"))
    assert not (tmp_path / "home/cache").exists()


def test_threads_embed_and_write_one_after_the_other(
    tmp_path: Path, static: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, together = 0, []

    def slow(embedder: Embedder, cache: VectorCache, texts: TextSequence) -> FloatArray:
        nonlocal inside
        inside += 1
        together.append(inside)
        time.sleep(0.02)
        inside -= 1
        return encode_cached(embedder, cache, texts)

    monkeypatch.setattr(Embedder, "is_static", False)
    monkeypatch.setattr("fingerprint.embedding.embedder.encode_cached", slow)
    texts = [pa.array([text], pa.large_string()) for text in TEXTS]
    monkeypatch.setattr(Embedder, "dimension", static.dimension)
    embed = cached_encoder(Lengths(static.folder, "lengths"), tmp_path)
    with ThreadPoolExecutor(3) as pool:
        each = list(pool.map(embed, texts))
    assert together == [1, 1, 1]
    assert np.array_equal(np.concatenate(each), embed(pa.concat_arrays(texts)))
