"""What a large night's sample alone shows, inside carriers and in other words, is found in the whole night."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.crafted import Sent, words
from support.large_nights import assigned, by_disk, day_file, worked
from support.new_wordings import passers_by, sent_by_a_pool

DAY = 86_400
SYSTEM, TASK = words(np.random.default_rng(0), 120), words(np.random.default_rng(1), 30)
INSIDE, USERS, REWORDED = slice(0, 160), slice(160, 460), slice(460, 660)
OTHERS = slice(660, 860)


def day(random: np.random.Generator) -> list[Sent]:
    """A pool's task inside an agent's system prompt, the agent's users, a pool that rewords its template, and others."""

    def inside(prompt: str, account: str) -> Sent:
        return Sent(prompt, account, float(random.uniform(0, DAY)), SYSTEM)

    pool = [inside(f"{words(random, 10)} {TASK}", f"agent{n % 10}") for n in range(160)]
    users = [inside(words(random, 20), f"user{n % 150}") for n in range(300)]
    return [*pool, *users, *sent_by_a_pool(random, 200), *passers_by(random, 200)]


def test_a_sample_of_a_third_finds_what_stands_in_a_carrier_and_what_is_reworded_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    traffic = day_file(tmp_path, day(np.random.default_rng(5)))
    by_disk(monkeypatch, 200_000)
    worked(traffic, tmp_path / "home")
    family = assigned(tmp_path / "home")
    inside, users, reworded = (
        max(set(part), key=part.tolist().count) for part in (family[INSIDE], family[USERS], family[REWORDED])
    )
    assert len({inside, users, reworded, ""}) == 4
    assert (family[INSIDE] == inside).all()
    assert (family[USERS] == users).all()
    assert (family[REWORDED] == reworded).mean() >= 0.7  # in the sample, 0.36
    assert (family[OTHERS] == "").all()
