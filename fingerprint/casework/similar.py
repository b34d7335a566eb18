"""Families similar to one, by shared n-grams and by meaning, and in which words they differ."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fingerprint.domain.signature import Signature, Slot, Template
from fingerprint.domain.vocabulary import SLOT
from fingerprint.embedding import similarity
from fingerprint.matching.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class SimilarFamily:
    """A family similar to another.

    of_mine, of_theirs: share of the weight of the other's and of this family's n-grams that both have, 0 to 1.
    cosine: how much of its template's meaning the other's template holds.
    """

    family_id: str
    of_mine: float
    of_theirs: float
    cosine: float

    @property
    def similarity(self) -> float:
        """The larger of the cosine and the mean share of text."""
        return max(self.cosine, (self.of_mine + self.of_theirs) / 2)


@dataclass(frozen=True, slots=True)
class TextRun:
    """A run of words of two templates: in both, only in the first, or only in the second."""

    where: Literal["same", "mine", "theirs"]
    text: str


def similar_families(
    snapshot: Snapshot, signature: Signature, *, limit: int = 6, min_similarity: float = 0.4
) -> list[SimilarFamily]:
    """Find the families of a lookup snapshot that are most similar to a signature, the most similar first."""
    names = [facts["family_id"] for facts in snapshot.meta["families"]]
    shared = _shared_weight(snapshot, signature)
    total = np.maximum(snapshot.arrays["total"], 1e-9)
    cosine = _meaning(snapshot, signature, 4 * limit)
    of_mine = np.minimum(shared / max(float(signature.weights.sum()), 1e-9), 1.0)
    of_theirs = np.minimum(shared / total, 1.0)
    best: dict[str, SimilarFamily] = {}
    for f in np.flatnonzero((shared > 0) | (cosine > 0)).tolist():
        one = SimilarFamily(names[f], float(of_mine[f]), float(of_theirs[f]), float(cosine[f]))
        # a family's wordings have rows of their own, with the family's id
        other = best.get(one.family_id)
        if one.family_id != signature.family_id and (other is None or other.similarity < one.similarity):
            best[one.family_id] = one
    ranked = sorted(best.values(), key=lambda s: (-s.similarity, s.family_id))
    return [s for s in ranked if s.similarity >= min_similarity][:limit]


def _meaning(snapshot: Snapshot, signature: Signature, most: int) -> np.ndarray:
    """Return how much of each family's meaning a signature holds, (f,) float64; 0 for all but the `most` nearest."""
    out = np.zeros(len(snapshot.meta["families"]))
    if not len(signature.prototypes) or not len(snapshot.owners):
        return out
    sentences = np.ascontiguousarray(signature.prototypes)
    owner = snapshot.search(sentences, most)
    families = np.unique(owner[owner >= 0]).astype(np.int32)
    a = snapshot.arrays
    ends = np.array([0, len(sentences)], np.int64)
    out[families] = similarity.held_of(sentences, ends, a["prototypes"], a["bounds"], families[None, :])[0]
    return out


def _shared_weight(snapshot: Snapshot, signature: Signature) -> np.ndarray:
    """Return the weight in each family of the n-grams that it shares with a signature, (f,) float64."""
    a = snapshot.arrays
    out = np.zeros(len(a["total"]))
    if not len(a["grams"]):
        return out
    at = np.minimum(np.searchsorted(a["grams"], signature.grams), len(a["grams"]) - 1)
    for place in at[a["grams"][at] == signature.grams].tolist():
        postings = slice(int(a["offsets"][place]), int(a["offsets"][place + 1]))
        out[a["family"][postings]] += a["weight"][postings]
    return out


def differences(mine: Template, theirs: Template) -> list[TextRun]:
    """Compare two templates word by word, whatever their letters' case; slots are SLOT."""
    a, b = _words(mine), _words(theirs)
    folded_a, folded_b = ([word.casefold() for word in words] for words in (a, b))
    out: list[TextRun] = []
    for kind, i, j, k, m in difflib.SequenceMatcher(None, folded_a, folded_b, autojunk=False).get_opcodes():
        if kind == "equal":
            out.append(TextRun("same", " ".join(a[i:j])))
            continue
        if j > i:
            out.append(TextRun("mine", " ".join(a[i:j])))
        if m > k:
            out.append(TextRun("theirs", " ".join(b[k:m])))
    return out


def _words(template: Template) -> list[str]:
    return [
        word for part in template.parts for word in ([SLOT] if isinstance(part, Slot) else part.text.split())
    ]
