"""Every setting of the engine: name, default, unit in the name, and what it does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PRECISION_RANGE = (0.9, 0.99)
"""Share of the flagged families that are to be campaigns': what may be asked for."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a night is worked; the defaults are the measured ones.

    min_requests: distinct prompts that a new family needs at least.
    min_accounts: k of k-anonymity: text that fewer accounts sent is in no template and makes no family;
    in templates, four accounts with one payment hash count as one.
    false_positive_rate: share of a batch's other prompts that may pass a family's threshold.
    discovery_rate: share of families with short templates that may be chance findings (Benjamini-Hochberg).
    precision: share of the flagged families that are to be campaigns', 0.9 to 0.99; what is flagged depends on it, not scores.
    model: static, multilingual, minilm, or the folder of a sentence-transformers model; None: that of the home, and
    multilingual in a new one.
    neighbours: nearest neighbours of a segment in the graph that is clustered. seed: of every random choice.
    conversation_hours: a request continues an earlier one of its account, with whose text its own begins, if that came so
    many hours before or less; families count conversations. 0: every request counts by itself.
    max_rejects: rows that may be rejected before the job stops; None: any number.
    memory_gb: memory that a night may take, in 10^9 bytes; a larger night works through files in the home.
    retention_days: days for which vectors of single prompts, and hashes of prompts in no family, are kept; 0: none are.
    keep_days: days for which what nights counted of accounts and families is kept; None: for ever.
    threads: that read, normalise and match; None: one for each processor. Results do not depend on it.
    strict: store nothing where the traffic raises a warning (plausibility.py of traffic); raises DoubtfulTraffic.
    device: torch device that computes and compares vectors (cuda, cuda:1); None: FAISS on the CPU, and transformers on
    a GPU where torch sees one.
    engine: local for threads of this process, ray for workers of Ray. With Ray every night works through files in the
    home, with the same results as a local night that does.
    ray_address: HOST:PORT of a Ray cluster that this machine is a node of, or auto; None: `threads` workers are started
    on this machine.
    """

    min_requests: int = 8
    min_accounts: int = 3
    false_positive_rate: float = 1e-4
    discovery_rate: float = 1e-3
    precision: float = 0.95
    model: str | None = None
    neighbours: int = 30
    seed: int = 0
    conversation_hours: float = 24.0
    max_rejects: int | None = None
    strict: bool = False
    memory_gb: float = 12.0
    retention_days: int = 7
    keep_days: int | None = None
    threads: int | None = None
    device: str | None = None
    engine: str = "local"
    ray_address: str | None = None


@dataclass(frozen=True, slots=True, init=False)
class Home:
    """A home directory and, if it is not home/fingerprint.db, the URL of its database."""

    path: Path
    database: str | None

    def __init__(self, path: Path | str, database: str | None = None) -> None:
        object.__setattr__(self, "path", Path(path))
        object.__setattr__(self, "database", database)

    @property
    def database_file(self) -> Path:
        """The SQLite database, where `database` names no other one."""
        return self.path / "fingerprint.db"

    def parts(self) -> list[Path]:
        """List what this program keeps in a home, whether it is there or not."""
        database = [self.path / f"{self.database_file.name}{end}" for end in ("", "-wal", "-shm", "-journal")]
        files = [*database, self.lock_file, self.current_file]
        folders = [self.snapshots, self.rejects, self.leftovers, self.conversations, self.vector_cache]
        return [*files, *folders, self.work, self.spill, self.demo]

    @property
    def lock_file(self) -> Path:
        """Held by the one job that writes."""
        return self.path / "lock"

    @property
    def current_file(self) -> Path:
        """Names the lookup snapshot in use."""
        return self.path / "current"

    @property
    def snapshots(self) -> Path:
        """Lookup snapshots, a folder each."""
        return self.path / "snapshots"

    @property
    def rejects(self) -> Path:
        """Rejected rows, a file a night."""
        return self.path / "rejects"

    @property
    def leftovers(self) -> Path:
        """Hashes of prompts in no family, a file a night."""
        return self.path / "unexplained"

    @property
    def conversations(self) -> Path:
        """Hashes of the texts that were sent last, a file a night."""
        return self.path / "conversations"

    @property
    def vector_cache(self) -> Path:
        """Embeddings by the hash of their text, a folder a model."""
        return self.path / "cache"

    @property
    def work(self) -> Path:
        """Finished stages and texts of the night that is running."""
        return self.path / "work"

    @property
    def spill(self) -> Path:
        """What does not fit into the memory of a local Ray."""
        return self.path / "spill"

    @property
    def demo(self) -> Path:
        """Traffic, truth and matches of the demo."""
        return self.path / "demo"
