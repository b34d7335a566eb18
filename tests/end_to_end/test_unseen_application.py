"""A campaign inside an application's system prompt that no customer's traffic has shown so far."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.crafted import Sent, record_batch, words
from support.new_wordings import passers_by

from fingerprint import Home, nightly
from fingerprint.jobs.lookup import open_matcher

DAY = 86_400
SYSTEM = words(np.random.default_rng(10), 120)
TASK = words(np.random.default_rng(11), 25)
POOL, USERS = 60, 60


def written(file: Path, random: np.random.Generator, *, pool: int, users: int, first: int) -> Path:
    """Write a day: requests of a pool in bursts, of the application's users at any time, and of others."""
    bursts = random.uniform(0, DAY, 5)
    sent = [
        Sent(f"{words(random, 15)} {TASK}", f"pool{n % 12}", float(bursts[n % 5] + n), SYSTEM)
        for n in range(pool)
    ]
    sent += [
        Sent(words(random, 20), f"user{n % 40}", float(random.uniform(0, DAY)), SYSTEM) for n in range(users)
    ]
    rows = record_batch([*sent, *passers_by(random, 200)], first=first).to_pylist()
    file.write_text("\n".join(json.dumps({**r, "timestamp": r["timestamp"].isoformat()}) for r in rows))
    return file


def assigned(home: Home, day: Path) -> list[Any]:
    out = day.with_suffix(".out.jsonl")
    nightly([day], home, assignments=out)
    return [json.loads(line)["family_id"] for line in out.read_text().splitlines()]


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, str]:
    """A home whose first night saw the application from the campaign alone, and the campaign's family."""
    folder = tmp_path_factory.mktemp("application")
    home = Home(folder / "home")
    rows = assigned(
        home, written(folder / "day1.jsonl", np.random.default_rng(1), pool=POOL, users=0, first=0)
    )
    (family,) = set(rows[:POOL])
    return home, family


def test_users_of_the_application_do_not_match_the_campaign(known: tuple[Home, str]) -> None:
    home, family = known
    matcher, random = open_matcher(home), np.random.default_rng(2)
    users = [matcher.one(words(random, 20), SYSTEM, f"user{n}") for n in range(20)]
    assert {user.family_id for user in users} == {None}
    assert {user.candidate_id for user in users} == {family}
    for prompt, system in ((f"{words(random, 9)} {TASK}", SYSTEM), (TASK, None)):
        assert matcher.one(prompt, system, "anybody").family_id == family
    half = " ".join(TASK.split()[:13])
    assert matcher.one(f"{half} {words(random, 9)}", SYSTEM, "anybody").family_id == family
    # the account of the campaign's own that sends only the application's text is still told
    assert matcher.one(words(random, 20), SYSTEM, "pool3").family_id == family


def test_a_night_of_users_alone_makes_a_family_of_theirs(known: tuple[Home, str], tmp_path: Path) -> None:
    home, family = known
    day = written(tmp_path / "day2.jsonl", np.random.default_rng(3), pool=0, users=USERS, first=1000)
    assert family not in assigned(home, day)
    both = written(tmp_path / "day3.jsonl", np.random.default_rng(4), pool=POOL, users=USERS, first=2000)
    rows = assigned(home, both)
    assert set(rows[:POOL]) == {family}
    assert family not in rows[POOL:]
