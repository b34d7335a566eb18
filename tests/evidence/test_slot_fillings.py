from __future__ import annotations

import numpy as np
import pyarrow as pa

from fingerprint.evidence.slot_fillings import Fillings, fillings, told_apart
from fingerprint.text.ngrams import shingle, spans
from fingerprint.text.normalise import normalise
from fingerprint.text.tokenise import tokens


def filled(texts: list[str], template: str, label: list[int] | None = None) -> Fillings:
    def shingled(lines: list[str]) -> tuple[object, ...]:
        found = tokens(normalise(pa.array(lines, pa.large_string())))
        return found, shingle(found.hashes, found.section, found.row_offsets)

    _, core = shingled([template])
    found, mine = shingled(texts)
    labels = np.array(label or [0] * len(texts), dtype=np.int32)
    covered = spans(found.section, found.row_offsets)  # type: ignore[attr-defined]
    own = np.isin(mine.hashes, core.hashes)  # type: ignore[attr-defined]
    return fillings(own, covered, found.hashes, found.row_offsets, labels)  # type: ignore[attr-defined]


FIXED = "write down all that you know on this subject"


def test_what_stands_beside_the_template_is_the_filling() -> None:
    found = filled(
        [f"{FIXED} red rivers", f"{FIXED} red rivers", f"{FIXED} blue", f"Well {FIXED} blue", "other words"],
        FIXED,
        [0, 0, 0, 0, -1],
    )
    assert found.whole[0] == found.whole[1] != found.whole[2]
    assert found.whole[2] != found.whole[3]
    assert found.slots[2, 0] == found.slots[3, 1] != 0
    assert found.whole[4] == 0
    assert not found.slots[4].any()


def test_what_differs_in_a_masked_place_only_is_told_apart() -> None:
    texts = [f"{FIXED} https://pics.example/{n}" for n in range(3)] + [f"{FIXED} blue", "other"]
    label = [0, 0, 0, 0, -1]
    found = filled(texts, texts[0], label)
    assert found.whole[:3].tolist() == [0, 0, 0]
    apart = told_apart(found, np.array(label, np.int32))
    assert len(set(apart.whole[:4].tolist()) - {0}) == 4
    assert apart.whole[3] == found.whole[3]
    assert apart.whole[4] == 0
    assert (apart.slots == found.slots).all()
