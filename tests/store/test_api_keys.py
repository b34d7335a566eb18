"""A key names itself, and nothing that is stored gives it back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprint.domain.errors import UsageError
from fingerprint.domain.vocabulary import SCOPES
from fingerprint.store.api_keys import checked_scopes, digest, id_in, mint, same


def test_keys_are_all_different_and_name_themselves() -> None:
    keys = [mint() for _ in range(200)]
    assert len({key for _, key in keys}) == len({key_id for key_id, _ in keys}) == 200
    for key_id, key in keys:
        assert id_in(key) == key_id
        assert same(key, digest(key))
        assert key not in digest(key)


@given(
    text=st.one_of(st.text(max_size=90), st.from_regex(r"fpk_[a-z0-9]{9,11}_[0-9a-f]{63,65}", fullmatch=True))
)
def test_what_has_not_the_form_of_a_key_names_none(text: str) -> None:
    name = id_in(text)
    parts = text.split("_")
    assert (name is not None) == (
        len(parts) == 3 and len(parts[1]) == 10 and len(parts[2]) == 64 and parts[0] == "fpk"
    )
    assert name is None or name == parts[1]


def test_another_key_is_not_the_same() -> None:
    _, key = mint()
    assert not same(key[:-1] + ("0" if key[-1] != "0" else "1"), digest(key))
    assert not same("", digest(key))


@given(scopes=st.lists(st.sampled_from(SCOPES), min_size=1))
def test_scopes_are_in_order_and_once(scopes: list[str]) -> None:
    assert checked_scopes(scopes) == tuple(scope for scope in SCOPES if scope in scopes)


@pytest.mark.parametrize(("scopes", "found"), [([], "none"), (["read", "write", "root"], "root, write")])
def test_other_scopes_are_refused(scopes: list[str], found: str) -> None:
    with pytest.raises(UsageError, match=f"scopes of .* expected, {found} found"):
        checked_scopes(scopes)
