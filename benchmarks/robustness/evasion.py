"""What it takes to evade: each evasion at rising strength, what it costs, and what is still found of it.

    python -m benchmarks.robustness.evasion
    python -m benchmarks.robustness.evasion --only reword,payload_domination --rows 8000

Two simulated days: on the first, campaigns send their templates as written; on the second every request evades.
Day 2 is worked as a night into an empty home (is the campaign found by somebody who never saw the template?), and
looked up in the home of day 1 (is it recognised?), from accounts that sent the template before and from fresh ones.
The honest traffic of day 2 is the same in all runs. Beside the evasions of the simulation, the whole text is moved to other
places of a request (`in document`, `in tools`, …).
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.common import machine, scores
from benchmarks.common.figures import LookupPart
from benchmarks.common.labelled import MATCHES, Names, Truth, assigned, read
from benchmarks.common.simulated import generate, run_night, write_traffic
from benchmarks.robustness.card import CLEAN, Outcome, Spread, as_text, plotted
from benchmarks.robustness.cost import Cost, cost
from benchmarks.robustness.places import PLACES, moved
from fingerprint import simulate
from fingerprint.domain.settings import Home
from fingerprint.jobs.lookup import lookup
from fingerprint.simulate.evasion import EVASIONS
from fingerprint.store.store import Store

STRENGTHS = (0.2, 0.6, 1.0)
MIXTURES = (
    "homoglyph+invisible+case",
    "scatter+shuffle",
    "drop+payload_domination",
    "inject_middle+drop",
    "inject_end+reword",
    "reword+shuffle+drop",
    "reword+nonce",
    "paraphrase+payload_domination",
    "translation+nonce",
)
MIXED_STRENGTHS = (0.6,)
CUT = "background@0.001"
EVADED, SPREAD = "evaded", "spread"
LOADS, JITTERS = (12, 3, 1), (0.0, 0.5, 1.0)


def main() -> None:
    options = _options()
    began = time.monotonic()
    before = machine.facts()
    outcomes, spread = _earlier(options) if options.add else ([], [])
    todo = [item for item in settings() if not options.only or item[0] in options.only.split(",")]
    with tempfile.TemporaryDirectory(prefix="fingerprint-evasion-") as folder:
        if todo:
            card = Card(Path(folder), rows=options.rows, seed=options.seed)
            if not any(row.evasion == CLEAN for row in outcomes):
                outcomes.append(card.clean())
            outcomes = [row for row in outcomes if (row.evasion, row.strength) not in todo]
            outcomes += [card.run(*item) for item in todo]
        if not options.only or SPREAD in options.only.split(","):
            spread = spreads(Path(folder), rows=options.rows, seed=options.seed)
    order = [(CLEAN, 0.0), *settings()]
    outcomes.sort(key=lambda row: order.index((row.evasion, row.strength)))
    print(as_text(outcomes, spread))
    seconds = round(time.monotonic() - began)
    print(f"\n  {seconds} s")
    if options.json:
        how = {"rows": options.rows, "seed": options.seed, "seconds": seconds}
        whole = {"evasions": [asdict(row) for row in outcomes], "spread": [asdict(row) for row in spread]}
        machine.save({"machine": before, "run": how, **whole}, options.json)
        plotted(outcomes, options.json.with_suffix(".svg"))


def _earlier(options: argparse.Namespace) -> tuple[list[Outcome], list[Spread]]:
    """Read the figures of an earlier run over the same traffic."""
    if not options.json.exists():
        return [], []
    known = json.loads(options.json.read_text())
    if (known["run"]["rows"], known["run"]["seed"]) != (options.rows, options.seed):
        raise SystemExit(f"evasion.py: {options.json} has figures of other traffic: {known['run']}")
    outcomes = [Outcome(**{**row, "cost": Cost(**row["cost"])}) for row in known["evasions"]]
    return outcomes, [Spread(**row) for row in known["spread"]]


def settings() -> list[tuple[str, float]]:
    """Return every evasion with each of its strengths, single ones first, and the places to move a template to."""
    single = [(name, strength) for name in EVASIONS for strength in STRENGTHS]
    mixed = [(name, strength) for name in MIXTURES for strength in MIXED_STRENGTHS]
    return single + mixed + [(place, 1.0) for place in PLACES]


def configuration(rows: int, seed: int) -> simulate.SimulationConfig:
    """Two days, `rows` each, of which campaigns are about a quarter."""
    return simulate.SimulationConfig(
        rows=2 * rows,
        days=2,
        seed=seed,
        accounts=max(500, rows // 6),
        campaigns=24,
        largest=0.02,
        smallest=0.006,
        families=2,
        evasion_share=1.0,
        evasion_from=2,
        honest_templates=40,
    )


class Card:
    """The home of day 1, day 2 as it would be without evasion, and what evasions make of it."""

    def __init__(self, work: Path, *, rows: int, seed: int) -> None:
        self._config = configuration(rows, seed)
        self._work = work
        whole = generate(self._config)
        self._first, self._written = (_day(whole, day) for day in ("day1", "day2"))
        self._home = Home(work / "known")
        self._stored = self._night(self._first, self._home)
        self.background = int(pc.sum(pc.equal(self._written["role"], "background")).as_py())
        honest = self._written.filter(pc.not_equal(self._written["role"], "campaign"))
        self._honest = self._looked_up(honest)

    def clean(self) -> Outcome:
        """Measure templates as written."""
        return self._outcome(CLEAN, 0.0, self._written, pc.equal(self._written["role"], "campaign"))

    def run(self, evasion: str, strength: float) -> Outcome:
        """Measure one evasion at one strength."""
        if evasion in PLACES:
            sent = moved(self._written, evasion)
        else:
            sent = _day(generate(replace(self._config, evasion=f"{evasion}:{strength}")), "day2")
        changed = pc.or_(
            pc.not_equal(sent["prompt"], self._written["prompt"]),
            pc.not_equal(sent["system"].fill_null(""), self._written["system"].fill_null("")),
        )
        assert sent["request_id"].equals(self._written["request_id"])
        assert set(pc.unique(sent.filter(changed)["role"]).to_pylist()) <= {"campaign"}
        return self._outcome(evasion, strength, sent, changed)

    def _outcome(self, evasion: str, strength: float, sent: pa.Table, evades: pa.ChunkedArray) -> Outcome:
        sent = _relabelled(sent, evades)
        families, flagged = self._found(sent)
        known, fresh = self._recognised(sent)
        rows = sent.filter(evades)
        return Outcome(
            evasion,
            strength,
            requests=rows.num_rows,
            templates=pc.count_distinct(rows["family"]).as_py(),
            cost=cost(self._written.filter(evades), rows),
            f1=families,
            flagged=flagged,
            tpr=known.tpr[CUT],
            own=known.tpr_own_threshold,
            tpr_fresh=fresh.tpr[CUT],
            own_fresh=fresh.tpr_own_threshold,
        )

    def _found(self, sent: pa.Table) -> tuple[float, float]:
        """Work a day into an empty home; return B-cubed F1 and flagged share of its evading requests."""
        home = Home(self._work / "empty")
        shutil.rmtree(home.path, ignore_errors=True)
        home.path.mkdir()
        # honest prompts have the same vectors in every run
        home.vector_cache.symlink_to(self._home.vector_cache)
        predicted = self._night(sent, home)
        truth = _truth(sent)
        families = scores.families(truth, predicted).by_evasion[EVADED]
        campaigns = scores.campaigns(truth, predicted, _flags(home, predicted))
        return families.f1, campaigns.recall_by_evasion[EVADED].flagged

    def _recognised(self, sent: pa.Table) -> tuple[LookupPart, LookupPart]:
        """Look campaigns' requests up among the families of day 1, from their accounts and from fresh ones."""
        campaign = sent.filter(pc.equal(sent["role"], "campaign"))
        fresh = pc.utf8_reverse(campaign["account_id"])
        together = pa.concat_tables(
            [_with(campaign, "account_id", fresh), campaign], promote_options="permissive"
        )
        ids = together["request_id"]
        # ids need to differ within one file; which half a match is of tells its place
        matches = self._looked_up(
            _with(together, "request_id", pa.array(map(str, range(len(ids))), pa.large_string()))
        )
        matches = _with(matches, "request_id", ids)
        truth = _truth(pa.concat_tables([self._first, sent], promote_options="permissive"))
        halves = (matches.slice(len(campaign)), matches.slice(0, len(campaign)))
        known, unknown = (
            scores.lookup(truth, "day1", self._stored, pa.concat_tables([self._honest, half])).by_evasion[
                EVADED
            ]
            for half in halves
        )
        return known, unknown

    def _night(self, sent: pa.Table, home: Home) -> Names:
        return assigned(_truth(sent), run_night(sent, home, self._work))

    def _looked_up(self, sent: pa.Table) -> pa.Table:
        out = self._work / "matches.parquet"
        lookup([write_traffic(sent, self._work / "lookup.parquet")], self._home, output=out)
        return read(out, MATCHES)


def spreads(work: Path, *, rows: int, seed: int) -> list[Spread]:
    """Measure what is found of templates as written from ever more accounts that act ever less together."""
    found = []
    for metadata in (True, False):
        for load in LOADS:
            for jitter in JITTERS:
                config = replace(
                    configuration(rows, seed),
                    rows=rows,
                    days=1,
                    accounts=rows // 2,
                    load=load,
                    jitter=jitter,
                    metadata=metadata,
                )
                found.append(_spread(config, work))
    return found


def _spread(config: simulate.SimulationConfig, work: Path) -> Spread:
    sent = generate(config)
    home = Home(work / "spread")
    shutil.rmtree(home.path, ignore_errors=True)
    truth = _truth(sent)
    families = assigned(truth, run_night(sent, home, work))
    campaign = sent.filter(pc.equal(sent["role"], "campaign"))
    pools = campaign.group_by("campaign").aggregate([("account_id", "count_distinct")])
    return Spread(
        config.load,
        config.jitter,
        config.metadata,
        accounts=float(np.mean(pools["account_id_count_distinct"].to_numpy())),
        f1=scores.families(truth, families).overall.f1,
        flagged=scores.campaigns(truth, families, _flags(home, families)).recall,
    )


def _day(whole: pa.Table, day: str) -> pa.Table:
    return whole.filter(pc.equal(whole["day"], day)).combine_chunks()


def _relabelled(sent: pa.Table, evades: pa.ChunkedArray) -> pa.Table:
    """Tell in the truth only whether a request evades."""
    return _with(sent, "evasion", pc.if_else(evades, EVADED, CLEAN))


def _with(table: pa.Table, name: str, column: pa.ChunkedArray | pa.Array) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, column).combine_chunks()


def _truth(sent: pa.Table) -> Truth:
    names = ("day", "role", "family", "campaign", "evasion")
    return Truth(
        request_id=sent["request_id"].combine_chunks().cast(pa.large_string()),
        account=Names.encode(sent["account_id"]),
        weak=sent["weak"].to_numpy(),
        repeat=sent["repeat"].is_valid().to_numpy(),
        **{name: Names.encode(sent[name]) for name in names},
    )


def _flags(home: Home, predicted: Names) -> pa.Table:
    used = {predicted.names[number] for number in np.unique(predicted.of[predicted.of >= 0])}
    with Store.open(home.path, read_only=True) as store:
        rows = [row for row in store.families() if row.family_id in used]
    return pa.table(
        {
            "family_id": pa.array([row.family_id for row in rows], pa.large_string()),
            "score": pa.array([row.score for row in rows], pa.float64()),
            "flagged": pa.array([row.flagged for row in rows], pa.bool_()),
        }
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=6_000, help="requests a day")
    parser.add_argument("--seed", type=int, default=5, help="of the simulation")
    parser.add_argument(
        "--only", metavar="NAMES", help="these evasions, comma-separated; spread: the second table"
    )
    parser.add_argument("--add", action="store_true", help="with --json: keep what the file has of others")
    parser.add_argument(
        "--json", type=Path, metavar="OUT", help="write the figures, with machine and versions"
    )
    options = parser.parse_args()
    if options.add and not options.json:
        parser.error("--add needs --json")
    return options


if __name__ == "__main__":
    main()
