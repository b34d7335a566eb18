"""A large night finds small applications whose prompts begin alike, as a small night does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.crafted import Sent, words
from support.large_nights import assigned, by_disk, day_file, worked

DAY = 86_400
APPS, EACH, ACCOUNTS, LARGE = 16, 32, 3, 800


def day(random: np.random.Generator) -> list[Sent]:
    """Requests of applications whose system prompts begin with the same words, and of a large one.

    Each one's customers come back to it.
    """
    opening = words(random, 9)
    large = words(random, 40)
    out = [
        Sent(words(random, 25), f"user{n % 150}", float(random.uniform(0, DAY)), system=large)
        for n in range(LARGE)
    ]
    for app in range(APPS):
        system = f"{opening} {words(random, 40)}"
        out += [
            Sent(
                words(random, 25),
                f"customer{app}x{n % ACCOUNTS}",
                float(random.uniform(0, DAY)),
                system=system,
            )
            for n in range(EACH)
        ]
    return out


def test_a_shared_opening_does_not_hide_small_applications_from_later_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    traffic = day_file(tmp_path, day(np.random.default_rng(5)))
    # about five prompts of each application, and more when the large one is known
    by_disk(monkeypatch, 90_000)
    worked(traffic, tmp_path / "home")
    family = assigned(tmp_path / "home")[LARGE:].reshape(APPS, EACH)
    own = [max(set(part), key=part.tolist().count) for part in family]
    assert "" not in own
    assert len(set(own)) == APPS
    assert (family == np.array(own)[:, None]).mean() >= 0.95
