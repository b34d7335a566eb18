"""Looks prompts up among stored families, one at a time or in batches, from a memory-mapped snapshot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa

from fingerprint.base.types import Doubles, FloatArray, Ids, IntArray
from fingerprint.domain.errors import StampMismatch
from fingerprint.domain.results import Match
from fingerprint.domain.signature_json import stamp_from_json
from fingerprint.embedding.embedder import Embedder, stamp_of
from fingerprint.embedding.similarity import held_of
from fingerprint.matching import ngram_index
from fingerprint.matching.explain import explain
from fingerprint.matching.known_senders import known
from fingerprint.matching.snapshot import Snapshot, open_snapshot
from fingerprint.matching.snapshot_build import embedder_of
from fingerprint.signatures import match_score
from fingerprint.text import sentences
from fingerprint.text.ngrams import shingle
from fingerprint.text.normalise import compose_one, normalise
from fingerprint.text.tokenise import Tokens, tokens

NEAR = 8
"""Prototypes nearest to each sentence of a prompt whose families are compared in full."""


@dataclass(frozen=True, slots=True)
class Nearest:
    """The nearest family of each of q prompts, all (q,).

    family: its number or -1. known_sender: whether the account sent that family before. matched: bool.
    """

    family: np.ndarray
    score: np.ndarray
    coverage: np.ndarray
    similarity: np.ndarray
    known_sender: np.ndarray
    matched: np.ndarray


class Matcher:
    """A snapshot and the model that reads new prompts as the snapshot's signatures were read."""

    def __init__(self, snapshot: Snapshot, embedder: Embedder) -> None:
        stamp = stamp_from_json(snapshot.meta["stamp"])
        if stamp != stamp_of(embedder):
            raise StampMismatch(
                f"the home's signatures were made by {stamp}, this program reads with {stamp_of(embedder)}; "
                "use the same --model, or run the traffic again with another --home"
            )
        self.snapshot = snapshot
        self.families: list[dict[str, Any]] = snapshot.meta["families"]
        self._names: list[str] = [facts["family_id"] for facts in self.families]
        self._embedder = embedder
        a = snapshot.arrays
        self._index = ngram_index.NgramIndex(*(a[name] for name in ngram_index.NgramIndex._fields))
        self._any_topical = bool(a["topical"].any())

    @classmethod
    def open(cls, home: Path, model: str | None = None) -> Self:
        """Map the live snapshot of a home; model None takes the one of the two shipped models that made it.

        Raises SnapshotError without a snapshot, StampMismatch for another model's.
        """
        snapshot = open_snapshot(home)
        return cls(snapshot, embedder_of(snapshot, model))

    def find(self, texts: pa.LargeStringArray, accounts: pa.Array | None = None) -> Nearest:
        """Find the nearest family of each normalised text (q,); accounts: (q,) who sent them, if known."""
        return self._find(texts, tokens(texts), accounts)

    def embed(self, texts: pa.Array) -> FloatArray:
        """Embed texts as the snapshot's prototypes were, (q, d) unit rows."""
        return self._embedder.encode(texts)

    def _find(self, texts: pa.LargeStringArray, found: Tokens, accounts: pa.Array | None) -> Nearest:
        grams = shingle(found.hashes, found.section, found.row_offsets)
        hits = ngram_index.best_hits(self._index, grams.hashes, grams.offsets)
        family, score = hits.family.copy(), hits.score.copy()
        similarity = np.zeros(len(texts), dtype=np.float32)
        unsure = np.flatnonzero(score < match_score.SURE)
        if len(unsure) and len(self.snapshot.owners):
            near, said = self._said(texts if len(unsure) == len(texts) else texts.take(pa.array(unsure)))
            worth = self._worth(near, said)
            better = (worth > score[unsure]) | (near == family[unsure])
            similarity[unsure[better]] = said[better]
            family[unsure[better]] = near[better]
            score[unsure] = np.maximum(score[unsure], worth)
        sent_before = np.zeros(len(texts), dtype=np.bool_)
        if accounts is not None:
            sent_before = known(self.snapshot.arrays["senders"], accounts, family, self._names)
            score = np.where(sent_before, match_score.from_known_sender(score), score)
        threshold = self.snapshot.arrays["threshold"]
        matched = (
            (family >= 0) & (score >= threshold[family]) if len(threshold) else np.zeros(len(texts), np.bool_)
        )
        coverage = np.where(family == hits.family, hits.coverage, 0.0)
        return Nearest(family, score, coverage, similarity, sent_before, matched)

    def _said(self, texts: pa.LargeStringArray) -> tuple[Ids, FloatArray]:
        """Find the family whose meaning each text says best (q,), -1 = none, and how much of it the text holds (q,)."""
        a = self.snapshot.arrays
        flat, offsets = sentences.split_sentences(texts)
        # sentences and whole texts at once: half the calls
        said = pa.concat_arrays([flat, sentences.heads(texts)]) if self._any_topical else flat
        vectors = self._embedder.encode(said)
        _, owners = self.snapshot.search(vectors, NEAR)
        families, held = self._nearest(vectors[: len(flat)], offsets, owners[: len(flat)])
        if self._any_topical:
            one_each = np.arange(len(texts) + 1)
            whole, near = self._nearest(vectors[len(flat) :], one_each, owners[len(flat) :])
            families = np.concatenate([np.where(a["topical"][families], -1, families), whole], axis=1)
            held = np.concatenate([held, np.where(a["topical"][whole], near, -1.0)], axis=1)
        beyond = np.where(
            families >= 0, match_score.meaning(held, a["similarity"][families], a["usual"][families]), 0
        )
        best = np.argmax(beyond, axis=1)[:, None]
        family = np.take_along_axis(families, best, axis=1)[:, 0]
        held = np.take_along_axis(held, best, axis=1)[:, 0]
        return np.where(beyond.max(axis=1) > 0, family, -1).astype(np.int32), held

    def _nearest(self, vectors: FloatArray, offsets: IntArray, owner: Ids) -> tuple[Ids, FloatArray]:
        """Families one of whose prototypes is near to a part of each text (q, c), -1 = none, and what texts hold of them.

        vectors: (s, d) of all parts, offsets (q + 1,); owner: (s, NEAR) whose prototypes are nearest to each.
        """
        candidates = np.full((len(offsets) - 1, NEAR * int(np.diff(offsets).max(initial=1))), -1, np.int32)
        for_text = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        place = (np.arange(len(vectors)) - offsets[for_text])[:, None] * NEAR + np.arange(NEAR)
        candidates[for_text[:, None], place] = owner
        candidates.sort(axis=1)
        candidates[:, 1:][candidates[:, 1:] == candidates[:, :-1]] = -1
        a = self.snapshot.arrays
        return candidates, held_of(vectors, offsets, a["prototypes"], a["bounds"], candidates)

    def _worth(self, family: Ids, held: FloatArray) -> Doubles:
        """Score texts by the meaning that they hold of a family each, (q,); 0 for none."""
        a = self.snapshot.arrays
        if not len(a["similarity"]):
            return np.zeros(len(family))
        score = match_score.score_of_meaning(
            match_score.meaning(held, a["similarity"][family], a["usual"][family])
        )
        return np.where(family >= 0, match_score.shifted(score, a["shift"][family].astype(np.float64)), 0.0)

    def one(self, prompt: str, system: str | None = None, account: str | None = None) -> Match:
        """Look one prompt up, and explain the answer; account: who sent it, if known."""
        texts = normalise(pa.array([compose_one(system, prompt)], pa.large_string()))
        words = tokens(texts)
        found = self._find(texts, words, None if account is None else pa.array([account], pa.large_string()))
        number = int(found.family[0])
        if number < 0:
            return Match(None, None, 0.0, None, None)
        facts = self.families[number]
        segments, slots = explain(texts[0].as_py(), words, facts["segments"])
        matched = bool(found.matched[0])
        return Match(
            family_id=facts["family_id"] if matched else None,
            candidate_id=facts["family_id"],
            score=float(found.score[0]),
            label=facts["label"],
            campaign_id=facts["campaign_id"],
            threshold=float(self.snapshot.arrays["threshold"][number]),
            coverage=float(found.coverage[0]),
            similarity=float(found.similarity[0]),
            known_sender=None if account is None else bool(found.known_sender[0]),
            segments=segments,
            slots=slots,
        )
