"""Puts families together that are of one size, so that none is a small variant of another: frames, languages, wordings, parts.

`variants` asks for a small rewording of a large original. A campaign that deals its requests over several frames,
languages or wordings evenly has none: its families are told by what fills them (`same_fillings`), or by a pool that sends
in languages foreign to each other (D-160, D-161), or families that say the same (D-320), or parts of it (D-257, D-321).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from fingerprint.base import stats
from fingerprint.base.sparse import components
from fingerprint.base.types import Bools, FloatArray, Ids, IntArray
from fingerprint.discovery.filling_kinds import Resemblance
from fingerprint.evidence.null_models import POOL_OVERLAP_P
from fingerprint.signatures.translations import FEWEST_SHARED, of_two_languages
from fingerprint.signatures.variants import Wording

SHARED_POOL = 0.5
"""Families are sent by one pool if at least this share of the smaller one's accounts send both (D-161), or of each one's
accounts other families that they have accounts in common with (D-347)."""

CONNECTED_P = 1e-4
"""Two families have accounts in common beyond chance if it is rarer than this (hypergeometric tail); whether these and
others of the kind are sent by one pool is asked of all of them together (`POOL_OVERLAP_P`)."""

LARGER_POOL = 3
"""... and one language has at most so many times the accounts of another: busy accounts are among the many senders of anything."""

FEWEST_SAID, SURELY_SAID = 2, 0.2
"""Sentences of a template from which on two that say the same are one; single ones are alike by chance, and must say it by
so much more than wordings must (D-256, D-320)."""

WORDING_UNLIKE = 0.1
"""Wordings of a template are dealt over what fills it, and so are filled no more unlike each other than this
(`Resemblance.unlike`), however many prompts they have; a pool's templates that are alike do other work (D-320)."""

VERBATIM, MOSTLY_VERBATIM, SAME_STEP = 0.97, 0.5, 0.36
"""Templates that share so much of their sentences as good as word for word differ in their other ones, and if these are less
alike than that (mean of both directions), they are templates for different steps (D-320)."""

MIXED_SHARE, MIXED_UNLIKE, MOSTLY_MIXED = 0.1, 0.05, 0.5
"""Two families are parts of one template if this share of one's prompts also holds what the other's template says, and they
are filled no more unlike each other than that (D-321); where so many prompts do, no more unlike than wordings."""

WORDING_MEANING, PART_MEANING, PART_UNLIKE, FEWEST_PARTS, PART_SENTENCES = -0.05, -0.15, 0.03, 3, 2
"""Three families and more hang together as wordings or parts of one template that are no more than so much less alike than
wordings of it must be, parts having no more than so many sentences, and filled no more unlike each other; two may be two
templates (D-257, D-320)."""


@dataclass(frozen=True, slots=True)
class OnePool:
    """Pairs (p,) of families that one pool sends, and what their prompts show of each other.

    mostly: (p,) whether the two alone show it: half of the smaller one's accounts send both.
    """

    one: IntArray
    other: IntArray
    mostly: Bools
    prompts: Resemblance


def siblings(
    wording: Wording,
    born: Bools,
    original: Ids,
    filled: sparse.csr_matrix,
    pairs: OnePool,
    translated: tuple[IntArray, IntArray],
) -> Ids:
    """Return which family each new one is a variant of, (f,) int32, -1 = none, with siblings put together.

    original: (f,) as `variants.originals` returns them. filled: (f, f) CSR, families that are filled alike. translated: pairs,
    (p,) each, as `translations` returns them. Stored families are nobody's variants; among new ones the largest is the original.
    """
    count = len(born)
    if not count:
        return original
    prompts = np.diff(wording.members.indptr)
    alike = _filled_by_like_size(filled, prompts)
    known = np.flatnonzero(original >= 0)
    languages = pairs.mostly & of_two_languages(wording, pairs.one, pairs.other)
    same = languages | _one_template(wording, pairs, languages)
    one = np.concatenate([alike.row, pairs.one[same], translated[0], known]).astype(np.int64)
    other = np.concatenate([alike.col, pairs.other[same], translated[1], original[known]]).astype(np.int64)
    joined = born[one] | born[other]
    group = components(one[joined], other[joined], count)
    out = original.copy()
    for number in np.flatnonzero(np.bincount(group) > 1):
        rows = np.flatnonzero(group == number)
        stored = rows[~born[rows]]
        head = stored[0] if len(stored) else rows[np.argmax(prompts[rows])]
        out[rows] = np.where(born[rows] & (rows != head), head, -1)
    return out


def _filled_by_like_size(filled: sparse.csr_matrix, prompts: Ids) -> sparse.coo_matrix:
    """Leave out pairs of a small family and a large one: what many senders fill in holds what few do by chance (D-160)."""
    pairs = filled.tocoo()
    near = _of_like_size(prompts, pairs.row, pairs.col)
    return sparse.coo_matrix((pairs.data[near], (pairs.row[near], pairs.col[near])), shape=filled.shape)


def of_one_pool(members: sparse.csr_matrix, senders: sparse.csr_matrix) -> tuple[IntArray, IntArray, Bools]:
    """Return the pairs (p,) of families (f, n) whose pools are one and of like size, and of which they alone show it, (p,).

    Two families may be sent by other accounts of a pool each: where they have accounts in common, beyond chance, and half of each
    one's accounts send some other of the families so connected, all of these are sent by one pool. senders: (n, a) CSR.
    """
    pool = (members @ senders).sign().tocsr()
    size = np.diff(pool.indptr)
    shared = sparse.triu(pool @ pool.T, k=1).tocoo()
    near = (shared.data >= FEWEST_SHARED) & _of_like_size(size, shared.row, shared.col)
    one, other, both = (x[near].astype(np.int64) for x in (shared.row, shared.col, shared.data))
    smaller, larger = np.minimum(size[one], size[other]), np.maximum(size[one], size[other])
    chance = stats.hypergeometric(both, senders.shape[1], larger, smaller)
    mostly = (both >= SHARED_POOL * smaller) & (chance < POOL_OVERLAP_P)
    connected = chance < CONNECTED_P
    row, column = _pairs_within(_joint_pools(pool, one[connected], other[connected]))
    joint = _of_like_size(size, row, column)
    code = one * len(size) + other
    pairs = np.union1d(code[mostly], row[joint] * len(size) + column[joint])
    return pairs // max(len(size), 1), pairs % max(len(size), 1), np.isin(pairs, code[mostly])


def _joint_pools(pool: sparse.csr_matrix, one: IntArray, other: IntArray) -> IntArray:
    """Return the number of the joint pool that sends each family (f, a), (f,), -1 for none; one, other: (p,) pairs connected."""
    count, accounts = pool.shape
    connected = sparse.csr_matrix((np.ones(len(one)), (one, other)), shape=(count, count))
    others = ((connected + connected.T) @ pool).sign().tocsr()
    size, elsewhere = np.diff(pool.indptr), np.diff(others.indptr)
    inside = np.asarray(pool.multiply(others).sum(axis=1)).ravel().astype(np.int64)
    whole = (inside >= FEWEST_SHARED) & (inside >= SHARED_POOL * size)
    whole[whole] = (
        stats.hypergeometric(inside[whole], accounts, elsewhere[whole], size[whole]) < POOL_OVERLAP_P
    )
    both = whole[one] & whole[other]
    group = components(one[both], other[both], count).astype(np.int64)
    return np.where(whole, group, -1)


def _pairs_within(group: IntArray) -> tuple[IntArray, IntArray]:
    """Return the pairs (p,) of things in one group, the lower number first; group: (f,) numbers, -1 for none."""
    ones = sparse.csr_matrix(
        (np.ones(int((group >= 0).sum())), (np.flatnonzero(group >= 0), group[group >= 0])),
        shape=(len(group), int(group.max(initial=0)) + 1),
    )
    pairs = sparse.triu(ones @ ones.T, k=1).tocoo()
    return pairs.row.astype(np.int64), pairs.col.astype(np.int64)


def _of_like_size(size: IntArray | Ids, one: IntArray | Ids, other: IntArray | Ids) -> Bools:
    return np.asarray(np.maximum(size[one], size[other]) <= LARGER_POOL * np.minimum(size[one], size[other]))


def _one_template(wording: Wording, pairs: OnePool, languages: Bools) -> Bools:
    """Tell which pairs (p,) of families of one pool are of one template.

    Wordings of it say the same, and are filled alike. Parts of it stand together in some prompts; or they are short, and
    say something alike, and are filled alike: two such families are two templates, but three are parts of one, where wordings and
    languages of a part count once. languages: (p,) bool, as `of_two_languages` tells.
    """
    listed = list(zip(pairs.one.tolist(), pairs.other.tolist(), strict=True))
    meaning = np.array([wording.similarity(i, np.array([j]))[0] for i, j in listed]).reshape(len(listed))
    sentences = np.array([len(s) for s in wording.sentences], dtype=np.int64)
    longer = np.maximum(sentences[pairs.one], sentences[pairs.other])
    unlike = pairs.prompts.unlike
    same = (meaning >= np.where(longer >= FEWEST_SAID, 0.0, SURELY_SAID)) & ~(unlike > WORDING_UNLIKE)
    same[same] = [
        not _other_steps(wording.sentences[i], wording.sentences[j])
        for (i, j), likely in zip(listed, same, strict=True)
        if likely
    ]
    part = components(pairs.one[same | languages], pairs.other[same | languages], len(sentences))
    most = np.where(pairs.prompts.mixed >= MOSTLY_MIXED, WORDING_UNLIKE, MIXED_UNLIKE)
    same |= (pairs.prompts.mixed >= MIXED_SHARE) & (unlike <= most)
    least = np.where(longer <= PART_SENTENCES, PART_MEANING, WORDING_MEANING)
    parts = (meaning >= least) & (unlike <= PART_UNLIKE)
    group = components(pairs.one[same | parts], pairs.other[same | parts], len(sentences))
    different = np.bincount(np.unique(np.stack([group, part]), axis=1)[0], minlength=len(sentences))
    return np.asarray(same | (parts & (different[group[pairs.one]] >= FEWEST_PARTS)))


def _other_steps(one: FloatArray, other: FloatArray) -> bool:
    """Tell whether two templates share most sentences, (c, d) unit rows, and mean something else by the rest."""
    cosine = one @ other.T
    ours, theirs = cosine.max(axis=1, initial=-1.0) < VERBATIM, cosine.max(axis=0, initial=-1.0) < VERBATIM
    if max(ours.mean(), theirs.mean()) > 1 - MOSTLY_VERBATIM or not (ours.any() and theirs.any()):
        return False
    rest = cosine[np.ix_(ours, theirs)]
    return bool((rest.max(axis=1).mean() + rest.max(axis=0).mean()) / 2 < SAME_STEP)
