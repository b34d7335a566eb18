"""Families that are worded anew in every request: groups of sentences that stand together in prompts of a pool.

What `sentence_groups` finds is put together as segments of shared text are: groups that the same prompts hold belong
to one template, of which every prompt says several things, each in one of many wordings. What honest people ask is
dense, too, but they ask it once: only what the same accounts send again and again, or together, is a family (D-155).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy import sparse

from fingerprint.base import stats
from fingerprint.base.parallel import in_order, workers
from fingerprint.base.sparse import components
from fingerprint.base.stats import pick_evenly
from fingerprint.base.types import Bools, FloatArray, Ids, IntArray
from fingerprint.clustering.knn import Neighbours
from fingerprint.discovery.batch import Batch, behaviour_of
from fingerprint.discovery.proof import is_pools
from fingerprint.discovery.sentence_groups import (
    FEWEST_NEIGHBOURS,
    SAME_MEANING,
    SentenceGroups,
    Sentences,
    group_sentences,
    nearest_sentences,
)
from fingerprint.domain.settings import Settings
from fingerprint.domain.signature import Signature
from fingerprint.evidence.null_models import POOL_OVERLAP_P

TOGETHER_P, TOGETHER_SHARE, FEWEST_TOGETHER = 1e-6, 0.2, 3
"""Two groups are of one template if so many prompts hold both that chance brings it so rarely (hypergeometric tail), and
at least this share of the rarer one's and this number of them."""

FEWEST_SAID = 2
"""Things that a prompt must say of a template's: one alone is said by people, too."""

OWN_SHARE = 0.5
"""A group is a template's own if this share of the prompts that hold it are of its family."""

CLAIMED = 0.6
"""A sentence says what a group says if its cosine with the group's centre is this (D-155)."""

ONE_POOL, FEWEST_SHARED, SIMILAR = 1 / 3, 3, 0.5
"""Two templates that their senders do not prove are one, of which each prompt has one of several wordings, if this share
of the fewer senders, and so many, send both beyond chance, and something that both say has this cosine (D-207)."""

MOSTLY = 0.7
"""Two families are one if this share of one's prompts is of the other, too."""

MOST_THINGS = 32
"""Things that describe a family: those that most of its prompts say."""

MOST_READ = 256
"""Prompts of a family that are read once more for what else they say."""


@dataclass(frozen=True, slots=True)
class Wordings:
    """One of the things that a reworded family says, and in what words.

    centre: (d,) float32 unit row, the mean of its sentences. texts: (t,) the sentences, nearest to the centre first.
    prompt: (p,) int64 and text: (p,) int64, which prompts of the family say it in which of these. position: how far from
    the beginning of the prompt, 0 to 1, on average.
    """

    centre: FloatArray
    position: float
    texts: pa.LargeStringArray
    prompt: IntArray
    text: IntArray


@dataclass(frozen=True, slots=True)
class _Things:
    """What a family says: the sentences that say each of c things, and the mean of each, (c, d) float32 unit rows."""

    sentences: tuple[IntArray, ...]
    centres: FloatArray


@dataclass(frozen=True, slots=True)
class Reworded:
    """w reworded families among m prompts that say something.

    prompts: (m,) int64, ascending. label: (m,) int32, the family of each, -1 = none. known: (w,) int64, which stored
    signature each continues, -1 for a new one. wordings: (w) what each new one says, () for a stored one.
    """

    prompts: IntArray
    label: Ids
    known: IntArray
    wordings: tuple[tuple[Wordings, ...], ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """What m prompts say, compared with what stored families say, and among themselves.

    prompts: (m,) int64, ascending. continued: (m,) int32, the stored signature that each continues, -1 = none. free: what the others
    say, and near: which of these sentences are near one another; None where no new families are looked for.
    """

    prompts: IntArray
    continued: Ids
    free: Sentences
    near: Neighbours | None


def compared(
    said: Sentences, stored: Sequence[Signature], settings: Settings, *, fresh: bool = True
) -> Compared:
    """Compare what prompts say with stored reworded families, and, if `fresh`, what is left among itself."""
    old = [number for number, s in enumerate(stored) if s.kind == "reworded"]
    row = most_said(said, [stored[number].prototypes for number in old])
    continued = np.append(old, -1).astype(np.int32)[row]
    free = said.only(row < 0)
    near = nearest_sentences(free, seed=settings.seed) if fresh else None
    return Compared(said.prompts, continued, free, near)


def reworded(batch: Batch, said: Compared, settings: Settings) -> Reworded:
    """Find reworded families among prompts that share no text with any: stored ones, then new ones."""
    continued = said.continued
    seen, again = np.unique(continued[continued >= 0], return_inverse=True)
    label = np.full(len(said.prompts), -1, dtype=np.int32)
    label[continued >= 0] = again
    wordings: tuple[tuple[Wordings, ...], ...] = ()
    if said.near is not None:
        new, wordings = _discover(batch, said.free, said.near, settings)
        label[continued < 0] = np.where(new >= 0, len(seen) + new, -1)
    known = np.concatenate([seen, np.full(len(wordings), -1)])
    return Reworded(said.prompts, label, known.astype(np.int64), (*(() for _ in seen), *wordings))


def beside_text(families: Reworded, label: Ids) -> Reworded:
    """Settle which prompts are of reworded families and which of those that share text; label: (n,) these, -1 = none.

    A new reworded family most of whose prompts share a text is that text's, and goes, as does one that several texts
    leave nothing. A family of shared text most of whose prompts say what a reworded one says is a wording of it, and
    loses them. All others keep what they have.
    """
    text = label[families.prompts]
    sizes = np.bincount(label[label >= 0], minlength=1)
    out, kept = families.label.copy(), []
    for row, known in enumerate(families.known.tolist()):
        mine = np.flatnonzero(families.label == row)
        shared = np.bincount(text[mine][text[mine] >= 0], minlength=len(sizes))
        if known < 0 and shared.max(initial=0) >= MOSTLY * len(mine):
            out[mine] = -1
            continue
        whole = shared >= MOSTLY * np.maximum(sizes, 1)
        theirs = (text[mine] >= 0) & ~whole[text[mine]]
        out[mine[theirs]] = -1
        # its prompts may be divided among several texts
        if known >= 0 or not theirs.all():
            kept.append(row)
    rank = np.full(len(families.known) + 1, -1, dtype=np.int32)
    rank[kept] = np.arange(len(kept))
    wordings = tuple(families.wordings[row] for row in kept)
    return Reworded(families.prompts, rank[out], families.known[kept], wordings)


def _discover(
    batch: Batch, said: Sentences, near: Neighbours, settings: Settings
) -> tuple[Ids, tuple[tuple[Wordings, ...], ...]]:
    """Return the new family of each prompt (m,), -1 = none, and what each family says."""
    senders = batch.senders()
    groups = group_sentences(said, near, senders)
    template = _own_groups(groups, _together(groups))
    members = _members(groups, template)
    template = _joined(batch, said, groups, template, _proven(batch, said, members, settings))
    members = _members(groups, template)
    kept = np.flatnonzero(_proven(batch, said, members, settings))
    rank = np.full(members.shape[0] + 1, -1, dtype=np.int64)
    rank[kept] = np.arange(len(kept))
    of_group = rank[template]
    # every family's things, then what else its prompts say, and which of the prompts say them
    things = [
        _things(said, groups, np.flatnonzero(of_group == f), members[kept[f]]) for f in range(len(kept))
    ]
    counts = _counts_said(said, [t.centres for t in things])
    label = _most(counts, len(said.prompts))

    def widened(f: int) -> _Things:
        return _with_more(said, things[f], senders, np.flatnonzero(label == f))

    wider = list(in_order(widened, range(len(things)), threads=workers()))
    changed = [f for f, more in enumerate(wider) if more is not things[f]]
    for f, count in zip(changed, _counts_said(said, [wider[f].centres for f in changed]), strict=True):
        counts[f] = count
    things, label = wider, _most(counts, len(said.prompts))
    wordings = tuple(
        tuple(
            _wordings(said, sentences, centre, np.flatnonzero(label == f))
            for sentences, centre in zip(t.sentences, t.centres, strict=True)
        )
        for f, t in enumerate(things)
    )
    return label, wordings


def _together(groups: SentenceGroups) -> Ids:
    """Return the template that each group (g,) is of: groups that the same prompts hold, far beyond chance."""
    holders = groups.held.T.tocsr()
    size = np.diff(holders.indptr)
    both = sparse.triu(holders @ holders.T, k=1).tocoo()
    many = both.data >= FEWEST_TOGETHER
    row, column, shared = both.row[many], both.col[many], both.data[many].astype(np.int64)
    smaller, larger = np.minimum(size[row], size[column]), np.maximum(size[row], size[column])
    p_value = stats.hypergeometric(shared, groups.held.shape[0], larger, smaller)
    same = (p_value < TOGETHER_P) & (shared >= TOGETHER_SHARE * smaller)
    return components(row[same], column[same], len(size))


def _members(groups: SentenceGroups, template: Ids) -> sparse.csr_matrix:
    """Return which prompts say enough of each template, (t, m) CSR of ones; template: (g,) of each group, -1 = none."""
    own = np.flatnonzero(template >= 0)
    ones = np.ones(len(own), dtype=np.float32)
    shape = (int(template.max(initial=-1)) + 1, len(template))
    said = (sparse.csr_matrix((ones, (template[own], own)), shape=shape) @ groups.held.T).tocsr()
    said.data = np.where(said.data >= FEWEST_SAID, np.float32(1.0), np.float32(0.0))
    said.eliminate_zeros()
    said.sort_indices()
    return said


def _own_groups(groups: SentenceGroups, template: Ids) -> Ids:
    """Take from templates the groups that mostly others hold: what anybody says beside it; -1 = none."""
    members = _members(groups, template)
    holders = groups.held.T.tocsr()
    inside = np.asarray(holders.multiply(members[template]).sum(axis=1)).ravel()
    return np.where(inside >= OWN_SHARE * np.diff(holders.indptr), template, -1).astype(np.int32)


def _joined(batch: Batch, said: Sentences, groups: SentenceGroups, template: Ids, proven: Bools) -> Ids:
    """Put templates together that one pool sends and that say something alike; template: (g,) of each group, -1 = none.

    Some wordings are too far from the others for their sentences to be of one group, and too few to be proven (t,).
    Null of the pools: the fewer senders are drawn from all accounts (hypergeometric tail under POOL_OVERLAP_P).
    """
    sent = (_members(groups, template) @ batch.senders()[said.prompts]).sign().tocsr()
    sent = (sparse.diags((~proven).astype(np.float32)) @ sent).tocsr()
    sent.eliminate_zeros()
    accounts = np.diff(sent.indptr)
    both = sparse.triu(sent @ sent.T, k=1).tocoo()
    count = both.data.astype(np.int64)
    fewer = np.minimum(accounts[both.row], accounts[both.col])
    more = np.maximum(accounts[both.row], accounts[both.col])
    near = (count >= np.maximum(FEWEST_SHARED, ONE_POOL * fewer)) & (
        stats.hypergeometric(count, len(batch.accounts), more, fewer) < POOL_OVERLAP_P
    )
    pairs = [
        (i, j)
        for i, j in zip(both.row[near].tolist(), both.col[near].tolist(), strict=True)
        if _says_alike(said, groups, np.flatnonzero(template == i), np.flatnonzero(template == j))
    ]
    one = np.array([i for i, _ in pairs], dtype=np.int64)
    other = np.array([j for _, j in pairs], dtype=np.int64)
    group = components(one, other, sent.shape[0])
    return np.append(group, np.int32(-1))[template]


def _says_alike(said: Sentences, groups: SentenceGroups, one: IntArray, other: IntArray) -> bool:
    """Tell whether one of some groups of sentences means nearly what one of others does."""
    cosine = _means(said, groups, one) @ _means(said, groups, other).T
    return bool(cosine.max(initial=-1.0) >= SIMILAR)


def _means(said: Sentences, groups: SentenceGroups, numbers: IntArray) -> FloatArray:
    """Return the centres of some groups of sentences, (c, d) unit rows."""
    return _centres(said, [np.flatnonzero(groups.of_sentence == group) for group in numbers])


def _centres(said: Sentences, sentences: Sequence[IntArray]) -> FloatArray:
    """Return the mean of each of some sets of sentences, (c, d) unit rows."""
    means = [said.vectors[own].mean(axis=0) for own in sentences]
    centres = np.array(means, dtype=np.float32).reshape(len(sentences), said.vectors.shape[1])
    centres /= np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-12)
    return centres


def _proven(batch: Batch, said: Sentences, members: sparse.csr_matrix, settings: Settings) -> Bools:
    """Tell which families (t,) of prompts (t, m) are sent by accounts that come back with them, or send them together."""
    wide = sparse.csr_matrix(
        (members.data, said.prompts[members.indices], members.indptr),
        shape=(members.shape[0], batch.distinct),
    )
    large = np.flatnonzero(np.diff(wide.indptr) >= settings.min_requests)
    out = np.zeros(members.shape[0], dtype=np.bool_)
    out[large] = is_pools(wide[large], behaviour_of(batch, wide[large]), batch.senders(), settings)
    return out


def _things(
    said: Sentences, groups: SentenceGroups, numbers: IntArray, members: sparse.csr_matrix
) -> _Things:
    """Return what those of a template's groups say that describe it; members: (1, m) CSR."""
    support = np.asarray((members @ groups.held).todense()).ravel()[numbers]
    chosen = np.sort(numbers[np.argsort(-support, kind="stable")[:MOST_THINGS]])
    sentences = tuple(np.flatnonzero(groups.of_sentence == group) for group in chosen)
    return _Things(sentences, _centres(said, sentences))


def _with_more(said: Sentences, things: _Things, senders: sparse.csr_matrix, members: IntArray) -> _Things:
    """Add to a family's things what else its members (p,) say, as cores are derived anew from members (D-290).

    Which sentences are dense among all depends on what others say tonight; among the members alone all are compared.
    What is not said by the family's prompts mostly is none of its things.
    """
    own = said.held[pick_evenly(members, MOST_READ)]
    free = np.unique(own.indices)
    free = free[(said.vectors[free] @ things.centres.T).max(axis=1, initial=-1.0) < CLAIMED]
    sent = (own[:, free].T @ senders[said.prompts[pick_evenly(members, MOST_READ)]]).sign().tocsr()
    vectors = said.vectors[free]
    near = vectors @ vectors.T >= SAME_MEANING
    more: list[IntArray] = []
    while len(things.sentences) + len(more) < MOST_THINGS:
        accounts = np.diff((sparse.csr_matrix(near.astype(np.float32)) @ sent).indptr)
        if accounts.max(initial=0) <= FEWEST_NEIGHBOURS:
            break
        alike = near[np.argmax(accounts)].copy()
        near[:, alike] = False
        near[alike] = False
        sentences = free[alike]
        if _is_own(said, sentences, members):
            more.append(sentences)
    if not more:
        return things
    return _Things((*things.sentences, *more), np.concatenate([things.centres, _centres(said, more)]))


def _is_own(said: Sentences, sentences: IntArray, members: IntArray) -> bool:
    """Tell whether of the prompts that say what some sentences say at least OWN_SHARE are members."""
    near = (said.vectors @ _centres(said, [sentences])[0] >= CLAIMED).astype(np.float32)
    holders = np.asarray(said.held @ near) > 0
    return bool(holders[members].sum() >= OWN_SHARE * holders.sum())


def most_said(said: Sentences, centres: Sequence[FloatArray]) -> Ids:
    """Return the family of which each prompt (m,) says most, and at least FEWEST_SAID things, -1 = none.

    centres: of each family, (c, d) unit rows.
    """
    return _most(_counts_said(said, centres), len(said.prompts))


def _counts_said(said: Sentences, centres: Sequence[FloatArray]) -> list[IntArray]:
    """Count how many of each family's things each prompt says, (m,) each."""

    def count(own: FloatArray) -> IntArray:
        return things_said(said.held, said.vectors, own)

    return list(in_order(count, centres, threads=workers()))


def _most(counts: Sequence[IntArray], prompts: int) -> Ids:
    """Return the first family of which each prompt says most, and at least FEWEST_SAID things, -1 = none; counts: (m,) each."""
    out = np.full(prompts, -1, dtype=np.int32)
    most = np.full(prompts, FEWEST_SAID - 1, dtype=np.int64)
    for family, count in enumerate(counts):
        out[count > most] = family
        most = np.maximum(most, count)
    return out


def things_said(held: sparse.csr_matrix, vectors: FloatArray, centres: FloatArray) -> IntArray:
    """Count how many of some things each prompt says, (m,).

    held: (m, s) CSR, which sentences each prompt holds. vectors: (s, d) of these, centres: (c, d) of the things, unit
    rows. A sentence says one thing, that of the nearest centre.
    """
    cosine = vectors @ centres.T
    thing = np.argmax(cosine, axis=1)
    near = np.flatnonzero(cosine[np.arange(len(thing)), thing] >= CLAIMED)
    ones = np.ones(len(near), dtype=np.float32)
    says = sparse.csr_matrix((ones, (near, thing[near])), shape=(len(thing), len(centres)))
    return np.asarray(np.diff((held @ says).tocsr().indptr), dtype=np.int64)


def _wordings(said: Sentences, sentences: IntArray, centre: FloatArray, members: IntArray) -> Wordings:
    """Return in what words the members (rows of `said`) say what a group of sentences (t,) means."""
    order = sentences[np.argsort(-(said.vectors[sentences] @ centre), kind="stable")]
    held = said.held[members][:, order].tocoo()
    return Wordings(
        centre,
        float(said.position[order].mean()),
        said.texts.take(pa.array(order)),
        said.prompts[members[held.row]],
        held.col.astype(np.int64),
    )
