"""Recall of accounts that mix campaign requests into honest traffic, by their share and by how much is seen of them.

    python benchmarks/mixing.py --json results/mixing.json

Every account sends the same number of requests a day, and every campaign takes 5, 10 or 25 % of its accounts' traffic.
Each day is one night into one home, so an account's window is one night (100 requests) or all (1,500). The kernel test
stands beside it: on all requests of an account, and on windows drawn at random from a common pool, as it is published.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import machine
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import scores
from figures import AccountScores
from labelled import Truth, read_truth
from tables import table, title

from fingerprint import simulate
from fingerprint.departure import FEATURES, departures, features
from fingerprint.embed import Embedder, encode_cached
from fingerprint.meaning import heads
from fingerprint.night import normalised
from fingerprint.records import TRAFFIC_SCHEMA
from fingerprint.simulate import SimulationConfig
from fingerprint.store import Store
from fingerprint.vectors import VectorCache

SHARES = {0.05: "<=0.075", 0.1: "0.075-0.175", 0.25: "0.175-0.375"}
"""Campaign shares, and the group of `scores.MIXING` that each falls in."""

PUBLISHED = {100: (0.01, 0.05, 0.76), 1500: (0.59, 0.94, 1.0)}
"""Recall at FPR 0.3 % by arXiv 2606.05725, with windows of so many requests."""

WINDOWS = 1000
"""Windows drawn at random, honest ones and of each share."""

Doubles = npt.NDArray[np.float64]
Row = dict[str, Any]


def main() -> None:
    options = _options()
    before = machine.facts()
    with tempfile.TemporaryDirectory(prefix="fingerprint-mixing-") as folder:
        found = measure(config_of(options), Path(folder))
    print(told(found))
    if options.json:
        asked = {name: getattr(options, name) for name in ("accounts", "volume", "nights", "jitter", "seed")}
        machine.save({"machine": before, "run": asked, "windows": found}, options.json)


def config_of(options: argparse.Namespace) -> SimulationConfig:
    """Return traffic with campaigns of many sizes and evasions, mixed payment groups, and honest look-alikes."""
    return SimulationConfig(
        rows=options.accounts * options.volume * options.nights,
        days=options.nights,
        seed=options.seed,
        accounts=options.accounts,
        volume=options.volume,
        campaigns=9,
        largest=0.05,
        smallest=0.02,
        evasion="mix",
        mixing=tuple(SHARES),
        jitter=options.jitter,
        replaced=0.0,
        payment="mixed",
        honest_templates=120,
        suites=6,
    )


def measure(config: SimulationConfig, work: Path) -> list[Row]:
    """Work the nights; score accounts after the first and after the last."""
    truth_file = work / "truth.parquet"
    files = simulate.write(config, work / "traffic", truth=truth_file)
    truth, found = read_truth(truth_file), []
    kernel = Kernel(work)
    for number, file in enumerate(files, 1):
        machine.fingerprint("nightly", file, "--home", work / "home", "--quiet", scratch=work)
        kernel.add(file, truth.on(f"day{number}"))
        if number in (1, len(files)):
            window = truth.on(*(f"day{n}" for n in range(1, number + 1)))
            found.append(
                {
                    "requests": config.volume * number,
                    "families": _by_share(scores.accounts(window, assessed(work))),
                    "mmd": _by_share(scores.accounts(window, kernel.accounts(window))),
                    "mmd_pooled": kernel.pooled(config.volume * number),
                    "published": PUBLISHED.get(config.volume * number),
                }
            )
            print(told(found), flush=True)
    return found


def assessed(work: Path) -> pa.Table:
    """Return the product's own scores and flags of accounts."""
    with Store.open(work / "home", read_only=True) as store:
        rows = store.accounts()
    return flags([row.account_id for row in rows], [row.score for row in rows], [row.flagged for row in rows])


def flags(names: Sequence[str], score: Sequence[float], flag: Sequence[bool]) -> pa.Table:
    """Lay out scores as `scores.accounts` takes them."""
    columns = {"account_id": pa.array(names, pa.large_string()), "score": pa.array(score, pa.float64())}
    return pa.table({**columns, "flagged": pa.array(flag, pa.bool_())})


class Kernel:
    """The kernel test alone: features of all requests, whatever family they are in."""

    def __init__(self, work: Path) -> None:
        self._embedder = Embedder.load()
        self._cache = VectorCache(work / "home" / "cache", self._embedder.stamp, self._embedder.dimension)
        self._sums: dict[str, Doubles] = {}
        self._requests: dict[str, int] = {}
        self._honest: list[npt.NDArray[np.float32]] = []
        self._campaign: list[npt.NDArray[np.float32]] = []

    def add(self, file: Path, truth: Truth) -> None:
        """Add a day."""
        for batch in pq.read_table(file, columns=TRAFFIC_SCHEMA.names).cast(TRAFFIC_SCHEMA).to_batches():
            vectors = encode_cached(self._embedder, self._cache, heads(normalised(batch)))
            part = features(vectors)
            role = truth.role.of[pa.compute.index_in(batch["request_id"], truth.request_id).to_numpy()]
            honest = role != truth.role.names.index("campaign")
            if sum(map(len, self._honest)) < 200_000:
                self._honest.append(part[honest])
            self._campaign.append(part[~honest])
            account = batch["account_id"].dictionary_encode()
            number = account.indices.to_numpy()
            sums = np.zeros((len(account.dictionary), FEATURES))
            np.add.at(sums, number, part)
            for name, total, count in zip(
                account.dictionary.to_pylist(), sums, np.bincount(number).tolist(), strict=True
            ):
                self._sums[name] = self._sums.get(name, 0) + total
                self._requests[name] = self._requests.get(name, 0) + count

    def accounts(self, truth: Truth) -> pa.Table:
        """Score accounts by MMD²; the pool is of accounts that are honest, so it is at its best."""
        sent = np.bincount(truth.account.of[truth.is_role("campaign")], minlength=len(truth.account.names))
        names = [name for name in truth.account.names if name in self._sums]
        honest = dict(zip(truth.account.names, sent == 0, strict=True))
        found = departures(
            np.array([self._sums[name] for name in names]),
            np.array([float(self._requests[name]) for name in names]),
            np.array([honest[name] for name in names]),
            self._covariance(),
        )
        score = np.nan_to_num(found.value, nan=-1.0)
        return flags(names, score.tolist(), found.departed.tolist())

    def pooled(self, size: int) -> dict[str, float]:
        """Recall by share at FPR 0.3 % on windows drawn at random from all honest and all campaign requests."""
        random = np.random.default_rng(0)
        honest, campaign = np.concatenate(self._honest), np.concatenate(self._campaign)

        def drawn(share: float) -> Doubles:
            mixed = round(share * size)
            rows = [
                honest[random.integers(len(honest), size=size - mixed)].sum(axis=0)
                + campaign[random.integers(len(campaign), size=mixed)].sum(axis=0)
                for _ in range(WINDOWS)
            ]
            return np.array(rows, dtype=np.float64)

        def score(sums: Doubles) -> Doubles:
            every = np.concatenate([honest.sum(axis=0, dtype=np.float64)[None], sums])
            requests = np.array([float(len(honest)), *[float(size)] * len(sums)])
            return departures(every, requests, np.arange(len(every)) == 0, self._covariance()).value[1:]

        cut = np.quantile(score(drawn(0.0)), 1 - scores.ACCOUNT_RATE)
        return {f"{share:.2f}": float((score(drawn(share)) > cut).mean()) for share in SHARES}

    def _covariance(self) -> Doubles:
        pool = np.concatenate(self._honest)
        return np.asarray(np.cov(pool.T), dtype=np.float64)


def _by_share(found: AccountScores) -> Row:
    honest = found.accounts - found.positive
    parts = {f"{share:.2f}": found.by_mixing[name] for share, name in SHARES.items()}
    return {
        "honest_accounts": honest,
        "accounts": {share: part.accounts for share, part in parts.items()},
        "recall_at_rate": {share: part.recall_at_rate for share, part in parts.items()},
        "flagged": {share: part.recall for share, part in parts.items()},
        "flagged_honest": found.false_positive_rate,
    }


def told(windows: Sequence[Row]) -> str:
    """Lay out recall by share for each window."""
    head = ("recall at FPR 0.3 %", *(f"{share:.0%} campaign" for share in SHARES))
    lines = []
    for window in windows:
        size = f"{window['requests']:,} requests"
        lines.append((f"account score, {size}", *window["families"]["recall_at_rate"].values()))
        lines.append(("  flagged", *window["families"]["flagged"].values()))
        lines.append(("  MMD of the account's requests alone", *window["mmd"]["recall_at_rate"].values()))
        lines.append(("  MMD of windows drawn at random", *window["mmd_pooled"].values()))
        if window["published"]:
            lines.append(("  MMD as published", *window["published"]))
    last = windows[-1]["families"]
    words = f"{last['honest_accounts']:,} honest accounts, {last['flagged_honest']:.2%} of them flagged"
    return f"{title('Mixed accounts')}\n{table(head, lines)}\n\n  {words}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--accounts", type=int, default=1_450, help="in all; nearly a third are campaigns'")
    parser.add_argument("--volume", type=int, default=100, help="requests of each account a night")
    parser.add_argument("--nights", type=int, default=15)
    parser.add_argument(
        "--jitter", type=float, default=0.0, help="how far campaigns' bursts are blurred, 0 to 1"
    )
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument(
        "--json", type=Path, metavar="OUT", help="write the figures, with machine and versions"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
