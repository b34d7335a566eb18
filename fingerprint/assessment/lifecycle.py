"""What happened to families from one night to the next: births, wordings, splits, pivots, deaths; flags come and gone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import numpy as np
from scipy import sparse

from fingerprint.base.types import Bools, IntArray
from fingerprint.domain.rows import Event
from fingerprint.domain.signature import Signature
from fingerprint.evidence.null_models import MIN_POOL

SUCCESSOR_SHARE = 0.7
"""A new family succeeds one that fell silent if this share of its accounts sent the other before."""

SPLIT_SHARE = 0.5
"""A new family split off one that goes on if they share this part of the smaller one's grams, and the pool."""

SILENT = timedelta(days=7)
"""A family unseen for longer is dead; it is still matched, and comes to life when it is seen again."""


def events(
    signatures: Sequence[Signature],
    born: Bools,
    joined: Bools,
    tonight: IntArray,
    pool: sparse.csr_matrix,
    now: datetime,
) -> list[Event]:
    """List what happened to f families tonight (D-062).

    born: (f,) new ones. joined: (f,) new wordings of stored ones. tonight: (f,) requests. pool: (f, a) CSR of requests
    by account over all nights. now: the end of the batch. A death is told once, on the first night after SILENT.
    """
    is_original = np.array([s.variant_of is None for s in signatures], dtype=np.bool_)
    silent = is_original & (tonight == 0) & ~born & ~joined
    ongoing = (tonight > 0) & ~born & ~joined
    out = [Event(signatures[f].family_id, "born") for f in np.flatnonzero(born).tolist()]
    wordings = [signatures[f] for f in np.flatnonzero(joined).tolist()]
    out += [Event(s.family_id, "merged", {"into": s.variant_of or ""}) for s in wordings]
    out += _succession(signatures, born, silent, ongoing, pool)
    for f in np.flatnonzero(silent).tolist():
        unseen = now - signatures[f].spread.last_seen
        if SILENT < unseen <= SILENT + timedelta(days=1):
            out.append(Event(signatures[f].family_id, "died", {"days_unseen": unseen.days}))
    return out


def flag_events(signatures: Sequence[Signature], before: Collection[str]) -> list[Event]:
    """List families whose flag came or went tonight; before: those flagged then. What an analyst labelled is no news."""
    return [
        Event(s.family_id, "flagged" if s.flagged else "cleared")
        for s in signatures
        if s.variant_of is None and s.label is None and s.flagged != (s.family_id in before)
    ]


def _succession(
    signatures: Sequence[Signature], born: Bools, silent: Bools, ongoing: Bools, pool: sparse.csr_matrix
) -> list[Event]:
    """List pivots, a new family of a pool whose old one is silent, and splits, a part of one that goes on."""
    out = []
    sent = pool.sign().tocsr()
    accounts = np.diff(sent.indptr)
    for new in np.flatnonzero(born & (accounts >= MIN_POOL)).tolist():
        shared = np.asarray((sent @ sent[new].T).todense()).ravel()
        same_pool = shared >= SUCCESSOR_SHARE * accounts[new]
        predecessors = np.flatnonzero(silent & same_pool)
        if len(predecessors):
            old = signatures[int(predecessors[np.argmax(shared[predecessors])])]
            out.append(Event(old.family_id, "pivoted", {"to": signatures[new].family_id}))
        siblings = np.flatnonzero(ongoing & same_pool)
        shares = [_shared_grams(signatures[new], signatures[f]) for f in siblings.tolist()]
        if max(shares, default=0.0) >= SPLIT_SHARE:
            old = signatures[int(siblings[np.argmax(shares)])]
            out.append(Event(old.family_id, "split", {"off": signatures[new].family_id}))
    return out


def _shared_grams(a: Signature, b: Signature) -> float:
    """Return the share of the smaller signature's grams that the other has, too; 0 without grams."""
    shared = len(np.intersect1d(a.grams, b.grams, assume_unique=True))
    return shared / max(min(len(a.grams), len(b.grams)), 1)
