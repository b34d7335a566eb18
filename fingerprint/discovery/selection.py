"""Keeps the candidate families that their text or their senders prove, and gives each prompt to the strongest of them.

One loop for nights of any size: give prompts to families, test who sends what each is left with, drop what nothing
proves, and do it again, for a common phrase that goes in the first round gives its prompts back to the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from fingerprint.base.types import Bools, Ids, IntArray
from fingerprint.discovery import proof
from fingerprint.discovery.batch import Batch
from fingerprint.discovery.families import Families, assign, members_of, strength
from fingerprint.domain.settings import Settings
from fingerprint.evidence.coactivity import Behaviour, behaviour, time_ranks

ROUNDS = 2
"""Times that prompts are given to families and what nothing proves is dropped (D-086)."""

OutlineFn = Callable[[Families, IntArray], Bools]
"""Tells which of some families (f,) have an outline (`proof.has_outline`); their numbers (f,) among the candidates."""

RenewFn = Callable[[Families, sparse.csr_matrix], tuple[Families, IntArray]]
"""Derives families anew from the prompts assigned to each (f, n); also returns which rows are left, ascending."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The f families that stay, with the prompts given to each as its members.

    number: (f,) int64, which of the candidates each one is. label: (n,) int32, each prompt's family, -1 = none.
    """

    families: Families
    number: IntArray
    label: Ids


def select(
    candidates: Families,
    batch: Batch,
    settings: Settings,
    *,
    outline: OutlineFn,
    renew: RenewFn | None = None,
) -> Selection:
    """Select among candidate families (c) of a batch of n prompts; of the batch, only who sent what and when is read.

    outline: asked only of families that depend on it, for to tell it takes long. renew: None leaves cores as they are.
    """
    trial = _Trial(batch, settings, outline)
    families, number, act = candidates, np.arange(len(candidates)), trial.test(candidates)
    for _ in range(ROUNDS):
        if renew is not None:
            # what is left to a family after assignment shows its whole template, not what it shares with siblings
            families, left = renew(families, members_of(trial.assign(families, act, number), len(families)))
            number, act = number[left], trial.test(families)
        assigned = families.with_members(trial.assign(families, act, number))
        kept = np.flatnonzero(trial.proves(assigned, trial.test(assigned), number))
        families, number, act = families.take(kept), number[kept], act.only(kept)
    label = trial.assign(families, act, number)
    assigned = families.with_members(label)
    kept = np.flatnonzero((assigned.known >= 0) | (assigned.support >= settings.min_requests))
    rank = np.full(len(families) + 1, -1, dtype=np.int32)
    rank[kept] = np.arange(len(kept))
    return Selection(assigned.take(kept), number[kept], rank[label])


class _Trial:
    """What families are tested on: who sent the prompts of a batch, and when."""

    def __init__(self, batch: Batch, settings: Settings, outline: OutlineFn) -> None:
        self._batch, self._settings, self._outline = batch, settings, outline
        self._requests, self._senders = batch.conversations(), batch.senders()
        self._ranks = time_ranks(batch.second)

    def test(self, families: Families) -> Behaviour:
        rows = (families.members @ self._requests).tocsr()
        return behaviour(rows, self._batch.account, self._batch.second, ranks=self._ranks)

    def proves(self, families: Families, act: Behaviour, number: IntArray) -> Bools:
        """Tell which families (f,) to believe by their behaviour; number: (f,) of each among the candidates."""
        never, always = np.zeros(len(families), dtype=np.bool_), np.ones(len(families), dtype=np.bool_)
        outlined = never.copy()
        undecided = np.flatnonzero(
            proof.is_proven(families, act, always, self._settings)
            & ~proof.is_proven(families, act, never, self._settings)
        )
        outlined[undecided] = self._outline(families.take(undecided), number[undecided])
        proven = (
            proof.is_proven(families, act, outlined, self._settings)
            | proof.is_akin(families, act, self._senders, self._settings)
            | proof.is_come_back_to(families, act, self._senders, self._settings)
        )
        return proven & ~proof.is_mostly_ones(families, self._senders, self._settings)

    def assign(self, families: Families, act: Behaviour, number: IntArray) -> Ids:
        """Give every prompt (n,) to its strongest family, -1 = none; act: of these families, as `test` tells it."""
        proven = self.proves(families, act, number)
        # what an account's behaviour proves, it proves of all prompts that hold the text, and of no part of them
        left = proof.without_fragments(families, proven)
        changed = np.flatnonzero(left.support < families.support)
        if len(changed):
            act = act.replaced(changed, self.test(left.take(changed)))
            proven = self.proves(left, act, number)
        return assign(left, strength(left, act, proven), least=self._settings.min_requests)
