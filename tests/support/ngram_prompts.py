"""Prompts as sections of tokens, and their grams by a plain loop."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from fingerprint.text.ngrams import GRAM, Shingles, shingle

BITS = 2**64
START, END = 0x9AE16A3B2F90404F, 0xC949D7C7509E6557

# a prompt is sections of tokens; few different tokens, so that grams repeat
SECTION = st.lists(st.integers(1, 4), min_size=1, max_size=9)
PROMPTS = st.lists(st.lists(SECTION, max_size=3), max_size=8)


def naive_hash(window: list[int]) -> int:
    mixed = len(window)
    for token in window:
        mixed = ((mixed ^ token) * 0x9E3779B97F4A7C15) % BITS
        mixed ^= mixed >> 29
    return max(mixed, 1)


def naive_grams(prompt: list[list[int]], gram: int) -> list[int]:
    out = []
    for section in prompt:
        padded = [START, *section, END]
        width = min(gram, len(padded))
        out += [naive_hash(padded[i : i + width]) for i in range(len(padded) - width + 1)]
    return out


def columns(prompts: list[list[list[int]]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    hashes = [t for p in prompts for s in p for t in s]
    section = [n for p in prompts for n, s in enumerate(p) for _ in s]
    lengths = [sum(map(len, p)) for p in prompts]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return np.array(hashes, np.uint64), np.array(section, np.uint8), offsets


def shingled(prompts: list[list[list[int]]], gram: int = GRAM) -> Shingles:
    return shingle(*columns(prompts), gram=gram)
