from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from support.stored_nights import STAMP, make_signature

from fingerprint.casework.similar import TextRun, differences, similar_families
from fingerprint.domain.signature import Segment, Signature, Slot, Template
from fingerprint.matching.snapshot import open_snapshot
from fingerprint.matching.snapshot_build import publish


def family(name: str, seed: int, **changes: object) -> Signature:
    random = np.random.default_rng(seed)
    vector = random.standard_normal((1, 4)).astype(np.float32)
    return replace(make_signature(name, seed=seed, **changes), prototypes=vector / np.linalg.norm(vector))


def test_near_families_share_text_or_meaning(tmp_path: Path) -> None:
    mine = family("f0", 0)
    text = family("f1", 1)
    text = replace(text, grams=mine.grams[:15], weights=mine.weights[:15])
    meaning = replace(family("f2", 2), prototypes=mine.prototypes)
    far = replace(family("f3", 3), prototypes=-mine.prototypes)
    wording = replace(family("f4", 4), grams=mine.grams, weights=mine.weights, variant_of="f1")
    publish(tmp_path, [mine, text, meaning, far, wording], STAMP, night=None)
    found = {n.family_id: n for n in similar_families(open_snapshot(tmp_path), mine)}
    assert set(found) == {"f1", "f2"}
    assert abs(found["f2"].cosine - 1) < 1e-5
    assert abs(found["f1"].of_theirs - 1) < 1e-5
    assert (
        similar_families(open_snapshot(tmp_path), mine, limit=1)[0].similarity
        >= max(n.similarity for n in found.values()) - 1e-6
    )


def test_differences_are_told_by_words() -> None:
    slot = Slot(9, 1, 20, "text")
    mine = Template((Segment("Rate the answer", "user", 0, 1), slot, Segment("step by step", "user", 0, 1)))
    theirs = Template((Segment("rate the long answer", "user", 0, 1), slot))
    assert differences(mine, theirs) == [
        TextRun("same", "Rate the"),
        TextRun("theirs", "long"),
        TextRun("same", "answer ⟨…⟩"),
        TextRun("mine", "step by step"),
    ]
