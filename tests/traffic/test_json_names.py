"""Names that an object has twice."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprint.traffic.json_names import names_in

PAIRS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(st.tuples(st.sampled_from(["a", "b", "\\", '"', "{", "é", ":"]), inner), max_size=4).map(
            tuple
        )
    ),
    max_leaves=20,
)
"""Values; a tuple of pairs stands for an object that may have a name twice."""


def written(value: Any) -> str:
    if isinstance(value, tuple):
        return "{" + ", ".join(f"{json.dumps(name)} : {written(inner)}" for name, inner in value) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


@given(PAIRS)
def test_it_is_what_a_parser_with_a_hook_sees(value: Any) -> None:
    twice = False

    def seen(pairs: list[tuple[str, Any]]) -> None:
        nonlocal twice
        names = [name for name, _ in pairs]
        twice = twice or len(set(names)) < len(names)

    text = written(value)
    json.loads(text, object_pairs_hook=seen)
    assert names_in(text.encode()).repeated == twice


@pytest.mark.parametrize("again", ['"me\\u0073sages"', '"\\u006d\\u0065ssages"', '"messages" \n'])
def test_escapes_and_blanks_make_no_other_name(again: str) -> None:
    assert names_in(f'{{"messages": [], {again}: []}}'.encode()).repeated
    assert not names_in(f'[{{"messages": []}}, {{{again}: []}}]'.encode()).repeated


def test_an_object_deeper_than_any_parser_reads_is_no_crash() -> None:
    assert not names_in(b'{"a":' * 3000 + b"1" + b"}" * 3000).repeated


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=200), min_size=1, max_size=4))
def test_texts_of_any_length_are_passed_over(texts: list[str]) -> None:
    body = json.dumps({f"n{k}": text for k, text in enumerate(texts)}, ensure_ascii=False)
    assert not names_in(body.encode()).repeated
    assert names_in(f'{body[:-1]}, "n0" : "{"x" * 70}"}}'.encode()).repeated
    assert names_in(f'{{"n0":{json.dumps(texts[0])},{body[1:]}'.encode()).repeated
