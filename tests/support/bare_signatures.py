"""What several test files make alike: signature."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from fingerprint.domain.signature import Signature, Spread, Stamp, Template

NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def signature(grams: dict[int, float], name: str = "f", **changes: Any) -> Signature:
    order = sorted(grams)
    made = Signature(
        family_id=name,
        kind="template",
        template=Template(()),
        grams=np.array(order, dtype=np.uint64),
        weights=np.array([grams[g] for g in order], dtype=np.float32),
        prototypes=np.empty((0, 4), dtype=np.float32),
        threshold=0.5,
        spread=Spread(0, 0, NEVER, NEVER, {}),
        stamp=Stamp("n", "s", "m", "r", 4),
    )
    return replace(made, **changes)
