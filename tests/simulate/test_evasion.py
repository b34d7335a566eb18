"""Every evasion is applied, alone and in mixtures, and as strongly as asked for."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from support.simulated import SMALL, grams, only, together

from fingerprint.simulate import EVASIONS
from fingerprint.simulate.disguise import INVISIBLES
from fingerprint.simulate.evasion import MIX, parse
from fingerprint.simulate.families import Family, written


def test_every_evasion_is_really_applied(evasive: pa.Table) -> None:
    assert set(only(evasive, "day", "day1")["evasion"].to_pylist()) <= {"none", *place_labels()}
    families = {family.name: family for family in written("campaigns.txt") if not family.weak}
    seen: set[str] = set()
    for name in EVASIONS:
        config = replace(
            SMALL, rows=3_000, campaigns=8, evasion=f"{name}:1", evasion_share=1.0, smallest=0.02
        )
        campaign = only(together(config), "role", "campaign")
        for row in campaign.filter(pc.equal(campaign["evasion"], name)).to_pylist():
            if row["family"] in families:
                seen.add(name)
                check_evasion(name, families[row["family"]], row["system"] or "", row["prompt"])
    assert seen == set(EVASIONS)


def place_labels() -> set[str]:
    return {"inject_start", "inject_middle", "inject_end"}


def pieces_of(family: Family) -> list[str]:
    """Return what a template has word for word, apart from slots."""
    return [
        piece for sentence in family.sentences for piece in re.split("«[^»]*»+", sentence) if len(piece) > 12
    ]


def check_evasion(name: str, family: Family, system: str, prompt: str) -> None:
    pieces = pieces_of(family)
    whole = f"{system}\n{prompt}"
    there = [piece in whole for piece in pieces]
    if name == "homoglyph":
        assert not any(there)
        assert not re.search("[a-z]", prompt)
    elif name == "invisible":
        assert not any(there)
        assert set(bytes(INVISIBLES).decode()) & set(prompt)
    elif name in ("case", "scatter", "reword", "paraphrase"):
        assert not all(there)
    elif name == "translation":
        assert any(text in whole for text in family.translations)
        assert not any(there)
    elif name == "drop":
        assert sum(sentence.split("«")[0] in whole for sentence in family.sentences) == 1
    else:
        assert all(there)
    if name == "swap":
        assert (pieces[0] in system) == (family.place != "system")
    if name.startswith("inject_"):
        start, end = prompt.find(pieces[0]), prompt.find(pieces[-1]) + len(pieces[-1])
        assert start == 0 or name != "inject_start"
        assert len(prompt) - end < 20 or name != "inject_end"  # a slot may follow
    if name == "payload_domination":
        assert len(prompt.split()) > 800
    if name == "shuffle":
        assert len(family.sentences) > 2


def test_mixtures_are_applied_together() -> None:
    config = replace(
        SMALL, rows=2_000, campaigns=6, evasion="inject_end+drop+case+invisible:0.5", evasion_share=1.0
    )
    rows = only(together(config), "evasion", "inject_end+drop+case+invisible").to_pylist()
    assert len(rows) > 50
    unseen = set(bytes(INVISIBLES).decode())
    for row in rows:
        letters = "".join(sign for sign in row["prompt"] if sign not in unseen)
        assert len(letters) < len(row["prompt"])
        assert len(letters.split()) > 60


@pytest.mark.parametrize(
    ("evasion", "kept"),
    [
        ("reword:0", (0.99, 1.0)),
        ("reword:0.3", (0.2, 0.7)),
        ("reword:1", (0.0, 0.15)),
        ("drop:0.5", (0.2, 0.7)),
    ],
)
def test_strength_is_what_the_template_loses(evasion: str, kept: tuple[float, float]) -> None:
    config = replace(SMALL, rows=3_000, campaigns=8, evasion=evasion, evasion_share=1.0, smallest=0.02)
    families = {family.name: family for family in written("campaigns.txt") if not family.weak}
    shares = []
    for row in only(together(config), "evasion", evasion.partition(":")[0]).to_pylist():
        if family := families.get(row["family"]):
            own = set().union(*(grams(piece) for piece in pieces_of(family)))
            shares.append(len(own & grams(f"{row['system']}\n{row['prompt']}")) / len(own))
    assert kept[0] <= np.mean(shares) <= kept[1]


def test_paraphrases_in_use_follow_the_strength() -> None:
    for strength, most in ((0.01, 1), (0.5, 4), (1.0, 8)):
        config = replace(
            SMALL,
            rows=2_000,
            campaigns=1,
            families=1,
            evasion="paraphrase",
            evasion_share=1.0,
            strength=strength,
        )
        rows = only(together(config), "evasion", "paraphrase").to_pylist()
        openings = min(len({row[turn][:40] for row in rows if row[turn]}) for turn in ("prompt", "system"))
        assert most / 2 <= openings <= most


def test_nonces_differ_between_requests() -> None:
    config = replace(SMALL, rows=2_000, campaigns=2, evasion="nonce", evasion_share=1.0, families=1)
    prompts = only(together(config), "evasion", "nonce")["prompt"].to_pylist()
    edges = {prompt[:20] + prompt[-20:] for prompt in prompts}
    assert len(edges) == len(prompts) > 20


def test_evasions_are_read_with_their_strengths() -> None:
    assert parse("none", 0.5) == ()
    found = parse("nonce, case:0.9,inject_end+homoglyph:0.2", 0.5)
    assert [(evasion.label, evasion.strength) for evasion in found] == [
        ("nonce", 0.5),
        ("case", 0.9),
        ("inject_end+homoglyph", 0.2),
    ]
    assert [evasion.label for evasion in parse("mix:0.7", 0.5)] == list(MIX)
