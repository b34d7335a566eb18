from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fingerprint.casework.editing import scores
from fingerprint.casework.queries import PageQueries
from fingerprint.nights import activity
from fingerprint.nights.activity import looked_at
from fingerprint.store.store import Store


def test_all_prompts_of_a_small_night_are_looked_at() -> None:
    chosen, weight = looked_at(np.array([0, -1, 0, 2], np.int32))
    assert (chosen.tolist(), weight.tolist()) == ([0, 1, 2, 3], [1, 1, 1, 1])


def test_of_a_large_night_each_family_has_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity, "EVERY", 10)
    monkeypatch.setattr(activity, "OF_FAMILY", 4)
    label = np.array([-1] * 100 + [0] * 3 + [2] * 40, np.int32)
    chosen, weight = looked_at(label)
    assert (np.diff(chosen) > 0).all()
    found = label[chosen]
    assert [int((found == f).sum()) for f in (-1, 0, 1, 2)] == [10, 3, 0, 4]
    assert [float(weight[found == f].sum()) for f in (-1, 0, 2)] == [100, 3, 40]


def test_a_night_keeps_patterns_that_agree_with_its_matches(worked: Path, family: str) -> None:
    """What the patterns say the signature matches is what the night gave to the family."""
    with Store.open(worked, read_only=True) as store:
        signature, dossier = store.signature(family), PageQueries(store.database)
        found = scores(signature, dossier.patterns(family))
        line, heat = dossier.timeline([family]), dossier.heat(family)
    mine = sum(p.requests for _, p in found if p.member)
    assert mine == signature.spread.requests
    assert sum(p.requests for s, p in found if p.member and s >= signature.threshold) >= 0.95 * mine
    assert (line.step, sum(line.requests)) == (1, signature.spread.requests)
    assert heat.requests.sum() == signature.spread.requests
    assert len(heat.accounts) == heat.of == signature.spread.accounts
