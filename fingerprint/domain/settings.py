"""Every setting of the engine: name, default, unit in the name, and what it does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """How a night is worked; the defaults are the measured ones.

    min_requests: fewest distinct prompts of a new family.
    min_accounts: k of k-anonymity: text that fewer accounts sent stands in no template and makes no family.
    false_positive_rate: share of a batch's non-members that a family's threshold lets through.
    discovery_rate: share of short-template families that may be chance (Benjamini-Hochberg).
    model: static, minilm, or the folder of a sentence-transformers model.
    neighbours: k of the neighbour graph. seed: of every random choice.
    memory_gb: what a night may take (10^9 bytes); `memory` says how it is divided.
    retention_days: how long vectors of single prompts and what no family holds are kept; 0 keeps nothing of them.
    threads: that read, normalise and match; None takes all processors. Results do not depend on it.
    device: where torch makes vectors and neighbours are found, as torch names it (cuda, cuda:1); None makes those of
    a transformer on a GPU where torch sees one, and finds neighbours by FAISS on the processor.
    engine: local, for threads of this process, or ray. ray_address: of the cluster (HOST:PORT, or auto); None
    starts `threads` workers on this machine. Where a night is worked by way of the disk anyway, results do not depend on it.
    """

    min_requests: int = 8
    min_accounts: int = 3
    false_positive_rate: float = 1e-4
    discovery_rate: float = 1e-3
    model: str = "static"
    neighbours: int = 30
    seed: int = 0
    max_rejects: int | None = None
    memory_gb: float = 12.0
    retention_days: int = 7
    threads: int | None = None
    device: str | None = None
    engine: str = "local"
    ray_address: str | None = None


@dataclass(frozen=True, slots=True)
class Home:
    """A home directory and, if it is not home/fingerprint.db, the URL of its database."""

    path: Path
    database: str | None = None
