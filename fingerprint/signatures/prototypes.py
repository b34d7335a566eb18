"""Vectors of a template's sentences, and how much of that meaning other prompts hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy import sparse

from fingerprint.base.types import Embed, FloatArray, Ids, IntArray
from fingerprint.discovery.batch import Batch
from fingerprint.domain.settings import Settings
from fingerprint.domain.signature import Signature, Template
from fingerprint.signatures import calibrate
from fingerprint.signatures.calibrate import NonMembers
from fingerprint.signatures.rewordings import by_own_senders
from fingerprint.text import sentences
from fingerprint.text.normalise import normalise

PROTOTYPE_MEMBERS = 64
"""Members whose mean embedding is a family's prototype."""


@dataclass(frozen=True, slots=True)
class Unassigned:
    """The prompts in no family (n,), and vectors (n, d) of their beginnings."""

    prompts: IntArray
    vectors: FloatArray

    def still(self, label: Ids) -> Unassigned:
        """Return those that these labels (of all prompts, -1 = none) leave in no family."""
        left = label[self.prompts] < 0
        return Unassigned(self.prompts[left], self.vectors[left])


def with_prototypes(
    batch: Batch,
    signatures: Sequence[Signature],
    members: sparse.csr_matrix,
    outside: Unassigned,
    embed: Embed,
    settings: Settings,
) -> list[Signature]:
    """Give signatures their prototypes, and what prompts in no family reach of their meaning."""
    rate = settings.false_positive_rate
    said = embed_sentences([s.template for s in signatures], embed)
    own = by_own_senders(batch, outside.prompts, members)
    others = (
        NonMembers.of(batch.texts.take(pa.array(outside.prompts)), own, embed)
        if any(map(len, said))
        else None
    )
    least, usual = calibrate.of_meaning(said, others, rate)
    out = []
    for f, signature in enumerate(signatures):
        prototypes = said[f]
        if signature.kind == "topical":
            prototypes = centre(batch, members[f].indices, embed)
            least[f], usual[f] = calibrate.of_centre(prototypes, outside.vectors, rate)
        out.append(
            replace(signature, prototypes=prototypes, similarity=float(least[f]), usual=float(usual[f]))
        )
    return out


def centre(batch: Batch, members: Ids, embed: Embed) -> FloatArray:
    """Return the mean embedding of some members as a unit row, (1, d); (0, 0) for none."""
    chosen = pick_evenly(members, PROTOTYPE_MEMBERS)
    if not len(chosen):
        return np.empty((0, 0), dtype=np.float32)
    centre = embed_heads(batch, chosen, embed).mean(axis=0, keepdims=True)
    norm = np.linalg.norm(centre, axis=1, keepdims=True)
    return np.asarray((centre / np.maximum(norm, 1e-12))[norm.ravel() > 0], dtype=np.float32)


def embed_heads(batch: Batch, prompts: npt.NDArray[Any], embed: Embed) -> FloatArray:
    """Embed the beginnings of some prompts, (p, d)."""
    return embed(sentences.heads(batch.texts_of(prompts)))


def pick_evenly(prompts: npt.NDArray[Any], most: int) -> npt.NDArray[Any]:
    """Return all prompts, or at most `most` of them, evenly chosen."""
    if len(prompts) <= most:
        return prompts
    return prompts[np.unique(np.linspace(0, len(prompts) - 1, most).astype(np.int64))]


def embed_sentences(templates: Sequence[Template], embed: Embed) -> list[FloatArray]:
    """Embed the sentences of each template's fixed text, each (p, d)."""
    texts = pa.array([s.text for t in templates for s in t.segments], pa.large_string())
    flat, offsets = sentences.split_sentences(normalise(texts))
    bounds = offsets[np.cumsum([0, *(len(t.segments) for t in templates)])]
    vectors = embed(flat)
    parts = [vectors[a:b] for a, b in pairwise(bounds)]
    return [part[np.linalg.norm(part, axis=1) > 0][: sentences.MOST_SENTENCES] for part in parts]
