from __future__ import annotations

import numpy as np
import pyarrow as pa
from support.crafted import batch_of, by_accounts

from fingerprint.discovery.reworded import Wordings
from fingerprint.domain.signature import Segment, Template
from fingerprint.signatures.wordings import write_wordings

SAID = ["grade the answer below from one to ten", "give the answer below a grade"]
PROMPTS = [f"{SAID[n % 4 == 3]}. number {n} is about {name}" for n, name in enumerate("abcdefghijkl")]


def template(members: np.ndarray) -> Template:
    """What twelve prompts of six accounts say in two wordings, written for a family of some of them."""
    batch = batch_of(by_accounts(PROMPTS, 6))
    said = Wordings(
        centre=np.ones(4, np.float32) / 2,
        position=0.0,
        texts=pa.array(SAID, pa.large_string()),
        prompt=np.arange(12),
        text=np.array([int(n % 4 == 3) for n in range(12)]),
    )
    return write_wordings([said], batch.senders(), members, accounts=3)


def test_the_central_wording_that_enough_accounts_sent_is_shown() -> None:
    [part] = template(np.arange(12)).parts
    assert isinstance(part, Segment)
    assert (part.text, part.coverage) == (SAID[0], 1.0)


def test_what_others_say_too_counts_of_the_family_only() -> None:
    [part] = template(np.array([0, 1, 20, 21])).parts
    assert isinstance(part, Segment)
    assert part.coverage == 0.5
