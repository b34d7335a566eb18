"""Writes the folder of a static sentence-transformers model, with the sums of its files."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
from safetensors.numpy import save


def write_folder(
    folder: Path, table: np.ndarray, tokenizer: str, licence: Path, words: np.ndarray | None = None
) -> None:
    """Write rows (v, d), a tokenizers file, what the library needs to load them, the licence and SHA256SUMS.

    words: the table of other languages' words, if there is one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.safetensors").write_bytes(save({"embedding.weight": table}))
    if words is not None:
        np.save(folder / "words.npy", words)
    (folder / "tokenizer.json").write_text(tokenizer, encoding="utf-8")
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.StaticEmbedding"},
        {"idx": 1, "name": "1", "path": "1_Normalize", "type": "sentence_transformers.models.Normalize"},
    ]
    (folder / "modules.json").write_text(json.dumps(modules, indent=2) + "\n")
    config = {"model_type": "SentenceTransformer", "similarity_fn_name": "cosine"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(config, indent=2) + "\n")
    shutil.copyfile(licence, folder / "LICENSE")
    files = sorted(p for p in folder.iterdir() if p.name != "SHA256SUMS")
    sums = [f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.name}\n" for p in files]
    (folder / "SHA256SUMS").write_text("".join(sums))
