"""Paths of --map lead to what stands in an object, and say what they should look like."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprint.domain.errors import UsageError
from fingerprint.traffic.field_paths import compile_mapping, compile_path, value_at

keys = st.text("abc_-é ", min_size=1, max_size=4)
steps = st.lists(st.tuples(keys, st.lists(st.integers(0, 3), max_size=2)), min_size=1, max_size=4)


@given(path=steps, leaf=st.one_of(st.none(), st.text(max_size=5), st.integers()))
def test_a_path_leads_to_its_value(path: list[tuple[str, list[int]]], leaf: Any) -> None:
    text = ".".join(key + "".join(f"[{n}]" for n in numbers) for key, numbers in path)
    value = leaf
    for key, numbers in reversed(path):
        for number in reversed(numbers):
            value = [None] * number + [value]
        value = {key: value}
    compiled = compile_path(text)
    assert compiled == tuple(step for key, numbers in path for step in (key, *numbers))
    assert value_at(value, compiled) == leaf
    assert value_at({}, compiled) is None
    assert value_at([value], compiled) is None


@pytest.mark.parametrize(
    ("value", "path", "expected"),
    [
        ({"user.id": 7}, "user.id", 7),
        ({"user.id": 7, "user": {"id": 8}}, "user.id", 7),
        ({"a": {"b.c": [1, 2]}}, "a.b.c[1]", 2),
        # a text of JSON is looked into
        ({"body": '{"messages": [{"content": "hi"}]}'}, "body.messages[0].content", "hi"),
        ({"body": "no JSON"}, "body.messages", None),
        ({"a": [1]}, "a[1]", None),
        ({"a": {"0": 1}}, "a[0]", None),
    ],
)
def test_what_paths_lead_to(value: Any, path: str, expected: Any) -> None:
    assert value_at(value, compile_path(path)) == expected


@pytest.mark.parametrize("path", ["", "a..b", "a[x]", "a[0", "[0]", "a.[0]", "a[-1]"])
def test_what_is_no_path(path: str) -> None:
    with pytest.raises(UsageError, match=r"a path like 'body\.messages\[0\]\.content' expected"):
        compile_path(path)


def test_only_known_fields_are_mapped() -> None:
    assert compile_mapping({"prompt": "a.b", "payment_hash": "p"}) == {
        "prompt": ("a", "b"),
        "payment_hash": ("p",),
    }
    with pytest.raises(UsageError, match="in --map, 'colour' found"):
        compile_mapping({"colour": "a"})
