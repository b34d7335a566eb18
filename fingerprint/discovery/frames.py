"""Templates too small to be families by themselves: frames of one question, wordings in several languages.

A campaign that deals its requests over six frames sends few prompts in each. Small families are looked for once more
among the prompts in no family, with half as many prompts, and stay where others belong to them: families that are
filled with the same things, or that the same accounts send. Together they must have as many prompts as a family
needs (D-206).
"""

from __future__ import annotations

from dataclasses import replace

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
"""Frames of one question are at most so many times larger than each other."""

FEWEST_SHARED = 3
"""Accounts that send two families of one pool."""


def add_frames(batch: Batch, discovery: Discovery, settings: Settings) -> Discovery:
    """Add to a night's families small ones that belong to each other, or to one of these; the batch has texts."""
    least = max(settings.min_accounts + 1, settings.min_requests // FEWER)
    if least >= settings.min_requests:
        return discovery
    prompts = _with_shared_text(batch, discovery, least, settings)
    if len(prompts) < least:
        return discovery
    shingles = discovery.shingles.only(prompts)
    small = replace(settings, min_requests=least)
    more = discover_in(shingles, part_of(batch, prompts), (), small, lambda _: None, min_length=2)
    support = more.families.support
    new = np.flatnonzero((more.families.size >= MIN_LONG_CORE) & (support < settings.min_requests))
    if not len(new):
        return discovery
    members = more.families.members[new].tocsr()
    members = sparse.csr_matrix(
        (members.data, prompts[members.indices], members.indptr), shape=(len(new), batch.distinct)
    )
    kept = new[_has_company(batch, discovery, members, settings)]
    return with_families(batch, discovery, more, kept) if len(kept) else discovery


def _with_shared_text(batch: Batch, discovery: Discovery, least: int, settings: Settings) -> IntArray:
    """Return the prompts in no family that share enough text with others for a template of its own."""
    free = np.flatnonzero(discovery.label < 0)
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
    company = _filled_alike(batch, members, support, settings) + _of_one_pool(batch, members, small.shape[0])
    total = support + company.sign() @ support
    return np.asarray(total[: small.shape[0]] >= settings.min_requests)


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
