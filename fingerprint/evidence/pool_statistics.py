"""What else tells a campaign's pool of accounts from anybody: statistics of families, each beside its null model.

Where nothing else is said the null is that of `evidence`: each of a family's m requests is sent by an account drawn
with probability proportional to its other traffic, so account a sends Poisson(m q_a) of them, known to be at
least one for the accounts seen (zero-truncated; David & Johnson 1952). Sums over accounts are compared with
their mean and standard deviation (normal approximation); `evidence` is -log10 of the one-sided p-value of a
value at least as campaign-like.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy import sparse

from fingerprint.base.sparse import family_of, sum_of
from fingerprint.base.types import Doubles, Ids
from fingerprint.evidence.history import History, growth, returning
from fingerprint.evidence.load_balance import balance
from fingerprint.evidence.null_models import (
    MIN_POOL,
    SMOOTHING,
    Trait,
    account_rates,
    log_likelihood,
    log_tail,
    pool_matrix,
    scaled,
    truncated,
    unknown,
    upper_tail,
)
from fingerprint.evidence.shared_metadata import main_values, shared
from fingerprint.evidence.slot_values import Fillings, coverage, repeats
from fingerprint.evidence.time_patterns import clock_spread, regularity
from fingerprint.evidence.turnover import turnover


@dataclass(frozen=True, slots=True)
class Traits:
    """Further statistics of f families; what each one measures is said in `traits`.

    customer: (f,) share of the accounts that have one payment hash or address block in common, NaN if unknown.
    company: (f,) the smaller of these two shares, NaN unless both are known.
    circle: (f,) accounts of the family, or of the larger family that its accounts belong to beyond chance.
    """

    concentration: Trait
    evenness: Trait
    balance: Trait
    uneven: Trait
    alike: Trait
    overlap: Trait
    clock: Trait
    regularity: Trait
    payment: Trait
    address: Trait
    agent: Trait
    returning: Trait
    newcomers: Trait
    turnover: Trait
    growth: Trait
    copied: Trait
    repeats: Trait
    coverage: Trait
    customer: Doubles
    company: Doubles
    circle: Doubles


FIELDS = ("payment_hash", "ip_prefix", "user_agent")

INSIDE = 4.0
"""Evidence from which on a pool counts as part of another."""

UNEVEN = 2.0
"""From this index of dispersion on loads are not even, whatever the other traffic says."""


def traits(
    rows: sparse.csr_matrix,
    account: Ids,
    second: Doubles,
    *,
    prompt: Ids,
    metadata: pa.ChunkedArray,
    history: History | None = None,
    filled: Fillings | None = None,
) -> Traits:
    """Measure f families given as (f, r) CSR over requests, with each request's account and time in seconds (r,).

    prompt: (r,) the distinct prompt of each request. metadata: (r,) JSON objects or null. history: of earlier nights.
    filled: what each distinct prompt is filled with.
    """
    pool = pool_matrix(rows, account)
    volume = np.bincount(account, minlength=pool.shape[1]).astype(np.float64)
    rate = account_rates(pool, volume)
    overlap, circle, related = _overlap(pool, volume)
    new, replaced = turnover(pool, volume, history.comings if history else None)
    nothing = unknown(pool.shape[0])
    even, uneven = balance(pool, related, volume)
    values = main_values(metadata, account, FIELDS, accounts=len(volume))
    sharing = {name: shared(pool, values[name]) for name in FIELDS}
    customer = np.fmax(sharing["payment_hash"][1], sharing["ip_prefix"][1])
    return Traits(
        concentration=_concentration(pool, volume, rate),
        evenness=_evenness(pool, rate),
        balance=even,
        uneven=uneven,
        alike=_alike(pool, volume),
        overlap=overlap,
        clock=clock_spread(rows, second),
        regularity=regularity(rows, second),
        payment=sharing["payment_hash"][0],
        address=sharing["ip_prefix"][0],
        agent=sharing["user_agent"][0],
        returning=returning(pool, history, volume),
        newcomers=new,
        turnover=replaced,
        growth=growth(pool, history, volume),
        copied=_copied(rows, account, prompt),
        repeats=repeats(rows, account, filled.whole[prompt]) if filled else nothing,
        coverage=coverage(rows, filled.slots[prompt]) if filled else nothing,
        customer=customer,
        company=np.minimum(sharing["payment_hash"][1], sharing["ip_prefix"][1]),
        circle=circle,
    )


def _concentration(pool: sparse.csr_matrix, volume: Doubles, rate: Doubles) -> Trait:
    """Mean over the pool of the share of an account's traffic that is in the family, 0 to 1."""
    accounts = np.maximum(np.diff(pool.indptr), 1)
    own = volume[pool.indices]
    mean, variance = truncated(rate)
    seen = sum_of(pool, pool.data / own) / accounts
    expected = sum_of(pool, np.minimum(mean / own, 1.0)) / accounts
    # accounts that sent two requests in all are half of one family whatever they do
    deviation = np.sqrt(sum_of(pool, (variance + 0.25) / own**2)) / accounts
    return upper_tail(seen, expected, deviation, accounts >= MIN_POOL)


def _evenness(pool: sparse.csr_matrix, rate: Doubles) -> Trait:
    """Index of dispersion of the loads (variance / mean; Fisher 1950), against loads that follow the other traffic.

    The evidence is a log10 likelihood ratio of equal rates to rates in proportion to other traffic,
    zero-truncated Poisson both, each scaled to the family's requests.
    """
    accounts = np.diff(pool.indptr)
    family = family_of(pool)
    requests = sum_of(pool, pool.data)
    even = scaled(pool, np.ones_like(rate), requests)
    follow = scaled(pool, rate, requests)
    ratio = sum_of(pool, log_likelihood(pool.data, even) - log_likelihood(pool.data, follow)) / np.log(10)
    load = (requests / np.maximum(accounts, 1))[family]
    mean, variance = truncated(follow)
    degrees = np.maximum(accounts - 1, 1)
    seen = sum_of(pool, (pool.data - load) ** 2 / load) / degrees
    expected = sum_of(pool, (variance + (mean - load) ** 2) / load) / degrees
    known = accounts >= MIN_POOL
    nan = np.where(known, 0.0, np.nan)
    # both models are wrong where loads are clearly uneven
    return Trait(seen + nan, expected + nan, np.where(known & (seen < UNEVEN), ratio, 0.0))


def _alike(pool: sparse.csr_matrix, volume: Doubles) -> Trait:
    """Spread of the pool's accounts in size: standard deviation of the log of their requests in all.

    Null: accounts are in the pool with the probability that random senders give them; the variance of a
    sample of A has the variance (m4 - s^4) / A.
    """
    accounts = np.diff(pool.indptr)
    requests = sum_of(pool, pool.data)
    level, count = np.unique(volume, return_counts=True)
    drawn = count * -np.expm1(-np.outer(requests / max(volume.sum(), 1.0), level))
    share = drawn / np.maximum(drawn.sum(axis=1, keepdims=True), 1e-300)
    size = np.log(np.maximum(level, 1.0))
    away = size[None, :] - (share @ size)[:, None]
    second, fourth = (share * away**2).sum(axis=1), (share * away**4).sum(axis=1)
    own = np.log(np.maximum(volume[pool.indices], 1.0))
    centre = sum_of(pool, own) / np.maximum(accounts, 1)
    seen = sum_of(pool, (own - centre[family_of(pool)]) ** 2) / np.maximum(accounts - 1, 1)
    deviation = np.sqrt(np.maximum(fourth - second**2, 0) / np.maximum(accounts, 1))
    trait = upper_tail(-seen, -second, deviation, (accounts >= MIN_POOL) & (deviation > 0))
    return Trait(np.sqrt(-trait.value), np.sqrt(-trait.expected), trait.evidence)


def _overlap(pool: sparse.csr_matrix, volume: Doubles) -> tuple[Trait, Doubles, sparse.csr_matrix]:
    """Accounts in common with the family whose pool overlaps most beyond chance (co-membership; Poisson-binomial).

    Null: the other family's requests come from random senders. The count is overdispersed, and the
    p-value corrected for the number of other families (Bonferroni). Also returns the circle (f,) of `Traits`, and
    (f, f) ones where half of a family's accounts are in another's pool beyond chance.
    """
    f = pool.shape[0]
    sent = pool.sign().tocsr()
    both = (sent @ sent.T).tocoo()
    some = (both.row != both.col) & (both.data >= 2)
    row, column, seen = both.row[some], both.col[some], both.data[some]
    expected = _met(sent, row, column, sum_of(pool, pool.data), volume)
    clear = seen >= 1.5 * expected
    row, column, seen, expected = row[clear], column[clear], seen[clear], expected[clear]
    evidence = np.maximum(-log_tail(seen, expected) / np.log(10) - np.log10(max(f - 1, 1)), 0.0)
    accounts = np.diff(pool.indptr).astype(np.float64)
    inside = (evidence >= INSIDE) & (seen >= accounts[row] / 2)
    circle = accounts.copy()
    np.maximum.at(circle, row[inside], accounts[column[inside]])
    best = np.full(f, len(row), dtype=np.int64)
    order = np.lexsort((-column, seen, evidence))
    best[row[order]] = order
    related = sparse.csr_matrix((np.ones(int(inside.sum())), (row[inside], column[inside])), shape=(f, f))
    return Trait(*(np.append(x, 0.0)[best] for x in (seen, expected, evidence))), circle, related


def _met(sent: sparse.csr_matrix, row: Ids, column: Ids, requests: Doubles, volume: Doubles) -> Doubles:
    """How many accounts of family row[i] would be in family column[i] by chance; families with as many requests at once."""
    share = (volume + SMOOTHING) / max(float((volume + SMOOTHING).sum()), 1.0)
    level, at = np.unique(requests, return_inverse=True)
    out = np.empty(len(row))
    for begin in range(0, len(level), 64):
        drawn = np.asarray(sent @ -np.expm1(-np.outer(share, level[begin : begin + 64])))
        here = (at[column] >= begin) & (at[column] < begin + 64)
        out[here] = drawn[row[here], at[column[here]] - begin]
    return out


def _copied(rows: sparse.csr_matrix, account: Ids, prompt: Ids) -> Trait:
    """Share of requests whose very prompt several accounts sent, against the batch's own; binomial, normal tail.

    It speaks against a campaign: one that harvests answers gives each account other prompts.
    """
    accounts = int(account.max(initial=0)) + 1
    pairs = np.unique(prompt.astype(np.int64) * accounts + account)
    several = (np.bincount(pairs // accounts) > 1)[prompt].astype(np.float64)
    requests = np.maximum(np.diff(rows.indptr), 1)
    usual = float(several.mean()) if len(several) else 0.0
    deviation = np.sqrt((usual * (1 - usual) + 1 / requests) / requests)
    seen = np.asarray(rows @ several).ravel() / requests
    return upper_tail(seen, np.full_like(seen, usual), deviation, np.diff(rows.indptr) > 0)
