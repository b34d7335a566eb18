"""What else tells a campaign's pool of accounts from anybody: statistics of families, each beside its null model.

Where nothing else is said the null is that of `evidence`: each of a family's m requests is sent by an account drawn
with probability proportional to its other traffic, so account a sends Poisson(m q_a) of them, known to be at
least one for the accounts seen (zero-truncated; David & Johnson 1952). Sums over accounts are compared with
their mean and standard deviation (normal approximation); `evidence` is -log10 of the one-sided p-value of a
value at least as campaign-like.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse, special

from fingerprint import tails
from fingerprint.balance import balance, log_likelihood, scaled, truncated
from fingerprint.columns import Trait, Traits
from fingerprint.fillings import Fillings, coverage, repeats
from fingerprint.records import Ids
from fingerprint.sharing import family_of, log_tail, main_values, shared, sum_of
from fingerprint.turnover import Comings, comings, turnover

FIELDS = ("payment_hash", "ip_prefix", "user_agent")
SMOOTHING = 0.5
"""Requests added to every account's other traffic, so that an account that sent nothing else can be drawn."""

FEWEST = 5
"""Statistics of a pool are told from so many accounts on, of times from so many requests on."""

INSIDE = 4.0
"""Evidence from which on a pool counts as part of another."""

UNEVEN = 2.0
"""From this index of dispersion on loads are not even, whatever the other traffic says."""

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class History:
    """What earlier nights hold of f families and tonight's a accounts.

    members: (f, a) CSR of requests. requests: (f,) of all accounts. whole: requests in any family or none.
    comings: which accounts are new and which went silent; None without earlier nights.
    """

    members: sparse.csr_matrix
    requests: Doubles
    whole: float
    comings: Comings | None = None


def past(spread: pa.Table, sent: pa.Table, families: Sequence[str], accounts: pa.Array) -> History:
    """Arrange earlier nights for tonight's families and accounts.

    spread: family_id, account_id and requests; sent: account_id, requests and last_day of all traffic of those nights.
    """
    place = {family: number for number, family in enumerate(families)}
    coded = spread.column("family_id").combine_chunks().dictionary_encode()
    known = np.array([place.get(name, -1) for name in coded.dictionary.to_pylist()], dtype=np.int64)
    row = known[coded.indices.to_numpy()]
    column = pc.index_in(spread.column("account_id"), accounts).fill_null(-1).to_numpy().astype(np.int64)
    requests = spread.column("requests").to_numpy().astype(np.float64)
    mine = row >= 0
    both = mine & (column >= 0)
    shape = (len(families), len(accounts))
    members = sparse.csr_matrix((requests[both], (row[both], column[both])), shape=shape)
    before = np.bincount(row[mine], requests[mine], len(families)).astype(np.float64)
    whole = float(pc.sum(sent.column("requests")).as_py() or 0)
    return History(members, before, whole, comings(spread, sent, row, accounts))


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
    pool = _pool(rows, account)
    volume = np.bincount(account, minlength=pool.shape[1]).astype(np.float64)
    rate = _rate(pool, volume)
    overlap, circle, related = _overlap(pool, volume)
    new, replaced = turnover(pool, volume, history.comings if history else None)
    nothing = _nothing(pool.shape[0])
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
        clock=_clock(rows, second),
        regularity=_regularity(rows, second),
        payment=sharing["payment_hash"][0],
        address=sharing["ip_prefix"][0],
        agent=sharing["user_agent"][0],
        returning=_returning(pool, history, volume),
        newcomers=new,
        turnover=replaced,
        growth=_growth(pool, history, volume),
        copied=_copied(rows, account, prompt),
        repeats=repeats(rows, account, filled.whole[prompt]) if filled else nothing,
        coverage=coverage(rows, filled.slots[prompt]) if filled else nothing,
        customer=customer,
        company=np.minimum(sharing["payment_hash"][1], sharing["ip_prefix"][1]),
        circle=circle,
    )


def _pool(rows: sparse.csr_matrix, account: Ids) -> sparse.csr_matrix:
    r = len(account)
    sent = sparse.csr_matrix(
        (np.ones(r), account, np.arange(r + 1)), shape=(r, int(account.max()) + 1 if r else 0)
    )
    pool = (rows @ sent).tocsr()
    pool.sort_indices()
    return pool


def _rate(pool: sparse.csr_matrix, volume: Doubles) -> Doubles:
    """Return how many requests of the family each of its accounts would send by chance, one for each stored entry."""
    family = family_of(pool)
    requests = sum_of(pool, pool.data)
    total = np.maximum(volume.sum() - requests + SMOOTHING * len(volume), 1.0)
    other = np.maximum(volume[pool.indices] - pool.data, 0) + SMOOTHING
    return np.asarray(requests[family] * other / total[family])


def _upper(seen: Doubles, expected: Doubles, deviation: Doubles, known: npt.NDArray[np.bool_]) -> Trait:
    """Return the trait of a sum that campaigns make larger than chance; normal tail; unknown is NaN and no evidence."""
    z = (seen - expected) / np.maximum(deviation, 1e-12)
    evidence = np.where(known, -tails.log_normal(np.where(known, z, 0)) / np.log(10), 0.0)
    return Trait(np.where(known, seen, np.nan), np.where(known, expected, np.nan), evidence)


def _concentration(pool: sparse.csr_matrix, volume: Doubles, rate: Doubles) -> Trait:
    """Mean over the pool of the share of an account's traffic that is in the family, 0 to 1."""
    accounts = np.maximum(np.diff(pool.indptr), 1)
    own = volume[pool.indices]
    mean, variance = truncated(rate)
    seen = sum_of(pool, pool.data / own) / accounts
    expected = sum_of(pool, np.minimum(mean / own, 1.0)) / accounts
    # accounts that sent two requests in all are half of one family whatever they do
    deviation = np.sqrt(sum_of(pool, (variance + 0.25) / own**2)) / accounts
    return _upper(seen, expected, deviation, accounts >= FEWEST)


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
    known = accounts >= FEWEST
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
    trait = _upper(-seen, -second, deviation, (accounts >= FEWEST) & (deviation > 0))
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


def _clock(rows: sparse.csr_matrix, second: Doubles) -> Trait:
    """Entropy in nats of the hours of the day, against random requests of the batch (Miller 1955); high is machine-like."""
    requests = np.diff(rows.indptr).astype(np.float64)
    hour = (np.floor(second / 3600) % 24).astype(np.int64)
    one_hot = sparse.csr_matrix((np.ones(len(hour)), hour, np.arange(len(hour) + 1)), shape=(len(hour), 24))
    share = np.asarray((rows @ one_hot).todense()) / np.maximum(requests, 1)[:, None]
    usual = np.bincount(hour, minlength=24) / max(len(hour), 1)
    whole = float(special.entr(usual).sum())
    bias = ((usual > 0).sum() - 1) / (2 * np.maximum(requests, 1))
    surprise = float((special.entr(usual) * -np.log(np.maximum(usual, 1e-300))).sum())
    deviation = np.sqrt(np.maximum(surprise - whole**2, 1e-6) / np.maximum(requests, 1) + bias**2)
    return _upper(special.entr(share).sum(axis=1), whole - bias, deviation, requests >= 4 * FEWEST)


def _regularity(rows: sparse.csr_matrix, second: Doubles) -> Trait:
    """Greenwood's statistic (1946): sum of squared gaps between requests times (n + 2) / 2, 1 by chance, below 1 even.

    Times are ranks in the batch, so that the daily rhythm cancels.
    """
    rank = np.empty(len(second))
    order = np.lexsort((np.random.default_rng(0).permutation(len(second)), second))
    rank[order] = (np.arange(len(second)) + 0.5) / max(len(second), 1)
    n = np.diff(rows.indptr).astype(np.float64)
    family = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    when = rank[rows.indices]
    when = when[np.lexsort((when, family))]
    inner = np.diff(when)[np.diff(family) == 0] if len(when) else when
    squares = np.bincount(family[1:][np.diff(family) == 0], weights=inner**2, minlength=len(n))
    squares = squares.astype(np.float64)  # counts where there is nothing to weigh
    some = n > 0
    squares[some] += when[rows.indptr[:-1][some]] ** 2 + (1 - when[rows.indptr[1:][some] - 1]) ** 2
    variance = 4 * n / ((n + 2) ** 2 * (n + 3) * (n + 4))
    scale = (n + 2) / 2
    trait = _upper(-squares * scale, -np.ones_like(n), np.sqrt(variance) * scale, n >= 4 * FEWEST)
    return Trait(-trait.value, -trait.expected, trait.evidence)


def _returning(pool: sparse.csr_matrix, history: History | None, volume: Doubles) -> Trait:
    """Accounts of tonight's pool that sent the family on an earlier night, against random senders of tonight.

    Null: each earlier member that is active tonight is drawn in one of m requests (Poisson-binomial).
    """
    if history is None:
        return _nothing(pool.shape[0])
    requests = sum_of(pool, pool.data)
    before = history.members
    share = (volume + SMOOTHING) / (volume + SMOOTHING).sum()
    drawn = -np.expm1(-requests[family_of(before)] * share[before.indices])
    seen = np.asarray(pool.sign().multiply(before.sign()).sum(axis=1)).ravel()
    known = np.diff(before.indptr) > 0
    expected = sum_of(before, drawn)
    nan = np.where(known, 0.0, np.nan)
    return Trait(seen + nan, expected + nan, np.where(known, -log_tail(seen, expected) / np.log(10), 0.0))


def _growth(pool: sparse.csr_matrix, history: History | None, volume: Doubles) -> Trait:
    """Compare tonight's requests with the earlier share of all traffic (Poisson rates; Przyborowski & Wilenski 1940)."""
    if history is None or not history.whole:
        return _nothing(pool.shape[0])
    requests = sum_of(pool, pool.data)
    tonight = float(volume.sum())
    known = history.requests > 0
    expected = history.requests * tonight / history.whole
    both = requests + history.requests
    with np.errstate(divide="ignore"):
        tail = np.log(tails.binomial(requests, both, tonight / (tonight + history.whole)))
    nan = np.where(known, 0.0, np.nan)
    return Trait(requests + nan, expected + nan, np.where(known, -tail / np.log(10), 0.0))


def _nothing(families: int) -> Trait:
    unknown = np.full(families, np.nan)
    return Trait(unknown, unknown, np.zeros(families))


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
    return _upper(seen, np.full_like(seen, usual), deviation, np.diff(rows.indptr) > 0)
