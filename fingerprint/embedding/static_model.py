"""A static embedding model read without torch: a matrix of token vectors, mapped, and a tokenizer.

A text's vector is the mean of those of its tokens, as in sentence-transformers' StaticEmbedding. Without torch a
process that looks prompts up starts seconds sooner and takes a third of a gigabyte less (D-107).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, pairwise
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import numpy as np
import pyarrow as pa

from fingerprint.base.jit import kernel
from fingerprint.base.parallel import in_order, workers
from fingerprint.base.strings import buffers
from fingerprint.base.types import Bools, FloatArray, Ids, IntArray
from fingerprint.domain.errors import ModelError
from fingerprint.embedding.languages import FOREIGN, Languages, read_languages
from fingerprint.embedding.token_cache import NumberedWords, Readings, TokenCache
from fingerprint.embedding.word_similarity import Words, WordVectors
from fingerprint.embedding.wordpiece import WordPieces, read_pieces, word_rules

BATCH_CHARS = 1 << 20
"""Characters tokenised at once: a token takes some 150 bytes until its batch is done."""

PART = 1 << 18
"""Bytes of text whose words are read by one thread at a time."""

Result = TypeVar("Result")

_TYPES = {"F32": "<f4", "F16": "<f2"}


@dataclass(frozen=True, slots=True)
class Matrix:
    """The only tensor of a safetensors file: its type, shape (rows, columns), and where it begins, in bytes."""

    kind: str
    shape: tuple[int, int]
    start: int


class StaticModel:
    """Token vectors (v, d) and the tokenizer that numbers them; raises ModelError when either cannot be read.

    pieces: how ASCII words are cut, None where the tokenizer cuts them in another way than BERT's. languages: the words of
    other languages, None where the model has no table of them.
    """

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer

        place = folder / _first_module(folder)
        self.vectors = _map_matrix(place / "model.safetensors")
        try:
            self.tokenizer: Any = Tokenizer.from_file(str(place / "tokenizer.json"))
        except Exception as error:  # the library raises no class of its own
            raise ModelError(f"{place / 'tokenizer.json'}: a tokenizer expected, found: {error}") from error
        self.tokenizer.no_padding()
        facts = json.loads((place / "tokenizer.json").read_bytes())
        rules, self.pieces = word_rules(facts), read_pieces(facts)
        self.languages = None
        if self.pieces is not None:
            self.pieces, self.languages = _with_languages(self.pieces, place, len(self.vectors))
        self._words = (
            None if rules is None else TokenCache(self.tokenizer, rules, self.pieces, self.languages)
        )

    @property
    def reads_words(self) -> bool:
        """True where texts are cut into words by a kernel, and the tokenizer reads each word once."""
        return self._words is not None

    @property
    def own_vectors(self) -> FloatArray:
        """The vectors of the tokenizer's own tokens, (v, d)."""
        return self.vectors if self.languages is None else self.vectors[: self.languages.first]

    def means(
        self,
        texts: pa.LargeStringArray,
        rows: FloatArray,
        others: Bools | None = None,
        *,
        threads: int = 1,
        foreign: int = FOREIGN,
    ) -> None:
        """Write each text's mean token vector into rows (n, d), zeros for a text without a known token.

        others: (n,) bool, if wanted: written are the texts that are read as ones of another language than English. foreign:
        evidence above which they are.
        """
        others = np.empty(len(texts), np.bool_) if others is None else others

        def mean(part: tuple[int, NumberedWords]) -> None:
            begin, words = part
            some = slice(begin, begin + len(words.offsets) - 1)
            _means(self.vectors, words, rows[some], others[some], foreign)

        for _ in self._of_parts(mean, texts, threads=threads):
            pass

    def numbers(self, texts: pa.LargeStringArray, foreign: int = FOREIGN) -> Iterator[tuple[Ids, IntArray]]:
        """Yield the rows of some texts' tokens at a time, in one array, and where each text's begin, (m + 1,)."""

        def ids_of(part: tuple[int, NumberedWords]) -> tuple[Ids, IntArray]:
            _, words = part
            sizes = np.empty(len(words.offsets), np.int64)
            _ids(words, foreign, np.empty(0, np.int32), sizes)
            offsets = np.cumsum(sizes)
            ids = np.empty(offsets[-1], np.int32)
            _ids(words, foreign, ids, sizes)
            return ids, offsets

        yield from self._of_parts(ids_of, texts)

    @cached_property
    def word_vectors(self) -> WordVectors:
        """The vectors of all words, with their lengths."""
        # the squares of all would be as large as the vectors
        lengths = [np.linalg.norm(part, axis=1) for part in np.array_split(self.vectors, 64)]
        return WordVectors(self.vectors, np.concatenate(lengths).astype(np.float32))

    def words(self, texts: pa.LargeStringArray) -> Words:
        """Return the rows of the tokens of all texts (n,), each read in its own language."""
        parts = list(self.numbers(texts))
        ends = np.concatenate([[0], *(np.diff(offsets) for _, offsets in parts)]).cumsum()
        return Words(np.concatenate([np.empty(0, np.int32), *(ids for ids, _ in parts)]), ends)

    def evidence(self, texts: pa.LargeStringArray) -> IntArray:
        """Sum up the evidence of each text (n,) that it is not English."""

        def summed(part: tuple[int, NumberedWords]) -> IntArray:
            _, words = part
            sums = np.add.reduceat(
                np.append(words.evidence[words.word], 0), words.offsets[:-1], dtype=np.int64
            )
            return np.asarray(sums * (np.diff(words.offsets) > 0))

        sums = self._of_parts(summed, texts, threads=workers())
        return np.concatenate([np.zeros(0, np.int64), *sums])

    def _of_parts(
        self,
        work: Callable[[tuple[int, NumberedWords]], Result],
        texts: pa.LargeStringArray,
        *,
        threads: int = 1,
    ) -> Iterator[Result]:
        """Yield what is made of the tokens of some texts at a time, and of the number of their first one."""
        words = self._words
        if words is None:
            yield from map(work, self._read_by_library(texts))
            return
        data, offsets = buffers(texts)
        bounds = _parts(offsets)

        def read(first: int) -> Result:
            begin, end = bounds[first], bounds[first + 1]
            return work((begin, words.of(data, offsets[begin : end + 1])))

        parts = len(bounds) - 1
        yield from in_order(read, range(parts), threads=min(threads, parts))

    def _read_by_library(self, texts: pa.LargeStringArray) -> Iterator[tuple[int, NumberedWords]]:
        begin = 0
        for ids, offsets in token_batches(self.tokenizer, texts.to_pylist()):
            every = np.arange(len(ids) + 1, dtype=np.int64)
            read, nothing = Readings(ids.astype(np.int32), every), np.zeros(len(ids), np.int32)
            yield begin, NumberedWords(every[:-1].astype(np.int32), offsets, read, read, nothing)
            begin += len(offsets) - 1


def _parts(offsets: IntArray) -> list[int]:
    """Return where parts of n texts begin that have PART bytes or one text more, and n; offsets: (n + 1,) of their bytes."""
    count = len(offsets) - 1
    if count and offsets[-1] - offsets[0] <= PART:
        return [0, count]
    ends = (offsets - offsets[0]) // PART
    return [0, *(np.flatnonzero(np.diff(ends[:-1])) + 1).tolist(), *([count] if count else [])]


_IN_USE: WeakValueDictionary[tuple[Path, str], StaticModel] = WeakValueDictionary()
_READING = Lock()


def read_model(folder: Path, revision: str) -> StaticModel:
    """Read a model, or take the one that this process has read of that folder and revision and still uses."""
    with _READING:
        model = _IN_USE.get((folder, revision))
        if model is None:
            model = _IN_USE[folder, revision] = StaticModel(folder)
        return model


def read_word_pieces(folder: Path) -> tuple[WordPieces, FloatArray] | None:
    """Read how a model cuts ASCII words, and its token vectors (v, d); None where its words are not cut as BERT's."""
    place = folder / _first_module(folder)
    pieces = read_pieces(json.loads((place / "tokenizer.json").read_bytes()))
    if pieces is None:
        return None
    vectors = _map_matrix(place / "model.safetensors")
    pieces, languages = _with_languages(pieces, place, len(vectors))
    return pieces, vectors if languages is None else vectors[: languages.first]


def _with_languages(pieces: WordPieces, place: Path, rows: int) -> tuple[WordPieces, Languages | None]:
    languages = read_languages(place, rows)
    if languages is None:
        return pieces, None
    # a word of another language may have several Chinese characters
    return pieces._replace(parts_han=False, told=languages.entries), languages


def token_batches(tokenizer: Any, texts: Sequence[str]) -> Iterator[tuple[IntArray, IntArray]]:
    """Tokenise some BATCH_CHARS at once: yields the ids of m texts in one array, and where each begins, (m + 1,)."""
    ends = np.cumsum([len(text) for text in texts])
    cuts = [0, *(np.flatnonzero(np.diff(ends // BATCH_CHARS)) + 1).tolist(), len(texts)]
    for a, b in pairwise(cuts):
        ids = [e.ids for e in tokenizer.encode_batch_fast(texts[a:b], add_special_tokens=False)]
        offsets = np.concatenate([[0], np.cumsum(np.fromiter(map(len, ids), np.int64, len(ids)))])
        yield np.fromiter(chain.from_iterable(ids), np.int64, int(offsets[-1])), offsets


@kernel
def _means(vectors: FloatArray, tokens: NumberedWords, out: FloatArray, others: Bools, foreign: int) -> None:
    """Write the means of texts (n, d), and which of them are of other languages."""
    for row in range(len(out)):
        mean = out[row]
        mean[:] = 0
        begin, end = tokens.offsets[row], tokens.offsets[row + 1]
        others[row] = _evidence(tokens, begin, end) > foreign
        ids, ends = tokens.foreign if others[row] else tokens.own
        count = 0
        for w in range(begin, end):
            for t in range(ends[tokens.word[w]], ends[tokens.word[w] + 1]):
                vector = vectors[ids[t]]
                for c in range(len(mean)):
                    mean[c] += vector[c]
                count += 1
        if count:
            for c in range(len(mean)):
                mean[c] /= np.float32(count)


@kernel
def _evidence(tokens: NumberedWords, begin: int, end: int) -> int:
    """Sum up the evidence of the words from `begin` to `end`, by which all of them are read."""
    evidence = 0
    for w in range(begin, end):
        evidence += tokens.evidence[tokens.word[w]]
    return evidence


@kernel
def _ids(tokens: NumberedWords, foreign: int, out: Ids, sizes: IntArray) -> None:
    """Write the rows of the tokens of n texts, where there is room, and how many each has behind a 0, (n + 1,)."""
    o = 0
    sizes[0] = 0
    for row in range(len(sizes) - 1):
        begin, end = tokens.offsets[row], tokens.offsets[row + 1]
        ids, ends = tokens.foreign if _evidence(tokens, begin, end) > foreign else tokens.own
        first = o
        for w in range(begin, end):
            for t in range(ends[tokens.word[w]], ends[tokens.word[w] + 1]):
                if len(out):
                    out[o] = ids[t]
                o += 1
        sizes[row + 1] = o - first


def matrix_in(path: Path) -> Matrix:
    """Read what a safetensors file's header (a length, then JSON) says of its only matrix; raises ModelError."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(min(length, 1 << 20)))
        (entry,) = [entry for key, entry in header.items() if key != "__metadata__"]
        rows, columns = entry["shape"]
        return Matrix(entry["dtype"], (int(rows), int(columns)), 8 + length + int(entry["data_offsets"][0]))
    except (OSError, ValueError, KeyError, TypeError, struct.error) as error:
        raise ModelError(f"{path}: one matrix of token vectors expected, found: {error}") from error


def _map_matrix(path: Path) -> FloatArray:
    matrix = matrix_in(path)
    if matrix.kind not in _TYPES:
        raise ModelError(f"{path}: vectors of {' or '.join(_TYPES)} expected, {matrix.kind} found")
    dtype = np.dtype(_TYPES[matrix.kind])
    needed, size = matrix.start + int(np.prod(matrix.shape)) * dtype.itemsize, path.stat().st_size
    if size < needed:
        raise ModelError(f"{path}: {needed:,} bytes expected, {size:,} found")
    mapped = np.memmap(path, dtype, mode="r", offset=matrix.start, shape=matrix.shape)
    if matrix.kind == "F32":
        return np.asarray(mapped)
    # one look-up for each number is five times as fast as NumPy's conversion
    every: FloatArray = np.arange(1 << 16, dtype=np.uint16).view(dtype).astype(np.float32)
    return np.asarray(every[mapped.view(np.uint16)])


def _first_module(folder: Path) -> str:
    modules: list[dict[str, str]] = json.loads((folder / "modules.json").read_bytes())
    return modules[0].get("path", "")
