"""Searches history for one family: which past requests a signature matches, and what it would have matched.

The answer to each request is the one that `matching.matcher` gives in a home of this family only; a prefilter passes
on to it the few requests that can match at all.
"""

from __future__ import annotations

import tempfile
import threading
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from fingerprint.base.types import Bools
from fingerprint.domain.errors import StampMismatch
from fingerprint.domain.signature import Signature
from fingerprint.embedding.embedder import Embedder, stamp_of
from fingerprint.hunting.prefilter import BLOCK, Prefilter
from fingerprint.matching.matcher import Matcher
from fingerprint.matching.snapshot import open_snapshot
from fingerprint.matching.snapshot_build import publish
from fingerprint.text.normalise import compose, normalise

HIT_SCHEMA = pa.schema(
    [
        pa.field("request_id", pa.large_string(), nullable=False),
        pa.field("account_id", pa.large_string(), nullable=False),
        pa.field("timestamp", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("score", pa.float64(), nullable=False),
        # share of what marks the template that the request holds, 0 to 1; 0 where it matches by meaning only
        pa.field("coverage", pa.float64(), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class Target:
    """What is hunted: the wordings of one family, and who sent it before (account_id and family_id), if known."""

    signatures: tuple[Signature, ...]
    senders: pa.Table | None = None

    @property
    def family_id(self) -> str:
        """The family that all hits belong to."""
        first = self.signatures[0]
        return first.variant_of or first.family_id


class Hunter:
    """Finds the requests that a family matches; any number of threads may use it, so FAISS is left one.

    by_meaning: False compares text only, and needs no model. Raises StampMismatch where the signatures were made by
    another normaliser, or, for meaning, by another model.
    """

    def __init__(self, target: Target, embedder: Embedder, *, by_meaning: bool = True) -> None:
        here = stamp_of(embedder)
        signatures = list(target.signatures)
        for number, signature in enumerate(signatures):
            stamp = signature.stamp
            if not by_meaning:
                stamp = replace(here, normaliser=stamp.normaliser, shingle=stamp.shingle)
                none = np.empty((0, here.dimension), np.float32)
                signatures[number] = replace(signature, prototypes=none, stamp=here)
            if stamp != here:
                raise StampMismatch(
                    f"signatures made by {here} expected, {signature.family_id} is by {stamp}"
                )
        self._of_thread = threading.local()
        self._lock = threading.Lock()
        known_senders = target.senders is not None and target.senders.num_rows > 0
        self._prefilter = Prefilter(signatures, embedder, known_senders=known_senders)
        with tempfile.TemporaryDirectory(prefix="fingerprint-hunt-") as folder:
            # mapped files stay readable once their names are gone
            publish(Path(folder), signatures, here, night=None, senders=target.senders)
            self._matcher = Matcher(open_snapshot(Path(folder)), embedder)

    def find(self, batch: pa.RecordBatch) -> pa.Table:
        """Return the hits among some requests, in their order (HIT_SCHEMA)."""
        if not len(batch):
            return HIT_SCHEMA.empty_table()
        parts = [batch.slice(start, BLOCK) for start in range(0, len(batch), BLOCK)]
        likely = [part.filter(pa.array(self._may_match(_texts(part)))) for part in parts]
        chosen = pa.concat_batches(likely)
        if not len(chosen):
            return HIT_SCHEMA.empty_table()
        nearest = self._matcher.find(normalise(_texts(chosen)), chosen.column("account_id"))
        return pa.table(
            {
                **{name: chosen.column(name) for name in HIT_SCHEMA.names[:3]},
                "score": np.round(nearest.score, 9),
                "coverage": np.round(nearest.coverage.astype(np.float64), 4),
            },
            schema=HIT_SCHEMA,
        ).filter(pa.array(nearest.matched))

    def _may_match(self, texts: pa.LargeStringArray) -> Bools:
        if not hasattr(self._of_thread, "prefilter"):
            with self._lock:
                self._of_thread.prefilter = self._prefilter.for_thread(texts)
        prefilter: Prefilter = self._of_thread.prefilter
        return prefilter.may_match(texts)


def _texts(batch: pa.RecordBatch) -> pa.LargeStringArray:
    return compose(batch.column("system"), batch.column("prompt"))
