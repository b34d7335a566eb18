"""Fields are taken one by one, and what is not as agreed is refused with its place."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprint.domain.errors import InputError
from fingerprint.domain.json_fields import JsonObject, json_objects, parsed

json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)
TAKERS: list[tuple[Callable[[JsonObject], Any], Callable[[Any], bool]]] = [
    (lambda o: o.text("f"), lambda v: isinstance(v, str)),
    (lambda o: o.flag("f"), lambda v: isinstance(v, bool)),
    (lambda o: o.count("f", at_least=2), lambda v: type(v) is int and 2 <= v < 2**63),
    (
        lambda o: o.number("f", -1, 1),
        lambda v: isinstance(v, int | float) and not isinstance(v, bool) and -1 <= v <= 1,
    ),
    (lambda o: o.choice("f", ["a", "b"]), lambda v: v in ("a", "b") and isinstance(v, str)),
    (lambda o: o.optional_text("f"), lambda v: v is None or isinstance(v, str)),
]


@pytest.mark.parametrize(("take", "is_good"), TAKERS)
@given(value=json_values)
def test_a_field_is_taken_or_refused_with_its_place(
    take: Callable[[JsonObject], Any], is_good: Callable[[Any], bool], value: Any
) -> None:
    obj = JsonObject({"f": value}, "top")
    if is_good(value):
        assert take(obj) == value
        obj.done()
        return
    with pytest.raises(InputError, match=r"^top\.f: .* expected, .* found$"):
        take(obj)


def test_a_missing_field_and_one_too_many() -> None:
    obj = JsonObject({"a": 1, "b": 2}, "top")
    with pytest.raises(InputError, match=r"^top: field 'c' expected, a, b found$"):
        obj.take("c")
    assert obj.count("a") == 1
    with pytest.raises(InputError, match=r"^top: no other fields expected, b found$"):
        obj.done()
    with pytest.raises(InputError, match="no field found"):
        JsonObject({}, "top").take("a")


@pytest.mark.parametrize("value", [[], "x", None, 3])
def test_what_is_no_object(value: object) -> None:
    with pytest.raises(InputError, match=r"^top: an object expected"):
        JsonObject(value, "top")


def test_lists_of_objects_name_the_place_of_each() -> None:
    assert [obj.path for obj in json_objects([{}, {}], "top")] == ["top[0]", "top[1]"]
    with pytest.raises(InputError, match=r"^top\[1\]: an object expected, 7 found"):
        list(json_objects([{}, 7], "top"))
    with pytest.raises(InputError, match=r"^top: a list expected"):
        json_objects({}, "top")


def test_times_have_a_zone() -> None:
    obj = JsonObject({"a": "2026-03-02T12:00:00+02:00", "b": "2026-03-02T12:00:00", "c": "noon"}, "top")
    assert obj.time("a") == datetime(2026, 3, 2, 10, tzinfo=UTC)
    for name in ("b", "c"):
        with pytest.raises(InputError, match=rf"^top\.{name}: an ISO 8601 time with its zone expected"):
            obj.time(name)


@pytest.mark.parametrize(("value", "expected"), [(1, True), (1, "1"), ("1", 1), (2, 1)])
def test_one_permitted_value_is_of_its_type(value: object, expected: str | int) -> None:
    with pytest.raises(InputError, match=r"top\.f: .* expected"):
        JsonObject({"f": value}, "top").expect("f", expected)
    JsonObject({"f": expected}, "top").expect("f", expected)


def test_lone_surrogates_and_endless_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="a string of Unicode text"):
        JsonObject({"f": "\ud800"}, "top").text("f")
    for value in (math.nan, math.inf, 10**400):
        with pytest.raises(InputError, match="a finite number"):
            JsonObject({"f": value}, "top").number("f")


def test_what_is_found_is_shown_but_not_at_length() -> None:
    with pytest.raises(InputError) as error:
        JsonObject({"f": ["x" * 500]}, "top").text("f")
    assert len(str(error.value)) < 130
    with pytest.raises(InputError, match=r"top: a float expected, 'x' found"):
        parsed(float, "x", "top", "a float")
