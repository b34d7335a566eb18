"""Other wordings of families: new families that are variants of others, and prompts too few for one, by who sends them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pyarrow as pa
from scipy import sparse

from fingerprint.base.distinct import counted_hashes
from fingerprint.base.stats import pick_evenly
from fingerprint.base.types import Bools, Doubles, Embed, FloatArray, HashArray, Ids, TextsOfPrompts
from fingerprint.discovery.batch import Batch, behaviour_of
from fingerprint.discovery.families import members_of
from fingerprint.discovery.filling_kinds import resemblance
from fingerprint.discovery.reworded import FEWEST_SAID, MOSTLY, things_said
from fingerprint.discovery.same_fillings import same_fillings
from fingerprint.domain.signature import Signature, Template
from fingerprint.evidence.coactivity import Behaviour
from fingerprint.signatures.adoption import adopt, owned_by, owners
from fingerprint.signatures.describe import Described
from fingerprint.signatures.siblings import OnePool, of_one_pool, siblings
from fingerprint.signatures.spread import spreads
from fingerprint.signatures.translations import letters, translations
from fingerprint.signatures.variants import MIN_SHARED_POOL, Wording, originals
from fingerprint.text.languages import language_of
from fingerprint.text.normalise import normalise
from fingerprint.text.sentences import split_sentences
from fingerprint.text.tokenise import tokens

SAMPLE = 64
"""Prompts of a family that are read to see whether they say what another family says."""

COMMON_WORDS = 300
"""Most frequent tokens of a batch; text that hardly uses them is in another language than the rest."""


@dataclass(frozen=True, slots=True)
class NightFamilies:
    """The families of a night as signatures (f), in one order with behaviour (f); n distinct prompts.

    label: (n,) int32, the row of each prompt's family, -1 = none; a variant's prompts are its original's.
    strength: (n,) float32, how surely a prompt belongs to its family, 0 to 1.
    born: (f,) bool, families that were not stored before; joined: (f,) bool, new wordings of stored ones. carrier: (f,) the
    row in whose text each stands, -1 = none (`layers.carriers_of`).
    """

    signatures: tuple[Signature, ...]
    label: Ids
    strength: FloatArray
    behaviour: Behaviour
    born: Bools
    joined: Bools
    carrier: Ids


@dataclass(frozen=True, slots=True)
class Alike:
    """Which families are one by what their prompts hold beside their templates, (f, f) symmetric CSR each.

    spoken: as `said_by_others` returns it; filled: as `same_fillings`. pairs: families of one pool.
    """

    spoken: sparse.csr_matrix
    filled: sparse.csr_matrix
    pairs: OnePool


def rewordings(
    described: Described, batch: Batch, texts: TextsOfPrompts, *, common: HashArray, embed: Embed
) -> NightFamilies:
    """Join new wordings to their originals, and give prompts that only reword a family to it.

    batch: all requests of the night; texts: of its distinct prompts. common: (w,) uint64,
    sorted, as `common_words` returns them.
    """
    families = len(described.signatures)
    members = members_of(described.assignment.label, families)
    with ThreadPoolExecutor(1) as aside:
        filled = aside.submit(same_fillings, texts, members)
        spoken = said_by_others(batch.senders(), texts, described.signatures, members, embed)
        # a stored variant's prompts count for its original
        whole = members_of(owned_by(described.assignment.label, owners(described.signatures)), families)
        one, other, mostly = of_one_pool(whole, batch.senders())
        prompts = resemblance(texts, whole, _said(described.signatures), one, other, embed)
    alike = Alike(spoken, filled.result(), OnePool(one, other, mostly, prompts))
    wordings, owner = with_variants(
        batch.senders(), described.signatures, members, described.born, common, alike
    )
    assignment = adopt(batch, texts, wordings, described.assignment, embed, described.carrier)
    label = owned_by(assignment.label, owner)
    members = members_of(label, families)
    tonight = spreads(batch, members)
    signatures = tuple(replace(s, spread=tonight[f]) if members[f].nnz else s for f, s in enumerate(wordings))
    original = owner == np.arange(families)
    return NightFamilies(
        signatures,
        label,
        assignment.strength,
        behaviour_of(batch, members),
        born=described.born & original,
        joined=described.born & ~original,
        carrier=owned_by(described.carrier, owner),
    )


def with_variants(
    senders: sparse.csr_matrix,
    signatures: Sequence[Signature],
    members: sparse.csr_matrix,
    born: Bools,
    common: HashArray,
    alike: Alike,
) -> tuple[list[Signature], Ids]:
    """Mark new families that are other wordings of stored ones; also return which row owns each row's prompts, (f,).

    senders: (n, a) CSR, who sent each prompt how often. members: (f, n) CSR. born: (f,) bool. common: sorted hashes.
    """
    owner = owners(signatures)
    templates = [s.template for s in signatures]
    length = np.array([letters(str(t)) for t in templates], dtype=np.int64)
    join = sparse.csr_matrix(
        (np.ones(len(owner), np.float32), (owner, np.arange(len(owner)))), shape=(len(owner),) * 2
    )
    least = np.array([s.similarity for s in signatures], dtype=np.float64)
    familiar, rare = _words(common, templates)
    # parts of sentences, as a reworded family shows, do not tell a language
    familiar[[s.kind == "reworded" for s in signatures]] = 1.0

    @cache
    def language(row: int) -> str | None:
        return None if signatures[row].kind == "reworded" else language_of(str(templates[row]))

    wording = Wording(_said(signatures), (join @ members).tocsr(), familiar, rare, length, least, language)
    original = originals(wording, born, senders, spoken=alike.spoken)
    worded = [
        [signatures[v].prototypes for v in np.flatnonzero(owner == f).tolist()] for f in range(len(owner))
    ]
    translated = translations(wording, worded, senders)
    original = siblings(wording, born, original, alike.filled, alike.pairs, translated)
    out = [
        replace(s, variant_of=signatures[original[f]].family_id) if original[f] >= 0 else s
        for f, s in enumerate(signatures)
    ]
    return out, np.where(original >= 0, original, owner).astype(np.int32)


def _said(signatures: Sequence[Signature]) -> list[FloatArray]:
    """Return what each family's template says, (c, d) unit rows; a stored variant's sentences count for its original."""
    owner, own = owners(signatures), [s.prototypes for s in signatures]
    return [
        np.concatenate([own[v] for v in np.flatnonzero(owner == f) if len(own[v])] or [own[f]])
        for f in range(len(owner))
    ]


def said_by_others(
    senders: sparse.csr_matrix,
    texts: TextsOfPrompts,
    signatures: Sequence[Signature],
    members: sparse.csr_matrix,
    embed: Embed,
) -> sparse.csr_matrix:
    """Tell which families' prompts mostly say what a reworded family of the same accounts says, (f, f) symmetric CSR.

    A rewording now and then repeats enough text for a small family of its own, or is the short form of a longer text.
    senders: (n, a) CSR. texts: of the n prompts. members: (f, n) CSR.
    """
    pool = (members @ senders).sign().tocsr()
    size = np.diff(pool.indptr)
    rows, columns = [], []
    for r in (f for f, s in enumerate(signatures) if s.kind == "reworded" and members[f].nnz):
        shared = np.asarray((pool @ pool[r].T).todense()).ravel()
        near = np.flatnonzero((shared >= MIN_SHARED_POOL * np.minimum(size, size[r])) & (size > 0))
        for f in near[near != r]:
            chosen = pick_evenly(np.sort(members[f].indices), SAMPLE)
            flat, offsets = split_sentences(texts(chosen.astype(np.int64)))
            held = sparse.csr_matrix(
                (np.ones(len(flat), np.float32), np.arange(len(flat)), offsets),
                shape=(len(chosen), len(flat)),
            )
            count = things_said(held, embed(flat), signatures[r].prototypes)
            if (count >= FEWEST_SAID).mean() >= MOSTLY:
                rows += [f, r]
                columns += [r, f]
    shape = (len(signatures),) * 2
    return sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape=shape)


def common_words(batch: Batch) -> HashArray:
    """Return the hashes of the batch's COMMON_WORDS most frequent tokens, sorted uint64."""
    words, counts = counted_hashes(batch.token_hashes)
    return np.sort(words[np.argsort(-counts, kind="stable")[:COMMON_WORDS]])


def _words(common: HashArray, templates: Sequence[Template]) -> tuple[Doubles, sparse.csr_matrix]:
    """Return the share of each template's tokens that are among these common ones, (f,), and its others, (f, w) CSR.

    Each of these counts the more, the fewer templates hold it.
    """
    tokenised = tokens(normalise(pa.array([str(t) for t in templates], pa.large_string())))
    words, word = np.unique(tokenised.hashes, return_inverse=True)
    row = np.repeat(np.arange(len(templates)), np.diff(tokenised.row_offsets))
    counts = sparse.csr_matrix((np.ones(len(word)), (row, word)), shape=(len(templates), len(words)))
    frequent = np.isin(words, common)
    total = np.asarray(counts.sum(axis=1)).ravel()
    rare = counts[:, ~frequent].sign().tocsr()
    rare.data *= np.log((1 + len(templates)) / np.bincount(rare.indices, minlength=rare.shape[1]))[
        rare.indices
    ]
    return (counts @ frequent) / np.maximum(total, 1), rare
