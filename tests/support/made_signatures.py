"""Signatures made of texts by hand, for tests of what is shared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from fingerprint.domain.signature import DayCount, Segment, Signature, Slot, Spread, Stamp, Template
from fingerprint.sharing.phrases import template_grams
from fingerprint.store.store import Store
from fingerprint.text.ngrams import VERSION as GRAMS
from fingerprint.text.normalise import VERSION

STAMP = Stamp(VERSION, GRAMS, "static", "ab12", 4)
SPREAD = Spread(
    accounts=12,
    requests=60,
    first_seen=datetime(2026, 3, 1, 22, tzinfo=UTC),
    last_seen=datetime(2026, 3, 2, 1, tzinfo=UTC),
    per_day={"2026-03-01": DayCount(40, 12), "2026-03-02": DayCount(20, 9)},
)
CHANGED = datetime(2026, 3, 3, tzinfo=UTC)


def signature_of(*texts: str, **other: Any) -> Signature:
    """Make the signature of a template of these segments, a slot between each two; every gram weighs 1."""
    parts: list[Segment | Slot] = []
    for text in texts:
        parts += [*([Slot(9, 3, 20, "text")] if parts else []), Segment(text, "user", 0.0, 1.0)]
    template = Template(tuple(parts))
    grams = np.unique(template_grams(template)) if texts else np.empty(0, dtype=np.uint64)
    made = Signature(
        family_id="f1",
        kind="template" if len(grams) else "topical",
        template=template,
        grams=grams,
        weights=np.ones(len(grams), dtype=np.float32),
        prototypes=np.array([[0.6, 0.8, 0, 0]], dtype=np.float32),
        threshold=0.5,
        spread=SPREAD,
        stamp=STAMP,
        similarity=0.6,
        score=0.97,
        flagged=True,
    )
    return replace(made, **other)


def stored(home: Path) -> list[Signature]:
    """Read the signatures of a home."""
    with Store.open(home, read_only=True) as store:
        return store.signatures()


def member(texts: Sequence[str], filling: str = "silver bottle") -> str:
    """Write a prompt of a template of these segments."""
    return f" {filling} ".join(texts)
