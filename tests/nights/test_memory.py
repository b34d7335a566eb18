"""How much is looked at follows from the memory allowed, and too little is told with what is needed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from fingerprint.domain.errors import UsageError
from fingerprint.nights import memory
from fingerprint.nights.large import with_members


def test_ordinary_nights_are_worked_in_memory() -> None:
    assert memory.whole(8.0) == memory.MOST_WHOLE
    assert memory.whole(memory.BASE / 1e9) == 0
    assert 0 < memory.whole(1.2) < memory.MOST_WHOLE


def prompts(text: int) -> npt.NDArray[np.int32]:
    """Sizes of prompts of so many bytes together, none of them long."""
    return np.full(text // 1_000, 1_000, dtype=np.int32)


def test_a_sample_is_a_share_of_the_night() -> None:
    assert memory.sample(8.0, 100_000, prompts(10**8)) == memory.LEAST_SAMPLE
    assert memory.sample(8.0, 10**6, prompts(9 * 10**8)) == 9 * 10**8 // memory.SAMPLE_SHARE
    assert memory.sample(16.0, 16 * 10**6, prompts(10**10)) == memory.MOST_SAMPLE


def test_a_sample_never_takes_more_than_is_allowed() -> None:
    night = prompts(10**10)
    for requests in (10**5, 10**6, 16 * 10**6):
        for allowed in (1.5, 2.0, 3.0, 6.0, 12.0):
            try:
                text = memory.sample(allowed, requests, night)
            except UsageError:
                continue
            sampling = memory.COLUMNS * requests + memory.TEXT_BYTE * text
            needed = memory.BASE + max(sampling, memory.CONVERSATION * requests)
            assert needed <= allowed * 1e9 + memory.TEXT_BYTE
            assert text >= memory.LEAST_TEXT


def test_too_little_is_told() -> None:
    with pytest.raises(
        UsageError, match=r"at least 8\.\d GB expected for 16,000,000 conversations, 2 GB found"
    ):
        memory.sample(2.0, 16 * 10**6, prompts(10**10))


def test_a_few_long_prompts_are_held_or_it_is_told_what_would_do() -> None:
    night = np.full(40, 4_000_000, dtype=np.int32)
    assert memory.sample(2.0, 40, night) >= memory.FEWEST * 4_000_000
    with pytest.raises(UsageError, match=r"at least 2\.0 GB .* 16 prompts of 64 MB, 1\.5 GB found"):
        memory.sample(1.5, 40, night)


def test_what_is_looked_at_closely_stays_within_the_memory() -> None:
    size = np.full(100, 4_000_000, dtype=np.int32)
    sample, members = np.arange(15), np.arange(10, 100)
    chosen = with_members(size, sample, members, memory.closely(2.0, 100))
    assert set(sample) <= set(chosen)
    assert 60_000_000 < size[chosen].sum() <= memory.closely(2.0, 100) < 70_000_000
    assert len(with_members(size, sample, members, memory.closely(12.0, 100))) == 100


def test_a_night_that_does_not_fit_is_told_while_it_is_read() -> None:
    memory.check(8.0, 15 * 10**6, 15 * 10**6)
    memory.check(8.0, 10**6, 50 * 10**6)
    more = r"8 GB cannot hold this night of more than {} requests in {} conversations"
    with pytest.raises(UsageError, match=more.format("16,000,000", "16,000,000")):
        memory.check(8.0, 16 * 10**6, 16 * 10**6)
    with pytest.raises(UsageError, match=more.format("60,000,000", "1,000,000")):
        memory.check(8.0, 10**6, 60 * 10**6)
