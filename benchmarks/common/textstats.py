"""What the text of some traffic is like: how much is repeated, how long it is, and how much of its wording is shared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.common.labelled import Truth, read_truth
from benchmarks.common.tables import table, title
from fingerprint.discovery.batch import Batch, collect
from fingerprint.text.ngrams import shingle
from fingerprint.traffic.reader import read_traffic

PERCENTILES = (10, 50, 90, 99)


def statistics(traffic: Path, truth: Path) -> dict[str, float]:
    """Return shares and lengths; a 4-gram is shared if at least so many distinct prompts hold it.

    Shares of 4-grams count places in the text, not distinct grams. They grow with the traffic, so compare equal sizes.
    """
    rows = list(read_traffic([traffic], rejects=None))
    batch = collect(rows)
    known = _aligned([name for some in rows for name in some["request_id"].to_pylist()], read_truth(truth))
    lengths = np.diff(batch.offsets)
    out = {
        "requests": float(len(batch)),
        "distinct prompts": batch.distinct / len(batch),
        "popular repeats in background": float(known.repeat[known.is_role("background")].mean()),
    }
    out |= {f"tokens, {p}th percentile": float(np.percentile(lengths, p)) for p in PERCENTILES}
    background = np.zeros(batch.distinct, dtype=np.bool_)
    background[batch.prompt[known.is_role("background")]] = True
    for name, prompts in (("all", np.arange(batch.distinct)), ("background", np.flatnonzero(background))):
        holders = _holders(batch, prompts)
        out |= {f"4-grams of {name} in {n} prompts or more": float((holders >= n).mean()) for n in (2, 8, 50)}
    return out


def comparison_text(statistics_of: dict[str, dict[str, float]]) -> str:
    """Write several traffics' statistics as one table."""
    names = list(statistics_of)
    rows = [
        (fact, *(f"{statistics_of[name][fact]:,.3g}" for name in names)) for fact in statistics_of[names[0]]
    ]
    return f"{title('Text')}\n{table(['', *names], rows)}"


def _aligned(names: list[str], truth: Truth) -> Truth:
    """Return what the requests of these ids are; traffic and truth are expected in one order."""
    kept = truth.only(np.isin(np.array(truth.request_id.to_pylist()), np.array(names)))
    if kept.request_id.to_pylist() != names:
        raise ValueError("truth in the order of the traffic expected, another order found")
    return kept


def _holders(batch: Batch, prompts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """How many of these prompts hold the 4-gram at each place of their texts."""
    grams = shingle(batch.token_hashes, batch.section, batch.offsets).only(prompts)
    prompt = np.repeat(np.arange(len(prompts)), np.diff(grams.offsets))
    _, gram = np.unique(grams.hashes, return_inverse=True)
    pairs = np.unique(gram * len(prompts) + prompt)
    count = np.bincount(pairs // len(prompts))
    return np.asarray(count[gram])
