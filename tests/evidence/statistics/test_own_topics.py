from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.observed import observed

from fingerprint.evidence.filling_sample import FillingSample
from fingerprint.evidence.observations import Observations
from fingerprint.evidence.statistics.own_topics import (
    OWN_TOPICS,
    WITHOUT_ANY,
    dealt_fillings,
    dealt_ratio,
    own_topics,
)

ACCOUNTS, EACH, WIDTH = 20, 5, 32


def family(topics: bool, *, accounts: int = ACCOUNTS, each: int = EACH, seed: int = 0) -> Observations:
    """A family whose accounts have topics of their own, or whose fillings are dealt to them."""
    random = np.random.default_rng(seed)
    account = np.repeat(np.arange(accounts), each).astype(np.int32)
    topic = random.normal(size=(accounts, WIDTH))[account]
    vectors = topic + 1.5 * random.normal(size=(len(account), WIDTH))
    if not topics:
        vectors = vectors[random.permutation(len(account))]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    count = np.full(len(account), 20, dtype=np.int32)
    sample = FillingSample(
        np.zeros(len(account), np.int64), np.arange(len(account)), count, vectors.astype(np.float32)
    )
    seconds = random.uniform(0, 86_400, len(account))
    return observed(account, seconds, [np.arange(len(account))], sample=sample)


def test_people_have_topics_and_a_pool_has_a_list() -> None:
    people, pool = family(True), family(False)
    assert own_topics(people).evidence[0] > 5
    assert dealt_fillings(people).evidence[0] == 0
    assert dealt_fillings(pool).evidence[0] > 0.5
    assert own_topics(pool).evidence[0] == 0
    assert own_topics(people).value[0] > 0.1 > abs(own_topics(pool).value[0])


@pytest.mark.parametrize("seed", range(20))
def test_dealt_fillings_are_hardly_ever_taken_for_topics(seed: int) -> None:
    assert own_topics(family(False, seed=seed)).evidence[0] < 1


def test_few_pairs_say_little() -> None:
    assert dealt_fillings(family(False, accounts=6, each=1)).evidence[0] == 0
    few, many = (dealt_fillings(family(False, accounts=n, each=2)).evidence[0] for n in (4, 60))
    assert few < many
    assert many > 1


def test_nothing_is_known_without_a_sample() -> None:
    data = observed(np.arange(9), np.arange(9.0), [np.arange(9)])
    assert np.isnan(own_topics(data).value[0])
    assert own_topics(data).evidence[0] == dealt_fillings(data).evidence[0] == 0


def test_fillings_of_one_shape_show_nothing() -> None:
    dealt = family(False)
    sample = dealt.sample
    assert sample is not None
    alike = 0.1 * sample.vectors + np.eye(1, WIDTH, dtype=np.float32)
    alike /= np.linalg.norm(alike, axis=1, keepdims=True)
    records = replace(dealt, sample=replace(sample, vectors=alike))
    assert dealt_fillings(records).evidence[0] == 0
    assert dealt_fillings(dealt).evidence[0] > 1


@pytest.mark.parametrize(("tokens", "most"), [(3, 0.0), (6, 0.25), (20, 1.0)])
def test_the_doubt_that_short_fillings_leave_is_the_same_every_night(tokens: int, most: float) -> None:
    dealt = family(False)
    sample = dealt.sample
    assert sample is not None
    asked = replace(dealt, sample=replace(sample, length=np.full_like(sample.length, tokens)))
    trait = dealt_fillings(asked)
    assert trait.bound is not None
    assert trait.bound[0] == most
    assert (trait.evidence[0] > 0) == (most > 0)


def test_that_few_accounts_could_be_compared_is_a_doubt_of_one_night() -> None:
    few = dealt_fillings(family(False, accounts=40, each=1))
    assert few.evidence[0] == 0
    assert few.bound is not None
    assert few.bound[0] == 1


def document(*, users: bool, topics: bool = True) -> Observations:
    """An application, and a text inside its template whose senders use it otherwise, too (`users`), or do not."""
    application, inside = family(topics, accounts=40), family(False, seed=1)
    senders = inside.account if users else inside.account + 40
    sample, other = application.sample, inside.sample
    assert sample is not None
    assert other is not None
    requests = len(application.account)
    both = FillingSample(
        np.repeat([0, 1], [len(sample.request), len(other.request)]),
        np.concatenate([sample.request, requests + other.request]),
        np.concatenate([sample.length, other.length]),
        np.concatenate([sample.vectors, other.vectors]),
    )
    account = np.concatenate([application.account, senders])
    rows = [np.arange(requests), np.arange(requests, len(account))]
    seconds = np.random.default_rng(2).uniform(0, 86_400, len(account))
    return observed(account, seconds, rows, sample=both, carrier=np.array([-1, 0], np.int32))


def test_a_document_that_users_of_an_application_share_is_a_topic_and_no_list() -> None:
    assert dealt_fillings(document(users=True)).evidence[1] == 0
    # a template that others put into the application's, and an application without topics, acquit nobody
    assert dealt_fillings(document(users=False)).evidence[1] > 0.5
    assert dealt_fillings(document(users=True, topics=False)).evidence[1] > 0.5
    alone = replace(document(users=True), carrier=None)
    assert dealt_fillings(alone).evidence[1] > 0.5


def test_the_ratio_is_that_of_the_integral() -> None:
    grid = np.linspace(1e-6, 1.2, 300_001)
    density = grid**2 * np.exp(-grid / 0.1) / (2 * 0.1**3)
    for excess, deviation in ((0.0, 0.02), (-0.05, 0.03), (0.3, 0.01), (0.9, 0.2), (0.02, 0.5)):
        dealt = np.exp(-((excess / deviation) ** 2) / 2)
        own = np.trapezoid(np.exp(-(((excess - grid) / deviation) ** 2) / 2) * density, grid)
        expected = np.log10(dealt / ((1 - WITHOUT_ANY) * own + WITHOUT_ANY * dealt))
        found = dealt_ratio(np.array([excess]), np.array([deviation]), OWN_TOPICS)
        assert found[0] == pytest.approx(expected, abs=0.02)


def test_what_a_few_accounts_send_twice_says_nothing_of_those_who_send_once() -> None:
    random = np.random.default_rng(1)
    account = np.concatenate([np.arange(200), np.arange(12), np.arange(12)]).astype(np.int32)
    vectors = random.normal(size=(len(account), WIDTH))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    sample = FillingSample(
        np.zeros(len(account), np.int64),
        np.arange(len(account)),
        np.full(len(account), 20, dtype=np.int32),
        vectors.astype(np.float32),
    )
    data = observed(
        account, random.uniform(0, 86_400, len(account)), [np.arange(len(account))], sample=sample
    )
    assert dealt_fillings(data).evidence[0] == 0


def test_accounts_that_ask_the_same_are_dealt_nothing() -> None:
    dealt = family(False)
    sample = dealt.sample
    assert sample is not None
    news = replace(dealt, sample=replace(sample, common=np.ones(len(sample.request))))
    assert dealt_fillings(dealt).evidence[0] > 0.5
    assert dealt_fillings(news).evidence[0] == 0


def test_what_a_model_finds_alike_is_compared_by_its_words() -> None:
    dealt = family(False)
    sample = dealt.sample
    assert sample is not None
    alike = 0.1 * sample.vectors + np.eye(1, WIDTH, dtype=np.float32)
    alike /= np.linalg.norm(alike, axis=1, keepdims=True)
    shape = np.tile(np.eye(1, WIDTH, dtype=np.float32), (len(alike), 1))
    for words, counts in ((None, False), (shape, False), (sample.vectors, True)):
        data = replace(dealt, sample=replace(sample, vectors=alike, words=words))
        assert (dealt_fillings(data).evidence[0] > 0.5) == counts
