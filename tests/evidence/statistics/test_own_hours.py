from __future__ import annotations

import numpy as np
from support.observed import observed

from fingerprint.evidence.filling_sample import FillingSample
from fingerprint.evidence.observations import Observations
from fingerprint.evidence.statistics.own_hours import DAY_SECONDS, common_clock, own_hours


def family(own: bool) -> Observations:
    random = np.random.default_rng(5)
    account = np.repeat(np.arange(30), 4).astype(np.int32)
    hour = random.uniform(0, DAY_SECONDS, 30)[account] if own else random.uniform(0, DAY_SECONDS, 120)
    second = np.mod(hour + random.normal(0, 3600, 120), DAY_SECONDS)
    count, request = np.full(120, 9, np.int32), np.arange(120)
    sample = FillingSample(np.zeros(120, np.int64), request, count, np.ones((120, 2), np.float32))
    return observed(account, second, [request], sample=sample)


def test_people_keep_their_own_hours() -> None:
    assert own_hours(family(True)).evidence[0] > 5
    assert common_clock(family(True)).evidence[0] == 0
    assert own_hours(family(False)).evidence[0] == 0
    assert common_clock(family(False)).evidence[0] > 0.2
