"""What happened to families from one night to the next: births, new wordings, splits, pivots and deaths."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
from scipy import sparse

from fingerprint.base.types import Bools, IntArray
from fingerprint.domain.rows import Event
from fingerprint.domain.signature import Signature
from fingerprint.evidence.null_models import MIN_POOL

SUCCESSOR_SHARE = 0.7
"""A new family succeeds one that fell silent if this share of its accounts sent the other before."""

SAME_TEXT = 0.5
"""A new family split off one that goes on if they share this part of the smaller one's phrases, and the pool."""

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
    """List what happened to f families tonight.

    born: (f,) new ones. joined: (f,) new wordings of stored ones. tonight: (f,) requests. pool: (f, a) CSR, requests by account over all nights.
    now: the end of the batch. A death is told once, on the first night after SILENT.
    """
    silent = (
        np.array([s.variant_of is None for s in signatures], dtype=np.bool_)
        & (tonight == 0)
        & ~born
        & ~joined
    )
    out = [Event(signatures[f].family_id, "born") for f in np.flatnonzero(born).tolist()]
    wordings = [signatures[f] for f in np.flatnonzero(joined).tolist()]
    out += [Event(s.family_id, "merged", {"into": s.variant_of or ""}) for s in wordings]
    sent = pool.sign().tocsr()
    size = np.diff(sent.indptr)
    goes_on = (tonight > 0) & ~born & ~joined
    for new in np.flatnonzero(born & (size >= MIN_POOL)).tolist():
        shared = np.asarray((sent @ sent[new].T).todense()).ravel()
        same_pool = shared >= SUCCESSOR_SHARE * size[new]
        before = np.flatnonzero(silent & same_pool)
        if len(before):
            old = signatures[int(before[np.argmax(shared[before])])]
            out.append(Event(old.family_id, "pivoted", {"to": signatures[new].family_id}))
        beside = np.flatnonzero(goes_on & same_pool)
        texts = [_shared_text(signatures[new], signatures[f]) for f in beside.tolist()]
        if max(texts, default=0.0) >= SAME_TEXT:
            old = signatures[int(beside[np.argmax(texts)])]
            out.append(Event(old.family_id, "split", {"off": signatures[new].family_id}))
    for f in np.flatnonzero(silent).tolist():
        unseen = now - signatures[f].spread.last_seen
        if SILENT < unseen <= SILENT + timedelta(days=1):
            out.append(Event(signatures[f].family_id, "died", {"days_unseen": unseen.days}))
    return out


def _shared_text(a: Signature, b: Signature) -> float:
    """Return the share of the smaller signature's grams that the other has, too; 0 without grams."""
    both = len(np.intersect1d(a.grams, b.grams, assume_unique=True))
    return both / max(min(len(a.grams), len(b.grams)), 1)
