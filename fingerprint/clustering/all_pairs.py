"""The nearest of all points to each, by comparing each pair once: both ends learn of it.

Points lie in tiles. Two tiles are compared by one product of matrices, and a kernel keeps what is near enough for a place
among the nearest of either end. Tiles meet as teams of a league do, so that all pairs of a round are of different tiles
and threads never write about the same point.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor

import numpy as np

from fingerprint.base.jit import kernel
from fingerprint.base.types import FloatArray, Ids

TILE = 1024
"""Points of a tile: the products of two are 4 MB."""

CHUNK = 64
"""Products that are looked at together: mostly none of them is near enough."""


def nearest(points: FloatArray, wide: int, *, pool: Executor) -> Ids:
    """Return the numbers of the `wide` nearest other points to each, (n, wide) int32, nearest first, -1 = none.

    points: (n, d) float32; nearest is what has the largest product, of equal ones the first. Rounding may decide between
    products that differ by 1e-6. pool: threads that share the work; how many there are changes nothing.
    """
    n = len(points)
    ids = np.full((n, wide), -1, dtype=np.int32)
    products = np.full((n, wide), -np.inf, dtype=np.float32)
    least = np.full(n, -np.inf, dtype=np.float32)

    def compare(pair: tuple[int, int]) -> None:
        one, other = pair[0] * TILE, pair[1] * TILE
        near = points[one : one + TILE] @ points[other : other + TILE].T
        if one == other:  # of each pair one half, and nothing with itself
            near[np.tri(len(near), dtype=np.bool_)] = -np.inf
        _keep(near, one, other, least, products, ids)

    for pairs in _rounds(-(-n // TILE)):
        list(pool.map(compare, pairs))
    return ids


def _rounds(tiles: int) -> Iterator[list[tuple[int, int]]]:
    """Yield all pairs of tiles in rounds, none twice in one; first each with itself (the circle method of a league)."""
    yield [(t, t) for t in range(tiles)]
    teams = tiles + tiles % 2
    circle = list(range(teams))
    for _ in range(teams - 1):
        pairs = ((circle[t], circle[teams - 1 - t]) for t in range(teams // 2))
        yield [(min(pair), max(pair)) for pair in pairs if max(pair) < tiles]
        circle = [circle[0], circle[-1], *circle[1:-1]]


@kernel
def _keep(near: FloatArray, one: int, other: int, least: FloatArray, products: FloatArray, ids: Ids) -> None:
    """Offer the products of points from `one` on with points from `other` on to both; -inf is none.

    least: (n,) the last of the products (n, wide) of each point, which descend; ids: (n, wide) of which points they are.
    """
    rows, columns = near.shape
    for r in range(rows):
        i = one + r
        for begin in range(0, columns, CHUNK):
            end, enough, worst = min(begin + CHUNK, columns), 0, least[i]
            for c in range(begin, end):
                enough += (near[r, c] >= worst) | (near[r, c] >= least[other + c])
            if enough == 0:
                continue
            for c in range(begin, end):
                if near[r, c] > -np.inf:
                    offer(near[r, c], i, other + c, least, products, ids)
                    offer(near[r, c], other + c, i, least, products, ids)


@kernel
def offer(
    product: np.float32, to: int, point: int, least: FloatArray, products: FloatArray, ids: Ids
) -> None:
    """Give a point its place among the nearest of another if it is nearer than the last one, or as near and before it."""
    nearest, names = products[to], ids[to]
    at = len(nearest) - 1
    if product < least[to] or (product == least[to] and point > names[at]):
        return
    while at > 0 and (nearest[at - 1] < product or (nearest[at - 1] == product and names[at - 1] > point)):
        nearest[at], names[at] = nearest[at - 1], names[at - 1]
        at -= 1
    nearest[at], names[at] = product, point
    least[to] = nearest[-1]
