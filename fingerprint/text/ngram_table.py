"""Grams by their hashes in open addressing (linear probing, at most half full): which are shared, and where they stand.

Millions of grams do not fit the processor's cache, where a look-up takes a tenth of the time. So they are parted by
the first bits of their hashes, and each part is counted in a small table of its own.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from fingerprint.base.growing import widened
from fingerprint.base.hashing import find_slot, xmx_mix
from fingerprint.base.jit import kernel, njit
from fingerprint.base.parallel import in_order, workers
from fingerprint.base.sorting import sort_up
from fingerprint.base.sparse import spans_of
from fingerprint.base.types import Bools, HashArray, Ids, IntArray

PART = 1 << 15
"""Grams of a part, about: its table takes a megabyte."""

MOST_BITS = 12

LOOKED_UP = 1 << 18
"""Grams that one thread looks up at a time."""


def find_shared(hashes: HashArray, offsets: IntArray, known: HashArray, least: int) -> tuple[HashArray, Ids]:
    """Find the grams that at least so many prompts hold, and all the known ones.

    hashes: (p,), never 0, of prompts that begin at offsets (n + 1,). known: sorted. Returns the grams' hashes (k,),
    sorted, and which of them stands at each place (p,), -1 for none.
    """
    bits = min(MOST_BITS, max(0, (len(hashes) // PART).bit_length()))
    known_at = np.append(0, np.cumsum(_sizes(known, bits)))
    order, moved, row_of, at = _partition(hashes, offsets, bits)
    ids = np.empty(len(hashes), dtype=np.int32)
    cuts = np.linspace(0, 1 << bits, num=min(1 << bits, 2 * workers()) + 1).astype(np.int64)

    def count(span: tuple[int, int]) -> HashArray:
        return np.asarray(_count_parts(known, known_at, order, moved, row_of, at, span, least, ids))

    parts = list(in_order(count, pairwise(cuts.tolist()), threads=workers()))
    first = np.cumsum([0, *map(len, parts)])

    def renumber(span: tuple[int, int, int]) -> None:
        begin, end, more = span
        _shift_numbers(ids, order[at[begin] : at[end]], more)

    later = ((a, b, more) for (a, b), more in zip(pairwise(cuts.tolist()), first.tolist(), strict=False))
    for _ in in_order(renumber, later, threads=workers()):
        pass
    return np.concatenate(parts), ids


class PlaceTable(NamedTuple):
    """Where distinct hashes stand, arranged once for many look-ups.

    keys: (2^b,) uint64, a hash or 0 where the slot is empty. place: (2^b,) int32, the place of each.
    """

    keys: HashArray
    place: Ids

    @classmethod
    def of(cls, known: HashArray) -> PlaceTable:
        """Arrange distinct hashes (k,), none of which is 0."""
        return cls(*_place_table(known))


def find_places(hashes: HashArray, known: HashArray | PlaceTable) -> Ids:
    """Return where each hash (m,) stands among the distinct known ones, -1 where it does not."""
    table = known if isinstance(known, PlaceTable) else PlaceTable.of(known)
    out = np.empty(len(hashes), dtype=np.int32)

    def look_up(begin: int) -> None:
        some = slice(begin, begin + LOOKED_UP)
        _look_up(hashes[some], table.keys, table.place, out[some])

    begins = range(0, len(hashes), LOOKED_UP)
    for _ in in_order(look_up, begins, threads=min(len(begins), workers())):
        pass
    return out


def is_member(hashes: HashArray, known: HashArray | PlaceTable) -> Bools:
    """Tell which hashes (m,) are among the distinct known ones."""
    return find_places(hashes, known) >= 0


@kernel
def _room(entries: int) -> int:
    size = 16
    while size < 2 * entries:
        size *= 2
    return size


@kernel
def _part(gram: np.uint64, bits: int) -> int:
    return int((gram >> np.uint64(1)) >> np.uint64(63 - bits))


def _partition(hashes: HashArray, offsets: IntArray, bits: int) -> tuple[Ids, HashArray, Ids, IntArray]:
    """Put grams part by part, in their order: the place of each, its hash, its prompt, and where each part begins."""
    spans = spans_of(offsets, workers())
    threads = 1 if len(hashes) < LOOKED_UP else len(spans)

    def count(span: tuple[int, int]) -> IntArray:
        return np.asarray(_sizes(hashes[offsets[span[0]] : offsets[span[1]]], bits))

    counts = np.array(list(in_order(count, spans, threads=threads)), dtype=np.int64).reshape(-1, 1 << bits)
    at = np.append(0, np.cumsum(counts.sum(axis=0)))
    free = at[:-1] + np.cumsum(counts, axis=0) - counts
    order, row_of = np.empty(len(hashes), dtype=np.int32), np.empty(len(hashes), dtype=np.int32)
    moved = np.empty(len(hashes), dtype=np.uint64)

    def put(number: int) -> None:
        _put(hashes, offsets, spans[number], free[number], bits, order, moved, row_of)

    for _ in in_order(put, range(len(spans)), threads=threads):
        pass
    return order, moved, row_of, at


@njit(cache=True, nogil=True)
def _sizes(hashes: HashArray, bits: int) -> IntArray:
    """Count the grams of each part."""
    out = np.zeros(1 << bits, np.int64)
    for gram in hashes:
        out[_part(gram, bits)] += 1
    return out


@kernel
def _put(
    hashes: HashArray,
    offsets: IntArray,
    rows: tuple[int, int],
    free: IntArray,
    bits: int,
    order: Ids,
    moved: HashArray,
    row_of: Ids,
) -> None:
    """Put the grams of some prompts where each part's next free places are."""
    for row in range(rows[0], rows[1]):
        for i in range(offsets[row], offsets[row + 1]):
            part = _part(hashes[i], bits)
            order[free[part]], moved[free[part]], row_of[free[part]] = i, hashes[i], row
            free[part] += 1


@kernel
def _shift_numbers(ids: Ids, places: Ids, more: int) -> None:
    """Add to the numbers at some places."""
    for place in places:
        ids[place] += more if ids[place] >= 0 else 0


@njit(cache=True, nogil=True)
def _count_parts(
    known: HashArray,
    known_at: IntArray,
    order: Ids,
    moved: HashArray,
    row_of: Ids,
    at: IntArray,
    parts: tuple[int, int],
    least: int,
    ids: Ids,
) -> HashArray:
    """Find the shared grams of some parts, sorted; also write which of them stands at each place of these into ids."""
    first, end = parts
    most = 0
    for part in range(first, end):
        most = max(most, at[part + 1] - at[part] + known_at[part + 1] - known_at[part])
    keys, entry = np.empty(_room(most), np.uint64), np.empty(_room(most), np.int32)
    own, count = np.empty(most, np.uint64), np.empty(most, np.int64)
    last, rank = np.empty(most, np.int32), np.empty(most, np.int32)
    number = np.empty(most, np.int32)
    shared, total = np.empty(1024, np.uint64), 0
    for part in range(first, end):
        size = _room(at[part + 1] - at[part] + known_at[part + 1] - known_at[part])
        table = keys[:size]
        table[:] = 0
        some = 0
        for gram in known[known_at[part] : known_at[part + 1]]:
            slot = find_slot(table, gram, xmx_mix(gram))
            table[slot], entry[slot], own[some], count[some], last[some] = gram, some, gram, least, -1
            some += 1
        for j in range(at[part], at[part + 1]):
            slot = find_slot(table, moved[j], xmx_mix(moved[j]))
            if table[slot] == 0:
                table[slot], entry[slot], own[some], count[some], last[some] = moved[j], some, moved[j], 0, -1
                some += 1
            gram_number = entry[slot]
            count[gram_number] += last[gram_number] != row_of[j]
            last[gram_number] = row_of[j]
            number[j - at[part]] = gram_number
        rank[:some] = -1
        if total + some > len(shared):
            shared = widened(shared, 2 * (total + some))
        begin = total
        for one in range(some):
            if count[one] >= least:
                shared[total] = own[one]
                total += 1
        sort_up(shared[begin:total])
        for place in range(begin, total):
            rank[entry[find_slot(table, shared[place], xmx_mix(shared[place]))]] = place
        for j in range(at[part], at[part + 1]):
            ids[order[j]] = rank[number[j - at[part]]]
    return shared[:total].copy()


@njit(cache=True, nogil=True)
def _place_table(known: HashArray) -> tuple[HashArray, Ids]:
    size = _room(len(known))
    keys, place = np.zeros(size, np.uint64), np.zeros(size, np.int32)
    for number in range(len(known)):
        at = find_slot(keys, known[number], xmx_mix(known[number]))
        keys[at], place[at] = known[number], number
    return keys, place


@kernel
def _look_up(hashes: HashArray, keys: HashArray, place: Ids, out: Ids) -> None:
    for i in range(len(hashes)):
        at = find_slot(keys, hashes[i], xmx_mix(hashes[i]))
        out[i] = place[at] if keys[at] != 0 else -1
