"""Which families their text, or the behaviour of their senders, proves (D-085)."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from fingerprint.base import stats
from fingerprint.base.sparse import family_of
from fingerprint.base.stats import q_values
from fingerprint.base.types import Bools, IntArray
from fingerprint.discovery.families import CORE_SHARE, Families
from fingerprint.discovery.shared_ngrams import SharedGrams
from fingerprint.discovery.sparse_products import counts_from
from fingerprint.domain.settings import Settings
from fingerprint.evidence.coactivity import Behaviour
from fingerprint.evidence.null_models import OVERDISPERSION
from fingerprint.evidence.pools import sent_by_active_pools

MIN_LONG_CORE = 16
"""A core of so many n-grams (about 19 tokens) is a template by its text alone; a shorter one needs behaviour (D-087)."""

MIN_SHORT_CORE = 4
"""N-grams of a core, about seven tokens, that its senders alone may prove: people repeat shorter phrases, too (D-158)."""

MIN_SHARP_SHARE, MAX_RAGGED_SHARE = 0.75, 0.15
"""A text has sharp edges if this part of its core is in 95 % of the members, and so few other n-grams in some of them."""

WHOLE_SHARE = 0.95
"""An n-gram that this share of the members hold is in nearly all of them."""


MIN_EDGE_SHARE = 0.2
"""An n-gram that fewer of the members hold is their own, and no ragged edge."""

MIN_TELLING_REQUESTS = 60
"""Requests from which on the spread of a family over accounts and time is telling."""

ANYBODY_SHARE = 0.8
"""A text is anybody's if this share of the accounts that chance would give send it. With enough requests any habit of
people is significant; that does not make a pool of them (D-089)."""

CLOSED_POOL_P = 1e-6
"""A pool is closed where so few accounts send so many requests this rarely by chance."""

MIN_POOL_ACCOUNTS = 10
"""Accounts from which on a closed pool is more than one customer's."""

DOMINANT_SHARE = 0.2
"""A family that is this part of all distinct prompts is one whoever sends it."""

MIN_BOUNDARY_SHARE = 0.4
"""A text has edges if sections begin or end with it in this share of its prompts; a document's excerpts have not."""

MIN_SOLID_PROMPTS = 12
"""Prompts from which on it is no chance that nearly all of them hold nearly all of a core: no excerpt ends in it (D-083)."""

CONTAINED_SHARE, CONTAINED_RATIO, EXPLAINED_SHARE = 0.9, 1.5, 0.3
"""A core lies within one that has this share of its n-grams and is so many times longer. A short core is a fragment if
proven families with such cores account for this share of its prompts (D-082, D-355)."""

SYNCHRONY_P = 1e-4
"""Senders act together where chance does so this rarely."""

MIN_EXPECTED_REPEATS = 0.5
"""Least number of prompts by accounts that sent one of the family already that chance gives."""

RETURNING_SHARE, FEWEST_RETURNING, RETURNING_P = 1 / 3, 3, 1e-4
"""A pool comes back with a family if this share of its accounts, and this number, sent several of its prompts, and chance
has so many prompts sent by an account that sent one already this rarely (D-156)."""


MOSTLY_ONES_SHARE = 2 / 3
"""A text is mostly one account's if that sends this share of its prompts, and the others fewer than a family needs (D-381)."""


def is_proven(families: Families, act: Behaviour, outlined: Bools, settings: Settings) -> Bools:
    """Tell which families (f,) are more than common language or a document that people pass around.

    Accounts that act together in time prove any of them. Without that a template must be long, and come from
    a pool of accounts, or have an outline, as excerpts of documents do not; and not be sent by anybody at any
    time. outlined: (f,) bool, as `has_outline` tells. Stored families are proven.
    """
    alive = families.support > 0
    pooled = _pooled(families, act, settings)
    together = pooled & (act.p_synchrony <= SYNCHRONY_P)
    closed = pooled & (act.p_pool <= CLOSED_POOL_P) & (act.accounts >= MIN_POOL_ACCOUNTS)
    closed &= ~is_anybodys(act)
    together |= closed & (families.size >= MIN_LONG_CORE // 2)
    # no phrase of ordinary language is in so much of a day's traffic
    dominant = families.support >= DOMINANT_SHARE * families.members.shape[1]
    together |= dominant & (families.size >= MIN_LONG_CORE // 2)
    long = (families.size >= MIN_LONG_CORE) & (pooled | outlined) & ~is_ordinary(families, act)
    return np.asarray(
        (families.known >= 0) | (alive & (together | long) & (act.accounts >= settings.min_accounts))
    )


def is_akin(families: Families, act: Behaviour, senders: sparse.csr_matrix, settings: Settings) -> Bools:
    """Tell which families (f,) are sent by the accounts of others that act together (D-088); senders: (n, a) CSR."""
    together = _pooled(families, act, settings) & (act.p_synchrony <= SYNCHRONY_P)
    volume = np.asarray(senders.sum(axis=0), dtype=np.float64).ravel()
    related = sent_by_active_pools((families.members @ senders).tocsr(), together, volume)
    return np.asarray(related & (act.accounts >= settings.min_accounts))


def is_come_back_to(
    families: Families, act: Behaviour, senders: sparse.csr_matrix, settings: Settings
) -> Bools:
    """Tell which families (f,) with a core of a few words their senders come back to; senders: (n, a) CSR."""
    short = np.flatnonzero((families.size >= MIN_SHORT_CORE) & (families.support >= settings.min_requests))
    out = np.zeros(len(families), dtype=np.bool_)
    part = families.take(short)
    out[short] = comes_back(part.members, act.only(short), senders)
    return out & (act.accounts >= settings.min_accounts)


def is_mostly_ones(families: Families, senders: sparse.csr_matrix, settings: Settings) -> Bools:
    """Tell which new families (f,) are one account's prompts and a few of others' that hold the same; senders: (n, a) CSR."""
    sent = (families.members @ senders.sign()).tocsr()
    total, most = np.asarray(sent.sum(axis=1)).ravel(), np.zeros(len(families))
    np.maximum.at(most, family_of(sent), sent.data)
    mostly = (most >= MOSTLY_ONES_SHARE * total) & (total - most < settings.min_requests)
    return np.asarray((families.known < 0) & mostly)


def _pooled(families: Families, act: Behaviour, settings: Settings) -> Bools:
    """Tell which families (f,) are sent by a pool of accounts, or in bursts, beyond chance."""
    return q_values(np.where(families.support > 0, act.p_value, 1.0)) <= settings.discovery_rate


def is_pools(
    members: sparse.csr_matrix, act: Behaviour, senders: sparse.csr_matrix, settings: Settings
) -> Bools:
    """Tell which families (f,) their senders alone prove: accounts that come back with them, or act together in time.

    members: (f, n) CSR, each family's prompts. senders: (n, a) CSR, who sent each prompt.
    """
    together = (q_values(act.p_value) <= settings.discovery_rate) & (act.p_synchrony <= SYNCHRONY_P)
    return np.asarray(
        (together | comes_back(members, act, senders)) & (act.accounts >= settings.min_accounts)
    )


def comes_back(members: sparse.csr_matrix, act: Behaviour, senders: sparse.csr_matrix) -> Bools:
    """Tell to which families (f,) their senders come back: most people ask a thing once, however many do.

    Arguments as of `is_pools`. Prompts count, not requests: to send one prompt again is a retry.
    """
    sent = (members @ senders.sign()).tocsr()
    accounts = np.diff(sent.indptr)
    again = np.bincount(family_of(sent)[sent.data >= 2], minlength=len(accounts))
    repeats = np.asarray(sent.sum(axis=1)).ravel().astype(np.int64) - accounts
    by_chance = np.maximum(act.requests - act.expected_accounts, MIN_EXPECTED_REPEATS)
    rare = stats.negative_binomial(repeats, 1 / OVERDISPERSION**2, by_chance) <= RETURNING_P
    many = again >= np.maximum(RETURNING_SHARE * accounts, FEWEST_RETURNING)
    return np.asarray(many & rare & ~is_anybodys(act))


def has_outline(families: Families, shared: SharedGrams, boundary: Bools) -> Bools:
    """Tell which families (f,) hold one text with an outline, not excerpts of a longer one cut at random.

    It is crisp: nearly all members hold nearly all of the core, and few n-grams are held by only a part of them. Or it
    is solid, so that no cut falls into it, in MIN_SOLID_PROMPTS at least. Or sections begin or end with it in
    MIN_BOUNDARY_SHARE of them. boundary: (k,) bool, n-grams at the beginning or the end of a section.
    """
    counts = counts_from(families.members, shared.by_prompt, MIN_EDGE_SHARE * families.support)
    family = np.repeat(np.arange(len(families)), np.diff(counts.indptr))
    share = counts.data / np.maximum(families.support[family], 1)

    def count(chosen: Bools) -> IntArray:
        return np.bincount(family[chosen], minlength=len(families))

    in_all, in_core, ragged = (
        count(share >= WHOLE_SHARE),
        count(share >= CORE_SHARE),
        count(share < CORE_SHARE),
    )
    crisp = (in_all >= MIN_SHARP_SHARE * in_core) & (ragged <= MAX_RAGGED_SHARE * in_core)
    solid = (in_all >= WHOLE_SHARE * in_core) & (families.support >= MIN_SOLID_PROMPTS)
    edged = count(boundary[counts.indices] & (share >= MIN_BOUNDARY_SHARE)) > 0
    return np.asarray(crisp | solid | edged)


def without_fragments(families: Families, proven: Bools) -> Families:
    """Take from fragments of longer templates the prompts that hold those templates.

    Templates that share a sentence make a family of it, too, which many accounts send and which would win over each.
    proven: (f,) bool. A fragment keeps its other prompts; a stored family is none, nor is a template that is long
    enough by itself, whatever fills it now and then.
    """
    size, long = families.size, proven & (families.size >= MIN_LONG_CORE)
    overlap = counts_from(families.core, families.core.T.tocsr(), CONTAINED_SHARE * size).tocoo()
    row, column = overlap.row, overlap.col
    inside = size[column] >= CONTAINED_RATIO * size[row]
    inside &= long[column] & (size[row] < MIN_LONG_CORE) & (families.known[row] < 0)
    holders = sparse.csr_matrix(
        (np.ones(int(inside.sum()), dtype=np.float32), (row[inside], column[inside])),
        shape=(len(families), len(families)),
    )
    explained = (holders @ families.members).tocsr().multiply(families.members).sign().tocsr()
    fragment = np.diff(explained.indptr) >= np.maximum(EXPLAINED_SHARE * families.support, 1)
    left = (families.members - sparse.diags(fragment.astype(np.float32)) @ explained).tocsr()
    left.eliminate_zeros()
    left.sort_indices()
    return Families(families.core, left, families.known)


def is_ordinary(families: Families, behaviour: Behaviour) -> Bools:
    """Tell which families (f,) are common phrases: not long, often sent, and by anybody at any time.

    Only many requests show that; a rare template is not called ordinary for want of data.
    """
    any_time = behaviour.pairs < 1.5 * behaviour.expected_pairs + 3
    many = behaviour.requests >= MIN_TELLING_REQUESTS
    return np.asarray(is_anybodys(behaviour) & any_time & many & (families.size < 2 * MIN_LONG_CORE))


def is_anybodys(behaviour: Behaviour) -> Bools:
    """Tell which families (f,) are sent by nearly as many accounts as chance would give."""
    return np.asarray(behaviour.accounts >= ANYBODY_SHARE * behaviour.expected_accounts)
