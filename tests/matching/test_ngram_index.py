from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.bare_signatures import NEVER, signature

from fingerprint.domain.signature import Signature, Spread
from fingerprint.matching.ngram_index import Hits, NgramIndex, best_hits, index_ngrams
from fingerprint.signatures import match_score
from fingerprint.signatures.match_score import score_of

NAMES = "abcdefgh"


def find(index: NgramIndex, *prompts: list[int]) -> Hits:
    offsets = np.concatenate([[0], np.cumsum([len(p) for p in prompts])]).astype(np.int64)
    return best_hits(index, np.array([g for p in prompts for g in p], dtype=np.uint64), offsets)


def plain_best(signatures: list[Signature], prompt: list[int]) -> tuple[int, float, float]:
    """What `best_hits` does for one prompt, in plain Python."""
    found: tuple[tuple[int, float], int, float, float] = ((0, -np.inf), -1, 0.0, 0.0)
    for f, s in enumerate(signatures):
        weight = dict(zip(s.grams.tolist(), s.weights.tolist(), strict=True))
        held = sum(max(weight[g], 1e-6) for g in set(prompt) if g in weight)
        if not held:
            continue
        share = held / max(sum(weight.values()), 1e-9)
        x = match_score.LENGTH * np.log1p(held) + match_score.SHARE * share
        prior = match_score.PREFERRED * {"campaign": 1, "benign": 0}.get(s.label or "", s.score)
        score = 1 / (1 + np.exp((match_score.MIDDLE - x) / match_score.SCALE))
        rank = int(score >= s.threshold) * (2 if s.label == "campaign" or (not s.label and s.flagged) else 1)
        if (rank, x + prior - 1e-5) > found[0]:
            found = ((rank, x + prior), f, score, min(share, 1))
    return found[1:]


GRAMS = st.dictionaries(st.integers(1, 20), st.floats(0.0625, 1, width=32), min_size=1, max_size=8)


@given(
    st.lists(
        st.tuples(
            GRAMS, st.floats(0, 1), st.sampled_from([None, "campaign", "benign", "other"]), st.booleans()
        ),
        max_size=5,
    ),
    st.lists(st.lists(st.integers(1, 25), max_size=15), max_size=5),
)
def test_best_is_that_of_a_plain_loop(families: list[Any], prompts: list[list[int]]) -> None:
    signatures = [
        signature(g, NAMES[n], score=s, label=label, flagged=flagged)
        for n, (g, s, label, flagged) in enumerate(families)
    ]
    hits = find(index_ngrams(signatures), *prompts)
    for row, prompt in enumerate(prompts):
        family, score, coverage = plain_best(signatures, prompt)
        assert (hits.family[row] >= 0) == (family >= 0)
        if hits.family[row] == family:  # else a tie but for rounding
            assert hits.score[row] == pytest.approx(score, abs=1e-5)
            assert hits.coverage[row] == pytest.approx(coverage, abs=1e-5)


@given(
    st.lists(GRAMS, min_size=1, max_size=4), st.lists(st.lists(st.integers(1, 25), max_size=12), max_size=5)
)
def test_a_batch_and_single_prompts_agree_exactly(
    families: list[dict[int, float]], prompts: list[list[int]]
) -> None:
    index = index_ngrams([signature(g, NAMES[n]) for n, g in enumerate(families)])
    together = find(index, *prompts)
    for row, prompt in enumerate(prompts):
        alone = find(index, prompt)
        assert alone.family[0] == together.family[row]
        assert alone.score[0] == together.score[row]
        assert alone.coverage[0] == together.coverage[row]


def test_score_of_agrees_with_lookups() -> None:
    index = index_ngrams([signature({1: 0.9, 2: 0.3, 3: 0.7})])
    hits = find(index, [1, 3], [2], [1, 2, 3])
    np.testing.assert_allclose(
        hits.score, score_of(np.float32([1.6, 0.3, 1.9]), np.float32([1.9] * 3)), rtol=1e-6
    )


def test_repeating_a_gram_does_not_help() -> None:
    index = index_ngrams([signature(dict.fromkeys(range(1, 9), 1.0))])
    once, often = find(index, [1, 2]), find(index, [1, 2] * 40)
    assert once.score[0] == often.score[0]


def test_a_template_that_is_there_in_full_is_sure_and_a_phrase_of_it_is_not() -> None:
    index = index_ngrams([signature(dict.fromkeys(range(1, 41), 1.0))])
    hits = find(index, list(range(1, 41)), [1, 2], list(range(1, 41)) + list(range(100, 9000)))
    assert hits.score[0] > match_score.SURE
    assert hits.score[1] < match_score.FLOOR
    assert hits.score[2] == hits.score[0]  # a payload, however long, takes nothing away


def test_a_campaign_wins_over_an_excerpt_that_others_sent_too() -> None:
    excerpt = signature(dict.fromkeys(range(1, 13), 1.0), "excerpt", score=0.1)
    injected = signature(dict.fromkeys(range(20, 30), 1.0), "injected", score=0.9)
    prompt = [*range(1, 13), *range(20, 30)]
    assert find(index_ngrams([excerpt, injected]), prompt).family[0] == 1
    assert find(index_ngrams([excerpt, replace(injected, label="benign")]), prompt).family[0] == 0
    assert find(index_ngrams([replace(excerpt, label="campaign"), injected]), prompt).family[0] == 0
    # the preference chooses, it does not make a match of anything
    assert find(index_ngrams([replace(injected, label="campaign")]), prompt).score[0] == pytest.approx(
        find(index_ngrams([replace(injected, label="benign")]), prompt).score[0]
    )


@pytest.mark.parametrize(
    ("said", "first"),
    [
        ({"label": "campaign"}, 1),
        ({"flagged": True, "score": 0.7}, 1),
        ({"flagged": True, "label": "benign"}, 0),
        ({"score": 0.95}, 0),
    ],
)
def test_a_campaign_wins_over_the_long_text_that_carries_it(said: dict[str, Any], first: int) -> None:
    agent = signature(dict.fromkeys(range(1, 1_001), 1.0), "agent", score=0.2)
    marker = replace(signature(dict.fromkeys(range(2_000, 2_018), 1.0), "marker"), **said)
    prompt = [*range(1, 1_001), *range(2_000, 2_018)]
    assert find(index_ngrams([agent, marker]), prompt).family[0] == first
    # a few words of it are no match, and hide nothing
    assert find(index_ngrams([agent, marker]), prompt[:-15]).family[0] == 0


@pytest.mark.parametrize(
    ("pool", "users", "score", "first"),
    [(8, 300, 0.5, 1), (8, 300, 0.1, 0), (200, 300, 0.5, 0), (4, 15, 0.5, 0)],
)
def test_what_few_send_inside_a_text_of_many_is_the_answer(
    pool: int, users: int, score: float, first: int
) -> None:
    agent = signature(dict.fromkeys(range(1, 1_001), 1.0), "agent", score=0.2, spread=_sent_by(users))
    marker = signature(dict.fromkeys(range(2_000, 2_018), 1.0), "marker", score=score, spread=_sent_by(pool))
    hits = find(index_ngrams([agent, marker]), [*range(1, 1_001), *range(2_000, 2_018)], [*range(1, 1_001)])
    assert hits.family.tolist() == [first, 0]
    # what the prompt matches beside the answer is told
    assert (hits.also.row.tolist(), hits.also.family.tolist()) == ([0], [1 - first])
    assert hits.also.score[0] > match_score.SURE


def test_what_matches_goes_before_what_does_not() -> None:
    strict = signature(dict.fromkeys(range(1, 101), 1.0), "strict", threshold=0.9999)
    short = signature(dict.fromkeys(range(200, 210), 1.0), "short")
    hits = find(index_ngrams([strict, short]), [*range(1, 30), *range(200, 210)])
    assert hits.family.tolist() == [1]
    assert not len(hits.also.row)


def _sent_by(accounts: int) -> Spread:
    return Spread(accounts, 10 * accounts, NEVER, NEVER, {})


def test_equal_families_tie_to_the_first() -> None:
    one = signature({1: 1.0, 2: 1.0})
    assert find(index_ngrams([one, replace(one, family_id="g")]), [2, 1], [1]).family.tolist() == [0, 0]


def test_no_families_and_no_grams() -> None:
    hits = find(index_ngrams([]), [1, 2], [])
    assert hits.family.tolist() == [-1, -1]
    assert hits.score.tolist() == hits.coverage.tolist() == [0, 0]
    # a family of meaning has no grams
    hits = find(index_ngrams([signature({}), signature({1: 1.0})]), [1], [])
    assert hits.family.tolist() == [1, -1]


def test_a_family_of_many_requests_in_step_is_the_surer_match() -> None:
    grams = {1: 1.0, 2: 1.0, 3: 1.0}
    scores = [
        find(index_ngrams([signature(grams, requests_seen=seen, unsynchronised=strays)]), [1, 2, 3]).score[0]
        for seen, strays in [(0, 0), (99, 0), (30, 6), (3000, 0)]
    ]
    assert scores[0] == pytest.approx(scores[1])
    assert scores[2] < scores[1] < scores[3]
