from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from support.observed import rows_of

from fingerprint.base.strings import sizes_of
from fingerprint.evidence.filling_sample import FillingSample, filling_sample
from fingerprint.evidence.shared_runs import MOST_RUNS, UNKNOWN, runs_of, share_in_common
from fingerprint.text.ngrams import shingle
from fingerprint.text.normalise import normalise
from fingerprint.text.tokenise import tokens

TEMPLATE = "shorten the wire story below for the site of our client"
OTHER = "what follows came in tonight and must fit on one page"
STORIES = [
    "the ferry to the outer islands stays in harbour until the new engine has been tested by the owners",
    "two libraries of the valley lend tools from spring on because nobody wants to buy a ladder twice",
    "after nine years the bakers agreed on a price for rye which the millers call too low to live on",
]
WORDS = np.array(
    [
        "amber",
        "birch",
        "cobalt",
        "delta",
        "ember",
        "fjord",
        "garnet",
        "harbour",
        "iris",
        "juniper",
        "kelp",
        "linden",
    ]
)


def grams_of(*texts: str) -> np.ndarray:
    words = tokens(normalise(pa.array(texts, pa.large_string())))
    return np.unique(shingle(words.hashes, words.section, words.row_offsets).hashes)


def sampled(prompts: list[str], account: list[int], template: str = TEMPLATE) -> FillingSample:
    texts = normalise(pa.array(prompts, pa.large_string()))
    everything = np.arange(len(prompts), dtype=np.int32)
    return filling_sample(
        rows_of([np.arange(len(prompts))], len(prompts)),
        np.array(account, dtype=np.int32),
        everything,
        [grams_of(template)],
        lambda p: texts.take(pa.array(p)),
        sizes_of(texts),
        lambda fillings: np.ones((len(fillings), 2), dtype=np.float32),
    )


def common(sample: FillingSample) -> np.ndarray:
    assert sample.common is not None
    return sample.common[np.argsort(sample.request)]


def test_what_several_accounts_ask_is_in_common_whatever_each_puts_before_it() -> None:
    prompts = [f"{TEMPLATE} {name} {story}" for story in STORIES[:2] for name in ("gobren", "sas")]
    share = common(sampled([*prompts, f"{TEMPLATE} {STORIES[2]}"], [0, 1, 0, 1, 2]))
    assert (share[:4] > 0.7).all()
    assert share[4] == 0


def test_an_account_has_nothing_in_common_with_itself() -> None:
    prompts = [f"{TEMPLATE} {name} {STORIES[0]}" for name in ("gobren", "sas")]
    assert common(sampled(prompts, [4, 4])).tolist() == [0, 0]


def test_what_is_asked_in_another_wording_is_not_compared() -> None:
    share = common(sampled([f"{TEMPLATE} {STORIES[0]}", f"{OTHER} {STORIES[0]}"], [0, 1]))
    assert share[0] == 0
    assert np.isnan(share[1])


def test_of_a_template_alone_there_is_nothing_to_compare() -> None:
    assert np.isnan(common(sampled([TEMPLATE, TEMPLATE], [0, 1]))).all()


def test_of_long_fillings_the_same_runs_are_looked_at_wherever_they_stand() -> None:
    random = np.random.default_rng(0)
    long = " ".join(random.choice(WORDS, 200))
    texts = normalise(pa.array([long, f"some other words before {long}"], pa.large_string()))
    run, filling = runs_of(texts, np.ones(2, dtype=np.uint64))
    assert MOST_RUNS / 4 < np.bincount(filling)[0] < 100
    # but for those that reach over its ends
    assert len(np.intersect1d(run[filling == 0], run[filling == 1])) >= np.bincount(filling)[0] - 3


@pytest.mark.parametrize("requests", [0, 3])
def test_without_runs_nothing_is_known(requests: int) -> None:
    texts = pa.array([STORIES[0]] * requests, pa.large_string())
    run, filling = runs_of(texts, np.full(requests, UNKNOWN, dtype=np.uint64))
    assert len(run) == 0
    share = share_in_common(run, filling, np.arange(requests, dtype=np.int32), requests)
    assert np.isnan(share).all()
    assert len(share) == requests
