"""What requests ask for beside their text is kept once for each different set, and read as a column."""

from typing import Any

import numpy as np
import pyarrow as pa

from fingerprint.domain.schemas import TRAFFIC_SCHEMA
from fingerprint.evidence.request_facts import FactCodes, RequestFacts

STATED: list[tuple[str | None, dict[str, Any] | None]] = [
    ("m-1", {"max_tokens": 64, "temperature": 0.5, "stream": True, "tools": 7}),
    (None, None),
    ("m-1", {"max_tokens": 64, "temperature": 0.5, "stream": True, "tools": 7}),
    ("m-2", {"max_tokens": 64, "temperature": -0.5}),
    ("", {"n": -1, "top_p": 0.0, "stream": False, "tools": 2**63 + 1}),
    ("m-2", {"max_tokens": 0}),
    ("m-2", {"logprobs": 0}),
]


def rows(stated: list[tuple[str | None, dict[str, Any] | None]]) -> pa.RecordBatch:
    columns = [{"model": model, "facts": facts} for model, facts in stated]
    schema = pa.schema([TRAFFIC_SCHEMA.field("model"), TRAFFIC_SCHEMA.field("facts")])
    return pa.RecordBatch.from_pylist(columns, schema)


def coded(*batches: pa.RecordBatch) -> RequestFacts:
    codes = FactCodes()
    return RequestFacts(np.concatenate([codes.encode(batch) for batch in batches]), codes.table())


def test_each_different_set_is_kept_once_in_whatever_pieces_it_comes() -> None:
    whole = coded(rows(STATED))
    assert whole.code.tolist() == [0, 1, 0, 2, 3, 4, 5]
    assert len(whole.distinct) == 6
    pieces = coded(*(rows(STATED[n : n + 1]) for n in range(len(STATED))), rows([]))
    assert pieces.code.tolist() == whole.code.tolist()
    assert pieces.distinct.to_pylist() == whole.distinct.to_pylist()


def test_facts_are_columns_of_the_requests() -> None:
    facts = coded(rows(STATED))
    nan = np.nan
    np.testing.assert_array_equal(facts.numbers("temperature"), [0.5, nan, 0.5, -0.5, nan, nan, nan])
    np.testing.assert_array_equal(facts.numbers("max_tokens"), [64, nan, 64, 64, nan, 0, nan])
    np.testing.assert_array_equal(facts.numbers("stream"), [1, nan, 1, nan, 0, nan, nan])
    models, tools = facts.values("model"), facts.values("tools")
    assert models.tolist() == [0, -1, 0, 1, 2, 1, 1]
    assert tools.tolist() == [0, -1, 0, -1, 1, -1, -1]
    some = facts.take(np.array([4, 0]))
    np.testing.assert_array_equal(some.numbers("top_p"), [0, nan])
    assert some.values("model").tolist() == [2, 0]


def test_requests_that_state_nothing() -> None:
    none = RequestFacts.none(3)
    assert np.isnan(none.numbers("n")).all()
    assert none.values("model").tolist() == [-1, -1, -1]
