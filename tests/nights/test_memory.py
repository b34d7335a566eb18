"""How much is looked at follows from the memory allowed, and too little is told with what is needed."""

from __future__ import annotations

import pytest

from fingerprint.domain.errors import UsageError
from fingerprint.nights import memory


def test_ordinary_nights_are_worked_in_memory() -> None:
    assert memory.whole(8.0) == memory.MOST_WHOLE
    assert memory.whole(memory.BASE / 1e9) == 0
    assert 0 < memory.whole(1.2) < memory.MOST_WHOLE


def test_a_sample_is_a_share_of_the_night() -> None:
    assert memory.sample(8.0, 100_000, 10**8) == memory.LEAST_SAMPLE
    assert memory.sample(8.0, 10**6, 9 * 10**8) == 9 * 10**8 // memory.SAMPLE_SHARE
    assert memory.sample(16.0, 16 * 10**6, 10**10) == memory.MOST_SAMPLE


def test_a_sample_never_takes_more_than_is_allowed() -> None:
    for requests in (10**5, 10**6, 16 * 10**6):
        for allowed in (1.5, 2.0, 3.0, 6.0, 12.0):
            try:
                text = memory.sample(allowed, requests, 10**10)
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
        memory.sample(2.0, 16 * 10**6, 10**10)


def test_a_night_that_does_not_fit_is_told_while_it_is_read() -> None:
    memory.check(8.0, 15 * 10**6, 15 * 10**6)
    memory.check(8.0, 10**6, 50 * 10**6)
    more = r"8 GB cannot hold this night of more than {} requests in {} conversations"
    with pytest.raises(UsageError, match=more.format("16,000,000", "16,000,000")):
        memory.check(8.0, 16 * 10**6, 16 * 10**6)
    with pytest.raises(UsageError, match=more.format("60,000,000", "1,000,000")):
        memory.check(8.0, 10**6, 60 * 10**6)
