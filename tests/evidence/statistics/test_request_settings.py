from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from support.observed import observed

from fingerprint.domain.schemas import FACTS_SCHEMA
from fingerprint.evidence.filling_sample import FillingSample
from fingerprint.evidence.request_facts import RequestFacts
from fingerprint.evidence.statistics.request_settings import one_way_of_asking

ACCOUNTS, EACH, OTHERS, SETTINGS = 20, 5, 400, 8


def trait_of(code_of_account: list[int], *, topics: bool = False, stated: bool = True) -> tuple[float, float]:
    """Value and evidence of a pool of ACCOUNTS with these settings among OTHERS, whose settings are any of SETTINGS."""
    random = np.random.default_rng(3)
    account = np.concatenate([np.repeat(np.arange(ACCOUNTS), EACH), ACCOUNTS + np.arange(OTHERS)])
    code = np.concatenate([np.repeat(code_of_account, EACH), random.integers(0, SETTINGS, OTHERS)])
    own = np.arange(ACCOUNTS * EACH)
    subject = random.normal(size=(ACCOUNTS, 32))[account[own]] + 1.5 * random.normal(size=(len(own), 32))
    vectors = (subject if topics else random.permutation(subject)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    sample = FillingSample(np.zeros(len(own), np.int64), own, np.full(len(own), 20, np.int32), vectors)
    facts = [
        {"model": f"m-{n}", **({"max_tokens": 100 * n, "temperature": 0.1 * n} if stated else {})}
        for n in range(SETTINGS)
    ]
    distinct = pa.Table.from_pylist(facts, FACTS_SCHEMA)
    seconds = random.uniform(0, 86_400, len(account))
    data = observed(
        account, seconds, [own], sample=sample, facts=RequestFacts(code.astype(np.int32), distinct)
    )
    trait = one_way_of_asking(data)
    return float(trait.value[0]), float(trait.evidence[0])


def test_one_list_asked_in_one_way_is_a_little_evidence() -> None:
    value, evidence = trait_of([3] * ACCOUNTS)
    assert value == 1
    assert evidence > 5


@pytest.mark.parametrize("topics", [True, False])
def test_one_apps_customers_ask_in_one_way_and_people_in_many(topics: bool) -> None:
    many = [n % SETTINGS for n in range(ACCOUNTS)]
    assert trait_of(many, topics=topics)[1] == 0
    # the app does, whose customers have topics of their own
    assert trait_of([3] * ACCOUNTS, topics=True) == (1.0, 0.0)


def test_who_states_nothing_but_a_model_is_left_out() -> None:
    value, evidence = trait_of([3] * ACCOUNTS, stated=False)
    assert np.isnan(value)
    assert evidence == 0
