"""Which prompts hold which families' texts: stored or found cores against any number of prompts, by their grams.

The grams of all cores stand in one open-addressing hash table (linear probing, at most half full), so a gram
costs one or two memory accesses and a prompt costs its grams, however many families there are. A bitmap that is
twelve times smaller tells most grams of no core apart before, from the processor's cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from fingerprint.base.hashing import find_slot, free_slot, xmx_mix
from fingerprint.base.types import HashArray, Ids, IntArray


class CoreTable(NamedTuple):
    """The grams of f families, to be looked up.

    slots: (2^b,) uint64, a gram or 0 where the slot is empty. entry: (2^b,) int32, the gram's row in offsets.
    offsets: (g + 1,) int64 into family: (e,) int32, the families whose core holds a gram, ascending.
    size: (f,) int64, grams in each core. marks: (2^b / 8,) uint64, bits of which each gram sets one.
    """

    slots: HashArray
    entry: Ids
    offsets: IntArray
    family: Ids
    size: IntArray
    marks: HashArray


@dataclass(frozen=True, slots=True)
class Claims:
    """Which of n prompts hold which of f families, in the order of prompt and family.

    prompt: (c,) int64. family: (c,) int32. held: (c,) int32, grams of the family's core that the prompt holds.
    """

    prompt: IntArray
    family: Ids
    held: Ids

    def __len__(self) -> int:
        return len(self.prompt)


def cores(grams: Sequence[HashArray]) -> CoreTable:
    """Arrange the cores of f families, each the distinct grams (g,) of one; a core without grams claims nothing."""
    sizes = np.array([len(core) for core in grams], dtype=np.int64)
    every = np.concatenate([*grams, np.empty(0, dtype=np.uint64)])
    family = np.repeat(np.arange(len(grams), dtype=np.int32), sizes)
    order = np.lexsort((family, every))
    distinct, counts = np.unique(every, return_counts=True)
    bits = max(4, len(distinct).bit_length() + 1)
    slots, entry, marks = _table(distinct, bits)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return CoreTable(slots, entry, offsets, family[order].astype(np.int32), sizes, marks)


def claims(known: CoreTable, hashes: HashArray, offsets: IntArray, *, share: float) -> Claims:
    """Find the families of which each prompt holds at least `share` of the core.

    hashes: (p,) uint64 and offsets: (n + 1,), the grams of n prompts; a gram that comes again counts once.
    """
    return Claims(*_claims(hashes, offsets, known, np.ceil(share * known.size - 1e-6).astype(np.int64)))


def joined(parts: Sequence[Claims], first: Sequence[int]) -> Claims:
    """Put the claims on consecutive parts of the prompts together; first: number of each part's first prompt."""
    empty = (np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.int32))
    return Claims(
        np.concatenate([empty[0], *(p.prompt + at for p, at in zip(parts, first, strict=True))]),
        np.concatenate([empty[1], *(p.family for p in parts)]),
        np.concatenate([empty[2], *(p.held for p in parts)]),
    )


@njit(cache=True, nogil=True)
def _table(grams: HashArray, bits: int) -> tuple[HashArray, Ids, HashArray]:
    slots = np.zeros(1 << bits, dtype=np.uint64)
    entry = np.zeros(1 << bits, dtype=np.int32)
    marks = np.zeros(1 << (bits - 3), dtype=np.uint64)
    shift = np.uint64(64 - bits - 3)
    for i in range(len(grams)):
        mixed = xmx_mix(grams[i])
        bit = mixed >> shift
        marks[bit >> np.uint64(6)] |= np.uint64(1) << (bit & np.uint64(63))
        at = free_slot(slots, mixed)
        slots[at] = grams[i]
        entry[at] = i
    return slots, entry, marks


@njit(cache=True, nogil=True)
def _claims(
    hashes: HashArray, offsets: IntArray, known: CoreTable, least: IntArray
) -> tuple[IntArray, Ids, Ids]:
    slots, entry, gram_at, family, _, marks = known
    shift = np.uint64(64)
    while np.uint64(1) << (np.uint64(64) - shift) < np.uint64(64 * len(marks)):
        shift -= np.uint64(1)
    seen_in = np.full(len(gram_at), -1, dtype=np.int64)
    held = np.zeros(len(least), dtype=np.int32)
    touched = np.empty(len(least), dtype=np.int32)
    room = len(offsets) + 16
    out_prompt, out_family = np.empty(room, np.int64), np.empty(room, np.int32)
    out_held = np.empty(room, np.int32)
    count = 0
    for row in range(len(offsets) - 1):
        some = 0
        for i in range(offsets[row], offsets[row + 1]):
            mixed = xmx_mix(hashes[i])
            bit = mixed >> shift
            if not (marks[bit >> np.uint64(6)] >> (bit & np.uint64(63))) & np.uint64(1):
                continue
            at = find_slot(slots, hashes[i], mixed)
            if slots[at] == 0 or seen_in[entry[at]] == row:
                continue
            gram = entry[at]
            seen_in[gram] = row
            for e in range(gram_at[gram], gram_at[gram + 1]):
                if held[family[e]] == 0:
                    touched[some] = family[e]
                    some += 1
                held[family[e]] += 1
        touched[:some].sort()
        if count + some > room:
            room = 2 * room + some
            out_prompt, out_family = _grown(out_prompt, room), _grown(out_family, room)
            out_held = _grown(out_held, room)
        for t in range(some):
            f = touched[t]
            if held[f] >= least[f]:
                out_prompt[count], out_family[count], out_held[count] = row, f, held[f]
                count += 1
            held[f] = 0
    return out_prompt[:count], out_family[:count], out_held[:count]


@njit(cache=True, nogil=True)
def _grown(column: npt.NDArray[Any], room: int) -> npt.NDArray[Any]:
    wider = np.empty(room, column.dtype)
    wider[: len(column)] = column
    return wider
