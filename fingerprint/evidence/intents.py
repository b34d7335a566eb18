"""What templates ask for, by meaning: their sentences compared with a small catalogue of wordings (`intents.toml`)."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import pyarrow as pa

from fingerprint.base.types import Embed, FloatArray
from fingerprint.domain.errors import UsageError
from fingerprint.text.normalise import normalise


@dataclass(frozen=True, slots=True)
class Intent:
    """One thing that campaigns ask for: its name, completing "asks for …", and wordings of it."""

    name: str
    wordings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IntentLikeness:
    """How near f templates are to k intents: names (k,), similarity (f, k) float32, the largest cosine of a sentence."""

    names: tuple[str, ...]
    similarity: FloatArray


def catalogue(extra: Path | None = None) -> tuple[Intent, ...]:
    """Return the shipped intents, and those of a home's own file where it has one; raises UsageError for a wrong one."""
    return _shipped() + (_read(extra) if extra is not None and extra.exists() else ())


@cache
def _shipped() -> tuple[Intent, ...]:
    return _parsed(files(__package__).joinpath("intents.toml").read_text("utf-8"), "intents.toml")


def _read(path: Path) -> tuple[Intent, ...]:
    try:
        return _parsed(path.read_text("utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from error


def _parsed(text: str, label: str) -> tuple[Intent, ...]:
    try:
        rows = tomllib.loads(text).get("intent", [])
        intents = tuple(Intent(row["name"], tuple(row["wordings"])) for row in rows)
    except (tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{label}: [[intent]] tables with name and wordings expected: {error}") from error
    for intent in intents:
        texts = (intent.name, *intent.wordings)
        if not intent.wordings or not all(isinstance(text, str) and text.strip() for text in texts):
            raise UsageError(
                f"{label}: a name and one wording or more, all texts, expected in each [[intent]]"
            )
    return intents


def intent_likeness(
    intents: Sequence[Intent], prototypes: Sequence[FloatArray], embed: Embed
) -> IntentLikeness:
    """Compare f templates with all wordings; prototypes: unit vectors (p, d) of the sentences of each template."""
    names = tuple(intent.name for intent in intents)
    out = np.zeros((len(prototypes), len(intents)), dtype=np.float32)
    if not len(intents) or not any(len(p) for p in prototypes):
        return IntentLikeness(names, out)
    wordings = embed(normalise(pa.array([w for i in intents for w in i.wordings], pa.large_string())))
    begins = np.cumsum([0, *(len(intent.wordings) for intent in intents)])[:-1]
    for family, sentences in enumerate(prototypes):
        if len(sentences):
            nearest = (sentences @ wordings.T).max(axis=0)
            out[family] = np.maximum.reduceat(nearest, begins)
    return IntentLikeness(names, out)
