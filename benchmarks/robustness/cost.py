"""What an evasion costs whoever does it: template given up, words and bytes added, as texts sent and as written."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

RUN = 4
"""Words of a run by which one can say what is left of a template."""

FIXED = 0.7
"""A run is the template's if this share of its requests, as written, hold it."""

SAMPLE = 12
"""Requests of each template that are looked at."""

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Cost:
    """Means over requests. lost: share of the template's word runs that are no longer there letter for letter, case apart.

    words: words of a request beyond those of the same request as written. bytes: its UTF-8 length over that.
    """

    lost: float
    words: float
    bytes: float


def cost(written: pa.Table, sent: pa.Table) -> Cost:
    """Compare campaign requests as written and as sent: tables of one order with family, system and prompt."""
    lost, words, size = [], [], []
    for rows in _by_family(written).values():
        texts = _texts(written, rows)
        template = _template(map(_runs, texts))
        for before, after in zip(texts[:SAMPLE], _texts(sent, rows[:SAMPLE]), strict=True):
            if template:
                lost.append(1 - len(template & _runs(after)) / len(template))
            words.append(len(after.split()) - len(before.split()))
            size.append(len(after.encode()) / len(before.encode()))
    return Cost(*(float(np.mean(column)) if column else float("nan") for column in (lost, words, size)))


def _by_family(table: pa.Table) -> Mapping[str, list[int]]:
    rows_of: dict[str, list[int]] = {}
    for row, family in enumerate(table["family"].to_pylist()):
        rows_of.setdefault(family, []).append(row)
    return rows_of


def _texts(table: pa.Table, rows: Sequence[int]) -> list[str]:
    some = table.take(rows)
    whole = pc.binary_join_element_wise(
        some["system"].fill_null(""), some["prompt"], pa.scalar("\n", pa.large_string())
    )
    return [str(text) for text in whole.to_pylist()]


def _runs(text: str) -> set[tuple[str, ...]]:
    words = _WORD.findall(text.lower())
    return {tuple(words[i : i + RUN]) for i in range(len(words) - RUN + 1)}


def _template(runs: Iterable[set[tuple[str, ...]]]) -> set[tuple[str, ...]]:
    holders: Counter[tuple[str, ...]] = Counter()
    texts = 0
    for each in runs:
        holders.update(each)
        texts += 1
    return {run for run, count in holders.items() if count >= FIXED * texts}
