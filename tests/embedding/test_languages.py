"""English is read as the English model reads it, to the last bit; texts in other languages by their own words."""

from __future__ import annotations

import ast
import shutil
import sysconfig
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.quality.translations import FOLDER, read_language
from fingerprint.domain.errors import ModelError
from fingerprint.embedding.embedder import Embedder
from fingerprint.embedding.languages import FOREIGN, MOST_EVIDENCE, packed, read_languages
from fingerprint.text.normalise import normalise
from fingerprint.text.sentences import split_sentences

MODULES = ("argparse", "ast", "calendar", "csv", "datetime", "decimal", "difflib", "email/message", "fractions",
           "http/client", "imaplib", "json/decoder", "logging/handlers", "mailbox", "optparse", "os", "pathlib",
           "pickletools", "random", "shutil", "socketserver", "statistics", "string", "subprocess", "tarfile",
           "textwrap", "threading", "turtle", "typing", "unittest/mock", "urllib/request", "zipfile/__init__")  # fmt: skip


def normalised(texts: list[str]) -> pa.LargeStringArray:
    return normalise(pa.array(texts, pa.large_string()))


def docstrings() -> pa.LargeStringArray:
    """Sentences of the standard library's documentation."""
    texts = []
    for name in MODULES:
        path = Path(sysconfig.get_path("stdlib")) / f"{name}.py"
        if path.is_file():
            nodes = ast.walk(ast.parse(path.read_text("utf-8")))
            kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
            texts += [
                found for node in nodes if isinstance(node, kinds) and (found := ast.get_docstring(node))
            ]
    return split_sentences(normalised(texts))[0]


def test_english_has_the_vectors_of_the_english_model_to_the_last_bit(
    multilingual: Embedder, english: Embedder
) -> None:
    prose = normalised(read_language("en"))
    np.testing.assert_array_equal(multilingual.encode(prose), english.encode(prose))
    documented = docstrings()
    assert len(documented) > 3_000
    foreign = multilingual.evidence(documented) > FOREIGN
    # what is left is lines of code, tables and foreign names
    assert foreign.mean() < 0.005
    kept = documented.filter(pa.array(~foreign))
    np.testing.assert_array_equal(multilingual.encode(kept), english.encode(kept))


@pytest.mark.parametrize("code", sorted(path.stem for path in FOLDER.glob("*.txt")))
def test_instructions_are_told_from_english(multilingual: Embedder, code: str) -> None:
    foreign = multilingual.evidence(normalised(read_language(code))) > FOREIGN
    assert foreign.mean() == 0 if code == "en" else foreign.mean() > 0.9


def test_a_quoted_word_leaves_a_sentence_english(multilingual: Embedder, english: Embedder) -> None:
    quoted = normalised(
        ["what does the German word Wanderlust mean in English?", "who wrote the song 'La vie en rose'?"]
    )
    np.testing.assert_array_equal(multilingual.encode(quoted), english.encode(quoted))


words = st.sampled_from(
    ["die", "der", "erkläre", "bitte", "the", "please", "x1", "la", "3.14", "解释这段文字", "번역하세요", "แปลประโยค", "ж", "объясни,",
     "don't", "«hola»", "(y)", "naïve", "", "##ing", "[UNK]", "😀"]
)  # fmt: skip
sentences = st.lists(st.one_of(words, st.text(max_size=8)), max_size=9).map(" ".join)


@settings(max_examples=60, deadline=None)
@given(first=sentences, second=sentences)
def test_the_evidence_of_a_text_is_that_of_its_parts(multilingual: Embedder, first: str, second: str) -> None:
    for between in (" ", ", ", "\n"):
        whole, *parts = multilingual.evidence([f"{first}{between}{second}", first, second]).tolist()
        assert whole == sum(parts)


@settings(max_examples=40, deadline=None)
@given(texts=st.lists(sentences, min_size=1, max_size=6))
def test_the_library_has_the_same_vectors(
    library: Embedder, multilingual: Embedder, texts: list[str]
) -> None:
    np.testing.assert_allclose(multilingual.encode(texts), library.encode(texts), atol=1e-6)
    np.testing.assert_array_equal(multilingual.evidence(texts), library.evidence(texts))


@pytest.fixture(scope="module")
def library() -> Embedder:
    return Embedder.load("multilingual", device="cpu")


def test_a_model_without_a_table_gives_no_evidence(english: Embedder) -> None:
    assert english.evidence(["erkläre mir bitte den Text", ""]).tolist() == [0, 0]


def test_a_table_has_rows_and_evidence_of_its_words(tmp_path: Path) -> None:
    table = packed(["eins", "zwei", "the"], np.array([0, 4, -1]), np.array([9, -3, -MOST_EVIDENCE]))
    assert read_languages(tmp_path, 5) is None
    np.save(tmp_path / "words.npy", table)
    languages = read_languages(tmp_path, 30)
    assert languages is not None
    assert languages.first == 25
    with pytest.raises(ModelError, match="5 rows or more expected, 4 found"):
        read_languages(tmp_path, 4)


@pytest.mark.parametrize("damage", [b"", b"no table", np.zeros(3).tobytes()])
def test_a_damaged_table_is_an_error(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "words.npy").write_bytes(damage)
    with pytest.raises(ModelError, match=r"words.npy: a table of words expected"):
        read_languages(tmp_path, 5)
    np.save(tmp_path / "words.npy", np.zeros(3, np.float32))
    with pytest.raises(ModelError, match=r"words of 64 bits expected, float32 of shape \(3,\) found"):
        read_languages(tmp_path, 5)


def test_no_texts_have_no_vectors(library: Embedder, multilingual: Embedder) -> None:
    for embedder in (library, multilingual):
        assert embedder.encode([]).shape == (0, embedder.dimension)


def test_the_revision_tells_tables_apart(multilingual: Embedder, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(multilingual.folder, folder)
    (folder / "SHA256SUMS").unlink()
    same = Embedder(folder, "copy").revision
    np.save(folder / "words.npy", np.load(folder / "words.npy")[1:])
    assert same == multilingual.revision != Embedder(folder, "copy").revision
