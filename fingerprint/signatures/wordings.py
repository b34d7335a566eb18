"""Writes the template of a family that is worded anew in every request: what it says, in words that k accounts sent.

Of each thing that it says, the most central wording that enough accounts sent stands in the template; where none did,
the parts of the most central one that enough accounts' wordings share (D-157).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from fingerprint.base.types import FloatArray, IntArray
from fingerprint.discovery.reworded import Wordings
from fingerprint.domain.signature import Segment, Slot, Template
from fingerprint.text.masking import unmask

FEWEST_WORDS = 2
"""Words of a part of a sentence that is shown without the rest."""

MOST_TEXTS = 64
"""Wordings of one thing that are read for parts that they share."""


def write_wordings(
    wordings: Sequence[Wordings], senders: sparse.csr_matrix, members: IntArray, *, accounts: int
) -> Template:
    """Write the template of a family of these prompts (m,); accounts: how many of the senders (n, w) must have sent what is shown.

    What most prompts say comes first; what no wording may show is left out.
    """
    parts: list[Segment | Slot] = []
    shown: set[str] = set()
    # others say some of it, too
    shares = [len(np.intersect1d(said.prompt, members)) / max(len(members), 1) for said in wordings]
    for share, said in sorted(zip(shares, wordings, strict=True), key=lambda pair: -pair[0]):
        runs = [run for run in _shown(said, senders, accounts) if run not in shown]
        for place, run in enumerate(runs):
            if place:
                parts.append(_gap(said))
            shown.add(run)
            parts.append(Segment(unmask(run), "either", said.position, share))
    return Template(tuple(parts))


def centres_of(wordings: Sequence[Wordings]) -> FloatArray:
    """Return what a family says, (c, d) float32 unit rows."""
    return np.array([said.centre for said in wordings], dtype=np.float32)


def _shown(said: Wordings, senders: sparse.csr_matrix, accounts: int) -> list[str]:
    """Return the most central wording that enough accounts sent, or the parts of the most central one that they share."""
    texts = said.texts.slice(0, MOST_TEXTS).to_pylist()
    sent = [_accounts(said, [t], senders) for t in range(len(texts))]
    for text, own in zip(texts, sent, strict=True):
        if len(own) >= accounts:
            return [text]
    return _shared_runs([f" {t} " for t in texts], sent, accounts)


def _accounts(said: Wordings, texts: Sequence[int], senders: sparse.csr_matrix) -> set[int]:
    prompts = said.prompt[np.isin(said.text, texts)]
    return set(senders[prompts].indices.tolist())


def _shared_runs(texts: Sequence[str], sent: Sequence[set[int]], accounts: int) -> list[str]:
    """Return the runs of words of the first text that enough accounts' texts hold, longest first from its beginning."""
    words = texts[0].split() if texts else []
    runs, begin = [], 0
    while begin < len(words):
        end = begin
        while end < len(words) and _holders(f" {' '.join(words[begin : end + 1])} ", texts, sent) >= accounts:
            end += 1
        if end - begin >= FEWEST_WORDS:
            runs.append(" ".join(words[begin:end]))
        begin = max(end, begin + 1)
    return runs


def _holders(run: str, texts: Sequence[str], sent: Sequence[set[int]]) -> int:
    """Count the accounts that sent a text with this run."""
    return len(set().union(*(own for text, own in zip(texts, sent, strict=True) if run in text)))


def _gap(said: Wordings) -> Slot:
    """Return the slot between two parts of a wording."""
    length = [len(text) for text in said.texts.slice(0, MOST_TEXTS).to_pylist()]
    return Slot(len(said.texts), 0, max(length), "text")
