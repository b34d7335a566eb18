"""Puts one block of requests into words: instruction, body and system prompt by layout, then the disguise."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fingerprint.base.jit import kernel, njit
from fingerprint.base.types import Doubles, Ids
from fingerprint.simulate.disguise import homoglyph, invisible, recase, tweak
from fingerprint.simulate.grammar import Tables
from fingerprint.simulate.kernel import I64, U8, U64, Stack, below, expand, new_stack, unit

LONGEST = 16_000
"""Bytes of a body, and of an instruction, as a rule; a part that has begun is finished."""
_ROOM = 48  # times as much: every letter a look-alike of four bytes, each with something invisible behind it

FIRST, LAST, INSIDE, IN_SYSTEM = range(4)
"""Layouts: where the instruction stands."""

NONCE, SCATTER, CASE, HOMOGLYPH, INVISIBLE, TWEAK = (1 << bit for bit in range(6))
"""Disguises; a request's are their sum."""

NONE = -1


class Requests(NamedTuple):
    """What to write, one entry a request; rules are numbers of the grammar, NONE for no such part.

    seed, body_seed, system_seed, person: uint64. topic: int32. clock: int64, Unix seconds. layout, disguise: int8.
    strength: float64, of the disguise, 0 to 1.
    """

    seed: U64
    body_seed: U64
    system_seed: U64
    topic: Ids
    person: U64
    clock: I64
    instruction: Ids
    lead: Ids  # between instruction and body
    body: Ids
    tail: Ids  # after the body
    aside: Ids  # of the instruction, in the turn that the rest is not in
    system: Ids
    layout: npt.NDArray[np.int8]
    disguise: npt.NDArray[np.int8]
    strength: Doubles


class RenderSettings(NamedTuple):
    """What all requests share: the number of topics, the nonce rule, and the bytes after which a body ends."""

    topics: int
    nonce: int
    longest: int


@kernel
def _append(out: U8, pos: int, text: U8, start: int, end: int) -> int:
    for i in range(start, end):
        out[pos + i - start] = text[i]
    return pos + end - start


@kernel
def _split(body: U8, length: int, rng: U64) -> int:
    """Return a place after a sentence or line in the middle third of the body, else its end."""
    start = int(length * (0.33 + 0.33 * unit(rng)))
    for i in range(start, length):
        if body[i] == 10 or (body[i] == 32 and body[i - 1] == 46):
            return i + 1
    return length


@kernel
def _put_on(text: U8, length: int, out: U8, spare: U8, rng: U64, disguise: int, strength: float) -> int:
    """Copy text to out with its letters disguised, by one disguise after another."""
    if disguise & TWEAK and length > 0:
        return tweak(text, length, out, rng)
    length = _append(out, 0, text, 0, length)
    if disguise & CASE:
        length = _append(out, 0, spare, 0, recase(out, length, spare, rng, strength))
    if disguise & HOMOGLYPH:
        length = _append(out, 0, spare, 0, homoglyph(out, length, spare, rng, strength))
    if disguise & INVISIBLE:
        length = _append(out, 0, spare, 0, invisible(out, length, spare, rng, strength))
    return length


@njit(cache=True, nogil=True)
def _compose(
    t: Tables, r: Requests, i: int, s: RenderSettings, rng: U64, k: Stack, a: U8, b: U8, c: U8
) -> int:
    """Write prompt i, before disguise, into c with a and b as scratch, and return its length."""
    clock = r.clock[i : i + 1].copy()
    length = 0
    if r.body[i] != NONE:
        rng[0] = r.body_seed[i]
        length = expand(t, r.body[i], r.topic[i], s.topics, r.person[i], rng, clock, k, a, 0, s.longest)
    rng[0] = r.seed[i]
    layout = r.layout[i]
    head = 0
    instruction = r.aside[i] if layout == IN_SYSTEM else r.instruction[i]
    if instruction != NONE:
        head = expand(t, instruction, r.topic[i], s.topics, r.person[i], rng, clock, k, b, 0, s.longest)
    pos = 0
    if layout in (FIRST, IN_SYSTEM):
        pos = _append(c, 0, b, 0, head)
    if r.lead[i] != NONE and layout in (FIRST, IN_SYSTEM):
        pos = expand(t, r.lead[i], r.topic[i], s.topics, r.person[i], rng, clock, k, c, pos, pos + s.longest)
    if layout == INSIDE:
        middle = _split(a, length, rng)
        pos = _append(c, pos, a, 0, middle)
        pos = _append(c, pos, b, 0, head)
        if middle < length:
            c[pos] = c[pos + 1] = 10
            pos = _append(c, pos + 2, a, middle, length)
    else:
        pos = _append(c, pos, a, 0, length)
    if layout == LAST:
        c[pos] = c[pos + 1] = 10
        pos = _append(c, pos + 2, b, 0, head)
    elif r.tail[i] != NONE:
        pos = expand(t, r.tail[i], r.topic[i], s.topics, r.person[i], rng, clock, k, c, pos, pos + s.longest)
    return pos


@njit(cache=True, nogil=True)
def _nonces(
    t: Tables, i: int, r: Requests, s: RenderSettings, rng: U64, k: Stack, a: U8, length: int, c: U8
) -> int:
    """Copy a to c with 1 to 8 nonces at its ends, as the strength has it."""
    clock = r.clock[i : i + 1].copy()
    pos = 0
    count = 1 + int(7 * r.strength[i] + 0.5)
    before = below(rng, count + 1)
    for number in range(count):
        if number == before:
            pos = _append(c, pos, a, 0, length)
        if number >= before:
            c[pos] = 10 if below(rng, 2) else 32
            pos += 1
        pos = expand(t, s.nonce, 0, s.topics, r.person[i], rng, clock, k, c, pos, pos + s.longest)
        if number < before:
            c[pos] = 10 if below(rng, 2) else 32
            pos += 1
    return _append(c, pos, a, 0, length) if before == count else pos


@njit(cache=True, nogil=True)
def _scattered(
    t: Tables, i: int, r: Requests, s: RenderSettings, rng: U64, k: Stack, a: U8, length: int, c: U8
) -> int:
    """Copy a to c with nonces between its words, up to one after every second word, one at least."""
    clock = r.clock[i : i + 1].copy()
    pos = 0
    missing = True
    for at in range(length):
        c[pos] = a[at]
        pos += 1
        if a[at] == 32 and (missing or unit(rng) < 0.5 * r.strength[i]):
            pos = expand(t, s.nonce, 0, s.topics, r.person[i], rng, clock, k, c, pos, pos + s.longest)
            c[pos] = 32
            pos += 1
            missing = False
    return pos


@kernel
def _trim(text: U8, length: int) -> tuple[int, int]:
    """Return where the text without white space at its ends begins and stops."""
    start = 0
    while start < length and (text[start] == 32 or text[start] == 10):
        start += 1
    while length > start and (text[length - 1] == 32 or text[length - 1] == 10):
        length -= 1
    return start, length


@njit(cache=True, nogil=True)
def write_rows(
    t: Tables,
    r: Requests,
    s: RenderSettings,
    begin: int,
    prompts: U8,
    prompt_ends: I64,
    systems: U8,
    system_ends: I64,
) -> int:
    """Write requests from `begin` on until a buffer is full and return the first not written.

    prompt_ends, system_ends: (rows + 1,) int64, Arrow's offsets, filled up to the rows written.
    """
    a = np.empty(_ROOM * s.longest, np.uint8)
    b = np.empty(_ROOM * s.longest, np.uint8)
    c = np.empty(_ROOM * s.longest, np.uint8)
    rng = np.zeros(1, np.uint64)
    k = new_stack()
    for i in range(begin, len(r.seed)):
        length = _compose(t, r, i, s, rng, k, a, b, c)
        disguise = r.disguise[i]
        if disguise & SCATTER:
            a, c = c, a
            length = _scattered(t, i, r, s, rng, k, a, length, c)
        if disguise & NONCE:
            a, c = c, a
            length = _nonces(t, i, r, s, rng, k, a, length, c)
        start, length = _trim(c, length)
        used = _put_on(c[start:], length - start, a, b, rng, disguise, r.strength[i])
        if prompt_ends[i] + used > len(prompts):
            return i
        prompt_ends[i + 1] = _append(prompts, prompt_ends[i], a, 0, used)

        used = 0
        own = r.instruction[i] if r.layout[i] == IN_SYSTEM else r.aside[i]
        rule = own if own != NONE else r.system[i]
        if rule != NONE:
            rng[0] = r.seed[i] if own != NONE else r.system_seed[i]
            length = expand(
                t, rule, r.topic[i], s.topics, r.person[i], rng, r.clock[i : i + 1].copy(), k, c, 0, s.longest
            )
            start, length = _trim(c, length)
            if own == NONE:
                disguise = 0
            elif disguise & SCATTER:
                a, c = c, a
                length = _scattered(t, i, r, s, rng, k, a[start:], length - start, c)
                start = 0
            used = _put_on(c[start:], length - start, b, a, rng, disguise, r.strength[i])
        if system_ends[i] + used > len(systems):
            return i
        system_ends[i + 1] = _append(systems, system_ends[i], b, 0, used)
    return len(r.seed)
