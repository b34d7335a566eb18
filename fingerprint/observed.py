"""What a night tells that analysts ask for later: its hours, and what its prompts held of the signatures."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy import sparse

from fingerprint.casework import Rhythm
from fingerprint.gram_table import places
from fingerprint.night import Night
from fingerprint.records import HashArray, Ids, IntArray
from fingerprint.rhythm import Sent, hours, patterns
from fingerprint.shingle import shingle
from fingerprint.tokenise import tokens

EVERY = 60_000
"""Of a night of more distinct prompts some are looked at, and stand for the others."""

OF_FAMILY = 1_000
"""Prompts of each family that are looked at then; the rest of EVERY are of no family."""

STEP = 8_192
"""Prompts that are shingled at once."""


def observed(night: Night) -> Rhythm:
    """Count a night's requests by hour, and the patterns of grams that its prompts held."""
    batch, told = night.batch, night.described
    whole = Sent(told.label, batch.prompt, batch.account, batch.second)
    by_hour = hours(whole, [s.family_id for s in told.signatures], batch.accounts)
    chosen, weight = looked_at(told.label)
    place = np.full(len(told.label), -1, dtype=np.int32)
    place[chosen] = np.arange(len(chosen))
    rows = np.flatnonzero(place[batch.prompt] >= 0)
    some = Sent(told.label[chosen], place[batch.prompt[rows]], batch.account[rows], batch.second[rows])
    grams = [s.grams for s in told.signatures]
    hashes = np.unique(np.concatenate([*grams, np.empty(0, dtype=np.uint64)]))
    return Rhythm(*by_hour, patterns(some, told.signatures, hashes, _held(night, chosen, hashes), weight))


def looked_at(label: Ids) -> tuple[IntArray, npt.NDArray[np.float64]]:
    """Choose prompts, ascending, evenly from each family and from none; weight: how many each stands for."""
    if len(label) <= EVERY:
        return np.arange(len(label)), np.ones(len(label))
    order = np.argsort(label, kind="stable")
    begin = np.searchsorted(label[order], np.arange(-1, int(label.max(initial=-1)) + 2))
    chosen, weight = [], []
    for number, (a, b) in enumerate(itertools.pairwise(begin)):
        most = min(b - a, OF_FAMILY if number else EVERY)
        if most:
            chosen.append(order[a + np.linspace(0, b - a - 1, most).astype(np.int64)])
            weight.append(np.full(most, (b - a) / most))
    picked, stands = np.concatenate(chosen), np.concatenate(weight)
    ascending = np.argsort(picked)
    return picked[ascending], stands[ascending]


def _held(night: Night, chosen: IntArray, hashes: HashArray) -> sparse.csr_matrix:
    """Return which of some sorted grams each of the chosen prompts holds, (k, n) CSR of ones."""
    parts = [sparse.csr_matrix((0, len(hashes)), dtype=np.float32)]
    for start in range(0, len(chosen), STEP):
        texts = night.texts(chosen[start : start + STEP])
        whole = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
        found = tokens(whole.cast(pa.large_string()))
        grams = shingle(found.hashes, found.section, found.row_offsets)
        at = places(grams.hashes, hashes)
        known = np.flatnonzero(at >= 0)
        row = np.repeat(np.arange(grams.prompts), np.diff(grams.offsets))[known]
        ones = np.ones(len(known), dtype=np.float32)
        part = sparse.csr_matrix((ones, (row, at[known])), shape=(grams.prompts, len(hashes)))
        part.data[:] = 1.0
        parts.append(part)
    return sparse.vstack(parts).T.tocsr()
