"""The semantic pass: prompts that share no text but the same meaning, sent by a pool that acts together (D-090)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import sparse

from fingerprint.base.types import Doubles, FloatArray, Ids
from fingerprint.clustering.hdbscan_graph import cluster
from fingerprint.clustering.knn import Neighbours, knn_graph
from fingerprint.discovery.proof import SYNCHRONY_P
from fingerprint.evidence.coactivity import behaviour, discoveries

EXACTLY = 16_384
"""Prompts above this number are compared through inverted lists."""


def topics(
    vectors: FloatArray,
    requests: sparse.csr_matrix,
    account: Ids,
    second: Doubles,
    *,
    least: int,
    accounts: int,
    neighbours: int,
    rate: float,
    graph: Callable[..., Neighbours] = knn_graph,
) -> Ids:
    """Cluster prompts by meaning, (m,) int32 labels, -1 = none; only clusters whose senders act together stay.

    vectors: (m, d) float32 unit rows. requests: (m, r) CSR, the requests of each prompt; account, second: (r,).
    least, accounts: fewest prompts and accounts of a cluster. rate: false-discovery rate of the behaviour test.
    To share accounts is not enough: a language or a subject is written by few people, and always by the same.
    graph: finds neighbours, as `index.knn_graph` does.
    """
    label = np.full(len(vectors), -1, dtype=np.int32)
    if len(vectors) < least:
        return label
    near = graph(vectors, neighbours, exact_up_to=EXACTLY)
    found = cluster(near, np.ones(len(vectors), dtype=np.int64), min_cluster_size=least, min_samples=5).labels
    members = np.flatnonzero(found >= 0)
    shape = (int(found.max(initial=-1)) + 1, len(vectors))
    ones = np.ones(len(members), dtype=np.float32)
    rows = sparse.csr_matrix((ones, (found[members], members)), shape=shape) @ requests
    act = behaviour(rows.tocsr(), account, second)
    together = discoveries(act.p_value, rate=rate) & (act.p_synchrony <= SYNCHRONY_P)
    kept = together & (act.accounts >= accounts)
    number = np.where(kept, np.cumsum(kept) - 1, -1).astype(np.int32)
    label[members] = number[found[members]]
    return label
