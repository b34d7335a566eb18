"""Puts families together that are of one size, so that none is a small variant of another: frames, languages, wordings, parts.

`variants` asks for a small rewording of a large original. A campaign that deals its requests over several frames,
languages or wordings evenly has none: its families are told by what fills them (`same_fillings`), or by a pool that sends
in languages foreign to each other (D-160, D-161), or families that say the same (D-320), or parts of it (D-257, D-321).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from fingerprint.base.sparse import components
from fingerprint.base.types import Bools, FloatArray, Ids, IntArray
from fingerprint.discovery.filling_kinds import Resemblance
from fingerprint.evidence.pools import in_joint_pools, of_like_size, overlapping_pools
from fingerprint.signatures.translations import of_two_languages
from fingerprint.signatures.variants import Wording

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

    original: (f,) as `variants.originals` returns them. filled: (f, f) CSR, as `filled_by_like_size` returns it. translated: pairs,
    (p,) each, as `translations` returns them. Stored families are nobody's variants; among new ones the largest is the original.
    """
    count = len(born)
    if not count:
        return original
    prompts = np.diff(wording.members.indptr)
    alike = filled.tocoo()
    known = np.flatnonzero(original >= 0)
    languages = pairs.mostly & of_two_languages(wording, pairs.one, pairs.other)
    same = languages | _one_template(wording, pairs)
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


def filled_by_like_size(
    filled: sparse.csr_matrix, members: sparse.csr_matrix, owner: Ids
) -> sparse.csr_matrix:
    """Return which families are filled alike, (f, f) CSR as `siblings` takes it, without pairs of a small and a large one.

    What many senders fill in holds what few do by chance (D-160). filled: (f, f) CSR, as `same_fillings` returns it; members:
    (f, n) CSR, the prompts that it compared, a stored variant's apart from its original's. owner: (f,) the row of each one's
    original, which what is filled like a variant belongs to.
    """
    pairs = filled.tocoo()
    near = of_like_size(np.diff(members.indptr), pairs.row, pairs.col)
    row, column = owner[pairs.row[near]], owner[pairs.col[near]]
    return sparse.csr_matrix((np.ones(len(row), np.bool_), (row, column)), shape=filled.shape)


def of_one_pool(members: sparse.csr_matrix, senders: sparse.csr_matrix) -> tuple[IntArray, IntArray, Bools]:
    """Return the pairs (p,) of families (f, n) whose pools are one and of like size, and of which they alone show it, (p,).

    Two families may be sent by other accounts of a pool each: where they have accounts in common, beyond chance, and half of each
    one's accounts send some other of the families so connected, all of these are sent by one pool. senders: (n, a) CSR.
    """
    pool = (members @ senders).sign().tocsr()
    size = np.diff(pool.indptr)
    pairs = overlapping_pools(pool)
    row, column = in_joint_pools(pool, pairs)
    mostly, joint = pairs.mostly & of_like_size(size, pairs.one, pairs.other), of_like_size(size, row, column)
    alone = pairs.one[mostly] * len(size) + pairs.other[mostly]
    code = np.union1d(alone, row[joint] * len(size) + column[joint])
    return code // max(len(size), 1), code % max(len(size), 1), np.isin(code, alone)


def _one_template(wording: Wording, pairs: OnePool) -> Bools:
    """Tell which pairs (p,) of families of one pool are of one template.

    Wordings of it say the same, and are filled alike. Parts of it stand together in some prompts; or they are short, and
    say something alike, and are filled alike: two such families are two templates, but three are parts of one.
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
    most = np.where(pairs.prompts.mixed >= MOSTLY_MIXED, WORDING_UNLIKE, MIXED_UNLIKE)
    same |= (pairs.prompts.mixed >= MIXED_SHARE) & (unlike <= most)
    least = np.where(longer <= PART_SENTENCES, PART_MEANING, WORDING_MEANING)
    parts = (meaning >= least) & (unlike <= PART_UNLIKE)
    group = components(pairs.one[same | parts], pairs.other[same | parts], len(sentences))
    return np.asarray(same | (parts & (np.bincount(group)[group[pairs.one]] >= FEWEST_PARTS)))


def _other_steps(one: FloatArray, other: FloatArray) -> bool:
    """Tell whether two templates share most sentences, (c, d) unit rows, and mean something else by the rest."""
    cosine = one @ other.T
    ours, theirs = cosine.max(axis=1, initial=-1.0) < VERBATIM, cosine.max(axis=0, initial=-1.0) < VERBATIM
    if max(ours.mean(), theirs.mean()) > 1 - MOSTLY_VERBATIM or not (ours.any() and theirs.any()):
        return False
    rest = cosine[np.ix_(ours, theirs)]
    return bool((rest.max(axis=1).mean() + rest.max(axis=0).mean()) / 2 < SAME_STEP)
