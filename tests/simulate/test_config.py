"""Presets can be built, and settings that cannot are named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.simulated import SMALL

from fingerprint.domain.errors import UsageError
from fingerprint.simulate import preset, simulate, write
from fingerprint.simulate.config import TIDY
from fingerprint.simulate.world import build


@pytest.mark.parametrize("name", TIDY)
def test_presets_can_be_built(name: str) -> None:
    world = build(replace(TIDY[name], rows=min(TIDY[name].rows, 60_000), honest_templates=20))
    assert len(world.days) == TIDY[name].days


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": 0}, "rows: at least 1 expected, 0 found"),
        ({"days": 9, "rows": 3}, "at least one a day"),
        ({"evasion": "magic"}, "'magic' found"),
        ({"evasion": "swap+inject_end"}, "one of swap, inject_end expected in 'swap\\+inject_end', 2 found"),
        ({"evasion": "paraphrase+reword"}, "one of paraphrase, reword expected"),
        ({"evasion": "case+case"}, "each part once expected, 'case\\+case' found"),
        ({"evasion": "nonce:2"}, "a strength from 0 to 1 after the colon expected, '2' found"),
        ({"jitter": 1.5}, "jitter: a share from 0 to 1 expected, 1.5 found"),
        ({"mixing": (0.0,)}, "mixing"),
        ({"smallest": 0.5}, "smallest"),
        ({"campaigns": 40, "smallest": 0.06}, "may take 0.9"),
        ({"payment": "cash"}, "'cash' found"),
    ],
)
def test_bad_settings_are_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        preset("default", **changes)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("lifelike", {"rows": 2_000}, "rows: at least 1500 a day expected in a lifelike world, 2000 found"),
        ("lifelike", {"base_rate": 0.5}, "base_rate: a share from 0 to 0.3 expected, 0.5 found"),
        ("lifelike", {"campaigns": -1}, "campaigns: at least 0 expected, -1 found"),
        ("chats", {"rows": 15}, "at least 20 a day, one chat, expected, 15 in 1 days found"),
        ("chats", {"turns": 1}, "turns: at least 2 expected, 1 found"),
    ],
)
def test_bad_settings_of_worlds_of_conversations_are_named(
    name: str, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        preset(name, **changes)


def test_bad_requests_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'nope' found"):
        preset("nope")
    with pytest.raises(UsageError, match="evasion: not known to preset lifelike, which has rows, days"):
        preset("lifelike", evasion="mix")
    with pytest.raises(UsageError, match=r"\.parquet, \.jsonl, \.jsonl\.gz expected, 'a\.csv' found"):
        write(SMALL, tmp_path / "a.csv")
    with pytest.raises(UsageError, match="a day expected for these campaigns"):
        list(simulate(replace(SMALL, rows=60, accounts=50, campaigns=20)))
