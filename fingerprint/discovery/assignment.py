"""Which family each distinct prompt belongs to, of a batch and of the night that it is a sample of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprint.base.types import FloatArray, Ids, IntArray, TextsOfPrompts
from fingerprint.discovery.batch import Batch


@dataclass(frozen=True, slots=True)
class Assignment:
    """What n distinct prompts belong to.

    label: (n,) int32, the row of each prompt's family, -1 = none.
    strength: (n,) float32, how surely it belongs to it, 0 to 1; 0 without a family.
    """

    label: Ids
    strength: FloatArray

    def with_prompts(
        self, prompts: IntArray, label: npt.NDArray[Any], strength: npt.NDArray[Any] | float
    ) -> Assignment:
        """Return the same but for some prompts (m,), which get this label and strength, (m,) or one for all."""
        labels, strengths = self.label.copy(), self.strength.copy()
        labels[prompts], strengths[prompts] = label, strength
        return Assignment(labels, strengths)

    def renumbered(self, rank: Ids) -> Assignment:
        """Give f families new rows; rank: (f + 1,) int32, the new row of each, -1 where it is gone, and -1 at the end."""
        label = rank[self.label]
        return Assignment(label, np.where(label >= 0, self.strength, 0.0).astype(np.float32))


@dataclass(frozen=True, slots=True)
class Whole:
    """The night that a batch is a sample of, or all of: n distinct prompts.

    batch: all requests; their texts are in `texts` alone. assignment: of all n prompts, to the batch's families by
    their text. sampled: (m,) int64, the numbers of the batch's prompts, ascending.
    """

    batch: Batch
    assignment: Assignment
    sampled: IntArray
    texts: TextsOfPrompts

    @classmethod
    def of(cls, batch: Batch, assignment: Assignment) -> Whole:
        """Return a batch that is no sample but all of a night."""
        return cls(batch, assignment, np.arange(batch.distinct), batch.texts_of)

    def carried(self, sample: Assignment) -> Assignment:
        """Return the assignment of all n prompts, those of the batch (m,) as given."""
        return self.assignment.with_prompts(self.sampled, sample.label, sample.strength)
