"""The measures that the scores are made of, over columns of numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from benchmarks.common.labelled import Floats, Mask, Names, Numbers

Part = TypeVar("Part")


def mean(values: npt.NDArray[np.generic]) -> float:
    """Return the mean, NaN of nothing."""
    return float(values.mean(dtype=np.float64)) if len(values) else math.nan


def share(values: npt.NDArray[np.bool_]) -> float:
    """Return the share that is true, 0 of nothing."""
    return float(values.sum() / max(1, len(values)))


def ratio(part: float, whole: float) -> float:
    """Divide, NaN for nothing of nothing."""
    return part / whole if whole else math.nan


def f1(precision: float, recall: float) -> float:
    """Return the harmonic mean, 0 where both are 0."""
    if math.isnan(precision + recall):
        return math.nan
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def groups(column: Names, part: Callable[[Mask], Part]) -> dict[str, Part]:
    """Score the rows of each name on their own, in the order of the names; null rows nowhere."""
    return {
        column.names[number]: part(column.of == number) for number in np.unique(column.of[column.of >= 0])
    }


def majority(group: Numbers, value: Numbers, count: int) -> Numbers:
    """Return the most frequent value of each of `count` groups, and a -1 for group -1 to find, (count + 1,).

    -1 where the value is null (-1) or the group empty. Ties go to the lowest number, to null last.
    """
    most = np.full(count + 1, -1, dtype=np.int64)
    if not len(value):
        return most
    null = int(value.max()) + 1
    key = group * (null + 1) + np.where(value < 0, null, value)
    keys, often = np.unique(key[group >= 0], return_counts=True)
    owner = keys // (null + 1)
    order = np.lexsort((keys, -often, owner))
    number, first = np.unique(owner[order], return_index=True)
    winner = keys[order][first] % (null + 1)
    most[number] = np.where(winner == null, -1, winner)
    return most


def bcubed(true: Numbers, predicted: Numbers, sizes: Numbers) -> tuple[Floats, Floats]:
    """Return B-cubed precision and recall of each item (n,); found -1: a cluster of its own.

    sizes: the items in each found cluster, others than the n included. Recall is over the n items.
    Source: Bagga & Baldwin 1998; Amigó et al. 2009.
    """
    inside = predicted >= 0
    template_size = np.bincount(true)[true]
    _, place, together = np.unique(
        np.stack([true, predicted]), axis=1, return_inverse=True, return_counts=True
    )
    joint = together[place.reshape(-1)]
    precision = np.ones(len(true))
    precision[inside] = joint[inside] / sizes[predicted[inside]]
    return precision, np.where(inside, joint, 1) / template_size


def adjusted_rand(a: Numbers, b: Numbers) -> float:
    """Return the adjusted Rand index of two labelings (n,). Source: Hubert & Arabie 1985, eq. 5."""

    def pairs(sizes: Numbers) -> float:
        return float((sizes * (sizes - 1) / 2).sum())

    together, in_a, in_b = (
        pairs(np.unique(rows, axis=1, return_counts=True)[1])
        for rows in (np.stack([a, b]), a[None, :], b[None, :])
    )
    every = len(a) * (len(a) - 1) / 2
    expected = in_a * in_b / every if every else 0.0
    top = (in_a + in_b) / 2
    return 1.0 if top == expected else (together - expected) / (top - expected)


def average_precision(score: Floats, positive: Mask) -> float:
    """Return the area under the step precision-recall curve, equal scores entering together; NaN without positives."""
    if not positive.any():
        return math.nan
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    hits = np.cumsum(positive[order])[ends]
    return float((np.diff(hits, prepend=0) / positive.sum() * hits / (ends + 1)).sum())


def threshold(scores: Floats, negatives: int, rate: float) -> float:
    """Return the lowest score that at most `rate` of all negatives reach, some of which have no score."""
    allowed = math.floor(rate * negatives + 1e-9)
    if len(scores) <= allowed:
        return -math.inf
    return float(np.nextafter(np.sort(scores)[::-1][allowed], math.inf))
