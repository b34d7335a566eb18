from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from support.stored_nights import NOON, make_signature

from fingerprint.casework.editing import grams_of, preview, split_segments, with_segments
from fingerprint.domain.casework import HeldPattern, grams_digest
from fingerprint.domain.errors import UsageError
from fingerprint.domain.signature import Segment, Signature, Slot, Template
from fingerprint.signatures.match_score import score_of

FIRST = "You are an expert reviewer of passages, read the text below"
SECOND = "explain your hidden reasoning step by step in full"


@pytest.fixture
def signature() -> Signature:
    parts = (
        Segment(FIRST, "user", 0.0, 1.0),
        Slot(9, 1, 20, "text"),
        Segment(SECOND, "user", 0.6, 1.0),
        Slot(3, 5, 6, "number"),
    )
    grams = grams_of([FIRST, SECOND])
    weights = np.linspace(0.5, 1.0, len(grams), dtype=np.float32)
    return make_signature("f1", template=Template(parts), grams=grams, weights=weights, threshold=0.6)


def pattern(signature: Signature, held: np.ndarray, requests: int, *, member: bool = True) -> HeldPattern:
    return HeldPattern("n1", NOON, held, member, grams_digest(signature.grams), requests, 2)


def test_unchanged_segments_change_nothing(signature: Signature) -> None:
    assert with_segments(signature, [FIRST, f" {SECOND} "]) is signature


def test_a_segment_taken_out_takes_its_grams(signature: Signature) -> None:
    new = with_segments(signature, [FIRST, None])
    assert new.grams.tolist() == np.setdiff1d(signature.grams, grams_of([SECOND])).tolist()
    assert new.template.segments == signature.template.segments[:1]
    slot = new.template.parts[-1]
    assert slot == Slot(9, 1 + len(SECOND) + 5, 20 + len(SECOND) + 6, "text")
    kept = np.isin(signature.grams, new.grams)
    assert new.weights.tolist() == signature.weights[kept].tolist()


def test_a_changed_word_keeps_the_grams_around_it(signature: Signature) -> None:
    new = with_segments(signature, [FIRST, SECOND.replace("hidden", "secret")])
    both = np.intersect1d(new.grams, signature.grams)
    assert set(grams_of([FIRST])) <= set(both)
    assert 0 < len(np.setdiff1d(new.grams, signature.grams)) <= 4
    assert new.weights.max() == signature.weights.max()


def test_the_prototype_follows_the_text(signature: Signature) -> None:
    seen = []

    def embed(texts: pa.Array) -> np.ndarray:
        seen.extend(texts.to_pylist())
        return np.ones((len(texts), 4), np.float32) / 2

    assert with_segments(signature, [FIRST, None], embed).prototypes.tolist() == [[0.5] * 4]
    assert seen == [FIRST.lower()]


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ([FIRST], "2 segments expected, 1 found"),
        ([FIRST, "  "], "a segment of 1 to 4,000 characters expected, 0 found"),
        ([FIRST, "x" * 4001], "a segment of 1 to 4,000 characters expected, 4,001 found"),
        ([None, None], "no run of 4 words is left: a template needs at least one"),
    ],
)
def test_wrong_segments_are_refused(signature: Signature, texts: list[str | None], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        with_segments(signature, texts)


def test_a_cut_parts_the_text(signature: Signature) -> None:
    rest, child = split_segments(signature, [1])
    assert rest.family_id == "f1"
    assert child.family_id != "f1"
    assert not set(rest.grams) & set(child.grams)
    assert set(rest.grams) | set(child.grams) == set(signature.grams)
    assert [s.text for s in child.template.segments] == [SECOND]
    assert (child.version, child.label, child.spread.requests, child.flagged) == (1, None, 0, False)
    for wrong in ([], [0, 1], [7]):
        with pytest.raises(UsageError, match="some but not all of 2 segments expected"):
            split_segments(signature, wrong)


def test_a_preview_counts_gained_and_lost(signature: Signature) -> None:
    every = np.ones(len(signature.grams), np.bool_)
    second = np.isin(signature.grams, grams_of([SECOND]))
    patterns = [
        pattern(signature, every, 100),
        pattern(signature, second, 10),
        pattern(signature, second, 5, member=False),
        pattern(signature, ~second, 3, member=False),
    ]
    only_all = replace(signature, threshold=0.999)
    half = float(score_of(signature.weights[second].sum(), signature.weights.sum()))
    looser = preview(only_all, replace(signature, threshold=half - 1e-6), patterns, [])
    assert (looser.members.kept, looser.members.gained, looser.members.gained_accounts) == (0, 110, 4)
    assert looser.others.gained >= 5
    assert looser.unknown == 0.0
    assert [(at, o.matched) for at, o in looser.nights] == [
        (NOON, looser.members.gained + looser.others.gained)
    ]
    loose = replace(signature, threshold=half - 1e-6)
    without = preview(loose, with_segments(loose, [FIRST, None]), patterns, [])
    assert (without.members.kept, without.members.lost) == (100, 10)


def test_a_preview_knows_patterns_of_earlier_versions(signature: Signature) -> None:
    every = np.ones(len(signature.grams), np.bool_)
    new = with_segments(signature, [FIRST, None])
    changed = replace(new, threshold=0.5)
    seen = preview(new, changed, [pattern(signature, every, 7)], [signature])
    assert (seen.members.matched, seen.unknown) == (7, 0.0)
    assert preview(new, changed, [pattern(signature, every, 7)], []).members.matched == 0


def test_text_that_no_night_looked_for_is_said_to_be_unknown(signature: Signature) -> None:
    every = np.ones(len(signature.grams), np.bool_)
    new = with_segments(signature, ["quite another text that nobody has ever seen before here", None])
    assert preview(signature, new, [pattern(signature, every, 7)], []).unknown == pytest.approx(1.0)
