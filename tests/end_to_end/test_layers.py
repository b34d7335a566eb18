"""A campaign's tasks inside a public agent's system prompt, over two nights and the lookup between them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.crafted import Sent, record_batch, words
from support.new_wordings import passers_by

from fingerprint import Home, nightly
from fingerprint.jobs.lookup import lookup, open_matcher

DAY = 86_400
SYSTEM = words(np.random.default_rng(0), 120)
TASK = words(np.random.default_rng(1), 30)


def sent(random: np.random.Generator) -> list[Sent]:
    """A day: 40 requests of a pool, 160 of an agent's users, and of others."""

    def inside(prompt: str, account: str) -> Sent:
        return Sent(prompt, account, float(random.uniform(0, DAY)), SYSTEM)

    pool = [inside(f"{words(random, 10)} {TASK}", f"pool{n % 10}") for n in range(40)]
    users = [inside(words(random, 20), f"user{n % 80}") for n in range(160)]
    return [*pool, *users, *passers_by(random, 200)]


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Home, list[dict[str, Any]]]:
    """A folder with two days, a home that knows the first, and what that night said of its requests."""
    folder = tmp_path_factory.mktemp("layers")
    for day in (1, 2):
        rows = record_batch(sent(np.random.default_rng(day)), first=1000 * day).to_pylist()
        lines = [json.dumps({**r, "timestamp": r["timestamp"].isoformat()}) for r in rows]
        (folder / f"day{day}.jsonl").write_text("\n".join(lines))
    home = Home(folder / "home")
    nightly([folder / "day1.jsonl"], home, assignments=folder / "night1.jsonl")
    return folder, home, [json.loads(line) for line in (folder / "night1.jsonl").read_text().splitlines()]


def ids(row: dict[str, Any]) -> list[str]:
    return [held["family_id"] for held in row["families"]]


def test_a_night_says_both_layers(days: tuple[Path, Home, list[dict[str, Any]]]) -> None:
    night = days[2]
    (marker,), (carrier,) = ({r["family_id"] for r in rows} for rows in (night[:40], night[40:200]))
    assert marker != carrier
    assert all(ids(r) == [marker, carrier] for r in night[:40])
    assert all(ids(r) == [carrier] for r in night[40:200])
    assert all(r["families"] == [] for r in night if r["family_id"] is None)
    assert all(0.6 <= held["score"] <= 1 for r in night for held in r["families"])
    assert all(r["families"][0]["score"] == r["strength"] for r in night if r["families"])


def test_a_lookup_of_the_next_day_says_the_campaign_and_its_carrier(
    days: tuple[Path, Home, list[dict[str, Any]]], tmp_path: Path
) -> None:
    folder, home, night = days
    marker, carrier = night[0]["family_id"], night[40]["family_id"]
    lookup([folder / "day2.jsonl"], home, output=tmp_path / "m.csv")
    with (tmp_path / "m.csv").open(newline="") as file:
        rows = [{**r, "families": json.loads(r["families"])} for r in csv.DictReader(file)]
    assert [r["family_id"] for r in rows[:200]] == [marker] * 40 + [carrier] * 160
    assert all(ids(r) == [marker, carrier] for r in rows[:40])
    assert not [r for r in rows[200:] if r["family_id"] or r["families"]]
    matcher = open_matcher(home)
    one = matcher.one(f"another task {TASK}", SYSTEM)
    assert (one.family_id, [other.family_id for other in one.also]) == (marker, [carrier])
    assert matcher.one("another task", SYSTEM).also == ()


def test_the_second_night_keeps_both_ids(
    days: tuple[Path, Home, list[dict[str, Any]]], tmp_path: Path
) -> None:
    folder, home, night = days
    nightly([folder / "day2.jsonl"], home, assignments=tmp_path / "night2.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "night2.jsonl").read_text().splitlines()]
    assert [r["family_id"] for r in rows[:200]] == [r["family_id"] for r in night[:200]]
    assert all(ids(r) == ids(before) for r, before in zip(rows[:200], night[:200], strict=True))
