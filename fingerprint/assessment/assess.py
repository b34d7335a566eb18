"""Judges what a night found: whose the families are, and which accounts depart from honest traffic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from fingerprint.assessment.features import findings
from fingerprint.assessment.verdict import FLAGGED, verdict
from fingerprint.assessment.weights import fitted_weights
from fingerprint.base.types import IntArray
from fingerprint.discovery.batch import Batch
from fingerprint.discovery.families import members_of
from fingerprint.domain.signature import Signature
from fingerprint.evidence.history import past
from fingerprint.evidence.null_models import Trait
from fingerprint.evidence.pool_statistics import traits
from fingerprint.evidence.slot_values import Fillings
from fingerprint.signatures.describe import Described

TextsOfPrompts = Callable[[IntArray], pa.Array | pa.ChunkedArray]


@dataclass(frozen=True, slots=True)
class EarlierNights:
    """What accounts sent on other nights: of families, and in all."""

    families: pa.Table
    accounts: pa.Table


def assess(
    batch: Batch, night: Described, filled: Fillings, before: EarlierNights, stored: Sequence[Signature]
) -> list[Signature]:
    """Score the families seen tonight; filled: what each distinct prompt is filled with."""
    names = [s.family_id for s in night.signatures]
    more = traits(
        (members_of(night.label, len(names)) @ batch.requests()).tocsr(),
        batch.account,
        batch.second,
        prompt=batch.prompt,
        metadata=batch.metadata,
        history=past(before.families, before.accounts, names, batch.accounts),
        filled=filled,
    )
    # people who share a subject or a language are no pool, however evenly they send
    worded = np.array([s.kind == "template" for s in night.signatures], dtype=np.bool_)
    even = more.balance
    more = replace(more, balance=Trait(even.value, even.expected, np.where(worded, even.evidence, 0.0)))
    found, weights = findings(night.behaviour, more), fitted_weights(stored)
    out, last = list(night.signatures), {s.family_id: s.reasons for s in stored}
    for f in np.flatnonzero(night.behaviour.requests):
        reasons = last.get(out[f].family_id, ())
        score, reasons = verdict(found, int(f), weights, label=out[f].label, before=reasons)
        out[f] = replace(out[f], score=score, flagged=score >= FLAGGED, reasons=reasons)
    return out
