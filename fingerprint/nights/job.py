"""What a night is asked for, what it begins with, and what all its stages need."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from fingerprint.base.types import Embed, StageProgress
from fingerprint.domain.reading import Reading
from fingerprint.domain.settings import Settings
from fingerprint.domain.signature import Signature, Stamp
from fingerprint.embedding.static_model import StaticModel
from fingerprint.nights.checkpoint import Checkpoints, key_of
from fingerprint.nights.engine import Engine
from fingerprint.traffic.sources import find_sources


@dataclass(frozen=True, slots=True)
class KnownFamilies:
    """What a home holds before the night: its signatures, what made them, and the ids of the nights they come from."""

    signatures: Sequence[Signature]
    stamp: Stamp
    nights: Sequence[str]


@dataclass(frozen=True, slots=True)
class NightRequest:
    """What a night is asked for; `key` stands for it, and traffic from stdin is never the same twice."""

    sources: Sequence[str | Path]
    reading: Reading
    settings: Settings
    key: str = field(init=False)

    def __post_init__(self) -> None:
        files = [source.identity or uuid.uuid4().hex for source in find_sources(self.sources)]
        lasting = asdict(replace(self.settings, threads=None, engine="", ray_address=None))
        key = key_of({"files": files, "reading": asdict(self.reading), "settings": lasting})
        object.__setattr__(self, "key", key)


def job_key(request: NightRequest, known: KnownFamilies) -> str:
    """Return what the result of a night depends on, hashed: what it is asked for and what is stored."""
    return key_of(
        {
            "asked": request.key,
            "stamp": asdict(known.stamp),
            "families": [(s.family_id, s.version, s.label) for s in known.signatures],
            "nights": list(known.nights),
        }
    )


@dataclass(frozen=True, slots=True)
class Job:
    """What all stages of one night need.

    work: where finished stages of a large night are kept. tell: called as stages begin and go on. leftovers: the folder
    of what earlier nights left in no family. conversations: that of what they sent last. words: what reads texts word by word,
    None where the model does not.
    """

    work: Checkpoints
    leftovers: Path
    conversations: Path
    settings: Settings
    engine: Engine
    embed: Embed
    tell: StageProgress
    words: StaticModel | None = None
