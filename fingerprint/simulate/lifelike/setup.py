"""What every part of a lifelike world is drawn with: rules, templates, accounts, labels and random numbers."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import numpy as np

from fingerprint.base.types import IntArray
from fingerprint.simulate.families import LAYOUTS, Composer, Family, register
from fingerprint.simulate.grammar import Grammar, read_text
from fingerprint.simulate.lifelike.people import Accounts, People, Register
from fingerprint.simulate.lifelike.turns import Labels, Turns
from fingerprint.simulate.render import NONE
from fingerprint.simulate.world import RULE_FILES, popular_rules

WORDS = ("words.txt", "topics.txt")
LIFE_FILES = ("people.txt", "software.txt", "customers.txt")
CLAUSES = ("clauses.txt", "lifelike.txt", "agents.txt", "services.txt")
DOCUMENTS = 200
"""Texts that are passed around a lot."""

USUAL_ROWS = 45_000
"""Requests a day for which sizes are given; other worlds have as much of everything as is in proportion."""

Source = Callable[[int], Turns]
"""Returns what a part of the world sends on a day, counted from 0."""


class Template(NamedTuple):
    """A family's rules by number, and where its instruction stands: columns of Turns by their names."""

    instruction: int
    lead: int
    body: int
    tail: int
    layout: int


class Setup:
    """Rules, accounts and labels while a world is being drawn.

    persons: the accounts of people. popular: the first popular prompt's rule, their number, the rule of all others.
    """

    def __init__(self, seed: int, rows: int, persons: int) -> None:
        self.seed = seed
        self.scale = rows / USUAL_ROWS
        self.grammar = Grammar()
        self.grammar.read_topics("\n".join(map(read_text, WORDS)))
        texts = [read_text(name).replace("{docs}", str(DOCUMENTS)) for name in (*RULE_FILES, *LIFE_FILES)]
        for text in texts:
            self.grammar.declare(text)
        for text in texts:
            self.grammar.read(text)
        self.popular = popular_rules(self.grammar)
        self.composer = Composer(seed, CLAUSES)
        self.topics = self.grammar.topic_count
        self.labels = Labels()
        self.register = Register(self.topics, self.random("accounts"))
        self.persons = self.register.add(persons)
        self.register.organise(self.persons)

    def random(self, name: str, day: int = -1) -> np.random.Generator:
        """Return the generator of a part of the world, another one for each day."""
        return np.random.default_rng([self.seed, zlib.crc32(name.encode()), day + 1])

    def size(self, usual: float, least: int, random: np.random.Generator) -> int:
        """Return a size for a world of this many requests, up to a fourth more or less than usual."""
        return max(least, round(usual * self.scale * random.uniform(0.75, 1.25)))

    def some_persons(self, count: int, random: np.random.Generator) -> IntArray:
        """Return different accounts of people, at most half of all."""
        return random.choice(self.persons, min(count, max(1, len(self.persons) // 2)), replace=False)

    def template(self, family: Family) -> Template:
        """Add a family's rules to the grammar."""
        register(self.grammar, family)
        number, name = self.grammar.number, f"fam/{family.name}"
        return Template(
            instruction=number(name),
            lead=number(f"{name}/lead") if family.lead else NONE,
            body=number(family.body),
            tail=number(f"{name}/tail") if family.tail else NONE,
            layout=LAYOUTS[family.place],
        )

    def composed(self, kind: str, name: str) -> Template:
        """Add a new family of a kind that the clauses name."""
        return self.template(self.composer.compose(kind, name))

    @cached_property
    def accounts(self) -> Accounts:
        """All accounts; none may be added after this was asked for."""
        return self.register.accounts()

    @property
    def people(self) -> People:
        """The people of all accounts."""
        return self.accounts.people
