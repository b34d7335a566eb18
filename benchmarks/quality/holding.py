"""Whether thresholds hold the false-positive rate that they are set for, on traffic that they were not set on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.common.calibration import Rate, exact_rate
from benchmarks.common.simulated import generate, run_night, write_traffic
from fingerprint import simulate
from fingerprint.domain.settings import Home, Settings
from fingerprint.jobs.lookup import lookup
from fingerprint.store.store import Store

RATES = (1e-2, 1e-3, 1e-4)
SAME_TEXT = 0.6
"""Calibration leaves prompts out that hold so much of a template (docs/scoring.md)."""

FLOOR = 0.5
"""No threshold is lower."""


@dataclass(frozen=True, slots=True)
class ThresholdCheck:
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


def thresholds(work: Path, worlds: int, rows: int) -> Iterator[ThresholdCheck]:
    """Make homes at each rate in several worlds, and look up a fresh day of the same and days of other worlds."""
    parts: dict[tuple[float, str], list[pa.Table]] = {}
    for world in range(worlds):
        config = simulate.SimulationConfig(rows=2 * rows, days=2, seed=700 + world, accounts=rows // 5)
        whole = generate(config)
        first, second = (whole.filter(pc.equal(whole["day"], day)) for day in ("day1", "day2"))
        others = [
            generate(replace(config, days=1, rows=2 * rows, seed=800 + 10 * world + n)) for n in range(2)
        ]
        fresh = {
            "the next day": _honest(second),
            # other worlds have templates of the same clauses: only what people write there is foreign for sure
            "other worlds": pa.concat_tables([_people(other) for other in others]),
        }
        for rate in RATES:
            home = Home(work / f"home-{world}-{rate:g}")
            assigned = run_night(first, home, work, Settings(false_positive_rate=rate))
            templates = templates_of(first, assigned)
            templates = templates.filter(
                templates["template"].is_valid()
            )  # documents and popular prompts have no members known
            for name, traffic in fresh.items():
                parts.setdefault((rate, name), []).append(_matched(traffic, home, work, templates))
    for (rate, name), some in parts.items():
        yield _checked(rate, name, some)


def _matched(traffic: pa.Table, home: Home, work: Path, templates: pa.Table) -> pa.Table:
    """Look traffic up; one row for each stored family, with its foreign requests and what became of them."""
    out = work / "matches.parquet"
    lookup([write_traffic(traffic, work / "fresh.parquet")], home, output=out, explain=True)
    matches = pq.read_table(out, columns=["request_id", "family_id", "coverage"])
    known = pa.table({"request_id": traffic["request_id"], "is": traffic["family"]})
    joined = matches.join(known, "request_id").join(templates, "family_id", join_type="inner")
    foreign = joined.filter(pc.fill_null(pc.not_equal(joined["is"], joined["template"]), True))
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
            "trials": traffic.num_rows - sent.get(template, 0),
            "requests": traffic.num_rows,
            "matched": counts.get(family, [0, 0])[0],
            "apart": counts.get(family, [0, 0])[1],
            "raised": threshold[family] > FLOOR + 1e-4,
            "campaign": bool(campaign),
        }
        for family, template, campaign in zip(
            *(templates[name].to_pylist() for name in ("family_id", "template", "campaign")), strict=True
        )
        if family in threshold
    ]
    return pa.Table.from_pylist(rows)


def _checked(rate: float, name: str, parts: Sequence[pa.Table]) -> ThresholdCheck:
    whole = pa.concat_tables(parts)
    matched, apart, trials, raised, campaign = (
        whole[column].to_numpy() for column in ("matched", "apart", "trials", "raised", "campaign")
    )
    # Bonferroni over the families: none would be called broken where all keep to the rate, but for 1 in 20 such runs
    sure = [exact_rate(int(m), int(n)).low > rate for m, n in zip(apart, trials, strict=True)]
    looked_up = sum(int(part["requests"][0].as_py()) for part in parts)
    return ThresholdCheck(
        rate,
        name,
        families=len(matched),
        families_raised=int(raised.sum()),
        pairs=exact_rate(int(matched.sum()), int(trials.sum())),
        apart=exact_rate(int(apart.sum()), int(trials.sum())),
        raised=exact_rate(int(apart[raised].sum()), int(trials[raised].sum())),
        broken=int(np.sum(sure)),
        any_family=exact_rate(int(matched.sum()), looked_up),
        campaign=exact_rate(int(matched[campaign].sum()), looked_up),
    )


def _honest(traffic: pa.Table) -> pa.Table:
    return traffic.filter(pc.not_equal(traffic["role"], "campaign"))


def _people(traffic: pa.Table) -> pa.Table:
    return traffic.filter(pc.equal(traffic["role"], "background"))


def templates_of(traffic: pa.Table, assigned: pa.Table) -> pa.Table:
    """Tell of each family the template that most of its requests are of (family_id, templates, campaign), null for none."""
    truth = pa.table(
        {
            "request_id": traffic["request_id"].cast(pa.large_string()),
            "template": traffic["family"],
            "campaign": pc.equal(traffic["role"], "campaign"),
        }
    )
    joined = assigned.filter(assigned["family_id"].is_valid()).join(truth, "request_id")
    counts = joined.group_by(["family_id", "template", "campaign"]).aggregate([("request_id", "count")])
    order = counts.sort_by(
        [("family_id", "ascending"), ("request_id_count", "descending"), ("template", "ascending")]
    )
    names = order["family_id"].to_pylist()
    first = [row for row, name in enumerate(names) if not row or names[row - 1] != name]
    return order.take(first).select(["family_id", "template", "campaign"])
