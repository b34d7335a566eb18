"""Turns the rule files in text/ into the tables that the kernel walks.

A rule is `@name` followed by one alternative a line; `@name zipf` weighs them by rank, `<5> ` before an
alternative weighs it by hand. Between « and »:

    name        the rule             name*2-9    2 to 9 times, short runs likelier
    a|b|c       one of these         name@1      the same text each time in this prompt
    #10-99      a whole number       name~1.4,50 one of endlessly many fixed texts by a power law, flat below 50
    %x8 %d4     hex, digits          name!       the parts of the rule in random order
    .n          a word of the topic  %cap %an    capitalise what follows; a or an
    %clock %date  the time of the request, the clock running on with each use
    name^1      the same text each time from this person
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fingerprint.base.types import Bytes, Ids
from fingerprint.simulate.morphology import CLASSES, inflect

(
    LITERAL,
    RULE,
    REPEAT,
    INTEGER,
    HEX,
    DIGITS,
    CAPITAL,
    ARTICLE,
    TOPIC,
    CLOCK,
    DATE,
    ZETA,
    SAME,
    SHUFFLE,
    OWN,
) = range(15)
OP_WIDTH = 4

_SHAPE = re.compile(
    r"(?P<name>[\w./:]+)(?:~(?P<zeta>[\d.]+)(?:,(?P<head>\d+))?)?(?:@(?P<slot>\d+))?(?:\^(?P<own>\d+))?(?:\*(?P<low>\d+)-(?P<high>\d+))?(?P<shuffle>!)?"
)
_WEIGHT = re.compile(r"<(\d+)> ")


class Tables(NamedTuple):
    """The compiled rules, ready for the kernel.

    code: (ops, 4) int32, an operation and its three arguments.
    rules: (rules, 2) int32, first alternative and their number.
    alternatives: (alternatives, 2) int32, first operation and their number.
    accept, alias: (alternatives,) uint32 and int32, Walker's alias table of each rule.
    topics: (classes,) int32, the rule of class c for topic t is topics[c] + t.
    arena: uint8, all literal text in UTF-8.
    """

    code: Ids
    rules: Ids
    alternatives: Ids
    accept: npt.NDArray[np.uint32]
    alias: Ids
    topics: Ids
    arena: Bytes


@dataclass(frozen=True, slots=True)
class Compiled:
    """The tables and the number of each named rule."""

    tables: Tables
    names: dict[str, int]
    topic_count: int


class Grammar:
    """Collects rules, then compiles them; a rule may be used before it is added."""

    def __init__(self) -> None:
        self._rules: list[tuple[list[str], list[float]] | None] = []
        self._names: dict[str, int] = {}
        self._topics: list[str] = []

    def number(self, name: str) -> int:
        """Return the rule's number, given out on first mention."""
        if name not in self._names:
            self._names[name] = len(self._rules)
            self._rules.append(None)
        return self._names[name]

    def add(self, name: str, alternatives: Sequence[str], weights: Sequence[float] | None = None) -> int:
        """Add a rule and return its number."""
        number = self.number(name)
        self._rules[number] = (list(alternatives), list(weights or [1.0] * len(alternatives)))
        return number

    def add_run(self, name: str, texts: Sequence[str]) -> int:
        """Add one rule for each text, numbered in sequence, and return the first number; again for a run that is there."""
        first, *_ = [self.add(f"{name}/{i}", [text]) for i, text in enumerate(texts)]
        return first

    @property
    def topic_count(self) -> int:
        """Return the number of topics read."""
        return len(self._topics)

    def declare(self, text: str) -> None:
        """Give the rules of a rule file their numbers, so that others may mention them before they are read."""
        for head, _ in sections(text):
            self.number(head.split()[0])

    def read(self, text: str) -> None:
        """Add every rule of a rule file."""
        for head, lines in sections(text):
            name, *options = head.split()
            weights = []
            alternatives = []
            for rank, line in enumerate(lines):
                match = _WEIGHT.match(line)
                weights.append(float(match[1]) if match else 1 / (rank + 2.7) if "zipf" in options else 1.0)
                alternatives.append(unescape(line[match.end() :] if match else line))
            self.add(name, alternatives, weights)

    def read_topics(self, text: str) -> None:
        """Add the topics' words: for each topic the classes n, ns, v, vs, vd, vg, a, each weighed by rank."""
        topics = [(head, dict(line.split(": ", 1) for line in lines)) for head, lines in sections(text)]
        self._topics = [head for head, _ in topics]
        inflected = [inflect(words) for _, words in topics]
        for kind in CLASSES:
            for topic, forms in zip(self._topics, inflected, strict=True):
                words = forms[kind]
                self.add(f".{kind}/{topic}", words, [1 / (rank + 2.7) for rank in range(len(words))])

    def compile(self) -> Compiled:
        """Compile all rules; a rule that was named but never added is a KeyError."""
        return _Compiler(self._rules, self._names, self._topics).run()


class _Compiler:
    def __init__(
        self, rules: list[tuple[list[str], list[float]] | None], names: dict[str, int], topics: list[str]
    ) -> None:
        self.rules, self.names, self.topics = rules, names, topics
        self.code: list[tuple[int, int, int, int]] = []
        self.arena = bytearray()
        self.known: dict[bytes, int] = {}
        self.inline: list[list[str]] = []

    def run(self) -> Compiled:
        rules: list[tuple[int, int]] = []
        alternatives: list[tuple[int, int]] = []
        accept: list[npt.NDArray[np.uint32]] = []
        alias: list[Ids] = []

        def emit(texts: Sequence[str], weights: Sequence[float]) -> None:
            rules.append((len(alternatives), len(texts)))
            alternatives.extend(self.sequence(text) for text in texts)
            probability, other = alias_table(weights)
            accept.append(probability)
            alias.append(other)

        missing = [name for name, number in self.names.items() if self.rules[number] is None]
        if missing:
            raise KeyError(f"rules named but not written: {', '.join(missing)}")
        for rule in self.rules:
            assert rule is not None
            emit(*rule)
        # inline choices become rules of their own, behind the named ones
        done = 0
        while done < len(self.inline):
            emit(self.inline[done], [1.0] * len(self.inline[done]))
            done += 1
        first = [self.names[f".{kind}/{self.topics[0]}"] if self.topics else 0 for kind in CLASSES]
        tables = Tables(
            np.array(self.code, np.int32).reshape(-1, OP_WIDTH),
            np.array(rules, np.int32).reshape(-1, 2),
            np.array(alternatives, np.int32).reshape(-1, 2),
            np.concatenate(accept),
            np.concatenate(alias),
            np.array(first, np.int32),
            np.frombuffer(bytes(self.arena), np.uint8).copy(),
        )
        return Compiled(tables, dict(self.names), len(self.topics))

    def sequence(self, text: str) -> tuple[int, int]:
        ops: list[tuple[int, int, int, int]] = []
        for i, part in enumerate(_slots(text)):
            if i % 2:
                ops.append(self.slot(part))
            else:
                ops.extend(self.literal(part))
        start = len(self.code)
        self.code.extend(ops)
        return start, len(ops)

    def literal(self, text: str) -> Iterable[tuple[int, int, int, int]]:
        if not text:
            return ()
        data = text.encode()
        if data not in self.known:
            self.known[data] = len(self.arena)
            self.arena += data
        return ((LITERAL, self.known[data], len(data), 0),)

    def slot(self, body: str) -> tuple[int, int, int, int]:
        choices = _choices(body)
        if len(choices) > 1:
            self.inline.append(choices)
            return RULE, len(self.rules) + len(self.inline) - 1, 0, 0
        if body[0] == "#":
            low, high = body[1:].split("-")
            return INTEGER, int(low), int(high), 0
        if body[0] == "%":
            return _builtin(body[1:])
        if body[0] == ".":
            return TOPIC, CLASSES.index(body[1:]), 0, 0
        match = _SHAPE.fullmatch(body)
        if not match or match["name"] not in self.names:
            raise KeyError(f"a rule, or a form that grammar.py lists, expected; «{body}» found")
        rule = self.names[match["name"]]
        least, most = int(match["low"] or 1), int(match["high"] or 1)
        if match["zeta"]:
            # two numbers share a place: the exponent in hundredths and the head, both bounds of the run
            return (
                ZETA,
                rule,
                round(100 * float(match["zeta"])) + 1000 * int(match["head"] or 1),
                least * 1000 + most,
            )
        if match["slot"]:
            return SAME, rule, int(match["slot"]), 0
        if match["own"]:
            return OWN, rule, int(match["own"]), 0
        if match["low"]:
            return REPEAT, rule, least, most
        return (SHUFFLE if match["shuffle"] else RULE), rule, 0, 0


def _slots(text: str) -> list[str]:
    """Return literal text and the bodies of slots in turn; slots may hold slots."""
    parts, depth = [""], 0
    for piece in re.split("([«»])", text):
        depth += (piece == "«") - (piece == "»")
        if (piece == "«" and depth == 1) or (piece == "»" and depth == 0):
            parts.append("")
        else:
            parts[-1] += piece
    return parts


def _choices(body: str) -> list[str]:
    """Return the body of a slot, split at each | outside the slots that it holds."""
    parts = _slots(body)
    choices = [""]
    for i, part in enumerate(parts):
        first, *others = [f"«{part}»"] if i % 2 else part.split("|")
        choices[-1] += first
        choices.extend(others)
    return [unescape(choice) for choice in choices]


def _builtin(name: str) -> tuple[int, int, int, int]:
    plain = {"cap": CAPITAL, "an": ARTICLE, "clock": CLOCK, "date": DATE}
    if name in plain:
        return plain[name], 0, 0, 0
    return (HEX if name[0] == "x" else DIGITS), int(name[1:]), 0, 0


def alias_table(weights: Sequence[float]) -> tuple[npt.NDArray[np.uint32], Ids]:
    """Return Walker's alias table: (n,) acceptance thresholds scaled to 2^32 - 1, and (n,) int32 replacements."""
    scaled = np.array(weights, np.float64)
    scaled *= len(scaled) / scaled.sum()
    other = np.arange(len(scaled), dtype=np.int32)
    small = [i for i, w in enumerate(scaled) if w < 1]
    large = [i for i, w in enumerate(scaled) if w >= 1]
    while small and large:
        less, more = small.pop(), large[-1]
        other[less] = more
        scaled[more] -= 1 - scaled[less]
        if scaled[more] < 1:
            small.append(large.pop())
    for i in small + large:
        scaled[i] = 1
    return (np.minimum(scaled, 1) * 0xFFFFFFFF).astype(np.uint32), other


def sections(text: str) -> list[tuple[str, list[str]]]:
    """Split a rule file into (what follows the @, lines); blank lines and comments are dropped."""
    parts: list[tuple[str, list[str]]] = []
    for line in text.split("\n"):
        if line.startswith("@"):
            parts.append((line[1:].strip(), []))
        elif line.strip() and not line.startswith("# "):
            parts[-1][1].append(line.rstrip(" "))
    return parts


def unescape(line: str) -> str:
    r"""Turn \n, \t and \s (a space at an end, or an empty alternative's \e) into what they stand for."""
    return line.replace("\\n", "\n").replace("\\t", "\t").replace("\\s", " ").replace("\\e", "")


def read_text(name: str) -> str:
    """Return the rule file of that name."""
    return files(__package__).joinpath("text", name).read_text("utf-8")
