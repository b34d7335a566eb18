"""How much memory a night takes, and how `--memory` divides it; the figures are measured (D-033).

a night in memory:    BASE + TEXT_BYTE · bytes of its distinct prompts
a larger night:       BASE + the largest of TURN · requests, while it is read; then, for its conversations,
                      TEXT_BYTE · sample + COLUMNS · conversations, and CONVERSATION · conversations
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from fingerprint.domain.errors import UsageError

BASE = 1.1e9
"""Bytes that the program, its libraries, kernels and model take, and what is worked in pieces of fixed size."""

TEXT_BYTE = 13.0
"""Bytes for each byte of text that is looked at: its tokens, grams, postings and clusters."""

COLUMNS, CONVERSATION = 250.0, 450.0
"""Bytes for each conversation of a large night: while samples are looked at, and when all are claimed or judged."""

TURN = 130.0
"""Bytes for each request of a large night while it is read: where its text stands among those that may be continued,
its conversation, its time and its place in a file."""

MOST_WHOLE = 100_000_000
"""A night of more text than this goes by way of the disk, which is faster from there on."""

SAMPLE_SHARE = 8
"""A sample has this part of a large night's text, within the limits below."""

LEAST_SAMPLE, MOST_SAMPLE = 60_000_000, 200_000_000

LEAST_TEXT = 2_000_000
"""A sample of less text finds nothing."""

FEWEST = 16
"""Prompts that a sample must hold, however long they are: twice as many as make a family."""


def whole(memory_gb: float) -> int:
    """Return how many bytes of text a night may have that is worked in memory."""
    return int(max(0.0, min(MOST_WHOLE, (memory_gb * 1e9 - BASE) / TEXT_BYTE)))


def sample(memory_gb: float, conversations: int, sizes: npt.NDArray[np.integer]) -> int:
    """Return how many bytes of text a sample may have of a large night with so many conversations.

    sizes: (n,) bytes of each distinct prompt. Raises UsageError where so many conversations, or FEWEST of prompts as
    long, do not fit at all.
    """
    text = int(sizes.sum(dtype=np.int64))
    longest = int(np.sort(sizes)[-FEWEST:].sum(dtype=np.int64))
    needed = _needed(conversations, 0, longest)
    if memory_gb < needed:
        prompts = f" and {FEWEST} prompts of {longest / 1e6:.0f} MB" if longest > LEAST_TEXT else ""
        raise UsageError(
            f"--memory: at least {math.ceil(needed * 10) / 10:.1f} GB expected for {conversations:,} conversations"
            f"{prompts}, {memory_gb:g} GB found"
        )
    free = memory_gb * 1e9 - BASE - COLUMNS * conversations
    wanted = max(min(max(text // SAMPLE_SHARE, LEAST_SAMPLE), MOST_SAMPLE), longest)
    return int(min(wanted, free / TEXT_BYTE))


def closely(memory_gb: float, conversations: int) -> int:
    """Return how many bytes of text of so many conversations may be looked at closely in all, in one go."""
    return int(max(LEAST_TEXT, (memory_gb * 1e9 - BASE - COLUMNS * conversations) / TEXT_BYTE))


def check(memory_gb: float, conversations: int, requests: int) -> None:
    """Raise UsageError where so much of a night that is still being read is too much."""
    if memory_gb < _needed(conversations, requests):
        raise UsageError(
            f"--memory: {memory_gb:g} GB cannot hold this night of more than {requests:,} requests in {conversations:,} "
            f"conversations; each million of these takes {CONVERSATION / 1e3:.2f} GB more"
        )


def _needed(conversations: int, requests: int, longest: int = 0) -> float:
    """Return the gigabytes that a large night takes at least; longest: bytes of its FEWEST longest prompts."""
    sampling = COLUMNS * conversations + TEXT_BYTE * max(LEAST_TEXT, longest)
    return (BASE + max(CONVERSATION * conversations, sampling, TURN * requests)) / 1e9
