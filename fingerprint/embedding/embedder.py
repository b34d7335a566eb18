"""Sentence embeddings: the one place that knows sentence-transformers and where the models lie."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from fingerprint.base.parallel import in_order
from fingerprint.base.strings import buffers
from fingerprint.base.types import Bools, Embed, FloatArray, HashArray, Ids, IntArray
from fingerprint.domain.errors import ModelError
from fingerprint.domain.signature import Stamp
from fingerprint.domain.vocabulary import DEFAULT_MODEL, MODELS
from fingerprint.embedding.languages import FOREIGN, NEVER
from fingerprint.embedding.model_files import WORDS, module_types, resolve_model, verified_revision
from fingerprint.embedding.static_model import (
    StaticModel,
    matrix_in,
    read_model,
    read_word_pieces,
    token_batches,
)
from fingerprint.embedding.vector_cache import (
    RecentVectors,
    TextSequence,
    VectorCache,
    as_strings,
    content_keys,
)
from fingerprint.embedding.wordpiece import WordPieces
from fingerprint.text.ngrams import VERSION as GRAMS
from fingerprint.text.normalise import VERSION

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

CHUNK = 16_384
"""Texts embedded at once: bounds memory, and what a killed job loses of its cache."""

NORMALISED = 1_024
"""Vectors brought to length 1 at once: a megabyte."""


class Embedder:
    """A sentence-transformers model; torch is imported and the weights are read at the first `encode`.

    name: what the stamp calls the model. revision: SHA-256 (hex) of its safetensors files.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        *,
        device: str | None = None,
        threads: int | None = None,
        light: bool = False,
    ):
        self.folder = folder
        self.name = name
        self.light = light
        self.device = device
        self.threads = threads
        self._modules = module_types(folder)
        self.revision = verified_revision(folder)
        self._loading = Lock()
        self._loaded: SentenceTransformer | StaticModel | None = None
        self._memory: RecentVectors | None = None

    @classmethod
    def load(
        cls,
        model: str = DEFAULT_MODEL,
        *,
        device: str | None = None,
        threads: int | None = None,
        light: bool = False,
    ) -> Embedder:
        """Take `static`, `multilingual`, `minilm` or the folder of a sentence-transformers model, and verify its checksums.

        device: as torch names it; None takes a GPU where torch sees one. threads: torch's, for the process.
        light: read a static model without torch, for processes that look prompts up; same vectors, up to 1e-6.
        Raises ModelError when the model is missing, damaged, or not made of safetensors alone.
        """
        folder, name = resolve_model(model)
        return cls(folder, name, device=device, threads=threads, light=light)

    @classmethod
    def for_stamp(cls, stamp: Stamp, model: str | None = None) -> Embedder:
        """Load `model`, or the one of the known models that made what carries this stamp, without torch if it can.

        A stamp of none takes the default model: comparing the stamps says then what was expected. Raises as `load`.
        """
        return cls.load(model or model_of(stamp), light=True)

    @property
    def is_static(self) -> bool:
        """True when a text's vector is the mean over its tokens, with no transformer."""
        return self._modules in (["StaticEmbedding"], ["StaticEmbedding", "Normalize"])

    @cached_property
    def dimension(self) -> int:
        """Columns of a vector; read from the file's header for a static model, which needs no torch."""
        if self.is_static:
            return matrix_in(self.folder / "model.safetensors").shape[1]
        return int(self._by_library(self._model(), [""]).shape[1])

    @property
    def stamp(self) -> str:
        """What made a vector; vectors of different stamps must never be compared."""
        return f"{self.name}-{self.dimension}-{self.revision}"

    def encode(self, texts: TextSequence) -> FloatArray:
        """(n, d) float32 unit rows; a text with no token that the model knows (an empty one) is a zero row.

        Only the first MAX_CHARS characters count (a transformer's own token limit may be lower). A text's
        vector does not depend on its neighbours up to 1e-6, which is why vectors must not be hashed.
        """
        strings = as_strings(texts)
        if self._memory is not None and len(strings) <= self._memory.rows // 4:
            return self._memory.encode(strings, self._encode_all)
        return self._encode_all(strings)

    def encode_told(self, texts: TextSequence) -> tuple[FloatArray, Bools]:
        """As `encode`; also tell which texts (n,) were read as ones of another language than English."""
        strings = as_strings(texts)
        others = np.zeros(len(strings), np.bool_)
        if self._memory is not None:
            return self.encode(strings), others
        return self._encode_all(strings, others), others

    def remember(self, rows: int) -> None:
        """Keep so many of the last vectors in memory, for a process that answers request by request.

        None are kept of a model that reads words by a kernel: a vector is made sooner than its text is hashed.
        """
        model = self._model()
        if not (isinstance(model, StaticModel) and model.reads_words):
            self._memory = RecentVectors(rows, self.dimension)

    def _encode_all(self, strings: pa.LargeStringArray, others: Bools | None = None) -> FloatArray:
        rows = np.empty((len(strings), self.dimension), dtype=np.float32)
        if len(strings) <= CHUNK:
            self._encode_chunk(strings, rows, others)
            return rows

        def encode(start: int) -> None:
            part = slice(start, start + CHUNK)
            told = None if others is None else others[part]
            self._encode_chunk(strings.slice(start, CHUNK), rows[part], told)

        # words are read by one thread at a time, and averaged by the others meanwhile
        threads = (self.threads or 1) if self.light and self.is_static else 1
        for _ in in_order(encode, range(0, len(strings), CHUNK), threads=threads):
            pass
        return rows

    def sums(self, texts: TextSequence) -> FloatArray:
        """(n, d) float32, the sum of the vectors of each text's tokens; of a static model only.

        The sum over a text is that over its parts where these end at spaces or ASCII punctuation, and `encode` gives
        its direction.
        """
        if not self.is_static:
            raise ModelError(f"{self.folder}: a static model expected, one of {self._modules} found")
        model: Any = self._model()
        tokenizer = model.tokenizer if isinstance(model, StaticModel) else model[0].tokenizer
        strings = as_strings(texts)
        read = tokenizer.encode_batch_fast(strings.to_pylist(), add_special_tokens=False)
        counts = [len(e.ids) for e in read]
        rows = np.empty((len(strings), self.dimension), dtype=np.float32)
        self._raw(strings, rows, foreign=NEVER)
        rows *= np.array(counts, np.float32)[:, None]
        return rows

    def evidence(self, texts: TextSequence) -> IntArray:
        """(n,) int64, the evidence of each text that it is not English: above FOREIGN `encode` reads it by other words.

        That of a text is the sum of its parts', where these end at spaces or ASCII punctuation; 0 of a model without a
        table of other languages.
        """
        words = self._other_words
        return np.zeros(len(texts), np.int64) if words is None else words.evidence(as_strings(texts))

    def pieces(self) -> tuple[WordPieces, FloatArray] | None:
        """Return how ASCII words are cut and the vectors of the pieces (v, d), for sums without the tokenizer.

        None for a transformer, and for a tokenizer that cuts words in another way than BERT's.
        """
        if not self.is_static:
            return None
        model = self._model()
        if not isinstance(model, StaticModel):
            return read_word_pieces(self.folder)
        return None if model.pieces is None else (model.pieces, model.own_vectors)

    def _encode_chunk(self, texts: pa.LargeStringArray, rows: FloatArray, others: Bools | None) -> None:
        self._raw(texts, rows, others)
        # a few rows at a time, which stay in the processor's cache
        for begin in range(0, len(rows), NORMALISED):
            some = rows[begin : begin + NORMALISED]
            norms = np.linalg.norm(some, axis=1, keepdims=True)
            norms[norms == 0] = 1
            some /= norms
        _, offsets = buffers(texts)
        rows[offsets[1:] == offsets[:-1]] = 0

    def _raw(
        self,
        strings: pa.LargeStringArray,
        rows: FloatArray,
        others: Bools | None = None,
        foreign: int = FOREIGN,
    ) -> None:
        """Write each text's vector, of whatever length, into rows (n, d), and as `StaticModel.means` does to others (n,)."""
        model = self._model()
        if not len(strings):
            return
        if isinstance(model, StaticModel):
            model.means(strings, rows, others, threads=self.threads or 1, foreign=foreign)
        elif self._other_words is not None:
            rows[:] = _token_means(model, self._other_words.numbers(strings, foreign))
        else:
            rows[:] = self._by_library(model, strings.to_pylist())

    @cached_property
    def _other_words(self) -> StaticModel | None:
        """What reads texts in other languages, of a model with a table of their words."""
        return self.word_model if (self.folder / WORDS).is_file() else None

    @cached_property
    def word_model(self) -> StaticModel | None:
        """What reads texts word by word, of a static model."""
        if not self.is_static:
            return None
        model = self._model()
        return model if isinstance(model, StaticModel) else read_model(self.folder, self.revision)

    def _by_library(self, model: Any, texts: list[str]) -> FloatArray:
        if self.is_static:
            return _token_means(model, token_batches(model[0].tokenizer, texts))
        batch = 32 if model.device.type == "cpu" else 256
        # encode sorts by length, so that a batch holds texts of like length
        rows = model.encode(texts, batch_size=batch, show_progress_bar=False, convert_to_numpy=True)
        return np.asarray(rows)

    def _model(self) -> SentenceTransformer | StaticModel:
        with self._loading:
            if self._loaded is None:
                without_torch = self.light and self.is_static and self.device in (None, "cpu")
                self._loaded = (
                    read_model(self.folder, self.revision)
                    if without_torch
                    else _load_offline(self.folder, self.device, self.threads)
                )
            return self._loaded


def _token_means(
    model: SentenceTransformer, numbered: Iterable[tuple[IntArray | Ids, IntArray]]
) -> FloatArray:
    """Run the StaticEmbedding module on numbered tokens (`token_batches`) as `encode` would, without its overhead."""
    import torch

    static: Any = model[0]
    rows = []
    with torch.inference_mode():
        for ids, offsets in numbered:
            tokens, places = (torch.from_numpy(x).to(model.device) for x in (ids, offsets[:-1]))
            rows.append(static.embedding(tokens, places).cpu().numpy())
    return np.concatenate(rows)


def _load_offline(folder: Path, device: str | None, threads: int | None) -> SentenceTransformer:
    os.environ["HF_HUB_OFFLINE"] = "1"  # read when huggingface_hub is imported
    import torch
    from safetensors import SafetensorError
    from sentence_transformers import SentenceTransformer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]
    if threads is not None:
        torch.set_num_threads(threads)
    # AssertionError is torch's answer to a device that it was not built for
    failures = (OSError, ValueError, RuntimeError, KeyError, ImportError, AssertionError, SafetensorError)
    try:
        model = SentenceTransformer(
            str(folder), device=device, local_files_only=True, model_kwargs={"use_safetensors": True}
        )
    except failures as error:
        where = device or "any device"
        raise ModelError(f"{folder}: sentence-transformers cannot load it on {where}: {error}") from error
    # in float16 the eps of a zero vector's normalisation underflows: NaN
    return model.float().eval()


def _distinct(keys: HashArray) -> tuple[IntArray, IntArray]:
    """Row of each distinct key, and for every row the place of its key among them."""
    order = np.lexsort((keys[:, 1], keys[:, 0]))
    new = np.ones(len(keys), dtype=bool)
    new[1:] = (keys[order][1:] != keys[order][:-1]).any(axis=1)
    place = np.empty(len(keys), dtype=np.int64)
    place[order] = np.cumsum(new) - 1
    return order[new], place


def encode_cached(embedder: Embedder, cache: VectorCache, texts: TextSequence) -> FloatArray:
    """`embedder.encode(texts)`, embedding only the distinct texts that the cache lacks; these are added to it."""
    strings = as_strings(texts)
    keys = content_keys(strings)
    first, place = _distinct(keys)
    vectors, hit = cache.get(keys[first])
    missing = np.flatnonzero(~hit)
    for start in range(0, len(missing), CHUNK):
        part = missing[start : start + CHUNK]
        vectors[part] = embedder.encode(strings.take(pa.array(first[part])))
        cache.put(keys[first[part]], vectors[part])
    return vectors[place]


def cached_encoder(embedder: Embedder, folder: Path) -> Embed:
    """Return `encode_cached` with a cache in a folder, for one thread at a time; a static model is faster than a cache."""
    if embedder.is_static:
        return embedder.encode
    cache, guard = VectorCache(folder, embedder.stamp, embedder.dimension), Lock()

    def encode(texts: TextSequence) -> FloatArray:
        with guard:  # a cache has one writer
            return encode_cached(embedder, cache, texts)

    return encode


def model_of(stamp: Stamp | None) -> str:
    """Name the one of the known models that made what carries this stamp; the default model for any other, and for None."""
    known = {name: keyword for keyword, name in MODELS.items()}
    return DEFAULT_MODEL if stamp is None else known.get(stamp.model, DEFAULT_MODEL)


def stamp_of(embedder: Embedder) -> Stamp:
    """Return what signatures made with this embedder carry."""
    return Stamp(VERSION, GRAMS, embedder.name, embedder.revision, embedder.dimension)
