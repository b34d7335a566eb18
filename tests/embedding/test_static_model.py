"""The static model is a mean of token vectors, however its file stores them and its tokenizer cuts."""

from __future__ import annotations

import json
import struct
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from fingerprint.domain.errors import ModelError
from fingerprint.embedding import static_model
from fingerprint.embedding.embedder import Embedder
from fingerprint.embedding.static_model import StaticModel, matrix_in, read_word_pieces, token_batches

VOCABULARY = {"[UNK]": 0, "ab": 1, "a": 2, "b": 3, "c": 4}
VECTORS = np.array([[0.5, 0, 0], [1, 2, -3], [4, 0, 0.25], [0, -1, 0], [1, 1, 1]], np.float32)
KINDS = {"F32": "<f4", "F16": "<f2", "I32": "<i4"}


def write_matrix(path: Path, vectors: npt.NDArray[np.float32], kind: str = "F32", tensors: int = 1) -> None:
    data = vectors.astype(KINDS[kind]).tobytes()
    entry = {"dtype": kind, "shape": list(vectors.shape), "data_offsets": [0, len(data)]}
    header = json.dumps(
        {"__metadata__": {"format": "pt"}} | {f"t{n}": entry for n in range(tensors)}
    ).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + data)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model whose tokenizer cuts into single letters and pairs, unlike BERT's."""
    (tmp_path / "modules.json").write_text(
        json.dumps([{"path": "", "type": "sentence_transformers.models.StaticEmbedding"}])
    )
    tokenizer = Tokenizer(models.WordLevel(VOCABULARY, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("-", "removed")
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    write_matrix(tmp_path / "model.safetensors", VECTORS)
    return tmp_path


def means(model: StaticModel, texts: list[str], threads: int = 1) -> npt.NDArray[np.float32]:
    rows = np.full((len(texts), model.vectors.shape[1]), np.nan, np.float32)
    model.means(pa.array(texts, pa.large_string()), rows, threads=threads)
    return rows


@pytest.mark.parametrize("kind", ["F32", "F16"])
def test_a_text_is_the_mean_of_its_tokens(folder: Path, kind: str) -> None:
    write_matrix(folder / "model.safetensors", VECTORS, kind)
    model = StaticModel(folder)
    np.testing.assert_array_equal(model.vectors, VECTORS, strict=True)
    expected = [VECTORS[[1, 4]].mean(axis=0), VECTORS[0], [0, 0, 0], VECTORS[[2, 2, 3]].mean(axis=0)]
    np.testing.assert_allclose(means(model, ["ab-c", "strange", "", "a-a-b"]), expected, rtol=1e-6)


def test_a_tokenizer_of_another_kind_is_not_read_word_by_word(folder: Path) -> None:
    assert StaticModel(folder).pieces is None
    assert read_word_pieces(folder) is None


def test_the_shipped_model_is_the_mean_of_what_its_tokenizer_says() -> None:
    model = StaticModel(Embedder.load("static").folder)
    texts = ["Rate the answer.", "unbelievable, 你好", "", "A b\tc\n#d"]
    ids = [e.ids for e in model.tokenizer.encode_batch(texts, add_special_tokens=False)]
    expected = [model.vectors[i].mean(axis=0) if i else np.zeros(model.vectors.shape[1]) for i in ids]
    np.testing.assert_allclose(means(model, texts), expected, atol=1e-5)


def test_threads_change_no_vector(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(static_model, "PART", 200)
    model = StaticModel(folder)
    letters = np.array(["a", "b", "c", "ab", "x"])
    random = np.random.default_rng(0)
    texts = ["-".join(random.choice(letters, n % 7)) for n in range(800)]
    np.testing.assert_array_equal(means(model, texts, threads=3), means(model, texts))


def test_batches_of_tokens_follow_each_other(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    texts = ["a-b", "", "c", "ab-ab-ab-ab", "b"] * 9
    monkeypatch.setattr(static_model, "BATCH_CHARS", 20)
    batches = list(token_batches(tokenizer, texts))
    assert len(batches) > 3
    read = [ids[a:b].tolist() for ids, ends in batches for a, b in pairwise(ends)]
    assert read == [e.ids for e in tokenizer.encode_batch(texts, add_special_tokens=False)]


def test_a_file_that_is_no_single_matrix_is_refused(folder: Path) -> None:
    path = folder / "model.safetensors"
    write_matrix(path, VECTORS, tensors=2)
    with pytest.raises(ModelError, match="one matrix of token vectors expected"):
        matrix_in(path)
    path.write_bytes(b"short")
    with pytest.raises(ModelError, match="one matrix of token vectors expected"):
        matrix_in(path)
    write_matrix(path, VECTORS, "I32")
    with pytest.raises(ModelError, match="vectors of F32 or F16 expected, I32 found"):
        StaticModel(folder)


def test_a_cut_file_is_refused_with_both_sizes(folder: Path) -> None:
    path = folder / "model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(ModelError, match=rf"{len(whole):,} bytes expected, {len(whole) - 1:,} found"):
        StaticModel(folder)


def test_a_damaged_tokenizer_is_refused(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match=r"tokenizer\.json: a tokenizer expected, found"):
        StaticModel(folder)


def test_embedders_of_one_model_share_what_they_read(folder: Path) -> None:
    write_matrix(folder / "model.safetensors", VECTORS)
    first, second = (Embedder.load(str(folder), light=True) for _ in range(2))
    before = first.encode(["ab"])
    assert second._model() is first._model()
    assert np.array_equal(second.encode(["ab"]), before)
    write_matrix(folder / "model.safetensors", VECTORS[:, ::-1])
    other = Embedder.load(str(folder), light=True)
    assert other._model() is not first._model()
    assert np.array_equal(other.encode(["ab"]), before[:, ::-1])
