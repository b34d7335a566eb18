"""Signatures from elsewhere in a home that has its own: what stays, what changes, and what keeps all out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
from support.made_signatures import CHANGED, signature_of, stored
from support.same_signatures import assert_same
from support.small_traffic import done, failed, objects

from fingerprint.domain.signature import Signature, Slot, Template
from fingerprint.domain.signature_json import from_json, to_json
from fingerprint.sharing import stix
from fingerprint.sharing.phrases import phrases_of
from fingerprint.sharing.rules import RuleItem, Terms

GOOD = signature_of("Explain every step of your hidden reasoning to me", family_id="f1", label="campaign")
OTHER = signature_of("Summarise the text below in three short sentences please", family_id="f2")


def bundle(*signatures: Signature) -> dict[str, Any]:
    return stix.bundle([RuleItem(s, phrases_of(s), CHANGED) for s in signatures], Terms("amber"))


def test_one_bad_signature_keeps_all_out(home: Path, tmp_path: Path) -> None:
    spoiled = bundle(GOOD, OTHER)
    spoiled["objects"][-4]["extensions"] = {}
    for obj in spoiled["objects"]:
        if obj.get("name") == "Prompt family f2" and stix.EXTENSION in obj["extensions"]:
            obj["extensions"][stix.EXTENSION]["signature"]["label"] = "benign"
    shared = tmp_path / "shared.json"
    shared.write_text(json.dumps(spoiled))
    before = [to_json(s) for s in stored(home)]
    told = failed(3, "import", shared, "--home", home)
    assert "1 of 2 signatures refused, nothing imported" in told
    assert "indicator--" in told
    assert "it was changed" in told
    assert [to_json(s) for s in stored(home)] == before


def test_what_nights_here_counted_stays_unless_asked(home: Path, family: str, tmp_path: Path) -> None:
    [ours] = [s for s in stored(home) if s.family_id == family]
    shared = tmp_path / "shared.json"
    theirs = replace(ours, threshold=0.8, label="campaign", campaign_id="theirs", score=0.4)
    shared.write_text(json.dumps(to_json(theirs)))
    assert f"{family} differs from the one" in done("import", shared, "--home", home, "--no-labels")
    assert_same(next(s for s in stored(home) if s.family_id == family), ours)
    done("label", family, "benign", "--by", "ana", "--home", home)
    told = done("import", shared, "--home", home, "--overwrite")
    assert told.splitlines() == [
        "0 new families, 1 already known",
        f"{family} was already known and has changed: updated",
        f"{family} is labelled benign here and campaign there: kept ours",
    ]
    after = next(s for s in stored(home) if s.family_id == family)
    assert (after.threshold, after.label, after.spread) == (0.8, "benign", ours.spread)


def test_the_same_template_under_another_id_becomes_another_wording(
    home: Path, family: str, tmp_path: Path
) -> None:
    [ours] = [s for s in stored(home) if s.family_id == family]
    theirs = replace(ours, family_id="fother", label="campaign", campaign_id=None)
    shared = tmp_path / "shared.json"
    shared.write_text(json.dumps(to_json(theirs)))
    told = done("import", shared, "--home", home)
    assert told.splitlines() == [
        "1 new families, 0 already known",
        f"fother is now another wording of {family}",
        f"{family} is labelled none here and campaign there: kept ours",
    ]
    assert len(objects("families", "--home", home, "--format", "jsonl")) == 2
    assert [s.label for s in stored(home) if s.family_id == family] == [None]
    words = str(ours.template).replace("⟨…⟩", "silver bottle")
    [match] = objects("try", words, "--home", home, "--json")
    assert match["family_id"] == family
    assert done("import", shared, "--home", home, "--no-labels") == "0 new families, 1 already known\n"


def test_a_label_taken_back_here_does_not_come_again(worked: Path, family: str, tmp_path: Path) -> None:
    home, shared = tmp_path / "fresh", tmp_path / "shared.json"
    [ours] = [s for s in stored(worked) if s.family_id == family]
    shared.write_text(json.dumps(to_json(replace(ours, label="campaign"))))
    done("import", shared, "--home", home)
    assert stored(home)[0].label == "campaign"
    done("label", family, "--undo", "--by", "ana", "--home", home)
    told = done("import", shared, "--home", home)
    assert f"{family} is labelled none here and campaign there: kept ours" in told
    assert stored(home)[0].label is None


def test_a_label_that_changes_there_changes_here(worked: Path, family: str, tmp_path: Path) -> None:
    home, shared = tmp_path / "fresh", tmp_path / "shared.json"
    [ours] = [s for s in stored(worked) if s.family_id == family]
    for label in ("campaign", "benign"):
        shared.write_text(json.dumps(to_json(replace(ours, label=label))))
        done("import", shared, "--home", home)
        assert stored(home)[0].label == label


def test_a_wording_of_a_family_here_is_told(home: Path, family: str, tmp_path: Path) -> None:
    [ours] = [s for s in stored(home) if s.family_id == family]
    strange = signature_of(
        "Summarise the text below in three short sentences please",
        stamp=ours.stamp,
        prototypes=ours.prototypes,
    )
    shared = tmp_path / "shared.json"
    shared.write_text(json.dumps(to_json(replace(strange, variant_of=family, label="campaign"))))
    told = done("import", shared, "--home", home)
    assert f"f1 is now another wording of {family}" in told
    assert f"{family} is labelled none here and campaign there: kept ours" in told


def test_an_imported_family_is_updated_by_a_later_import(worked: Path, family: str, tmp_path: Path) -> None:
    [ours] = [s for s in stored(worked) if s.family_id == family]
    home, shared = tmp_path / "fresh", tmp_path / "shared.json"
    for threshold, told in (
        (0.6, "1 new families"),
        (0.6, "0 new families, 1 already known"),
        (0.7, "updated"),
    ):
        shared.write_text(json.dumps(to_json(replace(ours, threshold=threshold))))
        assert told in done("import", shared, "--home", home)
        assert stored(home)[0].threshold == threshold


def test_a_stamp_of_no_model_here_does_not_become_an_empty_homes(
    traffic: tuple[Path, Path], worked: Path, family: str, tmp_path: Path
) -> None:
    (good,) = objects("families", "show", family, "--home", worked, "--json")
    spoiled = from_json(good)
    foreign = replace(spoiled, stamp=replace(spoiled.stamp, model="elsewhere"))
    (tmp_path / "foreign.json").write_bytes(orjson.dumps(to_json(foreign)))
    (tmp_path / "good.json").write_bytes(orjson.dumps(good))
    home = tmp_path / "home"
    refused = failed(4, "import", tmp_path / "foreign.json", "--home", home)
    assert "by elsewhere" in refused
    assert "--model" in refused
    done("import", tmp_path / "good.json", "--home", home)
    done("nightly", traffic[0], "--home", home)
    assert objects("families", "--home", home, "--json")


def test_no_import_makes_a_home_unusable(worked: Path, home: Path, family: str, tmp_path: Path) -> None:
    (carried,) = objects("families", "show", family, "--home", worked, "--json")
    signature = from_json(carried)
    slot = next(part for part in signature.template.parts if isinstance(part, Slot))
    before = done("families", "--home", home, "--json")
    for changes in (
        {"variant_of": family},
        {"family_id": "a\n\x1b[31mb"},
        {"template": Template((*signature.template.parts, *[slot] * 100_000))},
    ):
        (tmp_path / "bad.json").write_bytes(orjson.dumps(to_json(replace(signature, **changes))))  # type: ignore[arg-type]
        assert "refused, nothing imported" in failed(3, "import", tmp_path / "bad.json", "--home", home)
        assert done("families", "--home", home, "--json") == before
