"""Whether a pool whose accounts work through one list asks in one way, too: the same model, length, temperature, tools.

One app's customers ask in one way because the app does, so alone it says nothing: it counts as far as no account has
topics of its own (`own_topics`), and little even then, for a campaign can give each account settings of its own.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from fingerprint.base.sparse import family_of
from fingerprint.base.types import Bools, Ids, IntArray
from fingerprint.domain.schemas import FACT_FIELDS
from fingerprint.evidence.null_models import (
    MIN_POOL,
    Trait,
    counting_share,
    excess_evidence,
    trait_where,
    unknown_trait,
)
from fingerprint.evidence.observations import Observations
from fingerprint.evidence.request_facts import RequestFacts
from fingerprint.evidence.statistics.own_topics import dealt_fillings

DEALT = 1.0
"""Evidence of dealt fillings from which on settings count in full."""


def one_way_of_asking(data: Observations) -> Trait:
    """Share of the family's accounts that mostly ask with the settings that most of them use, 0 to 1.

    Accounts that state nothing but a model are left out. Null: an account has these settings as often as any account
    of the night that states some; the count is overdispersed.
    """
    if data.facts is None:
        return unknown_trait(data.families)
    code = np.where(_states_some(data.facts), data.facts.code, -1)
    everybody = _accounts_by_settings(np.zeros(len(code), dtype=np.int64), data.account, code, families=1)
    if not everybody.nnz:
        return unknown_trait(data.families)
    request = data.rows.indices
    own = _accounts_by_settings(
        family_of(data.rows), data.account[request], code[request], families=data.families
    )
    accounts = np.asarray(own.sum(axis=1), dtype=np.float64).ravel()
    common = own.max(axis=1).toarray().astype(np.float64).ravel()
    commonest = np.asarray(own.argmax(axis=1), dtype=np.int64).ravel()
    usual = (everybody / everybody.sum()).toarray().ravel()[commonest]
    share = common / np.maximum(accounts, 1)
    dealt = np.clip(dealt_fillings(data).evidence / DEALT, 0.0, 1.0)
    evidence = excess_evidence(common, accounts * usual) * counting_share(share) * dealt
    return trait_where(accounts >= MIN_POOL, share, usual, evidence)


def _states_some(facts: RequestFacts) -> Bools:
    """Tell which requests (r,) state more than a model."""
    stated = np.zeros(len(facts.distinct), dtype=np.bool_)
    for name in FACT_FIELDS:
        stated |= facts.distinct.column(name).is_valid().to_numpy()
    return np.asarray(stated[facts.code])


def _accounts_by_settings(family: IntArray, account: Ids, code: Ids, *, families: int) -> sparse.csr_matrix:
    """Count each family's accounts by the settings that they use most, (families, settings) CSR.

    family, account, code: (e,) of requests, code -1 where nothing is stated.
    """
    some = code >= 0
    settings = int(code.max(initial=0)) + 1
    who = family[some] * (int(account.max(initial=0)) + 1) + account[some]
    pair, count = np.unique(who * settings + code[some], return_counts=True)
    owner, which = np.divmod(pair, settings)
    order = np.lexsort(
        (-which, count, owner)
    )  # of each owner the last has the most, of equals the lowest number
    last = order[np.append(np.diff(owner[order]) != 0, np.True_)] if len(order) else order
    row = owner[last] // (int(account.max(initial=0)) + 1)
    shape = (families, settings)
    return sparse.csr_matrix((np.ones(len(last)), (row, which[last])), shape=shape)
