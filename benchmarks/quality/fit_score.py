"""Fit the weights of the score to labelled nights, and see how they do on worlds that they were not fitted to.

    python -m benchmarks.quality.fit_score --simulate lifelike:1 lifelike:2 default:1 \
        --world tidy truth.jsonl.gz day1.jsonl.gz day2.jsonl.gz --json benchmarks/results/fit-score.json

A world is a few nights in one home. A family is a campaign's if most of its requests are. What is fitted is the log-odds
of each unit of a feature's evidence, by logistic regression with a normal prior around 0 on its largest contribution in
the data; signs are kept, so no feature speaks for what it speaks against by its meaning. Every world counts the same.
`today` in the result scores the same families by the weights of `fingerprint/assessment/features.py`, which are set by hand:
they have to hold for kinds of traffic, too, that no labelled world has yet.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from scipy import optimize, special

from benchmarks.common import machine
from benchmarks.common.labelled import ASSIGNMENTS, read
from fingerprint import simulate
from fingerprint.assessment.features import PRIOR, SCORE_FEATURES, Feature
from fingerprint.base.types import Bools, Doubles
from fingerprint.domain.settings import Home
from fingerprint.jobs.nightly import nightly
from fingerprint.store.store import Store

PENALTY = 1.0
"""Of a weight of one standard deviation of its evidence: chosen by the worlds that are held out."""

PRECISION = 0.95

JUDGEMENT = {
    "synchrony": 0.25,
    "overlap": 0.3,
    "payment": 0.4,
    "address": 0.35,
    "copied": -0.15,
    "uneven": -0.1,
    "strangers": -1.5,
    "dealt": 0.5,
    "topics": -0.5,
    "one_clock": 0.3,
    "hours": -0.5,
    "schedule": -0.4,
    "once": -1.5,
    "little": -1.0,
}
"""Where the fit starts from: what judgement says of kinds that no labelled night holds; all others from 0."""

MOST_ALONE, MOST_AGAINST, MOST_PRIOR = 5.0, 8.0, -2.5
"""Log-odds that one feature adds at most, that it takes away at most, and those of a family of which nothing is known: silence is no evidence."""

RULES = {"few": -3.0, "intent": 0.5, "customer": -12.0}
"""Weights that are not fitted: labelled nights hold too few of what these are for."""
ROLE = {"request_id": ASSIGNMENTS["request_id"], "role": ASSIGNMENTS["family_id"]}


@dataclass(frozen=True, slots=True)
class World:
    """Families of some nights: evidence (n, k), requests and campaign requests (n,), night (n,)."""

    name: str
    evidence: Doubles
    requests: Doubles
    campaign_requests: Doubles
    night: Doubles

    @property
    def campaign(self) -> Bools:
        """Which families are a campaign's, (n,)."""
        return np.asarray(2 * self.campaign_requests > self.requests)


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        worlds = [_given(name_and_files, Path(folder)) for name_and_files in options.world]
        worlds += [_simulated(preset, Path(folder), options.rows) for preset in options.simulate]
    weights = fit(worlds)
    held_out = {w.name: judged(w, fit([v for v in worlds if v is not w])) for w in worlds if len(worlds) > 1}
    result = {
        "weights": {
            feature.name: round(float(w), 3) for feature, w in zip(SCORE_FEATURES, weights, strict=True)
        },
        "fitted": {w.name: judged(w, weights) for w in worlds},
        "held_out": held_out,
        "today": {w.name: judged(w, np.array([f.weight for f in SCORE_FEATURES])) for w in worlds},
    }
    print(json.dumps(result, indent=1))
    if options.json:
        machine.save({"machine": machine.facts(), **result}, options.json)


def _given(name_and_files: Sequence[str], folder: Path) -> World:
    name, truth, *days = name_and_files
    roles = read(Path(truth), ROLE)
    return collect(
        name,
        [Path(day) for day in days],
        dict(zip(*(roles[c].to_pylist() for c in ROLE), strict=True)),
        folder / name,
    )


def _simulated(preset: str, folder: Path, rows: int | None) -> World:
    name, _, seed = preset.partition(":")
    config = simulate.preset(name, seed=int(seed or 0), **({"rows": rows} if rows else {}))
    work = folder / preset.replace(":", "-")
    files = simulate.write(config, work / "traffic", truth=work / "truth.parquet")
    truth = pq.read_table(work / "truth.parquet", columns=list(ROLE))
    return collect(
        preset, files, dict(zip(*(truth[c].to_pylist() for c in ROLE), strict=True)), work / "home"
    )


def collect(name: str, days: Sequence[Path], role: dict[str, str], folder: Path) -> World:
    """Work the nights of a world, and gather what each night's families were scored by."""
    rows: list[tuple[Doubles, float, float, float]] = []
    column = {feature.name: k for k, feature in enumerate(SCORE_FEATURES)}
    for number, day in enumerate(days):
        out = folder / f"night-{number}.parquet"
        nightly([day], Home(folder / "home"), assignments=out)
        found = pq.read_table(out)
        requests: dict[str, list[int]] = {}
        for request, family in zip(
            found["request_id"].to_pylist(), found["family_id"].to_pylist(), strict=True
        ):
            if family is not None:
                count = requests.setdefault(family, [0, 0])
                count[0] += 1
                count[1] += role[request] == "campaign"
        with Store.open(folder / "home") as store:
            signatures = {s.family_id: s for s in store.signatures()}
        for family, (every, campaign) in sorted(requests.items()):
            evidence = np.zeros(len(SCORE_FEATURES))
            for reason in signatures[family].reasons:
                if reason.name in column:
                    evidence[column[reason.name]] = reason.value
            rows.append((evidence, float(every), float(campaign), float(number)))
    columns = [np.array(x) for x in zip(*rows, strict=True)]
    return World(name, *columns)


def fit(worlds: Sequence[World]) -> Doubles:
    """Return the weights (k,) of the features' evidence."""
    evidence = np.concatenate([w.evidence for w in worlds])
    side = np.concatenate([np.where(w.campaign, 1.0, -1.0) for w in worlds])
    each = np.concatenate([np.full(len(w.requests), 1 / len(w.requests)) for w in worlds])
    each *= len(each) / each.sum()
    scale = np.maximum(evidence.std(axis=0), 1e-6)
    names = [feature.name for feature in SCORE_FEATURES]
    scale[names.index(PRIOR)] = 1.0
    penalty = np.where(np.array(names) == PRIOR, 0.01, PENALTY)
    share = evidence / scale
    start = np.array([{**JUDGEMENT, **RULES}.get(f.name, 0.0) for f in SCORE_FEATURES]) * scale

    def loss(w: Doubles) -> tuple[float, Doubles]:
        margin = side * (share @ w)
        value = (each * np.logaddexp(0, -margin)).sum() + (penalty * (w - start) ** 2).sum() / 2
        return float(value), penalty * (w - start) - share.T @ (each * side * special.expit(-margin))

    bounds = [_bounds(feature, w, at) for feature, w, at in zip(SCORE_FEATURES, start, scale, strict=True)]
    best = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return np.asarray(best.x / scale, dtype=np.float64)


def _bounds(feature: Feature, start: float, scale: float) -> tuple[float | None, float | None]:
    """Return the least and largest scaled weight: signs stay, and no feature but RULES decides alone."""
    if feature.name in RULES:
        return start, start
    if feature.name == PRIOR:
        return None, MOST_PRIOR
    unit = scale / feature.cap
    return (-MOST_AGAINST * unit, 0.0) if feature.weight < 0 else (0.0, MOST_ALONE * unit)


def judged(world: World, weights: Doubles) -> dict[str, Any]:
    """Score a world's families: average precision, and precision and recall of the requests flagged at PRECISION."""
    value = world.evidence @ weights
    order = np.argsort(-value, kind="stable")
    good = world.campaign[order]
    precision = np.cumsum(good) / np.arange(1, len(good) + 1)
    flagged = special.expit(value) >= PRECISION
    sent, right = world.requests[flagged].sum(), world.campaign_requests[flagged].sum()
    every = world.campaign_requests[world.campaign].sum()
    return {
        "families": len(good),
        "campaigns": int(good.sum()),
        "average_precision": round(float((precision * good).sum() / max(good.sum(), 1)), 4),
        "precision": round(float(right / sent), 4) if sent else None,
        "recall": round(float(world.campaign_requests[flagged & world.campaign].sum() / max(every, 1)), 4),
        "false_flags": int((flagged & ~world.campaign).sum()),
        "expected_false_flags": round(float((1 - special.expit(value[flagged])).sum()), 2),
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--world", nargs="+", action="append", default=[], metavar="NAME TRUTH DAY...")
    parser.add_argument("--simulate", nargs="*", default=[], metavar="PRESET:SEED")
    parser.add_argument("--rows", type=int, help="rows of each simulated world")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
