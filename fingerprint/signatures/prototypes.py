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
from fingerprint.embedding.languages import FOREIGN
from fingerprint.embedding.static_model import StaticModel
from fingerprint.signatures import calibrate, words_said
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
    words: StaticModel | None = None,
) -> list[Signature]:
    """Give signatures (f) their prototypes, and what prompts in no family reach of their meaning.

    members: (f, n) CSR, each family's prompts. words: what reads texts word by word; None where only sentences are to be compared.
    """
    rate = settings.false_positive_rate
    embedded = embed_sentences([s.template for s in signatures], embed)
    sentences_of = [
        s.prototypes if s.kind == "reworded" else vectors
        for s, (vectors, _) in zip(signatures, embedded, strict=True)
    ]
    own = by_own_senders(batch, unassigned.prompts, members)
    others = (
        NonMembers.of(batch.texts_of(unassigned.prompts), own, embed) if any(map(len, sentences_of)) else None
    )
    held = calibrate.Held.of(sentences_of, others)
    least, typical = calibrate.of_meaning(held, rate)
    said = np.ones(len(signatures))
    if words is not None:
        # words of other languages have no weights of their own, so templates in them are compared by sentences only
        worded = [
            f
            for f in held.families.tolist()
            if signatures[f].kind == "template" and not _foreign(embedded[f][1], words)
        ]
        asked = words.words(pa.array([text for f in worded for text in embedded[f][1]], pa.large_string()))
        said[worded] = words_said.by_others(
            held.only(worded), asked, (least[worded], typical[worded]), words, rate
        )
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
                word_similarity=float(said[f]),
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


def embed_sentences(templates: Sequence[Template], embed: Embed) -> list[tuple[FloatArray, list[str]]]:
    """Embed the sentences of what tells each template (`asked`), at most MOST_SENTENCES: (p, d) float32 unit rows, and the sentences (p,)."""
    told = telling(templates)
    texts = pa.array([s.text for segments in told for s in segments], pa.large_string())
    flat, offsets = sentences.split_sentences(normalise(texts))
    bounds = offsets[np.cumsum([0, *map(len, told)])]
    vectors = embed(flat)
    said, parts = np.linalg.norm(vectors, axis=1) > 0, []
    for a, b in pairwise(bounds):
        rows = a + np.flatnonzero(said[a:b])[: sentences.MOST_SENTENCES]
        parts.append((vectors[rows], flat.take(pa.array(rows)).to_pylist()))
    return parts


def _foreign(texts: Sequence[str], words: StaticModel) -> bool:
    """Tell whether one of some texts is in another language than English."""
    return bool((words.evidence(pa.array(texts, pa.large_string())) > FOREIGN).any())
