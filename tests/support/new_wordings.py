"""A template of four things to say, each in eight wordings, and honest asks that many people word alike."""

from __future__ import annotations

import itertools

import numpy as np

from support.crafted import Sent, words

THINGS = (
    (
        "weigh every ingredient twice before you write down the recipe",
        "put each ingredient on the scales two times before the recipe is written",
        "the recipe is written down only after all ingredients were weighed twice",
        "weigh all ingredients a second time, then note the recipe",
        "before noting the recipe, weigh each of the ingredients twice",
        "ingredients are weighed twice, and then the recipe is put on paper",
        "do not write the recipe until each ingredient has been weighed two times",
        "every ingredient goes on the scales twice before you write the recipe",
    ),
    (
        "let a grumpy head chef complain about three of your steps",
        "have a bad tempered chef find fault with three of the steps",
        "a grumpy chef criticises three steps of yours",
        "three of your steps must annoy the head chef, who says so",
        "the head chef is in a bad mood and grumbles about three steps",
        "include complaints of a cross head chef about three steps",
        "make the grumpy head chef object to three steps",
        "a head chef in a foul mood complains about three of the steps",
    ),
    (
        "tell the guests at table why the dish turned out as it did",
        "explain to the diners why the dish came out this way",
        "the guests at the table hear why the dish turned out so",
        "describe to your guests how the dish came to be what it is",
        "say to the people at table for what reason the dish turned out like this",
        "guests learn from you why the dish became what it is",
        "give the diners at the table the reasons why the dish came out like that",
        "let the guests know why the dish turned out the way it did",
    ),
    (
        "close with a shopping list for those who cook it at home",
        "end on a shopping list for people who cook this at home",
        "finish with a list of what home cooks must buy",
        "last comes the shopping list for cooking it at home",
        "the end is a shopping list for everybody who cooks at home",
        "conclude with a list of things to buy for the home cook",
        "a shopping list for the home kitchen closes the answer",
        "put a shopping list for home cooks at the very end",
    ),
)

OTHER_THINGS = (
    (
        "how much does every ingredient weigh in grams",
        "say in grams what each ingredient weighs",
        "tell in grams how much each ingredient weighs",
        "what every ingredient weighs is said in grams",
        "in grams, how much do the ingredients weigh",
        "state how many grams every ingredient weighs",
        "give the grams that each ingredient weighs",
        "how many grams does each of the ingredients weigh",
    ),
    (
        "compare the wine of two regions that would suit the plate",
        "two regions whose wines go with the plate are compared",
        "which wine of two regions suits the plate better",
        "set the wines of two regions that match the plate side by side",
        "the wines of two regions are compared for this plate",
        "name a wine of either of two regions for the plate, and compare them",
        "wines of two regions that fit the plate: compare them",
        "compare wines from two regions for this plate",
    ),
)
"""Of another wording of the same template, which says its first thing nearly as THINGS does."""


def reworded_prompts(random: np.random.Generator, count: int) -> list[str]:
    """So many prompts, no two in the same words, each with three of the things in any order and a payload."""
    choices = list(itertools.product(range(8), repeat=len(THINGS)))
    random.shuffle(choices)
    out = []
    for choice in choices[:count]:
        said = [THINGS[thing][choice[thing]] for thing in random.permutation(len(THINGS))[:3]]
        out.append(". ".join([*said, words(random, 12)]))
    return out


def asked_once(random: np.random.Generator, count: int, *, first: int = 0) -> list[Sent]:
    """The same things, as so many people ask them who ask nothing of the kind again, over a day."""
    return [
        Sent(prompt, f"person{first + n}", float(random.uniform(0, 86_400)))
        for n, prompt in enumerate(reworded_prompts(random, count))
    ]


def sent_by_a_pool(random: np.random.Generator, count: int, *, accounts: int = 12) -> list[Sent]:
    """So many prompts by a pool whose accounts come back with them at any time of the day."""
    return [
        Sent(prompt, f"pool{random.integers(0, accounts)}", float(random.uniform(0, 86_400)))
        for prompt in reworded_prompts(random, count)
    ]


def passers_by(random: np.random.Generator, count: int) -> list[Sent]:
    """So many other prompts, each by somebody else, over a day."""
    return [Sent(words(random, 30), f"other{n}", float(random.uniform(0, 86_400))) for n in range(count)]
