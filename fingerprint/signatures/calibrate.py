"""What scores mean: the rarity of a family's n-grams, and what prompts that are no members reach.

Thresholds are split-conformal quantiles with the +1 correction (Angelopoulos & Bates 2023, section 1): the night's
own non-members are the calibration set. With fewer than 1 / rate of them a threshold lies above every one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy import sparse

from fingerprint.base.stats import pick_evenly
from fingerprint.base.types import Bools, Doubles, Embed, FloatArray, IntArray
from fingerprint.discovery.discover import Discovery
from fingerprint.discovery.families import COVER
from fingerprint.discovery.sparse_products import counts_at
from fingerprint.domain.signature import Signature
from fingerprint.embedding.similarity import Rows, Sentences, held_similarity
from fingerprint.signatures import match_score
from fingerprint.signatures.public_text import known_public, public_grams
from fingerprint.text import sentences

MARGIN = 1e-6
"""Between a non-member's score and the threshold: lookups sum in another order."""

HIGHEST = 0.9999
"""No threshold is higher, or a family could not be matched at all."""

SYSTEM_ALONE = 0.38
"""What a request scores at most that holds nothing but the system prompt of a template that asks for more."""

SENTENCE_PROMPTS = 16_384
"""Prompts in no family whose sentences are embedded, to see what people say anyway."""


@dataclass(frozen=True, slots=True)
class NonMembers:
    """What n prompts in no family say, and who says it.

    vectors: (s, d) of their sentences, as `held_similarity` takes them; offsets: (n + 1,) where each prompt's begin. own: (n, f) CSR, nonzero where a
    prompt is by one of the accounts that send the family together: it may be a rewording and is no stranger's. sentences: the
    same, where their words are to be read.
    """

    vectors: Rows
    offsets: IntArray
    own: sparse.csr_matrix
    sentences: Sentences | None = None

    @classmethod
    def of(cls, texts: pa.ChunkedArray | pa.Array, own: sparse.csr_matrix, embed: Embed) -> NonMembers:
        """Take the sentences of at most SENTENCE_PROMPTS of these texts (n,), evenly chosen; own: (n, f)."""
        chosen = pick_evenly(np.arange(len(texts)), SENTENCE_PROMPTS)
        flat, offsets = sentences.split_sentences(texts.take(pa.array(chosen)))
        read = Sentences(flat, embed)
        return cls(read, offsets, own[chosen], read)


@dataclass(frozen=True, slots=True)
class Held:
    """What n others hold of the meaning of f templates, of those that have sentences where there are others.

    count: f. families: (c,) int64, which these are. prototypes: (p, d) their sentences, owners (c + 1,) where each one's begin.
    similarity: (n, c) float32, as `held_similarity` has it. own: (n, f) CSC, as in `NonMembers`.
    """

    count: int
    families: IntArray
    prototypes: FloatArray
    owners: IntArray
    similarity: FloatArray
    own: sparse.csc_matrix
    others: NonMembers | None

    @classmethod
    def of(cls, prototypes: Sequence[FloatArray], others: NonMembers | None) -> Held:
        """Compare each template's sentences (p, d) with what others say, None = nobody."""
        families = np.array([f for f, p in enumerate(prototypes) if len(p)], dtype=np.int64)
        if others is None or not len(families) or len(others.offsets) < 2:
            none, nobody = np.empty((0, 0), np.float32), sparse.csc_matrix((0, len(prototypes)))
            return cls(len(prototypes), families[:0], none, np.zeros(1, np.int64), none, nobody, None)
        owners = np.concatenate([[0], np.cumsum([len(prototypes[f]) for f in families])]).astype(np.int64)
        rows = np.concatenate([prototypes[f] for f in families])
        similarity = held_similarity(others.vectors, others.offsets, rows, owners)
        return cls(len(prototypes), families, rows, owners, similarity, others.own.tocsc(), others)

    def only(self, families: Sequence[int]) -> Held:
        """Return the same of some of the templates that have sentences, in the same order."""
        columns = np.searchsorted(self.families, families)
        rows = [np.arange(self.owners[c], self.owners[c + 1]) for c in columns]
        owners = np.concatenate([[0], np.cumsum([len(own) for own in rows])]).astype(np.int64)
        return replace(
            self,
            families=self.families[columns],
            prototypes=self.prototypes[np.concatenate([np.empty(0, np.int64), *rows])],
            owners=owners,
            similarity=self.similarity[:, columns],
        )

    def strangers(self, column: int) -> IntArray:
        """Return the others who are no senders of that one of the templates, ascending."""
        f = self.families[column]
        own = self.own.indices[self.own.indptr[f] : self.own.indptr[f + 1]]
        return np.delete(np.arange(len(self.similarity)), own)


def weights(discovery: Discovery, senders: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return the rarity of each family's n-grams among the prompts outside the family, (f, k) CSR; 0 for public text.

    senders: (n, a) CSR, who sent each prompt. Returns float32.
    """
    families, postings = discovery.families, discovery.shared.postings
    out = families.core.tocsr().copy()
    out.sort_indices()
    inside = counts_at(families.members, discovery.shared.by_prompt, out)
    outside = np.diff(postings.indptr)[out.indices] - inside.astype(np.int64)
    out.data = match_score.rarity(outside, postings.shape[1])
    out.data[public_grams(discovery, out, outside, senders)] = 0.0
    return out


def without_system_prompts(weight: FloatArray, system: Bools) -> FloatArray:
    """Return weights (g,) of a template by whose system prompt alone no stranger's request matches.

    system: (g,) bool, its n-grams that stand in no user's turn (`asked`). Any words of the user's part beside them, or that the account sent the
    family before, suffice.
    """
    own, rest = weight[~system].sum(), weight[system].sum(keepdims=True)
    most = match_score.least_reaching(lambda held: match_score.score_of(held, held + own), rest, SYSTEM_ALONE)
    return np.where(system, weight * (most / np.maximum(rest, 1e-9)), weight).astype(np.float32)


def thresholds(discovery: Discovery, weight: sparse.csr_matrix, rate: float) -> Doubles:
    """Return for each family the lowest score that at most `rate` of the batch's non-members reach, (f,).

    A prompt that holds the template, but another family's too and was given to that one, is no evidence against
    the threshold. Scores are those of a family without a shift for reliability.
    """
    overlap = (weight @ discovery.shared.postings).tocsr()
    total = np.asarray(weight.sum(axis=1), dtype=np.float32).ravel()
    out = np.full(weight.shape[0], match_score.FLOOR)
    for f in range(weight.shape[0]):
        row = slice(overlap.indptr[f], overlap.indptr[f + 1])
        others = (discovery.label[overlap.indices[row]] != f) & (overlap.data[row] < COVER * total[f])
        scores = match_score.score_of(overlap.data[row][others], total[f])
        worst = reached(scores, len(discovery.label) - int(discovery.families.support[f]), rate)
        out[f] = max(match_score.FLOOR, worst + MARGIN)
    return out


def of_meaning(held: Held, rate: float) -> tuple[Doubles, Doubles]:
    """Return what at most `rate` of the others hold of each template's meaning, and what half of them hold, (f,) each.

    1 and 0 for templates without sentences, or without others to compare with.
    """
    least, typical = np.ones(held.count), np.zeros(held.count)
    for column, f in enumerate(held.families):
        strangers = held.similarity[held.strangers(column), column]
        if len(strangers):
            least[f], typical[f] = _bounded(reached(strangers, len(strangers), rate)), np.median(strangers)
    return least, typical


def of_centre(centre: FloatArray, others: FloatArray, rate: float) -> tuple[float, float]:
    """As `of_meaning`, for a topical family's centre (1, d) and the vectors of whole prompts (n, d)."""
    if not len(centre) or not len(others):
        return 1.0, 0.0
    near = others @ centre[0]
    return _bounded(reached(near, len(near), rate)), float(np.median(near))


def with_reliability(signature: Signature, requests: int, unsynchronised: int) -> Signature:
    """Give a signature the reliability of so many requests with so many unsynchronised ones; its threshold moves along."""
    step = match_score.reliability(requests, unsynchronised) - match_score.reliability(
        signature.requests_seen, signature.unsynchronised
    )
    moved = match_score.shifted(np.array([signature.threshold]), np.array([step]))[0]
    return replace(
        signature, requests_seen=requests, unsynchronised=unsynchronised, threshold=min(float(moved), HIGHEST)
    )


def stricter(old: Signature, fresh: Signature) -> Signature:
    """Return the old signature with the higher of both thresholds, for text and for meaning, and the fresh reliability.

    What the fresh one knows to be public text counts no more.
    """
    base = with_reliability(fresh, old.requests_seen, old.unsynchronised)
    out = replace(old, threshold=max(old.threshold, base.threshold), weights=known_public(old, fresh))
    if fresh.similarity > old.similarity or old.similarity == 1.0:
        out = replace(out, similarity=fresh.similarity, typical_similarity=fresh.typical_similarity)
    if fresh.word_similarity > old.word_similarity or old.word_similarity == 1.0:
        out = replace(out, word_similarity=fresh.word_similarity)
    return with_reliability(out, fresh.requests_seen, fresh.unsynchronised)


def _bounded(similarity: float) -> float:
    return min(max(similarity, match_score.LEAST_MEANING), 1.0)


def reached(scores: npt.NDArray[np.floating], count: int, rate: float) -> float:
    """Return the score that at most `rate` of `count` non-members exceed, some of which have none (0)."""
    allowed = max(int(rate * (count + 1)) - 1, 0)
    return (
        float(np.partition(scores, len(scores) - 1 - allowed)[-1 - allowed]) if len(scores) > allowed else 0.0
    )
