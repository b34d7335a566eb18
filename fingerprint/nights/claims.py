"""Which prompts hold which families' texts: any number of cores against any number of prompts, by their n-grams.

The n-grams of all cores stand in one open-addressing hash table (linear probing, at most half full), so an n-gram costs
one or two memory accesses and a prompt costs its n-grams, however many families there are. A bitmap that is twelve times
smaller answers for most n-grams of no core before, from the processor's cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fingerprint.base.growing import widened
from fingerprint.base.hashing import find_slot, free_slot, xmx_mix
from fingerprint.base.jit import njit
from fingerprint.base.sorting import sort_up
from fingerprint.base.types import Bools, HashArray, Ids, IntArray


class CoreTable(NamedTuple):
    """The n-grams of f families, to be looked up.

    slots: (2^b,) uint64, an n-gram or 0 where the slot is empty. entry: (2^b,) int32, the family whose core alone holds the
    n-gram, or, of several, -1 - the n-gram's row in offsets.
    offsets: (g + 1,) int64 into family: (e,) int32, the families whose core holds an n-gram, ascending.
    size: (f,) int64, n-grams in each core. marks: (2^b / 8,) uint64, bits of which each n-gram sets one.
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

    prompt: (c,) int64. family: (c,) int32. grams: (c,) int32, how many n-grams of the family's core the prompt holds.
    """

    prompt: IntArray
    family: Ids
    grams: Ids

    def __len__(self) -> int:
        return len(self.prompt)

    def only(self, rows: Bools) -> Claims:
        """Return some claims, (c,) bool."""
        return Claims(self.prompt[rows], self.family[rows], self.grams[rows])


def core_table(grams: Sequence[HashArray]) -> CoreTable:
    """Arrange the cores of f families, each the distinct n-grams (g,) of one; a core without any claims nothing."""
    sizes = np.array([len(core) for core in grams], dtype=np.int64)
    every = np.concatenate([*grams, np.empty(0, dtype=np.uint64)])
    family = np.repeat(np.arange(len(grams), dtype=np.int32), sizes)
    order = np.argsort(every, kind="stable")  # families are ascending
    begins = np.flatnonzero(np.diff(every[order], prepend=np.uint64(0)))  # no gram is 0
    distinct, counts = every[order[begins]], np.diff(begins, append=len(every))
    bits = max(4, len(distinct).bit_length() + 1)
    holders = family[order]
    entries = np.where(counts == 1, holders[begins], -1 - np.arange(len(distinct), dtype=np.int32))
    slots, entry, marks = _table(distinct, entries.astype(np.int32), bits)
    return CoreTable(slots, entry, np.append(begins, len(every)), holders, sizes, marks)


def find_claims(cores: CoreTable, hashes: HashArray, offsets: IntArray, *, share: float) -> Claims:
    """Find the families of which each prompt holds at least `share` of the core.

    hashes: (p,) uint64 and offsets: (n + 1,), the n-grams of n prompts; one that comes again counts once.
    """
    nobody, nothing = np.empty(0, dtype=np.int32), np.empty(0, dtype=np.bool_)
    return Claims(*_claims(hashes, offsets, cores, _least(cores, share), nobody, nothing))


def find_own(
    cores: CoreTable, hashes: HashArray, offsets: IntArray, label: Ids, *, share: float
) -> tuple[Claims, Bools]:
    """Find which families prompts hold beside their own, as `find_claims`, and which n-grams (p,) are of the own one's core.

    label: (n,) the family of each prompt, -1 = none.
    """
    own = np.zeros(len(hashes), dtype=np.bool_)
    claims = Claims(*_claims(hashes, offsets, cores, _least(cores, share), label, own))
    return claims.only(claims.family != label[claims.prompt]), own


def _least(cores: CoreTable, share: float) -> IntArray:
    return np.asarray(np.ceil(share * cores.size - 1e-6), dtype=np.int64)


def append_claims(claims: Claims, more: Claims, families: int) -> Claims:
    """Put claims on other families behind those on the first `families`; the others are numbered after these."""
    return Claims(
        np.concatenate([claims.prompt, more.prompt]),
        np.concatenate([claims.family, more.family + np.int32(families)]),
        np.concatenate([claims.grams, more.grams]),
    )


def join_claims(parts: Sequence[Claims], first: Sequence[int]) -> Claims:
    """Put the claims on consecutive parts of the prompts together; first: number of each part's first prompt."""
    empty = (np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.int32))
    return Claims(
        np.concatenate([empty[0], *(p.prompt + at for p, at in zip(parts, first, strict=True))]),
        np.concatenate([empty[1], *(p.family for p in parts)]),
        np.concatenate([empty[2], *(p.grams for p in parts)]),
    )


@njit(cache=True, nogil=True)
def _table(grams: HashArray, entries: Ids, bits: int) -> tuple[HashArray, Ids, HashArray]:
    slots = np.zeros(1 << bits, np.uint64)
    entry = np.zeros(1 << bits, np.int32)
    marks = np.zeros(1 << (bits - 3), np.uint64)
    shift = np.uint64(64 - bits - 3)
    for i in range(len(grams)):
        mixed = xmx_mix(grams[i])
        bit = mixed >> shift
        marks[bit >> np.uint64(6)] |= np.uint64(1) << (bit & np.uint64(63))
        at = free_slot(slots, mixed)
        slots[at] = grams[i]
        entry[at] = entries[i]
    return slots, entry, marks


@njit(cache=True, nogil=True)
def _claims(
    hashes: HashArray, offsets: IntArray, cores: CoreTable, least: IntArray, label: Ids, own: Bools
) -> tuple[IntArray, Ids, Ids]:
    """Return the claims of `find_claims`, as columns; least: (f,) n-grams of each core that a prompt must hold.

    Marks in own (p,), where that has places, the n-grams of the prompts' own families, label (n,).
    """
    slots, entry, gram_at, family, _, marks = cores
    shift = np.uint64(64)
    while np.uint64(1) << (np.uint64(64) - shift) < np.uint64(64 * len(marks)):
        shift -= np.uint64(1)
    seen_in = np.zeros(len(slots), np.int32)  # the row that held each last, counted from 1
    overlap = np.zeros(len(least), np.int32)
    touched = np.empty(len(least) + 1, np.int32)
    most = 0
    for row in range(len(offsets) - 1):
        most = max(most, offsets[row + 1] - offsets[row])
    marked = np.empty(most + 1, np.int64)
    room = len(offsets) + 16
    out_prompt, out_family = np.empty(room, np.int64), np.empty(room, np.int32)
    out_held = np.empty(room, np.int32)
    count = 0
    for row in range(len(offsets) - 1):
        met = 0
        likely = 0
        for i in range(offsets[row], offsets[row + 1]):  # without a branch, which nobody could foretell
            bit = xmx_mix(hashes[i]) >> shift
            marked[likely] = i
            likely += int((marks[bit >> np.uint64(6)] >> (bit & np.uint64(63))) & np.uint64(1))
        for i in marked[:likely]:
            at = find_slot(slots, hashes[i], xmx_mix(hashes[i]))
            if slots[at] == 0:
                continue
            one, several = entry[at], -1 - entry[at]
            begin = gram_at[several] if one < 0 else 0
            end = gram_at[several + 1] if one < 0 else 1
            if len(own) > 0:
                for e in range(begin, end):
                    own[i] |= (family[e] if one < 0 else one) == label[row]
            if seen_in[at] == row + 1:
                continue
            seen_in[at] = row + 1
            for e in range(begin, end):
                f = family[e] if one < 0 else one
                touched[met] = f
                met += int(overlap[f] == 0)
                overlap[f] += 1
        sort_up(touched[:met])
        if count + met > room:
            room = 2 * room + met
            out_prompt, out_family = widened(out_prompt, room), widened(out_family, room)
            out_held = widened(out_held, room)
        for t in range(met):
            f = touched[t]
            if overlap[f] >= least[f]:
                out_prompt[count], out_family[count], out_held[count] = row, f, overlap[f]
                count += 1
            overlap[f] = 0
    return out_prompt[:count], out_family[:count], out_held[:count]
