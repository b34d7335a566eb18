"""Small traffic made by hand, for tests of the stages that need real prompts and accounts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from fingerprint.discovery.batch import Batch, collect
from fingerprint.discovery.shared_ngrams import SharedGrams, shared_grams
from fingerprint.domain.schemas import TRAFFIC_SCHEMA
from fingerprint.text.ngrams import Shingles, shingle

START = datetime(2026, 3, 2, tzinfo=UTC)

_SYLLABLES = [c + v + e for c in "bdfgklmnprstvz" for v in "aeiou" for e in ("", "n", "r", "s")]


def words(random: np.random.Generator, count: int) -> str:
    """Return that many invented words; two texts of a few share no four in a row."""
    drawn = random.integers(0, len(_SYLLABLES), (count, 3))
    return " ".join("".join(_SYLLABLES[s] for s in word) for word in drawn)


@dataclass(frozen=True)
class Sent:
    """One request: who sent what, and how many seconds after START."""

    prompt: str
    account: str = "a0"
    second: float = 0.0
    system: str | None = None
    metadata: str | None = None


def record_batch(sent: Sequence[Sent], *, first: int = 0) -> pa.RecordBatch:
    rows = [
        {
            "request_id": f"r{first + n}",
            "account_id": s.account,
            "timestamp": START + timedelta(seconds=s.second),
            "system": s.system,
            "prompt": s.prompt,
            "model": None,
            "metadata": s.metadata,
        }
        for n, s in enumerate(sent)
    ]
    return pa.RecordBatch.from_pylist(rows, schema=TRAFFIC_SCHEMA)


def batch_of(sent: Sequence[Sent]) -> Batch:
    return collect([record_batch(sent)])


def grams_of(batch: Batch, *, min_prompts: int = 3, min_accounts: int = 2) -> tuple[Shingles, SharedGrams]:
    found = shingle(batch.token_hashes, batch.section, batch.offsets)
    shared = shared_grams(found, batch.senders(), min_prompts=min_prompts, min_accounts=min_accounts)
    return found, shared


def by_accounts(prompts: Sequence[str], accounts: int, *, every: float = 60.0) -> list[Sent]:
    """Send each prompt from the next of some accounts in turn, at even times."""
    return [Sent(p, f"a{n % accounts}", every * n) for n, p in enumerate(prompts)]


def background(random: np.random.Generator, count: int, *, accounts: int = 50) -> list[Sent]:
    """Unrelated prompts from many accounts over one day."""
    return [
        Sent(words(random, 30), f"b{random.integers(accounts)}", float(random.uniform(0, 86_400)))
        for _ in range(count)
    ]
