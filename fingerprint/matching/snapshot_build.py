"""Signatures into a snapshot, and newer facts laid over an open one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fingerprint.base.jit import read_only
from fingerprint.domain.rows import FamilyFacts
from fingerprint.domain.signature import Signature, Stamp, is_campaign
from fingerprint.domain.signature_json import stamp_from_json, stamp_to_json
from fingerprint.embedding.embedder import Embedder
from fingerprint.matching import ngram_index
from fingerprint.matching.known_senders import sender_keys
from fingerprint.matching.snapshot import Snapshot, write_snapshot
from fingerprint.matching.snapshot_files import prune
from fingerprint.signatures import match_score

RETIRED = 2.0
"""A threshold that no score reaches."""


def publish(
    home: Path,
    signatures: Sequence[Signature],
    stamp: Stamp,
    *,
    night: str | None,
    senders: pa.Table | None = None,
    revision: int = 0,
) -> str:
    """Write the lookup snapshot of these signatures and make it the live one; returns its id.

    stamp: of what made all of them. night: the batch the signatures are as of, so that a reader can tell a snapshot
    that fell behind. senders: account_id and family_id of who sent what before, if known. revision: of what people say
    of families, as the store numbers it. Raises SnapshotError where home cannot be written.
    """
    own = [s.family_id for s in signatures]
    signatures = _with_owners(signatures)
    counts = [len(s.prototypes) for s in signatures]
    vectors = np.concatenate(
        [*(s.prototypes for s in signatures if len(s.prototypes)), np.empty((0, stamp.dimension), np.float32)]
    )
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    bounds = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    snapshot = write_snapshot(
        home,
        vectors=vectors,
        owners=np.repeat(np.arange(len(signatures), dtype=np.int32), counts),
        arrays={**_arrays(signatures, senders), "bounds": bounds},
        meta={
            "stamp": stamp_to_json(stamp),
            "night": night,
            "revision": revision,
            "families": [
                {
                    "own_id": own_id,
                    "family_id": s.family_id,
                    "label": s.label,
                    "campaign_id": s.campaign_id,
                    "segments": [part.text for part in s.template.segments],
                }
                for s, own_id in zip(signatures, own, strict=True)
            ],
        },
    )
    prune(home)
    return snapshot


def _with_owners(signatures: Sequence[Signature]) -> list[Signature]:
    """Return each signature with the id and what is said of its family: what matches a variant belongs to its original."""
    named = {s.family_id: s for s in signatures}
    owners = [named.get(s.variant_of or "", s) for s in signatures]
    return [
        replace(
            s,
            family_id=o.family_id,
            score=o.score,
            flagged=o.flagged,
            label=o.label,
            campaign_id=o.campaign_id,
            spread=o.spread,
        )
        for s, o in zip(signatures, owners, strict=True)
    ]


def _arrays(signatures: Sequence[Signature], senders: pa.Table | None) -> dict[str, npt.NDArray[Any]]:
    """Return what lookups need of f signatures beside their prototypes, by the names in the snapshot."""
    sender_hashes = np.empty(0, dtype=np.uint64)
    if senders is not None:
        sender_hashes = sender_keys(senders.column("account_id"), senders.column("family_id"))
    return {
        **ngram_index.index_ngrams(signatures)._asdict(),
        "topical": np.array([s.kind == "topical" for s in signatures], dtype=np.bool_),
        "threshold": np.array([s.threshold for s in signatures], dtype=np.float64),
        "similarity": np.array([s.similarity for s in signatures], dtype=np.float32),
        "usual": np.array([s.typical_similarity for s in signatures], dtype=np.float32),
        "word_similarity": np.array([s.word_similarity for s in signatures], dtype=np.float32),
        "senders": np.unique(sender_hashes),
    }


def with_facts(snapshot: Snapshot, facts: Sequence[FamilyFacts]) -> Snapshot:
    """Return a snapshot that says of its families what `facts` do; a family without any is retired, and matches no more."""
    known = {fact.family_id: fact for fact in facts}
    families, prior, campaign, threshold = [], [], [], []
    for row in snapshot.meta["families"]:
        own = known.get(row["own_id"])
        owner = None if own is None else known.get(own.variant_of or "", own)
        threshold.append(RETIRED if own is None else own.threshold)
        prior.append(0.0 if owner is None else match_score.preference(owner.label, owner.score))
        campaign.append(owner is not None and is_campaign(owner.label, flagged=owner.flagged))
        families.append(
            row
            if owner is None
            else {**row, "family_id": owner.family_id, "label": owner.label, "campaign_id": owner.campaign_id}
        )
    arrays = {
        **snapshot.arrays,
        "prior": read_only(np.array(prior, dtype=np.float32)),
        "campaign": read_only(np.array(campaign, dtype=np.bool_)),
        "threshold": read_only(np.array(threshold, dtype=np.float64)),
    }
    return replace(snapshot, arrays=arrays, meta={**snapshot.meta, "families": families})


def embedder_of(snapshot: Snapshot, model: str | None = None) -> Embedder:
    """Load `model`, or the one of the two shipped models that made the snapshot."""
    return Embedder.for_stamp(stamp_from_json(snapshot.meta["stamp"]), model)
