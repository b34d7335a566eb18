"""Fit the weights of the score to labelled nights, and see how they do on worlds that they were not fitted to.

    python -m benchmarks.quality.fit_score --simulate lifelike:1 lifelike:2 default:1 \
        --world tidy truth.jsonl.gz day1.jsonl.gz day2.jsonl.gz --json benchmarks/results/fit-score.json

A world is a few nights in one home. A family is a campaign's if most of its requests are. What is fitted is the log-odds
of each unit of a feature's evidence, by logistic regression with a normal prior around half of what judgement gives a
feature at most (`MOST`); signs are kept, no feature speaks for more than that, and what labelled nights hold too few of is
not fitted (`RULES`). Every world counts the same, simulated ones of tidy kind a quarter; families count by the square
root of their requests. The score is a probability at a base rate of one campaign in twenty families (`BASE_LOG_ODDS`).

Each world is judged by weights that were fitted without it and its like, and the result says from which score on such
families have a mean score of a stated precision: the thresholds of `fingerprint/assessment/flagging.py`. It also says by
which slope the truth follows the log-odds of scores: that of `fingerprint/domain/expected_precision.py`.
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
from benchmarks.common.calibration import platt
from benchmarks.common.labelled import ASSIGNMENTS, read
from fingerprint import simulate
from fingerprint.assessment.features import PRIOR, SCORE_FEATURES, Feature
from fingerprint.assessment.flagging import flag_threshold
from fingerprint.base.types import Bools, Doubles
from fingerprint.domain.settings import Home
from fingerprint.jobs.nightly import nightly
from fingerprint.store.store import Store

PENALTY = 1.2
"""Of the square of a weight's distance from its prior, in shares of MOST: chosen by the worlds that are held out."""

BASE_LOG_ODDS = -3.0
"""Of a family of which nothing is known: one in twenty is a campaign's. Labelled worlds hold more campaigns than that."""

MOST = {
    "synchrony": 4.0,
    "pool": 0.5,
    "overlap": 1.5,
    "concentration": 0.6,
    "evenness": 0.2,
    "balance": 4.0,
    "alike": 0.3,
    "payment": 4.0,
    "address": 1.5,
    "agent": 0.2,
    "settings": 0.3,
    "returning": 0.4,
    "newcomers": 0.6,
    "turnover": 1.5,
    "copied": -3.0,
    "coverage": 0.8,
    "uneven": -1.5,
    "strangers": -1.0,
    "few": -4.0,
    "dealt": 5.0,
    "topics": -7.0,
    "one_clock": 0.6,
    "hours": -6.0,
    "schedule": -6.0,
    "once": -2.5,
    "little": -2.0,
    "intent": 1.0,
    "customer": -12.0,
}
"""Log-odds that each feature adds, or takes away, at most: what judgement says of kinds that no labelled night holds."""

LEAST = 0.1
"""Share of MOST that every feature keeps: labelled worlds are few."""

RULES = ("few", "once", "customer")
"""Features at MOST that are not fitted: labelled nights hold too few of what these are for."""

WORLD_WEIGHT = {"default": 0.25, "evasive": 0.25}
"""Simulated worlds of tidy kind count less: their people have little that is their own."""

LIKE = {"default": "tidy", "evasive": "tidy"}
"""Presets that are held out together."""

PRECISION = 0.95

PRECISIONS = (0.9, 0.95, 0.98, 0.99)
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
    held_out = {
        w.name: score_of(w, fit([v for v in worlds if _kind(v) != _kind(w)]))
        for w in worlds
        if len({_kind(v) for v in worlds}) > 1
    }
    thresholds = threshold_table(list(held_out.values()))
    flag_from = thresholds.get(PRECISION, flag_threshold(PRECISION))
    today = np.array([f.weight for f in SCORE_FEATURES])
    result = {
        "weights": {
            feature.name: round(float(w), 3) for feature, w in zip(SCORE_FEATURES, weights, strict=True)
        },
        "thresholds": thresholds,
        "slope": {
            "held_out": slope([w for w in worlds if w.name in held_out], list(held_out.values())),
            "today": slope(worlds, [score_of(w, today) for w in worlds]),
        },
        "fitted": {w.name: judged(w, score_of(w, weights), flag_from) for w in worlds},
        "held_out": {w.name: judged(w, held_out[w.name], flag_from) for w in worlds if w.name in held_out},
        "today": {w.name: judged(w, score_of(w, today), flag_threshold(PRECISION)) for w in worlds},
    }
    print(json.dumps(result, indent=1))
    if options.json:
        machine.save({"machine": machine.facts(), **result}, options.json)


def _kind(world: World) -> str:
    preset = world.name.partition(":")[0]
    return LIKE.get(preset, preset)


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
    each = np.concatenate(
        [
            WORLD_WEIGHT.get(w.name.partition(":")[0], 1.0) * np.sqrt(w.requests) / np.sqrt(w.requests).sum()
            for w in worlds
        ]
    )
    each *= len(each) / each.sum()
    unit = np.array([abs(MOST.get(f.name, 0.0)) / f.cap for f in SCORE_FEATURES])
    share = evidence * unit
    base = np.array([BASE_LOG_ODDS if f.name == PRIOR else 0.0 for f in SCORE_FEATURES])
    offset = evidence @ base
    start = np.array([_start(f) for f in SCORE_FEATURES])

    def loss(w: Doubles) -> tuple[float, Doubles]:
        margin = side * (share @ w + offset)
        value = (each * np.logaddexp(0, -margin)).sum() + (PENALTY * (w - start) ** 2).sum() / 2
        return float(value), PENALTY * (w - start) - share.T @ (each * side * special.expit(-margin))

    best = optimize.minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=[_bounds(f) for f in SCORE_FEATURES]
    )
    return np.asarray(best.x * unit + base, dtype=np.float64)


def _start(feature: Feature) -> float:
    """Return where a feature's share of MOST starts from, with its sign."""
    return float(np.sign(MOST.get(feature.name, 0.0))) * (1.0 if feature.name in RULES else 0.5)


def _bounds(feature: Feature) -> tuple[float, float]:
    """Return the least and largest share of MOST: signs stay, and no feature but RULES decides by much alone."""
    sign = float(np.sign(MOST.get(feature.name, 0.0)))
    least = sign * (1.0 if feature.name in RULES else LEAST)
    return (least, sign) if sign >= 0 else (sign, least)


def score_of(world: World, weights: Doubles) -> Doubles:
    """Return each family's score, (n,), 0 to 1."""
    return np.asarray(special.expit(world.evidence @ weights), dtype=np.float64)


def threshold_table(scores: Sequence[Doubles]) -> dict[float, float]:
    """Return for each precision the score from which on half of its false flags are expected; worlds count the same."""
    if not scores:
        return {}
    value = np.concatenate(scores)
    each = np.concatenate([np.full(len(s), 1 / len(s)) for s in scores])
    order = np.argsort(-value, kind="stable")
    mean = np.cumsum((each * value)[order]) / np.cumsum(each[order])
    return {p: round(float(value[order][np.flatnonzero(mean >= (1 + p) / 2)[-1]]), 3) for p in PRECISIONS}


def slope(worlds: Sequence[World], scores: Sequence[Doubles]) -> float | None:
    """Return how much of a score's log-odds the truth has, over all families of some worlds; None where all are alike.

    1: scores are as sure as they should be; less: too sure. It is the slope of a logistic regression of the truth on the
    log-odds (Cox 1958).
    """
    campaign = np.concatenate([w.campaign for w in worlds]) if worlds else np.zeros(0, bool)
    if len(np.unique(campaign)) < 2:
        return None
    return round(platt(np.concatenate(scores), campaign)[0], 3)


def judged(world: World, score: Doubles, flag_from: float) -> dict[str, Any]:
    """Judge a world's families: average precision, and precision and recall of the requests flagged."""
    order = np.argsort(-score, kind="stable")
    good = world.campaign[order]
    precision = np.cumsum(good) / np.arange(1, len(good) + 1)
    flagged = score >= flag_from
    sent, right = world.requests[flagged].sum(), world.campaign_requests[flagged].sum()
    every = world.campaign_requests[world.campaign].sum()
    return {
        "families": len(good),
        "campaigns": int(good.sum()),
        "average_precision": round(float((precision * good).sum() / max(good.sum(), 1)), 4),
        "precision": round(float(right / sent), 4) if sent else None,
        "recall": round(float(world.campaign_requests[flagged & world.campaign].sum() / max(every, 1)), 4),
        "false_flags": int((flagged & ~world.campaign).sum()),
        "expected_false_flags": round(float((1 - score[flagged]).sum()), 2),
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
