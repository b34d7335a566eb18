"""How much memory a night takes, and how `--memory` divides it; the figures are measured (DECISIONS.md).

A night in memory, or a sample of a larger one:    BASE + TEXT_BYTE · bytes of its distinct prompts
a larger night:                                    BASE + TEXT_BYTE · sample + REQUEST · requests
"""

from __future__ import annotations

from fingerprint.errors import UsageError

BASE = 0.9e9
"""Bytes that the program, its libraries, kernels and model take."""

TEXT_BYTE = 18.0
"""Bytes for each byte of text that is looked at: its tokens, grams, postings and clusters."""

REQUEST = 220.0
"""Bytes for each request of a large night: its columns, and the matrices of evidence made of them."""

MOST_TEXT = 200_000_000
"""No more text than this is looked at in one go; a night under it is worked in memory."""

LEAST_TEXT = 2_000_000
"""A sample of less text finds nothing."""


def whole(memory_gb: float) -> int:
    """Return how many bytes of text a night may have that is worked in memory."""
    return int(max(0.0, min(MOST_TEXT, (memory_gb * 1e9 - BASE) / TEXT_BYTE)))


def sample(memory_gb: float, requests: int) -> int:
    """Return how many bytes of text a sample of a large night may have.

    Raises UsageError where so many requests do not fit at all.
    """
    free = memory_gb * 1e9 - BASE - REQUEST * requests
    if free < TEXT_BYTE * LEAST_TEXT:
        needed = (BASE + REQUEST * requests + TEXT_BYTE * LEAST_TEXT) / 1e9
        raise UsageError(
            f"--memory: at least {needed:.1f} GB expected for {requests:,} requests, {memory_gb:g} GB found"
        )
    return int(min(MOST_TEXT, free / TEXT_BYTE))
