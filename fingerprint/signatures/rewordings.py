"""Other wordings of a family: new families that are variants of others, and prompts too few for one, by who sends them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
from scipy import sparse

from fingerprint.base.types import Bools, Doubles, Embed, FloatArray, HashArray, Ids, IntArray
from fingerprint.discovery.batch import Batch
from fingerprint.discovery.families import members_of
from fingerprint.discovery.proof import SYNCHRONY_P
from fingerprint.domain.signature import Signature, Template
from fingerprint.evidence.coactivity import behaviour
from fingerprint.signatures.adoption import TextsOfPrompts, adopted
from fingerprint.signatures.variants import Wording, originals
from fingerprint.text.normalise import normalise
from fingerprint.text.tokenise import tokens

COMMON_WORDS = 300
"""Most frequent tokens of a batch; text that hardly uses them is in another language than the rest."""

MOST_ASKED = 65_536
"""Prompts that may be adopted; in a larger night those of the senders most of whose requests are of their families."""


def with_variants(
    senders: sparse.csr_matrix,
    signatures: Sequence[Signature],
    members: sparse.csr_matrix,
    born: Bools,
    common: HashArray,
) -> tuple[list[Signature], Ids]:
    """Mark new families that are other wordings of stored ones; also return which row owns each row's prompts, (f,)."""
    owner = _owner(signatures)
    templates = [s.template for s in signatures]
    said = [s.prototypes for s in signatures]
    # a stored variant's prompts and sentences count for its original
    spoken = [
        np.concatenate([said[v] for v in np.flatnonzero(owner == f) if len(said[v])] or [said[f]])
        for f in range(len(owner))
    ]
    length = np.array([len(str(t)) for t in templates], dtype=np.int64)
    join = sparse.csr_matrix(
        (np.ones(len(owner), np.float32), (owner, np.arange(len(owner)))), shape=(len(owner),) * 2
    )
    least = np.array([s.similarity for s in signatures], dtype=np.float64)
    wording = Wording(spoken, (join @ members).tocsr(), *_words(common, templates), length, least)
    found = originals(wording, born, senders)
    out = [
        replace(s, variant_of=signatures[found[f]].family_id) if found[f] >= 0 else s
        for f, s in enumerate(signatures)
    ]
    return out, np.where(found >= 0, found, owner).astype(np.int32)


def _owner(signatures: Sequence[Signature]) -> Ids:
    """Return which row owns each row's prompts, (f,): its own, or that of the family that it is a variant of."""
    place = {s.family_id: f for f, s in enumerate(signatures)}
    return np.array([place.get(s.variant_of or "", f) for f, s in enumerate(signatures)], dtype=np.int32)


def common_words(batch: Batch) -> HashArray:
    """Return the batch's COMMON_WORDS most frequent tokens, sorted."""
    words, counts = np.unique(batch.token_hashes, return_counts=True)
    return np.sort(words[np.argsort(-counts, kind="stable")[:COMMON_WORDS]])


def _words(common: HashArray, templates: Sequence[Template]) -> tuple[Doubles, sparse.csr_matrix]:
    """Return the share of each template's tokens that are among these common ones, (f,), and its others, (f, w) CSR.

    Each of these counts the more, the fewer templates hold it.
    """
    found = tokens(normalise(pa.array([str(t) for t in templates], pa.large_string())))
    words, word = np.unique(found.hashes, return_inverse=True)
    row = np.repeat(np.arange(len(templates)), np.diff(found.row_offsets))
    held = sparse.csr_matrix((np.ones(len(word)), (row, word)), shape=(len(templates), len(words)))
    frequent = np.isin(words, common)
    total = np.asarray(held.sum(axis=1)).ravel()
    rare = held[:, ~frequent].sign().tocsr()
    rare.data *= np.log((1 + len(templates)) / np.bincount(rare.indices, minlength=rare.shape[1]))[
        rare.indices
    ]
    return (held @ frequent) / np.maximum(total, 1), rare


def adopt(
    batch: Batch,
    texts: TextsOfPrompts,
    signatures: Sequence[Signature],
    label: Ids,
    strength: FloatArray,
    embed: Embed,
) -> None:
    """Label what is left to no family and means what its senders send together anyway, in place."""
    owner = _owner(signatures)
    loose = np.flatnonzero(label < 0)
    whose = np.where(label >= 0, owner[label], -1).astype(np.int32) if len(owner) else label
    own = by_own_senders(batch, loose, members_of(whose, len(signatures)))
    own = _likeliest(own, batch, whose, loose)
    family, score = adopted(lambda rows: texts(loose[rows]), signatures, own[:, owner].tocsr(), embed)
    taken = family >= 0
    label[loose[taken]], strength[loose[taken]] = family[taken], score[taken]


def _likeliest(own: sparse.csr_matrix, batch: Batch, whose: Ids, loose: IntArray) -> sparse.csr_matrix:
    """Leave of the prompts that are by senders of a family (l, f) those whose senders send little else, MOST_ASKED at most."""
    asked = np.flatnonzero(np.diff(own.indptr))
    if len(asked) <= MOST_ASKED:
        return own
    sent = np.bincount(batch.account, minlength=len(batch.accounts))
    of_families = np.bincount(batch.account[whose[batch.prompt] >= 0], minlength=len(batch.accounts))
    share = of_families / np.maximum(sent, 1)
    by_sender = batch.senders()[loose[asked]] @ sparse.diags(share)
    most = by_sender.max(axis=1).toarray().ravel()
    kept = np.zeros(own.shape[0])
    kept[asked[np.argsort(-most, kind="stable")[:MOST_ASKED]]] = 1
    left = (sparse.diags(kept) @ own).tocsr()
    left.eliminate_zeros()
    return left


def by_own_senders(batch: Batch, prompts: IntArray, members: sparse.csr_matrix) -> sparse.csr_matrix:
    """Tell which prompts (l,) are by accounts that send a family with others at the same times, (l, f) CSR."""
    act = behaviour((members @ batch.requests()).tocsr(), batch.account, batch.second)
    senders = batch.senders()
    together = sparse.diags((act.p_synchrony <= SYNCHRONY_P).astype(np.float32))
    pools = (together @ (members @ senders).sign()).tocsr()
    pools.eliminate_zeros()
    return (senders[prompts] @ pools.T).tocsr()
