"""The templates that simulated campaigns and honest software send: hand-written ones, and composed ones without end."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from fingerprint.simulate.grammar import Grammar, read_text, sections, unescape
from fingerprint.simulate.render import FIRST, IN_SYSTEM, INSIDE, LAST

LAYOUTS = {"first": FIRST, "start": FIRST, "end": LAST, "middle": INSIDE, "system": IN_SYSTEM}
LANGUAGES = ("es", "de", "fr", "zh")
MOST_SHARED = 0.3  # word 4-grams that two templates may have in common

_CHOICE = re.compile(r"\{([^{}]*)\}")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Family:
    """One template. Texts are in the grammar's notation.

    place: first (template, then body), system, or start, middle, end: an injection in a genuine body.
    body: the rule that writes what the template is filled with. weak: too little fixed text to be scored.
    """

    name: str
    sentences: tuple[str, ...]
    place: str = "first"
    body: str = "task"
    kind: str = "campaign"
    lead: str = "\n\n"
    tail: str = ""
    weak: bool = False
    paraphrases: tuple[str, ...] = ()
    translations: tuple[str, ...] = ()

    @property
    def injected(self) -> bool:
        """Return whether the template is an instruction placed in somebody's genuine prompt."""
        return self.place in ("start", "middle", "end")


@dataclass(slots=True)
class _Draft:
    sentences: list[str] = field(default_factory=list)
    paraphrases: list[str] = field(default_factory=list)
    translations: list[str] = field(default_factory=list)
    lead: str = "\n\n"
    tail: str = ""


def written(file: str) -> list[Family]:
    """Return the hand-written families of a file.

    `@name place=… body=… kind=… weak`, then lines that begin with - (a sentence), ~ (a rewording), lead, tail
    or a language.
    """
    families = []
    for head, lines in sections(read_text(file)):
        name, *options = head.split()
        draft = _Draft()
        for line in lines:
            mark, _, rest = line.partition(" ")
            text = unescape(rest)
            if mark == "-":
                draft.sentences.append(text)
            elif mark == "~":
                draft.paraphrases.append(text)
            elif mark in LANGUAGES:
                draft.translations.append(text)
            else:
                setattr(draft, mark, text)
        given = dict(option.split("=") for option in options if "=" in option)
        families.append(
            Family(
                name,
                tuple(draft.sentences),
                lead=draft.lead,
                tail=draft.tail,
                weak="weak" in options,
                paraphrases=tuple(draft.paraphrases),
                translations=tuple(draft.translations),
                **given,
            )
        )
    return families


class Composer:
    """Makes templates out of clauses, any two sharing less than MOST_SHARED of their word 4-grams.

    In clauses.txt `{bank}` stands for a clause of that bank and `{a|b}` for a choice, both made once for each
    template; what is between « and » is left to be filled in for each request.
    """

    def __init__(self, seed: int, files: Sequence[str] = ("clauses.txt",)) -> None:
        self._random = random.Random(f"families {seed}")
        self._banks = {
            head.split()[0]: (head.split()[1:], lines)
            for file in files
            for head, lines in sections(read_text(file))
        }
        self._kinds = {name: lines for name, (options, lines) in self._banks.items() if "kind" in options}
        self._holders: dict[int, list[int]] = {}
        self._sizes: list[int] = []

    def keep(self, families: list[Family]) -> None:
        """Remember given templates, so that composed ones stay away from them."""
        for family in families:
            self.admit(family)

    def admit(self, family: Family) -> bool:
        """Remember the template's 4-grams; if it is too close to an earlier one do nothing, return False."""
        words = _WORD.findall(" ".join(family.sentences).lower())
        grams = {hash(tuple(words[i : i + 4])) for i in range(len(words) - 3)}
        shared: dict[int, int] = {}
        for gram in grams:
            for other in self._holders.get(gram, ()):
                shared[other] = shared.get(other, 0) + 1
        if any(count >= MOST_SHARED * min(self._sizes[other], len(grams)) for other, count in shared.items()):
            return False
        for gram in grams:
            self._holders.setdefault(gram, []).append(len(self._sizes))
        self._sizes.append(len(grams))
        return True

    def families(self, kind: str, prefix: str) -> Iterator[Family]:
        """Return endlessly many distinct families of a kind that clauses.txt names."""
        for made in itertools.count():
            yield self.compose(kind, f"{prefix}{made:03d}")

    def compose(self, kind: str, name: str) -> Family:
        """Return another family of a kind; one that is close to an earlier one after a dozen tries in vain."""
        tries = 0
        while True:
            pattern, *options = (
                part.strip() for part in self._random.choice(self._kinds[kind]).split(" ;; ")
            )
            sentences = tuple(_sentence(unescape(self._fill(part))) for part in pattern.split(" / "))
            given = {
                key: unescape(self._fill(value))
                for key, value in (option.split("=", 1) for option in options)
            }
            family = Family(name, sentences, kind=given.pop("kind", kind), **given)  # type: ignore[arg-type]
            tries += 1
            if self.admit(family) or tries > 12:
                return family

    def clauses(self, bank: str, count: int) -> list[str]:
        """Return different clauses of a bank, or all of them if it has no more than `count`."""
        lines = self._banks[bank][1]
        chosen = self._random.sample(lines, min(count, len(lines)))
        return [_sentence(unescape(self._fill(line))) for line in chosen]

    def _fill(self, text: str) -> str:
        while match := _CHOICE.search(text):
            body = match[1]
            options = self._banks[body][1] if body in self._banks else body.split("|")
            text = text[: match.start()] + self._random.choice(options) + text[match.end() :]
        return text


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def register(grammar: Grammar, family: Family) -> None:
    """Add the rules of a family: `name` as written, `name/s0` … its sentences, `name/lead`, `name/tail`."""
    name = f"fam/{family.name}"
    grammar.add(name, [" ".join(family.sentences)])
    for i, sentence in enumerate(family.sentences):
        grammar.add(f"{name}/s{i}", [sentence + " "])
    grammar.add(f"{name}/lead", [family.lead])
    grammar.add(f"{name}/tail", [family.tail])
