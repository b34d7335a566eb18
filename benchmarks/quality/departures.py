"""Accounts without a template: how many of those that send an attack's queries are told from honest ones, set by set.

    python -m benchmarks.quality.departures FOLDER --json OUT.json

FOLDER holds files NAME.jsonl.gz of queries, one JSON object a line: `label` (`benign` or `attack`) and `query`. Nothing of
it is copied into the results but file names and figures. Two questions:

- mixing: accounts of 100 and of 1,500 requests drawn at random, a share of them the attack's. Half of the honest queries
  is the reference, of the other half 1,000 honest accounts are drawn; share of accounts beyond the 99.7 % quantile of those.
- night: honest accounts and a few that send nothing but the attack's queries, in one home; who is told by the program.
  Also with few accounts in all.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.common import machine
from benchmarks.common.labelled import Floats
from benchmarks.common.tables import table, title
from fingerprint.assessment.departures import summed
from fingerprint.base.types import Doubles, FloatArray, IntArray
from fingerprint.embedding.embedder import Embedder
from fingerprint.evidence.strangeness import Prompts, reference_of, surprise
from fingerprint.evidence.two_sample import Sums, departures, random_features
from fingerprint.text.normalise import normalise
from fingerprint.text.sentences import heads

SHARES = {100: (0.1, 0.25, 1.0), 1500: (0.05, 0.1, 0.25)}
"""Requests of an account, and shares of the attack's queries among them."""

NIGHTS = ((450, 8), (450, 40), (20, 1), (60, 3), (450, 0), (20, 0))
"""Honest accounts, and accounts that send nothing but the attack's queries."""

REQUESTS = 100
"""Of each account of a night."""

FALSE_POSITIVES = 0.003
HONEST, MIXED = 1_000, 200

Row = dict[str, Any]


def main() -> None:
    options = _options()
    before, results = machine.facts(), {}
    for name, honest, attack in _sets(options.folder, Embedder.load(options.model, light=True)):
        results[name] = {
            "benign": len(honest),
            "attack": len(attack),
            "mixing": mixing(honest, attack, options.seed),
            "night": [
                night(honest, attack, counts, options.seed + run)
                for counts in NIGHTS
                for run in range(options.runs)
            ],
        }
        print(name, flush=True)
    print(as_text(results))
    if options.json:
        machine.save({"machine": before, "model": options.model, "sets": results}, options.json)


def _sets(folder: Path, embedder: Embedder) -> Iterator[tuple[str, FloatArray, FloatArray]]:
    """Yield name and vectors of honest and of attack queries of each file."""
    for path in sorted(folder.glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            rows = [json.loads(line) for line in file]
        vectors = [
            embedder.encode(
                heads(
                    normalise(pa.array([r["query"] for r in rows if r["label"] == label], pa.large_string()))
                )
            )
            for label in ("benign", "attack")
        ]
        yield path.name.removesuffix(".jsonl.gz"), vectors[0], vectors[1]


def mixing(honest: FloatArray, attack: FloatArray, seed: int) -> dict[str, float]:
    """Return the share of accounts found by requests and share of the attack's, `100 at 25 %`."""
    random = np.random.default_rng(seed)
    honest = honest[random.permutation(len(honest))]
    half = len(honest) // 2
    rest = len(honest) - half
    vectors = np.concatenate([honest, attack])
    # every query of the reference has an account of its own, the others have one without a query in it
    owner = np.minimum(np.arange(len(vectors)), half)
    reference = reference_of(owner, suspected=np.arange(half + 1) == half)
    strange = surprise(Prompts(vectors, owner), reference)
    features = random_features(vectors)
    covariance = np.cov(features[:half].T, dtype=np.float64)

    every = np.concatenate([features, strange], axis=1, dtype=np.float64)

    def drawn(size: int, share: float, count: int) -> Doubles:
        mixed = round(size * share)
        times = np.zeros((count, len(vectors)))
        for row in times:
            np.add.at(row, half + random.integers(rest, size=size - mixed), 1)
            np.add.at(row, len(honest) + random.integers(len(attack), size=mixed), 1)
        return np.asarray(times @ every)

    out = {}
    for size, shares in SHARES.items():
        sums = np.concatenate([drawn(size, 0.0, HONEST), *(drawn(size, share, MIXED) for share in shares)])
        count = np.full(len(sums), float(size))
        of_kernel, of_strangeness = np.split(sums, [features.shape[1]], axis=1)
        found = departures(
            Sums(count, of_kernel, count, of_strangeness, covariance),
            np.arange(len(sums)) < HONEST,
        )
        cut = np.quantile(found.p_value[:HONEST], FALSE_POSITIVES)
        told = found.p_value < cut
        for number, share in enumerate(shares):
            start = HONEST + number * MIXED
            out[f"{size} at {share:.0%}"] = float(told[start : start + MIXED].mean())
    return out


def night(honest: FloatArray, attack: FloatArray, counts: tuple[int, int], seed: int) -> Row:
    """Return the shares of attacking and of honest accounts that depart when all are in one night."""
    random = np.random.default_rng(seed)
    rows = [random.choice(len(honest), REQUESTS, replace=False) for _ in range(counts[0])]
    rows += [len(honest) + random.choice(len(attack), REQUESTS, replace=False) for _ in range(counts[1])]
    prompt: IntArray = np.concatenate(rows)
    account = np.repeat(np.arange(sum(counts)), REQUESTS)
    sums = summed(np.concatenate([honest, attack]), prompt, account, sum(counts))
    departed = departures(sums, np.ones(sum(counts), dtype=np.bool_)).departed
    return {
        "honest": counts[0],
        "attacking": counts[1],
        "seed": seed,
        "told": float(departed[counts[0] :].mean()) if counts[1] else None,
        "honest_told": float(departed[: counts[0]].mean()),
    }


def as_text(results: dict[str, Row]) -> str:
    """Lay out both questions, a set a line, and the mean of all."""
    names = list(next(iter(results.values()))["mixing"])
    lines: list[tuple[object, ...]] = [
        (name, *(f"{result['mixing'][key]:.2f}" for key in names)) for name, result in results.items()
    ]
    mean: Floats = np.array([[result["mixing"][key] for key in names] for result in results.values()]).mean(
        axis=0
    )
    lines.append(("mean", *(f"{value:.2f}" for value in mean)))
    nights = [
        (
            name,
            f"{row['attacking']} of {row['honest'] + row['attacking']}",
            row["seed"],
            "" if row["told"] is None else f"{row['told']:.2f}",
            f"{row['honest_told']:.2%}",
        )
        for name, result in results.items()
        for row in result["night"]
    ]
    return "\n".join(
        [
            title("Found at a false-positive rate of 0.3 %"),
            table(("set", *names), lines),
            title("Told in a night"),
            table(("set", "attacking", "seed", "told", "honest told"), nights),
        ]
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="of files NAME.jsonl.gz")
    parser.add_argument("--model", default="static")
    parser.add_argument("--runs", type=int, default=1, help="nights of each kind, by seed from --seed on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--json", type=Path, metavar="OUT", help="write the figures, with machine and versions"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
