"""Deals the requests of a day to its moments and accounts, any stretch of the day at a time.

Request j of a stream of R is sent where the stream's share of the day has reached (j + u) / R, u being drawn for
j alone; so a stretch of the day can be made without the rest, and every request falls in exactly one.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np

from fingerprint.base.jit import kernel, njit
from fingerprint.base.types import Doubles, HashArray
from fingerprint.domain.errors import UsageError
from fingerprint.simulate.kernel import I64, below, mix, unit
from fingerprint.simulate.population import HOURS, ZONES, Population, daily_rhythm
from fingerprint.simulate.streams import HOUR_MS, Stream

DAY_MS = HOURS * HOUR_MS
F64 = Doubles


class Schedule(NamedTuple):
    """One day's streams, background first; times in ms since midnight.

    start, length: (streams, 24). reached: (streams, 25), share of the stream sent before each hour.
    zone_reached: (24, zones), for each hour the cumulative share of background by zone. zone_first: (zones + 1,),
    where a zone begins in `sender` and in `sender_reached`, the cumulative volume within it.
    """

    key: np.uint64
    requests: I64
    start: I64
    length: I64
    reached: F64
    pool_first: I64
    pool_size: I64
    member: I64
    loose: F64
    skew: F64
    zone_reached: F64
    zone_first: I64
    sender: I64
    sender_reached: F64


class Dealt(NamedTuple):
    """Requests of one stretch in order of time: stream, number within it, ms since midnight, account."""

    stream: I64
    number: I64
    time: I64
    account: I64


def schedule(rows: int, streams: list[Stream], population: Population, key: int) -> Schedule:
    """Return the schedule of a day of `rows` requests; background is what the streams leave."""
    busy = sum(stream.requests for stream in streams)
    if busy > rows:
        raise UsageError(
            f"rows: at least {busy} a day expected for these campaigns and honest templates, {rows} found"
        )
    background = rows - busy
    zones = len(ZONES) + 1
    volume = np.array([population.volume[population.zone == zone].sum() for zone in range(zones)])
    by_hour = daily_rhythm() * (volume / volume.sum())[:, None]
    hourly = by_hour.sum(axis=0)
    order = np.argsort(population.zone, kind="stable")
    zone_first = np.searchsorted(population.zone[order], np.arange(zones + 1))
    share = np.array([hourly, *(stream.windows.share for stream in streams)])
    reached = np.concatenate([np.zeros((len(share), 1)), np.cumsum(share, axis=1)], axis=1)
    pools = [np.zeros(0, np.int64), *(stream.pool for stream in streams)]
    size = np.array([len(pool) for pool in pools])
    whole = np.full(HOURS, HOUR_MS)
    return Schedule(
        key=np.uint64(key),
        requests=np.array([background, *(stream.requests for stream in streams)]),
        start=np.array([np.zeros(HOURS, np.int64), *(stream.windows.start for stream in streams)]),
        length=np.array([whole, *(stream.windows.length for stream in streams)]),
        reached=reached / reached[:, -1:],
        pool_first=np.cumsum(size) - size,
        pool_size=size,
        member=np.concatenate(pools),
        loose=np.array([0.0, *(stream.loose for stream in streams)]),
        skew=np.array([1.0, *(stream.skew for stream in streams)]),
        zone_reached=np.ascontiguousarray((np.cumsum(by_hour, axis=0) / hourly).T),
        zone_first=zone_first,
        sender=order,
        sender_reached=_cumulative(population.volume[order], zone_first),
    )


def _cumulative(volume: F64, first: I64) -> F64:
    """Return the cumulative share of volume within each zone."""
    parts = [np.cumsum(volume[a:b]) / max(volume[a:b].sum(), 1e-12) for a, b in itertools.pairwise(first)]
    return np.concatenate(parts)


@kernel
def _reached(s: Schedule, stream: int, time: int) -> float:
    hour = min(time // HOUR_MS, HOURS - 1)
    within = (time - hour * HOUR_MS - s.start[stream, hour]) / s.length[stream, hour]
    before, after = s.reached[stream, hour], s.reached[stream, hour + 1]
    return float(before + (after - before) * min(max(within, 0.0), 1.0))


@kernel
def _range(s: Schedule, stream: int, begin: int, end: int) -> tuple[int, int]:
    """Return the requests that may fall between begin and end; rounding moves a request by less than 2 ms."""
    count = int(s.requests[stream])
    low = int(_reached(s, stream, max(begin - 2, 0)) * count) - 2
    high = int(_reached(s, stream, min(end + 2, DAY_MS)) * count) + 2
    return max(low, 0), min(high, count)


@kernel
def _account(s: Schedule, stream: int, number: int, hour: int, rng: HashArray) -> int:
    if stream == 0:
        zone = np.searchsorted(s.zone_reached[hour], unit(rng))
        zone = min(zone, s.zone_reached.shape[1] - 1)
        first, end = s.zone_first[zone], s.zone_first[zone + 1]
        at = first + np.searchsorted(s.sender_reached[first:end], unit(rng))
        return int(s.sender[min(at, end - 1)])
    first, size = s.pool_first[stream], s.pool_size[stream]
    if unit(rng) < s.loose[stream]:
        return int(s.member[first + min(int(size * unit(rng) ** s.skew[stream]), size - 1)])
    # each round deals one request to every account, in an order of its own: an affine permutation
    rng[0] = mix(np.uint64(number // size) + s.key + np.uint64(stream) * np.uint64(0x9E3779B97F4A7C15))
    step = 1 + below(rng, size)
    while np.gcd(step, size) != 1:
        step = step % size + 1
    return int(s.member[first + (step * (number % size) + below(rng, size)) % size])


@njit(cache=True, nogil=True)
def _deal(s: Schedule, begin: int, end: int, stream: I64, number: I64, time: I64, account: I64) -> int:
    """Fill the arrays with the requests from begin up to end and return their number."""
    rng = np.zeros(1, np.uint64)
    filled = 0
    for i in range(len(s.requests)):
        count = s.requests[i]
        low, high = _range(s, i, begin, end)
        for j in range(low, high):
            rng[0] = mix(s.key ^ np.uint64(i << 36 | j))
            share = (j + unit(rng)) / count
            hour = min(max(np.searchsorted(s.reached[i], share) - 1, 0), HOURS - 1)
            before, after = s.reached[i, hour], s.reached[i, hour + 1]
            within = (share - before) / (after - before) if after > before else 0.0
            at = hour * HOUR_MS + s.start[i, hour] + np.int64(within * (s.length[i, hour] - 1))
            if begin <= at < end:
                stream[filled], number[filled], time[filled] = i, j, at
                account[filled] = _account(s, i, j, hour, rng)
                filled += 1
    return filled


@kernel
def _most(s: Schedule, begin: int, end: int) -> int:
    total = 0
    for i in range(len(s.requests)):
        low, high = _range(s, i, begin, end)
        total += high - low
    return total


def deal(s: Schedule, begin: int, end: int) -> Dealt:
    """Return the requests from begin up to end, ms since midnight."""
    room = _most(s, begin, end)
    arrays = [np.empty(room, np.int64) for _ in range(4)]
    count = _deal(s, begin, end, *arrays)
    stream, number, time, account = (array[:count] for array in arrays)
    order = np.lexsort((number, stream, time))
    return Dealt(stream[order], number[order], time[order], account[order])
