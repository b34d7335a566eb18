"""Vectors of a template's sentences, and how much of that meaning other prompts hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pyarrow as pa
from scipy import sparse

from fingerprint.base.stats import pick_evenly
from fingerprint.base.types import Embed, FloatArray, Ids
from fingerprint.discovery.asked import telling
from fingerprint.discovery.batch import Batch
from fingerprint.discovery.topics import Unassigned, embed_heads
from fingerprint.domain.settings import Settings
from fingerprint.domain.signature import Signature, Template
from fingerprint.signatures import calibrate
from fingerprint.signatures.adoption import by_own_senders
from fingerprint.signatures.calibrate import NonMembers
from fingerprint.text import sentences
from fingerprint.text.normalise import normalise

PROTOTYPE_MEMBERS = 64
"""Members whose mean embedding is a family's prototype."""


def with_prototypes(
    batch: Batch,
    signatures: Sequence[Signature],
    members: sparse.csr_matrix,
    unassigned: Unassigned,
    embed: Embed,
    settings: Settings,
) -> list[Signature]:
    """Give signatures (f) their prototypes, and what prompts in no family reach of their meaning.

    members: (f, n) CSR, each family's prompts.
    """
    rate = settings.false_positive_rate
    embedded = embed_sentences([s.template for s in signatures], embed)
    sentences_of = [
        s.prototypes if s.kind == "reworded" else own for s, own in zip(signatures, embedded, strict=True)
    ]
    own = by_own_senders(batch, unassigned.prompts, members)
    others = (
        NonMembers.of(batch.texts_of(unassigned.prompts), own, embed) if any(map(len, sentences_of)) else None
    )
    least, typical = calibrate.of_meaning(sentences_of, others, rate)
    out = []
    for f, signature in enumerate(signatures):
        prototypes = sentences_of[f]
        if signature.kind == "topical":
            prototypes = centre(batch, members[f].indices, embed)
            least[f], typical[f] = calibrate.of_centre(prototypes, unassigned.vectors, rate)
        out.append(
            replace(
                signature,
                prototypes=prototypes,
                similarity=float(least[f]),
                typical_similarity=float(typical[f]),
            )
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


def embed_sentences(templates: Sequence[Template], embed: Embed) -> list[FloatArray]:
    """Embed the sentences of what tells each template (`asked`), (p, d) float32 unit rows for each, at most MOST_SENTENCES."""
    told = telling(templates)
    texts = pa.array([s.text for segments in told for s in segments], pa.large_string())
    flat, offsets = sentences.split_sentences(normalise(texts))
    bounds = offsets[np.cumsum([0, *map(len, told)])]
    vectors = embed(flat)
    parts = [vectors[a:b] for a, b in pairwise(bounds)]
    return [part[np.linalg.norm(part, axis=1) > 0][: sentences.MOST_SENTENCES] for part in parts]
