"""What several test files make alike: LONG, in_bursts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from support.crafted import Sent

LONG = (
    "you are an expert who grades the answers of students strictly by the rubric that follows here and who "
    "never explains the grade unless the rubric asks for an explanation in so many words"
)


def in_bursts(random: np.random.Generator, prompts: Sequence[str], *, pool: int = 15) -> list[Sent]:
    starts = random.uniform(0, 86_000, 3)
    return [
        Sent(p, f"pool{n % pool}", float(random.choice(starts) + random.uniform(0, 100)))
        for n, p in enumerate(prompts)
    ]
