"""Gives prompts that no family took to the family that their senders send anyway, if they mean what it means.

A rewording that few requests share makes no family of its own. But its account acts together with others in sending
the original, so a lookup's score and threshold decide as they would decide of a request by a known sender (D-071).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa
from scipy import sparse

from fingerprint.base.parallel import in_order, workers
from fingerprint.base.types import Doubles, Embed, FloatArray, Ids, IntArray
from fingerprint.domain.signature import Signature
from fingerprint.embedding import similarity
from fingerprint.signatures import match_score
from fingerprint.text.sentences import split_sentences

AT_ONCE = 16_384
"""Texts whose sentences are held in memory together."""

PART = 1_024
"""Texts that one thread compares at a time."""

TextsOfPrompts = Callable[[IntArray], pa.Array | pa.ChunkedArray]
"""Gives texts by their ascending numbers."""


def adopted(
    texts: TextsOfPrompts, signatures: Sequence[Signature], sent: sparse.csr_matrix, embed: Embed
) -> tuple[Ids, FloatArray]:
    """Return for each of l texts the family that it belongs to by meaning (l,), -1 = none, and its score, 0 to 1.

    sent: (l, f) CSR, nonzero where the text's senders send the family, too; only those are asked.
    """
    family, score = np.full(sent.shape[0], -1, dtype=np.int32), np.zeros(sent.shape[0], dtype=np.float32)
    rows = np.array(
        [f for f, s in enumerate(signatures) if len(s.prototypes) and s.kind != "topical"], np.int64
    )
    if not len(rows):
        return family, score
    known = _Meanings.of([signatures[f] for f in rows])
    among = sent[:, rows].tocsr()
    among.sort_indices()
    asked = np.flatnonzero(np.diff(among.indptr))
    for begin in range(0, len(asked), AT_ONCE):
        part = asked[begin : begin + AT_ONCE]
        candidates = _candidates(among[part])
        worth = known.worth(texts(part), candidates, embed)
        best = np.argmax(worth, axis=1)
        top = worth[np.arange(len(part)), best]
        found = candidates[np.arange(len(part)), best]
        family[part] = np.where(top > 0, rows[found], -1)
        score[part] = top
    return family, score


def _candidates(sent: sparse.csr_matrix) -> Ids:
    """Return the columns that each row has, (q, c), -1 = none."""
    count = np.diff(sent.indptr)
    out = np.full((len(count), int(count.max(initial=1))), -1, dtype=np.int32)
    place = np.arange(sent.nnz) - np.repeat(sent.indptr[:-1], count)
    out[np.repeat(np.arange(len(count)), count), place] = sent.indices
    return out


@dataclass(frozen=True, slots=True)
class _Meanings:
    """What f templates say, sentences (p, d) of which owners (f + 1,) tell whose; and what a text must hold of each, (f,)."""

    sentences: FloatArray
    owners: IntArray
    least: FloatArray
    usual: FloatArray
    shift: Doubles
    threshold: Doubles

    @classmethod
    def of(cls, signatures: Sequence[Signature]) -> Self:
        return cls(
            np.concatenate([s.prototypes for s in signatures]),
            np.concatenate([[0], np.cumsum([len(s.prototypes) for s in signatures])]).astype(np.int64),
            np.array([s.similarity for s in signatures], np.float32),
            np.array([s.usual for s in signatures], np.float32),
            np.array([match_score.standing(s.seen, s.strays) for s in signatures]),
            np.array([s.threshold for s in signatures]),
        )

    def worth(self, texts: pa.Array | pa.ChunkedArray, candidates: Ids, embed: Embed) -> Doubles:
        """Score texts (q,) against their candidates (q, c) as requests of known senders; 0 below the threshold."""
        flat, offsets = split_sentences(texts)
        vectors = embed(flat)

        def held_by(rows: slice) -> FloatArray:
            ends = offsets[rows.start : rows.stop + 1]
            return similarity.held_of(vectors, ends, self.sentences, self.owners, candidates[rows])

        parts = (slice(at, min(at + PART, len(candidates))) for at in range(0, len(candidates), PART))
        held = np.concatenate(list(in_order(held_by, parts, threads=workers())))
        beyond = match_score.meaning(held, self.least[candidates], self.usual[candidates])
        shift = self.shift[candidates] + match_score.KNOWN_SENDER / match_score.SCALE
        score = match_score.shifted(match_score.score_of_meaning(beyond), shift)
        return np.where((candidates >= 0) & (score >= self.threshold[candidates]), score, 0.0)
