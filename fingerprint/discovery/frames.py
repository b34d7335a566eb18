"""Templates that are no families by themselves: frames of one question, wordings in several languages.

A campaign that deals its requests over six frames sends few prompts in each. Families are looked for once more
among the prompts in no family, with half as many prompts, and stay where others belong to them: families that are
filled with the same things, or that the same accounts send. Together they must have as many prompts as a family
needs (D-206). Some have as many by themselves, but nothing else proved them (D-358).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from fingerprint.base import stats
from fingerprint.base.types import Bools, IntArray
from fingerprint.discovery.batch import Batch, part_of
from fingerprint.discovery.discover import Discovery, discover_in
from fingerprint.discovery.families import members_of
from fingerprint.discovery.leftovers import with_families
from fingerprint.discovery.proof import MIN_LONG_CORE
from fingerprint.discovery.same_fillings import same_fillings
from fingerprint.discovery.shared_ngrams import shared_grams
from fingerprint.domain.settings import Settings
from fingerprint.evidence.null_models import POOL_OVERLAP_P
from fingerprint.evidence.pools import SHARED_POOL

FEWER = 2
"""A frame needs so many times fewer prompts than a family."""

LIKE_SIZE = 3
"""Frames of one question are at most so many times larger than each other, and than a family must be."""

FEWEST_SHARED = 3
"""Accounts that send two families of one pool."""


@dataclass(frozen=True, slots=True)
class Small:
    """Small families among the prompts of a batch in no family.

    free: (l,) these prompts, ascending. prompts: (p,) those of them that share enough text. more: what these hold, None
    where they are too few.
    """

    free: IntArray
    prompts: IntArray
    more: Discovery | None


def find_small(batch: Batch, discovery: Discovery, settings: Settings) -> Small:
    """Find families of fewer prompts among the prompts in no family."""
    free = np.flatnonzero(discovery.label < 0)
    least = max(settings.min_accounts + 1, settings.min_requests // FEWER)
    if least >= settings.min_requests:
        return Small(free, free[:0], None)
    prompts = _with_shared_text(batch, discovery, free, least, settings)
    if len(prompts) < least:
        return Small(free, prompts, None)
    shingles = discovery.shingles.only(prompts)
    fewer = replace(settings, min_requests=least)
    return Small(
        free,
        prompts,
        discover_in(shingles, part_of(batch, prompts), (), fewer, lambda _: None, min_length=2),
    )


def add_frames(batch: Batch, discovery: Discovery, small: Small, settings: Settings) -> Discovery:
    """Add to a night's families small ones that belong to each other, or to one of these; the batch has texts.

    small: as `find_small` finds them, looked for once more if other prompts are in no family since.
    """
    if not np.array_equal(small.free, np.flatnonzero(discovery.label < 0)):
        small = find_small(batch, discovery, settings)
    more, prompts = small.more, small.prompts
    if more is None:
        return discovery
    new = np.flatnonzero(
        (more.families.size >= MIN_LONG_CORE) & (more.families.support < LIKE_SIZE * settings.min_requests)
    )
    if not len(new):
        return discovery
    members = more.families.members[new].tocsr()
    members = sparse.csr_matrix(
        (members.data, prompts[members.indices], members.indptr), shape=(len(new), batch.distinct)
    )
    kept = new[_has_company(batch, discovery, members, settings)]
    return with_families(batch, discovery, more, kept) if len(kept) else discovery


def _with_shared_text(
    batch: Batch, discovery: Discovery, free: IntArray, least: int, settings: Settings
) -> IntArray:
    """Return those of some prompts (l,) that share enough text with others of them for a template of its own."""
    grams = shared_grams(
        discovery.shingles.only(free),
        part_of(batch, free).senders(),
        min_prompts=least,
        min_accounts=settings.min_accounts,
    )
    count = np.bincount(grams.postings.indices, minlength=len(free))
    return free[count >= MIN_LONG_CORE]


def _has_company(batch: Batch, discovery: Discovery, small: sparse.csr_matrix, settings: Settings) -> Bools:
    """Tell which small families (s,) others belong to, so that all have as many prompts as a family needs.

    small: (s, n) CSR, their prompts.
    """
    members = sparse.vstack(
        [small, members_of(discovery.label, len(discovery.families)).astype(small.dtype)], format="csr"
    )
    support = np.diff(members.indptr)
    company = (
        _filled_alike(batch, members, support, settings) + _of_one_pool(batch, members, small.shape[0])
    ).tocoo()
    # what is large enough by itself, and yet unproven, is no frame of what is much larger: that is filled with it
    like = (support[company.row] < settings.min_requests) | (
        support[company.col] <= LIKE_SIZE * support[company.row]
    )
    total = support.copy()
    np.add.at(total, company.row[like], support[company.col[like]])
    in_company = np.isin(np.arange(small.shape[0]), company.row[like])
    return np.asarray(in_company & (total[: small.shape[0]] >= settings.min_requests))


def _filled_alike(
    batch: Batch, members: sparse.csr_matrix, support: IntArray, settings: Settings
) -> sparse.csr_matrix:
    """Tell which families of like size are filled with the same things, (f, f) CSR."""
    near = np.flatnonzero(support < LIKE_SIZE * settings.min_requests)
    alike = same_fillings(batch.texts_of, members[near]).tocoo()
    ones = np.ones(alike.nnz)
    return sparse.csr_matrix((ones, (near[alike.row], near[alike.col])), shape=(len(support),) * 2)


def _of_one_pool(batch: Batch, members: sparse.csr_matrix, small: int) -> sparse.csr_matrix:
    """Tell which families the accounts of small ones send, too, beyond chance (`evidence.pools`), (f, f) CSR."""
    sent = (members @ batch.senders()).sign().tocsr()
    size = np.diff(sent.indptr)
    both = (sent[:small] @ sent.T).tocoo()
    fewer, more = np.minimum(size[both.row], size[both.col]), np.maximum(size[both.row], size[both.col])
    count = both.data.astype(np.int64)
    p_value = stats.hypergeometric(count, len(batch.accounts), more, fewer)
    same = (both.row != both.col) & (count >= np.maximum(FEWEST_SHARED, SHARED_POOL * fewer))
    same &= p_value < POOL_OVERLAP_P
    ones = np.ones(int(same.sum()))
    return sparse.csr_matrix((ones, (both.row[same], both.col[same])), shape=(len(size),) * 2)
