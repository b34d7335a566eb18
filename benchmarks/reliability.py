"""Whether stated rates and probabilities hold on traffic that was not used to set them.

    python benchmarks/reliability.py

Thresholds: homes are made at several stated false-positive rates; fresh days and other worlds are looked up in them.
Scores: many simulated nights of several kinds; how often is a family of score p really a campaign's?
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import machine
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from calibration import Curve, Rate, curve, exactly, mapped, platt
from labelled import ASSIGNMENTS, Floats, Mask, read
from tables import table, title

from fingerprint import simulate
from fingerprint.pipeline import lookup, nightly
from fingerprint.records import TRAFFIC_SCHEMA
from fingerprint.settings import Home, Settings
from fingerprint.store import Store

RATES = (1e-2, 1e-3, 1e-4)
SAME_TEXT = 0.6
"""Calibration leaves prompts out that hold so much of a template; README.md says so."""

FLOOR = 0.5
"""No threshold is lower."""

KINDS: dict[str, dict[str, Any]] = {
    "default": {},
    "evasive": {"evasion": "mix"},
    "hard": {"evasion": "mix", "jitter": 0.8, "payment": "mixed", "smallest": 0.004},
    "bare": {"evasion": "mix", "jitter": 0.8, "metadata": False},
    "half": {"jitter": 0.4, "payment": "none", "load": 4},
    "quiet": {"campaigns": 0, "honest_share": 0.3, "honest_templates": 90},
}
"""Kinds of traffic that scores are tried on: like the presets of that name, and two between and beside them."""


@dataclass(frozen=True, slots=True)
class Held:
    """One stated rate and what was observed.

    pairs: a family and a request that is none of its own, matched (what is stated). apart: the same without requests
    that hold most of the template. raised: the same over families whose threshold is above the floor. broken: families
    whose own rate is above the stated one beyond doubt (at 95 %, over all families). any_family, campaign: requests
    matched to any foreign family, or to a campaign's.
    """

    stated: float
    traffic: str
    families: int
    families_raised: int
    pairs: Rate
    apart: Rate
    raised: Rate
    broken: int
    any_family: Rate
    campaign: Rate


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
    with tempfile.TemporaryDirectory(prefix="fingerprint-reliability-") as folder:
        held = list(thresholds(Path(folder), options.worlds, options.rows))
        scored = score_nights(Path(folder), options.seeds, options.rows)
    curves = {"all": curve(scored.score, scored.campaign), **_by_kind(scored)}
    again = refitted(scored)
    print(told(held, curves, again, scored))
    seconds = round(time.monotonic() - began)
    print(f"\n  {seconds} s")
    if options.scores:
        pq.write_table(pa.table(asdict(scored)), options.scores)
    if options.json:
        how = {name: getattr(options, name) for name in ("rows", "seeds", "worlds")} | {"seconds": seconds}
        found = {
            "thresholds": [asdict(row) for row in held],
            "curves": {name: asdict(found) for name, found in curves.items()},
            "refitted": again,
        }
        machine.save({"machine": before, "run": how, **found}, options.json)
        plotted(curves, options.json.with_suffix(".svg"))


def thresholds(work: Path, worlds: int, rows: int) -> Iterator[Held]:
    """Make homes at each rate in several worlds, and look up a fresh day of the same and days of other worlds."""
    parts: dict[tuple[float, str], list[pa.Table]] = {}
    for world in range(worlds):
        config = simulate.SimulationConfig(rows=2 * rows, days=2, seed=700 + world, accounts=rows // 5)
        whole = _made(config)
        first, second = (whole.filter(pc.equal(whole["day"], day)) for day in ("day1", "day2"))
        others = [_made(replace(config, days=1, rows=2 * rows, seed=800 + 10 * world + n)) for n in range(2)]
        fresh = {
            "the next day": _honest(second),
            "other worlds": pa.concat_tables([_renamed(_honest(other)) for other in others]),
        }
        for rate in RATES:
            home = Home(work / f"home-{world}-{rate:g}")
            found = _night(first, home, work, Settings(false_positive_rate=rate))
            stands = _stands_for(first, found)
            stands = stands.filter(
                stands["stands"].is_valid()
            )  # documents and popular prompts have no members known
            for name, traffic in fresh.items():
                parts.setdefault((rate, name), []).append(_matched(traffic, home, work, stands))
    for (rate, name), some in parts.items():
        yield _held(rate, name, some)


def _matched(traffic: pa.Table, home: Home, work: Path, stands: pa.Table) -> pa.Table:
    """Look traffic up; one row for each stored family, with its foreign requests and what became of them."""
    out = work / "matches.parquet"
    lookup([_written(traffic, work / "fresh.parquet")], home, output=out, explain=True)
    found = pq.read_table(out, columns=["request_id", "family_id", "coverage"])
    known = pa.table({"request_id": traffic["request_id"], "is": traffic["family"]})
    joined = found.join(known, "request_id").join(stands, "family_id", join_type="inner")
    foreign = joined.filter(pc.fill_null(pc.not_equal(joined["is"], joined["stands"]), True))
    counts: dict[str, list[int]] = {}
    for family, coverage in zip(
        foreign["family_id"].to_pylist(), foreign["coverage"].to_pylist(), strict=True
    ):
        row = counts.setdefault(family, [0, 0])
        row[0] += 1
        row[1] += coverage < SAME_TEXT
    with Store.open(home.path, read_only=True) as store:
        threshold = {s.family_id: s.threshold for s in store.signatures()}
    own = pc.value_counts(known["is"]).to_pylist()
    sent = {entry["values"]: entry["counts"] for entry in own if entry["values"] is not None}
    rows = [
        {
            "trials": traffic.num_rows - sent.get(stands_for, 0),
            "requests": traffic.num_rows,
            "matched": counts.get(family, [0, 0])[0],
            "apart": counts.get(family, [0, 0])[1],
            "raised": threshold[family] > FLOOR + 1e-4,
            "campaign": bool(campaign),
        }
        for family, stands_for, campaign in zip(
            *(stands[name].to_pylist() for name in ("family_id", "stands", "campaign")), strict=True
        )
        if family in threshold
    ]
    return pa.Table.from_pylist(rows)


def _held(rate: float, name: str, parts: Sequence[pa.Table]) -> Held:
    whole = pa.concat_tables(parts)
    matched, apart, trials, raised, campaign = (
        whole[column].to_numpy() for column in ("matched", "apart", "trials", "raised", "campaign")
    )
    # Bonferroni over the families: none would be called broken where all keep to the rate, but for 1 in 20 such runs
    sure = [exactly(int(m), int(n)).low > rate for m, n in zip(apart, trials, strict=True)]
    looked_up = sum(int(part["requests"][0].as_py()) for part in parts)
    return Held(
        rate,
        name,
        families=len(matched),
        families_raised=int(raised.sum()),
        pairs=exactly(int(matched.sum()), int(trials.sum())),
        apart=exactly(int(apart.sum()), int(trials.sum())),
        raised=exactly(int(apart[raised].sum()), int(trials[raised].sum())),
        broken=int(np.sum(sure)),
        any_family=exactly(int(matched.sum()), looked_up),
        campaign=exactly(int(matched[campaign].sum()), looked_up),
    )


def score_nights(work: Path, seeds: int, rows: int) -> Scored:
    """Work two nights of each kind of traffic for each seed, and tell scores from truth."""
    found: list[tuple[str, int, int, float, bool]] = []
    for number in range(seeds):
        for kind, changes in KINDS.items():
            seed = 1_000 + number
            config = simulate.SimulationConfig(
                rows=2 * rows, days=2, seed=seed, accounts=rows // 5, campaigns=10, honest_templates=40
            )
            whole = _made(replace(config, **changes))
            home = Home(work / "scored")
            shutil.rmtree(home.path, ignore_errors=True)
            for night, day in enumerate(("day1", "day2")):
                sent = whole.filter(pc.equal(whole["day"], day))
                assigned = _night(sent, home, work, Settings())
                found += [(kind, seed, night, *row) for row in _scores(home, sent, assigned)]
    kinds, seeds_of, nights, score, campaign = zip(*found, strict=True)
    return Scored(
        kinds, np.array(seeds_of), np.array(nights), np.array(score, dtype=np.float64), np.array(campaign)
    )


def _scores(home: Home, sent: pa.Table, assigned: pa.Table) -> Iterator[tuple[float, bool]]:
    """Score and truth of every family that the night has seen."""
    stands = _stands_for(sent, assigned)
    is_campaign = dict(zip(stands["family_id"].to_pylist(), stands["campaign"].to_pylist(), strict=True))
    with Store.open(home.path, read_only=True) as store:
        for row in store.families():
            if row.family_id in is_campaign:
                yield row.score, is_campaign[row.family_id]


def refitted(scored: Scored) -> dict[str, Any]:
    """Fit a map from scores to probabilities on the even seeds, and measure it on the odd ones, each night apart."""
    fit = scored.seed % 2 == 0
    a, b = platt(scored.score[fit], scored.campaign[fit])
    before = curve(scored.score[~fit], scored.campaign[~fit])
    after = curve(mapped(scored.score[~fit], a, b), scored.campaign[~fit])
    names = ("brier", "error", "log_loss")
    return {
        "a": a,
        "b": b,
        "before": {name: getattr(before, name) for name in names},
        "after": {name: getattr(after, name) for name in names},
    }


def _by_kind(scored: Scored) -> dict[str, Curve]:
    kind = np.array(scored.kind)
    parts = {name: kind == name for name in KINDS}
    parts |= {f"night {night + 1}": scored.night == night for night in (0, 1)}
    return {name: curve(scored.score[mine], scored.campaign[mine]) for name, mine in parts.items()}


def _made(config: simulate.SimulationConfig) -> pa.Table:
    return pa.concat_tables(simulate.simulate(config)).combine_chunks()


def _honest(traffic: pa.Table) -> pa.Table:
    return traffic.filter(pc.not_equal(traffic["role"], "campaign"))


def _night(sent: pa.Table, home: Home, work: Path, settings: Settings) -> pa.Table:
    out = work / "assignments.parquet"
    nightly([_written(sent, work / "night.parquet")], home, settings, assignments=out)
    return read(out, ASSIGNMENTS)


def _written(sent: pa.Table, out: Path) -> Path:
    pq.write_table(sent.select(TRAFFIC_SCHEMA.names), out)
    return out


def _renamed(traffic: pa.Table) -> pa.Table:
    """Give composed templates other names: another world's are others, though they are numbered alike."""
    composed = pc.fill_null(pc.match_substring(traffic["family"], ":"), False)
    other = pc.binary_join_element_wise(traffic["family"], "elsewhere", " ")
    at = traffic.column_names.index("family")
    return traffic.set_column(at, "family", pc.if_else(composed, other, traffic["family"]))


def _stands_for(traffic: pa.Table, assigned: pa.Table) -> pa.Table:
    """Tell of each family the template that most of its requests are of (family_id, stands, campaign), null for none."""
    truth = pa.table(
        {
            "request_id": traffic["request_id"].cast(pa.large_string()),
            "stands": traffic["family"],
            "campaign": pc.equal(traffic["role"], "campaign"),
        }
    )
    joined = assigned.filter(assigned["family_id"].is_valid()).join(truth, "request_id")
    counts = joined.group_by(["family_id", "stands", "campaign"]).aggregate([("request_id", "count")])
    order = counts.sort_by(
        [("family_id", "ascending"), ("request_id_count", "descending"), ("stands", "ascending")]
    )
    names = order["family_id"].to_pylist()
    first = [row for row, name in enumerate(names) if not row or names[row - 1] != name]
    return order.take(first).select(["family_id", "stands", "campaign"])


def told(held: Sequence[Held], curves: dict[str, Curve], again: dict[str, Any], scored: Scored) -> str:
    """Lay out all findings."""
    head = (
        "stated",
        "looked up",
        "families",
        "pairs",
        "  up to",
        "apart",
        "  up to",
        "raised",
        "  up to",
        "broken",
        "requests",
        "to campaigns",
    )
    rows = [
        (
            f"{row.stated:g}",
            row.traffic,
            f"{row.families} ({row.families_raised})",
            *(f"{x:.1e}" for r in (row.pairs, row.apart, row.raised) for x in (r.rate, r.high)),
            row.broken,
            f"{row.any_family.rate:.1e}",
            f"{row.campaign.rate:.1e}",
        )
        for row in held
    ]
    parts = [
        title("Thresholds: stated and observed false-positive rates, families (of which above the floor)"),
        table(head, rows),
    ]
    rows = [
        (
            f"{b.low:g}-{b.high:g}",
            b.observed.trials,
            f"{b.predicted:.3f}",
            f"{b.observed.rate:.3f}",
            f"{b.observed.low:.3f}",
            f"{b.observed.high:.3f}",
        )
        for b in curves["all"].bins
    ]
    parts += [
        title("Scores: predicted and observed share of campaigns"),
        table(("score", "families", "predicted", "observed", "from", "to"), rows),
    ]
    rows = [
        (
            name,
            found.families,
            found.campaigns,
            f"{found.brier:.4f}",
            f"{found.error:.4f}",
            f"{found.log_loss:.4f}",
        )
        for name, found in curves.items()
    ]
    parts += ["", table(("traffic", "families", "campaigns", "Brier", "calibration error", "log loss"), rows)]
    flagged = scored.score >= 0.9
    right = exactly(int(scored.campaign[flagged].sum()), int(flagged.sum()))
    parts.append(
        f"\n  flagged (score 0.9 and more): {right.trials}, of which campaigns {right.rate:.3f} ({right.low:.3f} to {right.high:.3f})"
    )
    parts.append(
        f"  a map fitted on half the seeds: logit' = {again['a']:.2f} logit + {again['b']:.2f}; on the others {again['before']} → {again['after']}"
    )
    return "\n".join(parts)


def plotted(curves: dict[str, Curve], out: Path) -> None:
    """Draw the reliability curve, with intervals, and how many families each bin has."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "fingerprint"
    from matplotlib import pyplot as plt

    figure, (top, bottom) = plt.subplots(
        2, 1, figsize=(6, 7), sharex=True, gridspec_kw={"height_ratios": [3, 1]}
    )
    top.plot([0, 1], [0, 1], color="0.7", linestyle="--", label="perfect")
    bins = curves["all"].bins
    at = [b.predicted for b in bins]
    seen = [b.observed.rate for b in bins]
    below = [b.observed.rate - b.observed.low for b in bins]
    above = [b.observed.high - b.observed.rate for b in bins]
    top.errorbar(at, seen, yerr=[below, above], marker="o", capsize=3, label="all traffic")
    for name in KINDS:
        few = [b for b in curves[name].bins if b.observed.trials >= 20]
        if curves[name].campaigns:
            top.plot(
                [b.predicted for b in few], [b.observed.rate for b in few], marker=".", alpha=0.6, label=name
            )
    top.axvline(0.9, color="0.5", linewidth=0.8)
    top.annotate("flagged", (0.905, 0.03), fontsize=8, color="0.4")
    top.set_ylabel("observed share of campaigns")
    top.legend(frameon=False, fontsize=8)
    bottom.bar(at, [b.observed.trials for b in bins], width=0.02)
    bottom.set_yscale("log")
    bottom.set_xlabel("score")
    bottom.set_ylabel("families")
    figure.tight_layout()
    figure.savefig(out, metadata={"Date": None})
    plt.close(figure)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=5_000, help="requests a night")
    parser.add_argument("--worlds", type=int, default=3, help="simulations whose thresholds are tried")
    parser.add_argument(
        "--seeds", type=int, default=6, help="simulations of each kind whose scores are tried"
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures here, and a plot beside")
    parser.add_argument(
        "--scores", type=Path, metavar="OUT", help="write every family's score and truth (.parquet)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
