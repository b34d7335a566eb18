from __future__ import annotations

import numpy as np
import pytest
from support.observed import observed, with_pool

from fingerprint.evidence.filling_sample import UNREAD, FillingSample
from fingerprint.evidence.statistics.copied_prompts import asked_alone, copied


def test_prompts_that_many_accounts_send_are_copied() -> None:
    random = np.random.default_rng(8)
    account, second, families = with_pool(random, np.arange(100), np.arange(100))
    prompt = np.arange(len(account), dtype=np.int32)
    prompt[:100] = 0
    trait = copied(observed(account, second, families, prompt=prompt))
    assert trait.value.tolist() == [1, 0]
    assert trait.evidence[0] > 10
    assert trait.evidence[1] < 1


@pytest.mark.parametrize(("twice", "known"), [(20, False), (90, True)])
def test_the_same_date_in_two_prompts_is_not_copied_unless_most_are(twice: int, known: bool) -> None:
    random = np.random.default_rng(9)
    account, second, families = with_pool(random, np.arange(100), np.arange(100))
    prompt = np.arange(len(account), dtype=np.int32)
    prompt[:twice] //= 2
    sample = FillingSample(
        np.zeros(100, np.int64),
        np.arange(100),
        np.full(100, UNREAD, np.int32),
        np.zeros((100, 4), np.float32),
    )
    trait = copied(observed(account, second, families, prompt=prompt, sample=sample))
    assert (trait.evidence[0] > 3) == known
    assert np.isnan(trait.value[0]) != known
    worded = FillingSample(sample.family, sample.request, np.full(100, 5, np.int32), sample.vectors)
    assert copied(observed(account, second, families, prompt=prompt, sample=worded)).evidence[0] > 3


@pytest.mark.parametrize(("copies", "alone"), [(20, 1.0), (50, 0.5), (90, 0.0)])
def test_who_sends_what_others_send_asks_nothing_alone(copies: int, alone: float) -> None:
    prompt = np.arange(200, dtype=np.int32)
    prompt[:copies] //= 2
    data = observed(np.arange(200), np.arange(200.0), [np.arange(100), np.arange(100, 200)], prompt=prompt)
    assert asked_alone(data) == pytest.approx([alone, 1.0])


@pytest.mark.parametrize(("share", "alone"), [(0.2, 1.0), (0.5, 0.5), (0.9, 0.0)])
def test_who_is_asked_what_others_are_asked_asks_nothing_alone(share: float, alone: float) -> None:
    common = np.where(np.arange(100) < 80, share / 0.8, np.nan)
    sample = FillingSample(
        np.zeros(100, np.int64),
        np.arange(100),
        np.full(100, 30, np.int32),
        np.ones((100, 2), np.float32),
        common,
    )
    data = observed(np.arange(100), np.arange(100.0), [np.arange(100)], sample=sample)
    assert asked_alone(data) == pytest.approx([alone])


def test_dates_that_come_again_are_not_asked_by_several() -> None:
    prompt = np.arange(100, dtype=np.int32)
    prompt[:40] //= 2
    sample = FillingSample(
        np.zeros(100, np.int64),
        np.arange(100),
        np.full(100, UNREAD, np.int32),
        np.zeros((100, 2), np.float32),
    )
    data = observed(np.arange(100), np.arange(100.0), [np.arange(100)], prompt=prompt, sample=sample)
    assert asked_alone(data).tolist() == [1.0]
