"""Run the product over labelled traffic and score what it finds.

    python -m benchmarks.quality.quality --simulate hard
    python -m benchmarks.quality.quality --traffic day1.jsonl.gz day2.jsonl.gz day3.jsonl.gz --truth truth.jsonl.gz

Each day is one night into one new home; after the first night the later days are looked up there. Every command of
the product runs in a process of its own, so that times and memory are those a user sees.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.common import figures, machine, scores
from benchmarks.common.labelled import ASSIGNMENTS, MATCHES, Names, Truth, assigned, read, read_truth
from benchmarks.quality import bars, report
from benchmarks.quality.bars import Bar
from fingerprint import simulate
from fingerprint.domain.schemas import ROW_SCHEMA
from fingerprint.store.store import Store
from fingerprint.traffic.reader import read_traffic


@dataclass(frozen=True, slots=True)
class Labelled:
    """Traffic in files, one a day, and what it really is."""

    name: str
    days: tuple[str, ...]
    files: tuple[Path, ...]
    truth: Truth


@dataclass(frozen=True, slots=True)
class After:
    """What the home holds after a night: scores and flags of families and of accounts."""

    families: pa.Table
    accounts: pa.Table


def main() -> None:
    options = _options()
    with _workplace(options.keep) as work:
        traffic = _simulated(options, work) if options.simulate else _given(options, work)
        before = machine.facts()
        night = ["--model", options.model] if options.model else []
        measured = one_batch(traffic, work, night) if options.one_batch else nights(traffic, work, night)
        limits = bars.bars(measured)
        if options.with_metadata:
            limits += bars.without_metadata(measured, json.loads(options.with_metadata.read_text()))
        if options.twice:
            limits.append(Bar("two runs: equal", float(equal_again(traffic, work, night)), 1.0, 1.0))
    print(report.as_text(traffic.name, measured, limits))
    if options.json:
        how = {"traffic": traffic.name, "one_batch": options.one_batch, "metadata": not options.no_metadata}
        details = (
            asdict(measured)
            if options.details
            else _without(asdict(measured), ("by_family", "recall_by_campaign"))
        )
        machine.save(
            {"machine": before, "run": how, **details, "bars": [_marked(b) for b in limits]},
            options.json,
        )


def _without(facts: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {k: _without(v, names) if isinstance(v, dict) else v for k, v in facts.items() if k not in names}


def _marked(bar: Bar) -> dict[str, object]:
    reached = {"first_reached": bar.reached(bar.first), "final_reached": bar.reached(bar.final)}
    return {**asdict(bar), **reached}


def nights(traffic: Labelled, work: Path, options: Sequence[str] = ()) -> figures.Quality:
    """Work the days night by night, looking the later ones up after the first."""
    done, given, after, lookups = [], [], [], {}
    for day, file in zip(traffic.days, traffic.files, strict=True):
        done.append(_night(day, [file], work, options))
        given.append(read(_assignments(work, day), ASSIGNMENTS))
        after.append(_after(work))
        if len(done) == 1 and len(traffic.days) > 1:
            lookups = _lookups(traffic, given[0], work)
    whole = assigned(traffic.truth, pa.concat_tables(given))
    families, campaigns, accounts = {}, {}, {}
    for number, (day, home) in enumerate(zip(traffic.days, after, strict=True), 1):
        truth, found = _on(traffic.truth, whole, day)
        families[day] = scores.families(truth, found)
        campaigns[day] = scores.campaigns(truth, found, _only(home.families, found))
        so_far = traffic.days[:number]
        accounts["+".join(so_far)] = scores.accounts(traffic.truth.on(*so_far), home.accounts)
    if len(traffic.days) > 1:
        campaigns["+".join(traffic.days)] = scores.campaigns(
            traffic.truth, whole, _only(after[-1].families, whole)
        )
    continued = {f"{a}→{b}": scores.continuity(traffic.truth, whole, a, b) for a, b in pairwise(traffic.days)}
    return figures.Quality(traffic.days, tuple(done), families, lookups, campaigns, accounts, continued)


def one_batch(traffic: Labelled, work: Path, options: Sequence[str] = ()) -> figures.Quality:
    """Work all days in a single night."""
    done = _night("all", traffic.files, work, options)
    whole = assigned(traffic.truth, read(_assignments(work, "all"), ASSIGNMENTS))
    after = _after(work)
    families = {"all": scores.families(traffic.truth, whole)}
    for day in traffic.days:
        families[day] = scores.families(*_on(traffic.truth, whole, day))
    campaigns = {"all": scores.campaigns(traffic.truth, whole, _only(after.families, whole))}
    accounts = {"all": scores.accounts(traffic.truth, after.accounts)}
    return figures.Quality(traffic.days, (done,), families, {}, campaigns, accounts, {})


def equal_again(traffic: Labelled, work: Path, options: Sequence[str]) -> bool:
    """Whether the first day worked again, in another home, gives the same assignments, byte for byte, and families."""
    homes = (work / "first", work / "second")
    for home in homes:
        home.mkdir()
        _night("once", traffic.files[:1], home, options)
    first, second = (_assignments(home, "once").read_bytes() for home in homes)
    return first == second and _after(homes[0]) == _after(homes[1])


def _night(name: str, files: Sequence[Path], work: Path, options: Sequence[str]) -> figures.Night:
    out = _assignments(work, name)
    ran = machine.fingerprint(
        "nightly",
        *files,
        "--home",
        work / "home",
        "--assignments",
        out,
        "--json",
        "--quiet",
        *options,
        scratch=work,
    )
    printed = json.loads(ran.output)
    return figures.Night(
        name=name,
        requests=printed["ingest"]["accepted"],
        **{key: printed[key] for key in ("distinct_prompts", "families", "new_families", "flagged")},
        seconds=ran.seconds,
        cpu_seconds=ran.cpu_seconds,
        peak_mb=ran.peak_mb,
        stages=printed["seconds"],
    )


def _lookups(traffic: Labelled, first: pa.Table, work: Path) -> dict[str, figures.LookupScores]:
    """Look all later days up; scored for the second day alone and for all of them."""
    known, *later = traffic.days
    out = work / "matches.parquet"
    machine.fingerprint(
        "lookup", *traffic.files[1:], "--home", work / "home", "--output", out, "--quiet", scratch=work
    )
    stored, matches = assigned(traffic.truth.on(known), first), read(out, MATCHES)
    scopes = [later[:1], later] if len(later) > 1 else [later]
    return {
        "+".join(days): scores.lookup(traffic.truth.on(known, *days), known, stored, matches)
        for days in scopes
    }


def _after(work: Path) -> After:
    with Store.open(work / "home", read_only=True) as store:
        families, accounts = store.families(), store.accounts()
    return After(
        _flags("family_id", [(row.family_id, row.score, row.flagged) for row in families]),
        _flags("account_id", [(row.account_id, row.score, row.flagged) for row in accounts]),
    )


def _flags(key: str, rows: Sequence[tuple[str, float, bool]]) -> pa.Table:
    schema = pa.schema({key: pa.large_string(), "score": pa.float64(), "flagged": pa.bool_()})
    return pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema=schema)


def _only(flags: pa.Table, predicted: Names) -> pa.Table:
    """Leave out families that no request in scope has."""
    used = pa.array(
        sorted({predicted.names[number] for number in predicted.of if number >= 0}), pa.large_string()
    )
    return flags.filter(pc.is_in(flags["family_id"], value_set=used))


def _on(truth: Truth, predicted: Names, day: str) -> tuple[Truth, Names]:
    return truth.on(day), predicted.only(truth.day.of == truth.day.names.index(day))


def _assignments(work: Path, name: str) -> Path:
    return work / f"assignments-{name}.parquet"


def _simulated(options: argparse.Namespace, work: Path) -> Labelled:
    config = simulate.preset(options.simulate, seed=options.seed)
    days = options.days or max(3, config.days)
    config = replace(
        config,
        days=days,
        rows=config.rows // config.days * days,
        metadata=config.metadata and not options.no_metadata,
    )
    truth = work / "truth.parquet"
    files = simulate.write(config, work / "traffic", truth=truth)
    known = read_truth(truth)
    return Labelled(f"simulated {options.simulate}, seed {options.seed}", known.days, tuple(files), known)


def _given(options: argparse.Namespace, work: Path) -> Labelled:
    truth = read_truth(options.truth)
    files, days = tuple(options.traffic), truth.days[: len(options.traffic)]
    if len(days) < len(files):
        raise SystemExit(f"quality.py: {len(files)} days expected in the truth, {len(days)} found")
    if options.no_metadata:
        files = tuple(
            _without_metadata(file, work / f"{day}.parquet") for file, day in zip(files, days, strict=True)
        )
    return Labelled(", ".join(file.name for file in options.traffic), days, files, truth.on(*days))


def _without_metadata(file: Path, out: Path) -> Path:
    at = ROW_SCHEMA.get_field_index("metadata")
    with pq.ParquetWriter(out, ROW_SCHEMA) as writer:
        for batch in read_traffic([file], rejects=None):
            empty = pa.nulls(len(batch), pa.large_string())
            plain = batch.select(ROW_SCHEMA.names)
            writer.write_batch(plain.set_column(at, ROW_SCHEMA.field(at), empty))
    return out


@contextmanager
def _workplace(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="fingerprint-quality-") as folder:
            yield Path(folder)
        return
    keep.mkdir(parents=True)
    yield keep


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--simulate", choices=sorted(simulate.PRESETS), help="make the traffic from this preset"
    )
    source.add_argument(
        "--traffic",
        nargs="+",
        type=Path,
        metavar="DAY",
        help="one file a day, in the order of the truth's days",
    )
    parser.add_argument(
        "--truth", type=Path, help="what each request of --traffic is (.jsonl, .csv, .gz of these, .parquet)"
    )
    parser.add_argument("--days", type=int, help="simulated days, by default the preset's, but at least 3")
    parser.add_argument("--seed", type=int, default=1, help="of the simulation")
    parser.add_argument("--one-batch", action="store_true", help="all days in a single night; no lookup")
    parser.add_argument("--no-metadata", action="store_true", help="take the metadata column away")
    parser.add_argument(
        "--with-metadata",
        type=Path,
        metavar="JSON",
        help="with --no-metadata: the --json of a run with it, to compare recall",
    )
    parser.add_argument("--twice", action="store_true", help="work the first day twice more and compare")
    parser.add_argument(
        "--model", help="static, multilingual, minilm, or the folder of a sentence-transformers model"
    )
    parser.add_argument(
        "--json", type=Path, metavar="OUT", help="write the figures, with machine and versions"
    )
    parser.add_argument(
        "--details", action="store_true", help="with --json: figures by template and campaign too"
    )
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="DIR",
        help="leave the home, assignments and matches in this new directory",
    )
    options = parser.parse_args()
    if options.with_metadata and not options.no_metadata:
        parser.error("--with-metadata compares a run with --no-metadata")
    if bool(options.traffic) != bool(options.truth):
        parser.error("--traffic and --truth expected together")
    return options


if __name__ == "__main__":
    main()
