"""Recall of accounts that mix campaign requests into honest traffic, by their share and by how much is seen of them.

    python -m benchmarks.quality.mixing --json benchmarks/results/mixing.json

Every account sends the same number of requests a day, and every campaign takes 5, 10 or 25 % of its accounts' traffic.
Each day is one night into one home, so an account's window is one night (100 requests) or all (1,500). Several
simulations, each with a home of its own, are scored together, by one threshold over the honest accounts of all. The kernel
test is shown beside it: on all requests of an account, and on windows drawn at random from a common pool, as published.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.common import machine, scores
from benchmarks.common.labelled import Truth, read_truth
from benchmarks.common.measures import threshold
from benchmarks.common.tables import table, title
from fingerprint import simulate
from fingerprint.domain.schemas import ROW_SCHEMA
from fingerprint.domain.settings import Home
from fingerprint.embedding.embedder import Embedder, encode_cached
from fingerprint.embedding.vector_cache import VectorCache
from fingerprint.evidence.two_sample import RANDOM_FEATURES, mean_discrepancy, random_features
from fingerprint.simulate import SimulationConfig
from fingerprint.store.store import Store
from fingerprint.text.normalise import normalise_batch
from fingerprint.text.sentences import heads

SHARES = {0.05: "<=0.075", 0.1: "0.075-0.175", 0.25: "0.175-0.375"}
"""Campaign shares, and the group of `scores.MIXING` that each falls in."""

PUBLISHED = {100: (0.01, 0.05, 0.76), 1500: (0.59, 0.94, 1.0)}
"""Recall at FPR 0.3 % by arXiv 2606.05725, with windows of so many requests."""

WINDOWS = 1000
"""Windows drawn at random, honest ones and of each share."""

ASKED = ("accounts", "volume", "nights", "runs", "jitter", "seed")

Doubles = npt.NDArray[np.float64]
Row = dict[str, Any]


def main() -> None:
    options = _options()
    before = machine.facts()
    runs = []
    for seed in range(options.seed, options.seed + options.runs):
        with tempfile.TemporaryDirectory(prefix="fingerprint-mixing-") as folder:
            runs.append(measure(config_of(options, seed), Path(folder)))
        windows = [scored([run[at] for run in runs]) for at in range(len(runs[0]))]
        print(as_text(windows), flush=True)
    if options.json:
        asked = {name: getattr(options, name) for name in ASKED}
        machine.save({"machine": before, "run": asked, "windows": windows}, options.json)


def config_of(options: argparse.Namespace, seed: int) -> SimulationConfig:
    """Return traffic with campaigns of many sizes and evasions, mixed payment groups, and honest look-alikes."""
    return SimulationConfig(
        rows=options.accounts * options.volume * options.nights,
        days=options.nights,
        seed=seed,
        accounts=options.accounts,
        volume=options.volume,
        campaigns=6,
        largest=0.1,
        smallest=0.05,
        evasion="mix",
        mixing=tuple(SHARES),
        jitter=options.jitter,
        replaced=0.0,
        payment="mixed",
        honest_templates=120,
        suites=6,
    )


@dataclass(frozen=True, slots=True)
class Window:
    """What a window shows of a accounts: campaign share, scores and flags of the product, MMD², each (a,).

    pooled: recall by share of the kernel test on windows drawn at random.
    """

    requests: int
    share: Doubles
    score: Doubles
    flagged: Doubles
    mmd: Doubles
    pooled: dict[str, float]


def measure(config: SimulationConfig, work: Path) -> list[Window]:
    """Work the nights; look at accounts after the first and after the last."""
    truth_file = work / "truth.parquet"
    files = simulate.write(config, work / "traffic", truth=truth_file)
    truth, windows = read_truth(truth_file), []
    kernel = Kernel(work)
    for number, file in enumerate(files, 1):
        machine.fingerprint("nightly", file, "--home", work / "home", "--quiet", scratch=work)
        kernel.add(file, truth.on(f"day{number}"))
        if number in (1, len(files)):
            window = truth.on(*(f"day{n}" for n in range(1, number + 1)))
            windows.append(_window(config.volume * number, window, work, kernel))
    return windows


def _window(requests: int, truth: Truth, work: Path, kernel: Kernel) -> Window:
    strong = truth.only(truth.scored)
    count = len(truth.account.names)
    sent = np.bincount(strong.account.of, minlength=count)
    campaign = np.bincount(strong.account.of[strong.strong], minlength=count)
    used = np.flatnonzero(sent)
    names = [truth.account.names[at] for at in used]
    with Store.open(work / "home", read_only=True) as store:
        rows = {row.account_id: row for row in store.accounts()}
    return Window(
        requests,
        campaign[used] / sent[used],
        np.array([rows[name].score if name in rows else -1.0 for name in names]),
        np.array([name in rows and rows[name].flagged for name in names], dtype=np.float64),
        kernel.accounts(names, campaign[used] == 0),
        kernel.pooled(requests),
    )


def scored(windows: Sequence[Window]) -> Row:
    """Score the same window of several simulations together."""
    share = np.concatenate([w.share for w in windows])
    of = {f"{wanted:.2f}": _between(share, *scores.MIXING[group]) for wanted, group in SHARES.items()}

    def recall(score: Doubles) -> dict[str, float]:
        honest = score[share == 0]
        cut = threshold(honest[honest >= 0], len(honest), scores.ACCOUNT_RATE)
        return {name: float((score[rows] >= max(cut, 0)).mean()) for name, rows in of.items()}

    flagged = np.concatenate([w.flagged for w in windows])
    return {
        "requests": windows[0].requests,
        "honest_accounts": int((share == 0).sum()),
        "accounts": {name: int(rows.sum()) for name, rows in of.items()},
        "account_score": recall(np.concatenate([w.score for w in windows])),
        "flagged": {name: float(flagged[rows].mean()) for name, rows in of.items()},
        "flagged_honest": float(flagged[share == 0].mean()),
        "mmd": recall(np.concatenate([w.mmd for w in windows])),
        "mmd_pooled": {name: float(np.mean([w.pooled[name] for w in windows])) for name in of},
        "published": PUBLISHED.get(windows[0].requests),
    }


def _between(share: Doubles, above: float, most: float) -> npt.NDArray[np.bool_]:
    return (share > above) & (share <= most)


class Kernel:
    """The kernel test alone: features of all requests, whatever family they are in."""

    def __init__(self, work: Path) -> None:
        self._embedder = Embedder.load()
        self._cache = VectorCache(
            Home(work / "home").vector_cache, self._embedder.stamp, self._embedder.dimension
        )
        self._sums: dict[str, Doubles] = {}
        self._requests: dict[str, int] = {}
        self._honest: list[npt.NDArray[np.float32]] = []
        self._campaign: list[npt.NDArray[np.float32]] = []

    def add(self, file: Path, truth: Truth) -> None:
        """Add a day."""
        for batch in pq.read_table(file, columns=ROW_SCHEMA.names).cast(ROW_SCHEMA).to_batches():
            vectors = encode_cached(self._embedder, self._cache, heads(normalise_batch(batch)))
            part = random_features(vectors)
            role = truth.role.of[pa.compute.index_in(batch["request_id"], truth.request_id).to_numpy()]
            honest = role != truth.role.names.index("campaign")
            if sum(map(len, self._honest)) < 200_000:
                self._honest.append(part[honest])
            self._campaign.append(part[~honest])
            account = batch["account_id"].dictionary_encode()
            number = account.indices.to_numpy()
            sums = np.zeros((len(account.dictionary), RANDOM_FEATURES))
            np.add.at(sums, number, part)
            for name, total, count in zip(
                account.dictionary.to_pylist(), sums, np.bincount(number).tolist(), strict=True
            ):
                self._sums[name] = self._sums.get(name, 0) + total
                self._requests[name] = self._requests.get(name, 0) + count

    def accounts(self, names: Sequence[str], honest: npt.NDArray[np.bool_]) -> Doubles:
        """Return the accounts' MMD², not below 0; the pool is of accounts that are honest, so it is at its best."""
        value = mean_discrepancy(
            np.array([self._sums[name] for name in names]),
            np.array([float(self._requests[name]) for name in names]),
            honest,
        )
        return np.maximum(np.nan_to_num(value, nan=0.0), 0.0)

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
            return mean_discrepancy(every, requests, np.arange(len(every)) == 0)[1:]

        cut = np.quantile(score(drawn(0.0)), 1 - scores.ACCOUNT_RATE)
        return {f"{share:.2f}": float((score(drawn(share)) > cut).mean()) for share in SHARES}


def as_text(windows: Sequence[Row]) -> str:
    """Lay out recall by share for each window."""
    head = ("recall at FPR 0.3 %", *(f"{share:.0%} campaign" for share in SHARES))
    lines: list[tuple[object, ...]] = []
    for window in windows:
        lines.append((f"account score, {window['requests']:,} requests", *window["account_score"].values()))
        lines.append(("  flagged", *window["flagged"].values()))
        lines.append(("  accounts", *window["accounts"].values()))
        lines.append(("  MMD of the account's requests alone", *window["mmd"].values()))
        lines.append(("  MMD of windows drawn at random", *window["mmd_pooled"].values()))
        if window["published"]:
            lines.append(("  MMD as published", *window["published"]))
    last = windows[-1]
    words = f"{last['honest_accounts']:,} honest accounts, {last['flagged_honest']:.2%} of them flagged"
    return f"{title('Mixed accounts')}\n{table(head, lines)}\n\n  {words}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--accounts", type=int, default=360, help="of a simulation; nearly half are campaigns'"
    )
    parser.add_argument("--volume", type=int, default=100, help="requests of each account a night")
    parser.add_argument("--nights", type=int, default=15)
    parser.add_argument("--runs", type=int, default=5, help="simulations, by seed from --seed on")
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
