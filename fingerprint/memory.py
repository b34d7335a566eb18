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

MOST_WHOLE = 100_000_000
"""A night of more text than this goes by way of the disk, which is faster from there on."""

SAMPLE_SHARE = 8
"""A sample has this part of a large night's text, within the limits below."""

LEAST_SAMPLE, MOST_SAMPLE = 60_000_000, 200_000_000

LEAST_TEXT = 2_000_000
"""A sample of less text finds nothing."""


def whole(memory_gb: float) -> int:
    """Return how many bytes of text a night may have that is worked in memory."""
    return int(max(0.0, min(MOST_WHOLE, (memory_gb * 1e9 - BASE) / TEXT_BYTE)))


def sample(memory_gb: float, requests: int, text: int) -> int:
    """Return how many bytes of text a sample may have of a large night with so many requests and bytes of text.

    Raises UsageError where so many requests do not fit at all.
    """
    free = memory_gb * 1e9 - BASE - REQUEST * requests
    if free < TEXT_BYTE * LEAST_TEXT:
        needed = (BASE + REQUEST * requests + TEXT_BYTE * LEAST_TEXT) / 1e9
        raise UsageError(
            f"--memory: at least {needed:.1f} GB expected for {requests:,} requests, {memory_gb:g} GB found"
        )
    wanted = min(max(text // SAMPLE_SHARE, LEAST_SAMPLE), MOST_SAMPLE)
    return int(min(wanted, free / TEXT_BYTE))
