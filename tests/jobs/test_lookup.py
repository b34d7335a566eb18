"""A lookup's report: how many requests matched families of campaigns, and how many others."""

from __future__ import annotations

import json
from pathlib import Path

from support.small_traffic import done, objects

from fingerprint.domain.settings import Home
from fingerprint.jobs.lookup import lookup


def test_flagged_families_are_told_from_others(
    home: Path, traffic: tuple[Path, Path], tmp_path: Path
) -> None:
    families = objects("families", "--home", home, "--format", "jsonl")
    campaign = {f["family_id"] for f in families[::2]}
    for family in families:
        label = "campaign" if family["family_id"] in campaign else "benign"
        done("label", family["family_id"], label, "--home", home)
    report = lookup([traffic[1]], Home(home), output=tmp_path / "m.jsonl")
    matches = [json.loads(line)["family_id"] for line in (tmp_path / "m.jsonl").read_text().splitlines()]
    assert report.flagged == sum(match in campaign for match in matches)
    assert report.matched == sum(match is not None for match in matches)
    assert 0 < report.flagged < report.matched
    printed = done("lookup", traffic[1], "--home", home, "--output", tmp_path / "n.jsonl")
    assert f"{report.flagged:,} matched a flagged family" in printed
    assert f"{report.matched - report.flagged:,} another one" in printed
