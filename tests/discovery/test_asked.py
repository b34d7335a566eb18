"""Templates are told by users' turns where these say enough."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from support.crafted import words

from fingerprint.discovery.asked import only_in_system_prompts, telling
from fingerprint.domain.signature import Segment, SegmentPlace, Template
from fingerprint.text.ngrams import shingle
from fingerprint.text.normalise import normalise
from fingerprint.text.tokenise import tokens

RANDOM = np.random.default_rng(5)
SYSTEM, TASK, SHORT = words(RANDOM, 40), words(RANDOM, 12), words(RANDOM, 8)


def segment(text: str, place: SegmentPlace, coverage: float = 1.0) -> Segment:
    return Segment(text, place, 0.0, coverage)


def grams(text: str) -> np.ndarray:
    read = tokens(normalise(pa.array([text], pa.large_string())))
    return np.unique(shingle(read.hashes, read.section, read.row_offsets).hashes)


def test_a_system_prompt_does_not_tell_a_template_that_always_asks_for_something() -> None:
    system = segment(SYSTEM, "system")
    cases = [
        ((system, segment(TASK, "user")), 1),
        ((system, segment(TASK, "either")), 1),
        ((system,), 1),
        ((segment(TASK, "user"),), 1),
        ((system, segment(SHORT, "user")), 2),
        ((system, segment(TASK, "user", coverage=0.8)), 2),
        ((system, segment(TASK, "user"), segment(SHORT, "user", coverage=0.7)), 2),
    ]
    told = telling([Template(parts) for parts, _ in cases])
    assert [len(segments) for segments in told] == [count for _, count in cases]
    assert all(s.place != "system" for s in (*told[0], *told[1], *told[6]))
    assert telling([]) == []


def test_only_n_grams_of_the_system_prompt_are_left_out() -> None:
    whole = np.union1d(grams(SYSTEM), grams(TASK))
    asking = Template((segment(SYSTEM, "system"), segment(TASK, "user")))
    plain = Template((segment(SYSTEM, "system"),))
    of_asking, of_plain = only_in_system_prompts([asking, plain], [whole, whole])
    assert np.array_equal(whole[of_asking], np.setdiff1d(grams(SYSTEM), grams(TASK)))
    assert not of_plain.any()
