from __future__ import annotations

import pyarrow as pa
import pytest

from benchmarks.robustness.cost import cost

TEMPLATE = "rewrite the passage so that nobody is hurt"  # five runs of four words


def traffic(*prompts: str, system: str | None = None) -> pa.Table:
    columns = {"family": ["f"] * len(prompts), "system": [system] * len(prompts), "prompt": prompts}
    return pa.table({name: pa.array(values, pa.large_string()) for name, values in columns.items()})


WRITTEN = traffic(*(f"{TEMPLATE} {filling} at dawn today" for filling in ("one", "two", "six")))


def test_nothing_done_costs_nothing() -> None:
    found = cost(WRITTEN, WRITTEN)
    assert (found.lost, found.words, found.bytes) == (0.0, 0.0, 1.0)


def test_added_words_cost_words_and_leave_the_template() -> None:
    texts = WRITTEN["prompt"].to_pylist()
    found = cost(WRITTEN, traffic(*(f"{text} ref 77 x9" for text in texts)))
    assert (found.lost, found.words) == (0.0, 3.0)
    assert found.bytes == pytest.approx(1 + 10 / (len(texts[0]) + 1))  # a turn ends in one byte


def test_case_is_no_loss_but_look_alikes_and_rewordings_are() -> None:
    texts = WRITTEN["prompt"].to_pylist()
    assert cost(WRITTEN, traffic(*(text.upper() for text in texts))).lost == 0.0
    # the first word stands in one of five runs
    lookalike = cost(WRITTEN, traffic(*(text.replace("rewrite", "rеwrite") for text in texts)))
    assert lookalike.lost == pytest.approx(0.2)
    assert cost(WRITTEN, traffic(*(text.replace("so that", "as if") for text in texts))).lost == 1.0


def test_the_system_prompt_counts_and_the_turn_does_not() -> None:
    fillings = [text.removeprefix(TEMPLATE + " ") for text in WRITTEN["prompt"].to_pylist()]
    assert cost(WRITTEN, traffic(*fillings, system=TEMPLATE)).lost == 0.0
