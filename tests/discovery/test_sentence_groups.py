from __future__ import annotations

import numpy as np
import pytest
from support.crafted import Sent, batch_of

from fingerprint.discovery.batch import Batch
from fingerprint.discovery.sentence_groups import Prose, read_prose

LINES = [f"we all look at the old house {chr(97 + n) * 3}" for n in range(6)]


@pytest.fixture(scope="module")
def batch() -> Batch:
    texts = [*(". ".join(LINES[n : n + 3]) for n in range(4)), "no prose", ". ".join([LINES[0], LINES[5]])]
    return batch_of([Sent(text, f"a{n}") for n, text in enumerate(texts)])


def parts(prose: Prose) -> list[object]:
    return [getattr(prose, name).tolist() for name in ("prompts", "offsets", "position")] + [
        prose.texts.to_pylist()
    ]


@pytest.mark.parametrize("ready", [[], [0, 1, 2, 3, 4, 5], [1, 4], [0, 3, 5]])
@pytest.mark.parametrize("wanted", [[], [1, 4], [0, 2, 4, 5]])
def test_prose_that_was_read_before_is_that_of_any_prompts(
    ready: list[int], wanted: list[int], batch: Batch
) -> None:
    before = read_prose(batch.texts_of, np.array(ready, dtype=np.int64))
    prompts = np.array(wanted, dtype=np.int64)
    assert parts(before.of(prompts, batch.texts_of)) == parts(read_prose(batch.texts_of, prompts))
