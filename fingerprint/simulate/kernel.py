"""Walks the grammar's tables and writes text into byte buffers.

Random numbers are SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators"): a
text depends on its own seed alone, so neither chunks nor threads change it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fingerprint.base.jit import kernel, njit
from fingerprint.base.types import Bytes, HashArray, Ids, IntArray
from fingerprint.simulate.grammar import (
    ARTICLE,
    CAPITAL,
    CLOCK,
    DATE,
    HEX,
    INTEGER,
    LITERAL,
    OWN,
    REPEAT,
    RULE,
    SAME,
    SHUFFLE,
    TOPIC,
    ZETA,
    Tables,
)

U8 = Bytes
U64 = HashArray
U32 = npt.NDArray[np.uint32]
I64 = IntArray

_DEPTH = 96
_STEP = 0x9E3779B97F4A7C15


class Stack(NamedTuple):
    """Room for the open alternatives of one expansion, the same for all expansions of a thread.

    at, end: the next operation and the last. left, of: repetitions still to come, and of which rule. saved, own,
    topic: generator, text seed and topic to return to (saved 0: none). series: the seed of an endless text's next
    repetition, 0: none.
    """

    at: I64
    end: I64
    left: I64
    of: I64
    topic: I64
    saved: U64
    own: U64
    series: U64


@njit(cache=True, nogil=True)
def new_stack() -> Stack:
    """Return an empty stack."""
    return Stack(
        np.zeros(_DEPTH, np.int64),
        np.zeros(_DEPTH, np.int64),
        np.zeros(_DEPTH, np.int64),
        np.zeros(_DEPTH, np.int64),
        np.zeros(_DEPTH, np.int64),
        np.zeros(_DEPTH, np.uint64),
        np.zeros(_DEPTH, np.uint64),
        np.zeros(_DEPTH, np.uint64),
    )


@kernel
def mix(x: np.uint64) -> np.uint64:
    """Return SplitMix64's finaliser of x, a bijection of 64-bit numbers."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@kernel
def draw(rng: U64) -> np.uint64:
    """Return the next 64 random bits; `rng[0]` is the state."""
    rng[0] += np.uint64(_STEP)
    return mix(rng[0])


@kernel
def below(rng: U64, n: int) -> int:
    """Return a whole number from 0 to n - 1; n below 2^31."""
    return int(np.int64(((draw(rng) >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32)))


@kernel
def unit(rng: U64) -> float:
    """Return a number above 0, up to 1."""
    return (np.float64(draw(rng) >> np.uint64(11)) + 1.0) / 9007199254740992.0


@kernel
def fraction(bits: np.uint64) -> float:
    """Return random bits as a number above 0, up to 1."""
    return (np.float64(bits >> np.uint64(11)) + 1.0) / 9007199254740992.0


@kernel
def scaled(bits: np.uint64, n: int) -> int:
    """Return random bits as a whole number from 0 to n - 1; n below 2^31."""
    return int(np.int64(((bits >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32)))


@kernel
def run_length(bits: np.uint64, low: int, high: int) -> int:
    """Return a whole number from low to high, the density falling as 1 / (1 + n - low)."""
    if high <= low:
        return low
    return min(high, low + int(np.exp(fraction(bits) * np.log(high - low + 2.0)) - 1.0))


@kernel
def zeta(bits: np.uint64, hundredths: int, head: int) -> np.uint64:
    """Return a rank from 1 up, P(rank > k) = (1 + k / head)^(1 - s), s = hundredths / 100 (Lomax's law)."""
    return np.uint64(1.0 + min(head * (fraction(bits) ** (-100.0 / (hundredths - 100)) - 1.0), 1e12))


@kernel
def digits(out: U8, pos: int, value: int, width: int) -> int:
    """Write a number, zero-padded to width."""
    length = 1
    rest = value // 10
    while rest > 0:
        length += 1
        rest //= 10
    length = max(length, width)
    for i in range(length - 1, -1, -1):
        out[pos + i] = 48 + value % 10
        value //= 10
    return pos + length


@kernel
def calendar(out: U8, pos: int, days: int) -> int:
    """Write a day since 1970 as YYYY-MM-DD (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms")."""
    z = days + 719468
    era = z // 146097
    doe = z - era * 146097
    yoe = (doe - doe // 1460 + doe // 36524 - doe // 146096) // 365
    doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
    mp = (5 * doy + 2) // 153
    month = mp + 3 if mp < 10 else mp - 9
    pos = digits(out, pos, yoe + era * 400 + (1 if month <= 2 else 0), 4)
    out[pos] = 45
    pos = digits(out, pos + 1, month, 2)
    out[pos] = 45
    return digits(out, pos + 1, doy - (153 * mp + 2) // 5 + 1, 2)


@kernel
def figure(kind: int, low: int, high: int, bits: np.uint64, out: U8, pos: int, clock: I64) -> int:
    """Write a number, a date, or a time of day after running `clock[0]` (Unix seconds) on a little."""
    if kind == INTEGER:
        return digits(out, pos, low + scaled(bits, high - low + 1), 1)
    if kind == DATE:
        return calendar(out, pos, clock[0] // 86400)
    if kind == CLOCK:
        clock[0] += scaled(bits, 9)
        second = clock[0] % 86400
        pos = digits(out, pos, second // 3600, 2)
        out[pos] = 58
        pos = digits(out, pos + 1, second // 60 % 60, 2)
        out[pos] = 58
        return digits(out, pos + 1, second % 60, 2)
    for i in range(low):
        digit = scaled(mix(bits + np.uint64(i)), 16 if kind == HEX else 10)
        out[pos] = 48 + digit if digit < 10 else 87 + digit
        pos += 1
    return pos


@kernel
def article(first: int, capital: bool, out: U8, pos: int) -> int:
    """Write "a " or "an " before a word that begins with `first`."""
    out[pos] = 65 if capital else 97
    pos += 1
    if first == 97 or first == 101 or first == 105 or first == 111 or first == 117:
        out[pos] = 110
        pos += 1
    out[pos] = 32
    return pos + 1


@kernel
def shuffled(first: int, count: int, bits: np.uint64, at: I64, top: int) -> None:
    """Put `count` operations from `first` on in random order into `at`, above `top`."""
    for i in range(count):
        at[top + 1 + i] = first + i
    for i in range(count - 1, 0, -1):
        j = scaled(mix(bits + np.uint64(i)), i + 1)
        at[top + 1 + i], at[top + 1 + j] = at[top + 1 + j], at[top + 1 + i]


@kernel
def _alternative(rules: Ids, accept: U32, alias: Ids, rule: int, bits: np.uint64) -> int:
    """Return one of a rule's alternatives, by Walker's method."""
    first, count = int(rules[rule, 0]), int(rules[rule, 1])
    if count <= 1:
        return first
    chosen = first + scaled(bits, count)
    if (bits & np.uint64(0xFFFFFFFF)) > np.uint64(accept[chosen]):
        chosen = first + int(alias[chosen])
    return chosen


@kernel
def _literal(arena: U8, first: int, length: int, capital: bool, an: bool, out: U8, pos: int) -> int:
    """Write some bytes of the arena, after an article, or with a capital, where one is due; return their end."""
    if an:
        pos = article(arena[first], capital, out, pos)
        capital = False
    for i in range(length):
        out[pos + i] = arena[first + i]
    if capital and 97 <= out[pos] <= 122:
        out[pos] -= 32
    return pos + length


@kernel
def _excerpt(bits: np.uint64, first: int, law: int, lengths: int) -> tuple[np.uint64, int, np.uint64]:
    """Return the seed of a text drawn by Lomax's law, how many parts follow the first, and the state of that one.

    An excerpt of several parts begins with one of the text's first ones.
    """
    rank = zeta(bits, law % 1000, law // 1000)
    seed = mix(rank * np.uint64(0xD6E8FEB86659FD93) + np.uint64(first))
    left = run_length(mix(bits), lengths // 1000, lengths % 1000) - 1
    skipped = scaled(mix(bits + np.uint64(_STEP)), 6) if left > 0 else 0
    return seed, left, seed + np.uint64(_STEP) * np.uint64(skipped)


@kernel
def _next_of_series(series: U64, top: int, state: np.uint64) -> np.uint64:
    """Return the generator's state for the next part: of a text's own series, if the part is of one."""
    if series[top] == np.uint64(0):
        return state
    series[top] += np.uint64(_STEP)
    return mix(series[top])


@kernel
def _pushed(k: Stack, top: int) -> int:
    """Put a part that keeps nothing on the stack; return the new top."""
    top += 1
    k.saved[top] = k.series[top] = np.uint64(0)
    return top


@kernel
def _opened_shuffled(alternative: Ids, bits: np.uint64, k: Stack, top: int) -> int:
    """Put the parts of an alternative on the stack in a random order; return the new top."""
    count = int(alternative[1])
    shuffled(int(alternative[0]), count, bits, k.at, top)
    for _ in range(count):
        top = _pushed(k, top)
        k.end[top], k.left[top] = k.at[top] + 1, 0
    return top


@kernel
def _opened(t: Tables, k: Stack, top: int, rule: int, left: int, state: np.uint64) -> np.uint64:
    """Choose one of a rule's alternatives for the part at `top`; return the generator's state.

    left: how often the rule is to be written again after this.
    """
    if t.rules[rule, 1] > 1:
        state += np.uint64(_STEP)
    chosen = _alternative(t.rules, t.accept, t.alias, rule, mix(state))
    k.at[top] = t.alternatives[chosen, 0]
    k.end[top] = k.at[top] + t.alternatives[chosen, 1]
    k.left[top], k.of[top] = left, rule
    return state


@kernel
def _keep(k: Stack, top: int, state: np.uint64, own: np.uint64, topic: int) -> None:
    """Keep, until the part at `top` ends, the generator's state, the text's seed and its topic."""
    k.saved[top], k.own[top], k.topic[top] = state, own, topic


@kernel
def _kept(
    k: Stack, top: int, state: np.uint64, own: np.uint64, topic: int
) -> tuple[np.uint64, np.uint64, int]:
    """Return what was kept when the part at `top` began, if anything was, else what it is given."""
    if k.saved[top] == np.uint64(0):
        return state, own, topic
    return k.saved[top], k.own[top], int(k.topic[top])


@kernel
def expand(
    t: Tables,
    rule: int,
    topic: int,
    topics: int,
    person: np.uint64,
    rng: U64,
    clock: I64,
    k: Stack,
    out: U8,
    pos: int,
    limit: int,
) -> int:
    """Write one expansion of a rule at pos and return its end; begins no new part after `limit`.

    person: what is written as `name^1` depends on it and on nothing else.
    """
    state = own = rng[0]  # in a register: in memory it would cost as much as the rest
    topic, capital, an = int(topic), False, False
    top, left, to_open = _pushed(k, -1), 0, int(rule)
    while pos < limit and top >= 0:
        if to_open >= 0:
            state, to_open = _opened(t, k, top, to_open, left, state), -1
        at = int(k.at[top])
        if at == k.end[top]:
            if k.left[top] > 0:
                to_open, left = int(k.of[top]), int(k.left[top]) - 1
                state = _next_of_series(k.series, top, state)
            else:
                state, own, topic = _kept(k, top, state, own, topic)
                top -= 1
            continue
        k.at[top] = at + 1
        kind, first, second, third = t.code[at, 0], int(t.code[at, 1]), int(t.code[at, 2]), int(t.code[at, 3])
        if kind == LITERAL:
            pos = _literal(t.arena, first, second, capital, an, out, pos)
            capital = an = False
        elif kind in (CAPITAL, ARTICLE):
            capital, an = capital or kind == CAPITAL, an or kind == ARTICLE
        elif kind in (RULE, TOPIC, SAME, OWN):
            top, left, to_open = _pushed(k, top), 0, int(t.topics[first]) + topic if kind == TOPIC else first
            if kind in (SAME, OWN):
                _keep(k, top, state, own, topic)
                state = mix((own if kind == SAME else person) + np.uint64(second * 7919 + first))
        else:
            state += np.uint64(_STEP)
            bits = mix(state)
            if kind == REPEAT:
                top, left, to_open = _pushed(k, top), run_length(bits, second, third) - 1, first
            elif kind == ZETA:
                top, to_open = _pushed(k, top), first
                _keep(k, top, state, own, topic)
                own, left, k.series[top] = _excerpt(bits, first, second, third)
                topic, state = int(np.int64(own % np.uint64(max(topics, 1)))), mix(k.series[top])
            elif kind == SHUFFLE:
                top = _opened_shuffled(t.alternatives[int(t.rules[first, 0])], bits, k, top)
            else:
                pos = figure(kind, first, second, bits, out, pos, clock)
    rng[0] = state
    return pos
