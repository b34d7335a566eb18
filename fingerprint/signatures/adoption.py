"""Gives prompts that no family took to the family that their senders send anyway, if they mean what it means.

A rewording that few requests share makes no family of its own. But its account acts together with others in sending
the original, so a lookup's score and threshold decide as they would decide of a request by a known sender (D-071).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa
from scipy import sparse

from fingerprint.base.parallel import in_order, workers
from fingerprint.base.types import Doubles, Embed, FloatArray, Ids, IntArray, TextsOfPrompts
from fingerprint.discovery.assignment import Assignment
from fingerprint.discovery.batch import Batch, behaviour_of
from fingerprint.discovery.families import members_of
from fingerprint.discovery.proof import SYNCHRONY_P
from fingerprint.domain.signature import Signature
from fingerprint.embedding import similarity
from fingerprint.signatures import match_score
from fingerprint.text.sentences import asked, split_sentences

AT_ONCE = 4_096
"""Texts whose sentences are held in memory together, each with its vector."""

PART = 1_024
"""Texts that one thread compares at a time."""

MAX_ASKED = 65_536
"""Prompts that may be adopted; in a larger night those of the senders most of whose requests are of their families."""


def adopt(
    batch: Batch,
    texts: TextsOfPrompts,
    signatures: Sequence[Signature | None],
    assignment: Assignment,
    embed: Embed,
    carrier: Ids,
) -> Assignment:
    """Give what belongs to no family to one that its senders send together anyway, if it means the same.

    And what belongs to a carrier, to a family that stands in it, by what is asked beside its system prompt. signatures: (f,) of the families that the assignment of
    the n prompts names, None for one that takes none. carrier: (f,) the row that each stands in (`layers.carriers_of`).
    """
    owner = owners(signatures)
    carried = np.isin(assignment.label, carrier[carrier >= 0])
    unassigned = np.flatnonzero((assignment.label < 0) | carried)
    owned = owned_by(assignment.label, owner)
    own = by_own_senders(batch, unassigned, members_of(owned, len(signatures)))
    own = _inside(own, np.where(carried, assignment.label, -1)[unassigned], carrier)
    own = _likeliest(own, batch, owned, unassigned)
    family, score = nearest_in_meaning(
        lambda rows: asked(texts(unassigned[rows]), carried[unassigned[rows]]),
        signatures,
        own[:, owner].tocsr(),
        embed,
    )
    adopted = family >= 0
    return assignment.with_prompts(unassigned[adopted], family[adopted], score[adopted])


def _inside(own: sparse.csr_matrix, holds: Ids, carrier: Ids) -> sparse.csr_matrix:
    """Leave of the families (l, f) that prompts' senders send, to prompts of a carrier those alone that stand in it.

    holds: (l,) the carrier of each prompt, -1 = none. carrier: (f,) of each family.
    """
    row = np.repeat(np.arange(own.shape[0]), np.diff(own.indptr))
    out = own.copy()
    out.data[(holds[row] >= 0) & (carrier[own.indices] != holds[row])] = 0
    out.eliminate_zeros()
    return out


def owners(signatures: Sequence[Signature | None]) -> Ids:
    """Return which row owns each row's prompts, (f,): its own, or that of the family that it is a variant of."""
    place = {s.family_id: f for f, s in enumerate(signatures) if s is not None}
    originals = [None if s is None else s.variant_of for s in signatures]
    return np.array([place.get(name or "", f) for f, name in enumerate(originals)], dtype=np.int32)


def owned_by(label: Ids, owner: Ids) -> Ids:
    """Return the row that owns each prompt (n,), -1 = none; label: (n,) rows of families, owner: (f,)."""
    return np.where(label >= 0, owner[label], -1).astype(np.int32) if len(owner) else label


def by_own_senders(batch: Batch, prompts: IntArray, members: sparse.csr_matrix) -> sparse.csr_matrix:
    """Tell which prompts (l,) are by accounts that send a family with others at the same times, (l, f) CSR.

    members: (f, n) CSR, each family's prompts.
    """
    act = behaviour_of(batch, members)
    senders = batch.senders()
    together = sparse.diags((act.p_synchrony <= SYNCHRONY_P).astype(np.float32))
    pools = (together @ (members @ senders).sign()).tocsr()
    pools.eliminate_zeros()
    return (senders[prompts] @ pools.T).tocsr()


def _likeliest(own: sparse.csr_matrix, batch: Batch, owned: Ids, unassigned: IntArray) -> sparse.csr_matrix:
    """Leave, of the prompts that are by senders of a family (l, f), those whose senders send little else.

    At most MAX_ASKED. owned: (n,) which family owns each prompt, -1 = none. unassigned: (l,) their numbers.
    """
    queried = np.flatnonzero(np.diff(own.indptr))
    if len(queried) <= MAX_ASKED:
        return own
    sent = np.bincount(batch.account, minlength=len(batch.accounts))
    of_families = np.bincount(batch.account[owned[batch.prompt] >= 0], minlength=len(batch.accounts))
    share = of_families / np.maximum(sent, 1)
    by_sender = batch.senders()[unassigned[queried]] @ sparse.diags(share)
    most = by_sender.max(axis=1).toarray().ravel()
    kept = np.zeros(own.shape[0])
    kept[queried[np.argsort(-most, kind="stable")[:MAX_ASKED]]] = 1
    left = (sparse.diags(kept) @ own).tocsr()
    left.eliminate_zeros()
    return left


def nearest_in_meaning(
    texts: TextsOfPrompts, signatures: Sequence[Signature | None], sent: sparse.csr_matrix, embed: Embed
) -> tuple[Ids, FloatArray]:
    """Return for each of l texts the family that it belongs to by meaning (l,), -1 = none, and its score, 0 to 1.

    sent: (l, f) CSR, nonzero where the text's senders send the family, too; only those are asked.
    """
    family, score = np.full(sent.shape[0], -1, dtype=np.int32), np.zeros(sent.shape[0], dtype=np.float32)
    worded = {
        f: s for f, s in enumerate(signatures) if s is not None and len(s.prototypes) and s.kind != "topical"
    }
    if not worded:
        return family, score
    rows, meanings = np.array(list(worded), np.int64), _Meanings.of(list(worded.values()))
    among = sent[:, rows].tocsr()
    among.sort_indices()
    queried = np.flatnonzero(np.diff(among.indptr))
    for begin in range(0, len(queried), AT_ONCE):
        part = queried[begin : begin + AT_ONCE]
        candidates = _candidates(among[part])
        worth = meanings.worth(texts(part), candidates, embed)
        best = np.argmax(worth, axis=1)
        top = worth[np.arange(len(part)), best]
        family[part] = np.where(top > 0, rows[candidates[np.arange(len(part)), best]], -1)
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
    typical: FloatArray
    shift: Doubles
    threshold: Doubles

    @classmethod
    def of(cls, signatures: Sequence[Signature]) -> Self:
        return cls(
            np.concatenate([s.prototypes for s in signatures]),
            np.concatenate([[0], np.cumsum([len(s.prototypes) for s in signatures])]).astype(np.int64),
            np.array([s.similarity for s in signatures], np.float32),
            np.array([s.typical_similarity for s in signatures], np.float32),
            np.array([match_score.reliability(s.requests_seen, s.unsynchronised) for s in signatures]),
            np.array([s.threshold for s in signatures]),
        )

    def worth(self, texts: pa.Array | pa.ChunkedArray, candidates: Ids, embed: Embed) -> Doubles:
        """Score texts (q,) against their candidates (q, c) as requests of known senders; 0 below the threshold."""
        flat, offsets = split_sentences(texts)
        vectors = embed(flat)

        def share_of(rows: slice) -> FloatArray:
            ends = offsets[rows.start : rows.stop + 1]
            return similarity.held_of(vectors, ends, self.sentences, self.owners, candidates[rows])

        parts = (slice(at, min(at + PART, len(candidates))) for at in range(0, len(candidates), PART))
        share = np.concatenate(list(in_order(share_of, parts, threads=workers())))
        beyond = match_score.meaning(share, self.least[candidates], self.typical[candidates])
        shift = self.shift[candidates] + match_score.KNOWN_SENDER / match_score.SCALE
        score = match_score.shifted(match_score.score_of_meaning(beyond), shift)
        return np.where((candidates >= 0) & (score >= self.threshold[candidates]), score, 0.0)
