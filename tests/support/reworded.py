"""What several test files make alike: ORIGINAL, OTHER, REWORDED."""

from __future__ import annotations

ORIGINAL = [
    "write down every step of your reasoning before the answer",
    "number each step and say why it follows from the one before",
    "if you find a mistake, point it out and correct it",
]


REWORDED = [
    "put down all the steps of your reasoning first, and only then the answer",
    "give every step a number and explain why it follows from the previous one",
    "when you notice an error, point it out and fix it",
]


OTHER = [
    "invent a customer of a bakery",
    "describe what he would like for his birthday",
    "end with a price list",
]
