"""Whether stated rates and probabilities hold on traffic that was not used to set them.

    python -m benchmarks.quality.reliability

Thresholds: homes are made at several stated false-positive rates; fresh days and other worlds are looked up in them.
Scores: many simulated nights of several kinds; how often is a family of score p really a campaign's?
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy import special

from benchmarks.common import machine
from benchmarks.common.calibration import Curve, curve, exact_rate, flags_at, mapped, platt
from benchmarks.common.labelled import Floats, Mask
from benchmarks.common.simulated import generate, run_night
from benchmarks.quality.holding import templates_of, thresholds
from benchmarks.quality.reliability_report import plotted, scores_text, thresholds_text
from fingerprint import simulate
from fingerprint.assessment.features import PRIOR, SCORE_FEATURES
from fingerprint.assessment.flagging import flag_threshold
from fingerprint.domain.expected_precision import expected_precision
from fingerprint.domain.settings import Home, Settings
from fingerprint.store.store import Store

BASE_RATE = float(special.expit(next(f.weight for f in SCORE_FEATURES if f.name == PRIOR)))
"""The share of families that the score takes to be campaigns' before it has seen anything of them."""

FIRST_SEED = 1_000

FLAG_FROM = flag_threshold(Settings().precision)
"""The score from which on a family is flagged."""

FLAG_BASE_RATES = (0.01, 0.05)
"""Shares of the families that are campaigns', at which expected flags are compared with those that there are."""

LIFELIKE = "lifelike"

KINDS: dict[str, dict[str, Any]] = {
    "default": {},
    "evasive": {"evasion": "mix"},
    "hard": {"evasion": "mix", "jitter": 0.8, "payment": "mixed", "smallest": 0.004},
    "bare": {"evasion": "mix", "jitter": 0.8, "metadata": False},
    "half": {"jitter": 0.4, "payment": "none", "load": 4},
    "quiet": {"campaigns": 0, "honest_share": 0.3, "honest_templates": 90},
    LIFELIKE: {},
}
"""Kinds of traffic that scores are tried on: like the presets of that name, and two between and beside them."""


@dataclass(frozen=True, slots=True)
class Scored:
    """Families of many nights: kind and seed of the night, score, and whether a campaign's."""

    kind: tuple[str, ...]
    seed: npt.NDArray[np.int64]
    night: npt.NDArray[np.int64]
    score: Floats
    campaign: Mask


def main() -> None:
    options = _options()
    began = time.monotonic()
    before = machine.facts()
    figures = json.loads(options.json.read_text()) if options.json and options.json.exists() else {}
    with tempfile.TemporaryDirectory(prefix="fingerprint-reliability-") as folder:
        if options.worlds:
            checks = list(thresholds(Path(folder), options.worlds, options.rows))
            print(thresholds_text(checks))
            figures["thresholds"] = [asdict(row) for row in checks]
            figures["thresholds_run"] = {"worlds": options.worlds, "rows": options.rows, "machine": before}
        if options.seeds:
            figures |= _scored(Path(folder), options)
            figures["machine"] = before
    print(f"\n  {time.monotonic() - began:.0f} s")
    if options.json:
        machine.save(figures, options.json)


def _scored(work: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Try the scores of new seeds, beside those of --scores with --add, and print what was found."""
    earlier = read_scores(options.scores) if options.add and options.scores.exists() else None
    first = FIRST_SEED if earlier is None else int(earlier.seed.max()) + 1
    scored = score_nights(work, range(first, first + options.seeds), options.rows, earlier)
    if options.scores:
        pq.write_table(pa.table(asdict(scored)), options.scores)
    curves = {
        "all": curve(scored.score, scored.campaign, BASE_RATE),
        "as simulated": curve(scored.score, scored.campaign),
        **_by_kind(scored),
    }
    again = refitted(scored)
    above = scored.score >= FLAG_FROM
    flagged = exact_rate(int(scored.campaign[above].sum()), int(above.sum()))
    precision = np.array([expected_precision(score) for score in scored.score])
    flags = [flags_at(precision, above, scored.campaign, BASE_RATE, rate) for rate in FLAG_BASE_RATES]
    print(scores_text(curves, (FLAG_FROM, flagged), flags, again))
    if options.json:
        plotted(curves, list(KINDS), FLAG_FROM, options.json.with_suffix(".svg"))
    return {
        "run": {"seeds": len(np.unique(scored.seed)), "rows": options.rows},
        "curves": {name: asdict(one) for name, one in curves.items()},
        "flag_from": FLAG_FROM,
        "flagged": asdict(flagged),
        "flags": [asdict(one) for one in flags],
        "refitted": again,
    }


def read_scores(file: Path) -> Scored:
    """Read what --scores wrote."""
    columns = pq.read_table(file).to_pydict()
    kind = tuple(columns.pop("kind"))
    return Scored(kind, **{name: np.array(column) for name, column in columns.items()})


def score_nights(work: Path, seeds: range, rows: int, earlier: Scored | None = None) -> Scored:
    """Work two nights of each kind of traffic for each seed, and tell scores from truth, after the earlier ones."""
    scored: list[tuple[str, int, int, float, bool]] = []
    if earlier is not None:
        scored = list(zip(*(list(column) for column in asdict(earlier).values()), strict=True))
    for seed in seeds:
        for kind, changes in KINDS.items():
            whole = generate(_config(kind, seed, rows, changes))
            home = Home(work / "scored")
            shutil.rmtree(home.path, ignore_errors=True)
            for night, day in enumerate(("day1", "day2")):
                sent = whole.filter(pc.equal(whole["day"], day))
                assigned = run_night(sent, home, work)
                scored += [(kind, seed, night, *row) for row in _scores(home, sent, assigned)]
    kinds, seeds_of, nights, score, campaign = zip(*scored, strict=True)
    return Scored(
        kinds, np.array(seeds_of), np.array(nights), np.array(score, dtype=np.float64), np.array(campaign)
    )


def _config(kind: str, seed: int, rows: int, changes: dict[str, Any]) -> simulate.Config:
    if kind == LIFELIKE:
        return simulate.LifelikeConfig(rows=2 * rows, days=2, seed=seed)
    config = simulate.SimulationConfig(
        rows=2 * rows, days=2, seed=seed, accounts=rows // 5, campaigns=10, honest_templates=40
    )
    return replace(config, **changes)


def _scores(home: Home, sent: pa.Table, assigned: pa.Table) -> Iterator[tuple[float, bool]]:
    """Score and truth of every family that the night has seen."""
    templates = templates_of(sent, assigned)
    is_campaign = dict(
        zip(templates["family_id"].to_pylist(), templates["campaign"].to_pylist(), strict=True)
    )
    with Store.open(home.path, read_only=True) as store:
        for row in store.families():
            if row.family_id in is_campaign:
                yield row.score, is_campaign[row.family_id]


def refitted(scored: Scored) -> dict[str, Any]:
    """Fit a map from scores to probabilities on the even seeds, and measure it on the odd ones.

    slope: 1 where scores are neither too sure nor too unsure. offset: of the log-odds, 0 where the base rate is right.
    """
    fit = scored.seed % 2 == 0
    slope, shift = platt(scored.score[fit], scored.campaign[fit])
    # the map is fitted to as many campaigns as were simulated
    offset = shift - float(special.logit(scored.campaign[fit].mean()) - special.logit(BASE_RATE))
    score, campaign = scored.score[~fit], scored.campaign[~fit]
    before, after = (curve(each, campaign, BASE_RATE) for each in (score, mapped(score, slope, offset)))
    names = ("brier", "error", "log_loss")
    return {
        "slope": slope,
        "offset": offset,
        "before": {name: getattr(before, name) for name in names},
        "after": {name: getattr(after, name) for name in names},
    }


def _by_kind(scored: Scored) -> dict[str, Curve]:
    kind = np.array(scored.kind)
    parts = {name: kind == name for name in KINDS}
    parts |= {f"night {night + 1}": scored.night == night for night in (0, 1)}
    return {name: curve(scored.score[mine], scored.campaign[mine], BASE_RATE) for name, mine in parts.items()}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=5_000, help="requests a night")
    parser.add_argument(
        "--worlds", type=int, default=3, help="simulations whose thresholds are tried; 0: none"
    )
    parser.add_argument(
        "--seeds", type=int, default=6, help="simulations of each kind whose scores are tried; 0: none"
    )
    parser.add_argument(
        "--json",
        type=Path,
        metavar="OUT",
        help="write the figures here, over those of the same kind, and a plot beside",
    )
    parser.add_argument(
        "--scores", type=Path, metavar="OUT", help="write every family's score and truth (.parquet)"
    )
    parser.add_argument(
        "--add",
        action="store_true",
        help="with --scores: more seeds beside the file's",
    )
    options = parser.parse_args()
    if options.add and not options.scores:
        parser.error("--add needs --scores")
    return options


if __name__ == "__main__":
    main()
