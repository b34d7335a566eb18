"""Small simulated traffic, its rows by what a column says, and the words in a row of a text."""

from __future__ import annotations

import re
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from fingerprint.simulate import Config, LifelikeConfig, SimulationConfig, simulate

SMALL = SimulationConfig(rows=6_000, accounts=600, campaigns=6, honest_templates=30)
EVASIVE = replace(SMALL, rows=9_000, days=3, campaigns=10, smallest=0.01, evasion="mix", evasion_from=2)


LIFELIKE = LifelikeConfig(rows=26_000, seed=3, base_rate=0.06, campaigns=13)


def together(config: Config, **options: int) -> pa.Table:
    return pa.concat_tables(simulate(config, **options)).combine_chunks()


def only(table: pa.Table, column: str, value: str) -> pa.Table:
    return table.filter(pc.equal(table[column], value))


def grams(text: str, n: int = 4) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}
