"""Looks prompts up among stored families, one at a time or in batches, from a memory-mapped snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fingerprint import match, meaning
from fingerprint.embed import Embedder
from fingerprint.errors import StampMismatch
from fingerprint.index import Snapshot, open_snapshot, write_snapshot
from fingerprint.masks import remask, unmask
from fingerprint.normalise import VERSION, composed, normalise
from fingerprint.records import (
    SYSTEM_END,
    TURN_END,
    FamilyFacts,
    FloatArray,
    Ids,
    IntArray,
    Match,
    SegmentHit,
    Signature,
    Stamp,
)
from fingerprint.senders import known, sender_keys
from fingerprint.shingle import VERSION as GRAMS
from fingerprint.shingle import shingle
from fingerprint.signature import stamp_from_json, stamp_to_json
from fingerprint.snapshot_files import prune
from fingerprint.tokenise import Tokens, tokens

NEAR = 8
"""Prototypes nearest to each sentence of a prompt whose families are compared in full."""

RETIRED = 2.0
"""A threshold that no score reaches."""

_TURNS = str.maketrans({SYSTEM_END: "\n", TURN_END: "\n"})


def stamp_of(embedder: Embedder) -> Stamp:
    """Return what signatures made with this embedder carry."""
    return Stamp(VERSION, GRAMS, embedder.name, embedder.revision, embedder.dimension)


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

    revision: of what people say of families, as the store numbers it.
    senders: account_id and family_id of who sent what before, if known. night: the batch the signatures are as of, so that a reader can tell a snapshot that fell behind.
    """
    named, own = {s.family_id: s for s in signatures}, [s.family_id for s in signatures]
    # what matches a variant belongs to its original, with all that analysts and nights said of that
    owner = [named.get(s.variant_of or "", s) for s in signatures]
    signatures = [
        replace(s, family_id=o.family_id, score=o.score, label=o.label, campaign_id=o.campaign_id)
        for s, o in zip(signatures, owner, strict=True)
    ]
    index = match.gram_index(signatures)
    counts = [len(s.prototypes) for s in signatures]
    vectors = np.concatenate(
        [*(s.prototypes for s in signatures if len(s.prototypes)), np.empty((0, stamp.dimension), np.float32)]
    )
    snapshot = write_snapshot(
        home,
        vectors=np.ascontiguousarray(vectors, dtype=np.float32),
        owners=np.repeat(np.arange(len(signatures), dtype=np.int32), counts),
        arrays={
            "grams": index.grams,
            "offsets": index.offsets,
            "family": index.family,
            "weight": index.weight,
            "total": index.total,
            "shift": index.shift,
            "prior": index.prior,
            "prototypes": np.ascontiguousarray(vectors, dtype=np.float32),
            "bounds": np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            "topical": np.array([s.kind == "topical" for s in signatures], dtype=np.bool_),
            "threshold": np.array([s.threshold for s in signatures], dtype=np.float64),
            "similarity": np.array([s.similarity for s in signatures], dtype=np.float32),
            "usual": np.array([s.usual for s in signatures], dtype=np.float32),
            "senders": np.unique(
                sender_keys(senders.column("account_id"), senders.column("family_id"))
                if senders is not None
                else np.empty(0, dtype=np.uint64)
            ),
        },
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


def with_facts(snapshot: Snapshot, facts: Sequence[FamilyFacts]) -> Snapshot:
    """Return a snapshot that tells of its families what `facts` say; what has none is retired, and matches no more."""
    known = {fact.family_id: fact for fact in facts}
    families, prior, threshold = [], [], []
    for row in snapshot.meta["families"]:
        own = known.get(row["own_id"])
        owner = None if own is None else known.get(own.variant_of or "", own)
        threshold.append(RETIRED if own is None else own.threshold)
        prior.append(0.0 if owner is None else match.preference(owner.label, owner.score))
        families.append(
            row
            if owner is None
            else {**row, "family_id": owner.family_id, "label": owner.label, "campaign_id": owner.campaign_id}
        )
    arrays = {
        **snapshot.arrays,
        "prior": np.array(prior, dtype=np.float32),
        "threshold": np.array(threshold, dtype=np.float64),
    }
    return replace(snapshot, arrays=arrays, meta={**snapshot.meta, "families": families})


def embedder_of(snapshot: Snapshot, model: str | None = None) -> Embedder:
    """Load `model`, or the one of the two shipped models that made the snapshot."""
    maker = stamp_from_json(snapshot.meta["stamp"]).model
    return Embedder.load(model or ("minilm" if maker == "all-MiniLM-L6-v2" else "static"), light=True)


@dataclass(frozen=True, slots=True)
class Found:
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
                "give the same --model, or work the traffic again into another --home"
            )
        self.snapshot = snapshot
        self.families: list[dict[str, Any]] = snapshot.meta["families"]
        self._names: list[str] = [facts["family_id"] for facts in self.families]
        self._embedder = embedder
        a = snapshot.arrays
        self._index = match.GramIndex(*(a[name] for name in match.GramIndex._fields))
        self._any_topical = bool(a["topical"].any())

    @classmethod
    def open(cls, home: Path, model: str | None = None) -> Self:
        """Map the live snapshot of a home; model None takes the one of the two shipped models that made it.

        Raises SnapshotError without a snapshot, StampMismatch for another model's.
        """
        snapshot = open_snapshot(home)
        return cls(snapshot, embedder_of(snapshot, model))

    def find(self, texts: pa.LargeStringArray, accounts: pa.Array | None = None) -> Found:
        """Find the nearest family of each normalised text (q,); accounts: (q,) who sent them, if known."""
        return self._find(texts, tokens(texts), accounts)

    def embed(self, texts: pa.Array) -> FloatArray:
        """Embed texts as the snapshot's prototypes were, (q, d) unit rows."""
        return self._embedder.encode(texts)

    def _find(self, texts: pa.LargeStringArray, found: Tokens, accounts: pa.Array | None) -> Found:
        grams = shingle(found.hashes, found.section, found.row_offsets)
        hits = match.best(self._index, grams.hashes, grams.offsets)
        family, score = hits.family.copy(), hits.score.copy()
        similarity = np.zeros(len(texts), dtype=np.float32)
        unsure = np.flatnonzero(score < match.SURE)
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
            score = np.where(sent_before, match.from_known_sender(score), score)
        threshold = self.snapshot.arrays["threshold"]
        matched = (
            (family >= 0) & (score >= threshold[family]) if len(threshold) else np.zeros(len(texts), np.bool_)
        )
        coverage = np.where(family == hits.family, hits.coverage, 0.0)
        return Found(family, score, coverage, similarity, sent_before, matched)

    def _said(self, texts: pa.LargeStringArray) -> tuple[Ids, FloatArray]:
        """Find the family whose meaning each text says best (q,), -1 = none, and how much of it the text holds (q,)."""
        a = self.snapshot.arrays
        flat, offsets = meaning.sentences(texts)
        # sentences and whole texts at once: half the calls
        said = pa.concat_arrays([flat, meaning.heads(texts)]) if self._any_topical else flat
        vectors = self._embedder.encode(said)
        _, owners = self.snapshot.search(vectors, NEAR)
        families, held = self._nearest(vectors[: len(flat)], offsets, owners[: len(flat)])
        if self._any_topical:
            one_each = np.arange(len(texts) + 1)
            whole, near = self._nearest(vectors[len(flat) :], one_each, owners[len(flat) :])
            families = np.concatenate([np.where(a["topical"][families], -1, families), whole], axis=1)
            held = np.concatenate([held, np.where(a["topical"][whole], near, -1.0)], axis=1)
        beyond = np.where(
            families >= 0, match.meaning(held, a["similarity"][families], a["usual"][families]), 0
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
        return candidates, meaning.held_of(vectors, offsets, a["prototypes"], a["bounds"], candidates)

    def _worth(self, family: Ids, held: FloatArray) -> npt.NDArray[np.float64]:
        """Score texts by the meaning that they hold of a family each, (q,); 0 for none."""
        a = self.snapshot.arrays
        if not len(a["similarity"]):
            return np.zeros(len(family))
        score = match.score_of_meaning(match.meaning(held, a["similarity"][family], a["usual"][family]))
        return np.where(family >= 0, match.shifted(score, a["shift"][family].astype(np.float64)), 0.0)

    def one(self, prompt: str, system: str | None = None, account: str | None = None) -> Match:
        """Look one prompt up, and explain the answer; account: who sent it, if known."""
        texts = normalise(pa.array([composed(system, prompt)], pa.large_string()))
        words = tokens(texts)
        found = self._find(texts, words, None if account is None else pa.array([account], pa.large_string()))
        number = int(found.family[0])
        if number < 0:
            return Match(None, None, 0.0, None, None)
        facts = self.families[number]
        segments, slots = _explain(texts[0].as_py(), words, facts["segments"])
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


def _explain(
    text: str, words: Tokens, segments: Sequence[str]
) -> tuple[tuple[SegmentHit, ...], tuple[str, ...]]:
    """How much of each template segment a text holds, and what stands between the segments it holds."""
    # templates are written for people, with their own letters and with the masks written out
    folded = normalise(pa.array(segments, pa.large_string())).to_pylist()
    parts = tokens(pa.array([remask(segment) for segment in folded], pa.large_string()))
    raw = text.encode()
    hits: list[SegmentHit] = []
    slots: list[str] = []
    reached = 0
    for number, segment in enumerate(segments):
        wanted = parts.hashes[parts.row_offsets[number] : parts.row_offsets[number + 1]]
        held = np.isin(wanted, words.hashes)
        hits.append(SegmentHit(segment, round(float(held.mean()), 4) if len(wanted) else 0.0))
        begin = _find_run(words.hashes, wanted)
        if begin < 0:
            continue
        if begin > reached:
            slots.append(_shown(raw[words.starts[reached] : words.ends[begin - 1]]))
        reached = max(reached, begin + len(wanted))
    if reached < len(words.hashes):
        slots.append(_shown(raw[words.starts[reached] : words.ends[-1]]))
    return tuple(hits), tuple(slots)


def _shown(raw: bytes) -> str:
    return unmask(raw.decode()).translate(_TURNS)


def _find_run(hashes: np.ndarray, wanted: np.ndarray) -> int:
    """Where a run of tokens stands word for word, -1 for nowhere."""
    if not len(wanted) or len(wanted) > len(hashes):
        return -1
    at = np.flatnonzero(hashes[: len(hashes) - len(wanted) + 1] == wanted[0])
    for i in range(1, len(wanted)):
        at = at[hashes[at + i] == wanted[i]]
    return int(at[0]) if len(at) else -1
