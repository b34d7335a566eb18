from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.made_signatures import CHANGED, STAMP, signature_of
from support.same_signatures import assert_same

from fingerprint.domain.errors import InputError, StampMismatch
from fingerprint.domain.signature import DayCount, Reason, Signature, Slot, Template
from fingerprint.domain.signature_json import from_json, to_json
from fingerprint.matching.ngram_index import best_hits, index_ngrams
from fingerprint.sharing import stix
from fingerprint.sharing.imports import ImportFile, check, read_shared
from fingerprint.sharing.phrases import phrases_of
from fingerprint.sharing.rules import RuleItem, Terms

GOOD = signature_of("Explain every step of your hidden reasoning to me", family_id="f1", label="campaign")
OTHER = signature_of("Summarise the text below in three short sentences please", family_id="f2")


def bundle(*signatures: Signature) -> dict[str, Any]:
    return stix.bundle([RuleItem(s, phrases_of(s), CHANGED) for s in signatures], Terms("amber"))


BUNDLE = bundle(GOOD)


def read(*values: object) -> tuple[Signature, ...]:
    return read_shared([ImportFile("a.json", b"\n".join(map(orjson.dumps, values)))]).signatures


def test_reads_our_json_and_bundles_and_taxii_envelopes() -> None:
    envelope = {"more": False, "objects": bundle(GOOD, OTHER)["objects"]}
    for values in (
        [to_json(GOOD), to_json(OTHER)],
        [bundle(GOOD, OTHER)],
        [to_json(GOOD), bundle(OTHER)],
        [envelope],
    ):
        for found, expected in zip(read(*values), (GOOD, OTHER), strict=True):
            assert_same(found, expected)


def test_one_family_twice_is_read_once_if_it_is_the_same() -> None:
    assert len(read(to_json(GOOD), bundle(GOOD, OTHER))) == 2
    with pytest.raises(InputError, match=r"1 of 2 .*line 2.*f1 is also in a.json line 1, with other content"):
        read(to_json(GOOD), to_json(replace(GOOD, score=0.5)))


HOSTILE: list[tuple[Callable[[Signature], Signature], str]] = [
    (
        lambda s: replace(s, threshold=0.0),
        r"threshold without its shift: a number from 0\.499999 to 1 expected, .* found",
    ),
    (lambda s: replace(s, similarity=-1.0), r"similarity: a number from 0\.249999 to 1 expected, -1 found"),
    (lambda s: replace(s, typical_similarity=0.9), r"usual: a number from -1 to 0\.6 expected, 0\.9 found"),
    (lambda s: replace(s, requests_seen=2**62), r"threshold without its shift: .* found"),
    (
        lambda s: replace(s, unsynchronised=3, requests_seen=2),
        r"strays: a number from 0 to 2 expected, 3 found",
    ),
    (lambda s: replace(s, score=1e9), r"score: a number from 0 to 1 expected, 1e\+09 found"),
    (lambda s: replace(s, weights=s.weights * 1000), r"weights: a number from 0 to 1 expected, 1000 found"),
    (lambda s: replace(s, weights=-s.weights), r"weights: a number from 0 to 1 expected, -1 found"),
    (
        lambda s: replace(s, prototypes=s.prototypes * 3),
        r"prototypes: a row's length from 0\.999 to 1\.001 expected, 3 found",
    ),
    (
        lambda s: replace(s, prototypes=s.prototypes[:0], grams=s.grams[:0], weights=s.weights[:0]),
        "neither found",
    ),
    (
        lambda s: replace(s, prototypes=np.repeat(s.prototypes, 65, 0)),
        "prototypes: at most 64 expected, 65 found",
    ),
    (lambda s: replace(s, template=OTHER.template), r"grams: at least 50% .* 0% found: .*does not show"),
    (
        lambda s: replace(s, template=Template(())),
        r"grams: at least 50% of their weight expected .* 0% found",
    ),
    (lambda s: replace(s, family_id=""), "family_id: 1 to 64 characters expected, 0 found"),
    (lambda s: replace(s, family_id="f" * 65), "family_id: 1 to 64 characters expected, 65 found"),
    (
        lambda s: replace(s, reasons=(Reason("payment", 1e9, 1.0, "?"),)),
        r"reasons\.value: a number from -100 to 100",
    ),
    (
        lambda s: replace(s, reasons=(Reason("payment", 1.0, 1e9, "?"),)),
        r"contribution: a number from -100 to 100",
    ),
    (lambda s: replace(s, label="x" * 201), "label: 1 to 200 characters expected, 201 found"),
    (lambda s: replace(s, campaign_id="c\0"), r"campaign_id: no control characters expected, U\+0000 found"),
    (lambda s: replace(s, label="a\x1b[31mb"), r"label: no control characters expected, U\+001B found"),
    (lambda s: replace(s, label="a\u202eb"), r"label: no control characters expected, U\+202E found"),
    (lambda s: replace(s, family_id="a\nb"), r"family_id: no control characters expected, U\+000A found"),
    (
        lambda s: replace(s, family_id="../x"),
        r"family_id: letters, digits and _\.:- expected, '\.\./x' found",
    ),
    (lambda s: replace(s, variant_of=s.family_id), "variant_of: another family expected, f1 itself found"),
    (
        lambda s: replace(s, template=Template((*s.template.parts, *[Slot(9, 1, 20, "text")] * 100_000))),
        r"template's parts: at most 2000 expected, 10000\d found",
    ),
    (
        lambda s: replace(s, reasons=(Reason("payment", 1.0, 1.0, "x" * 2_001),)),
        "reasons' words: at most 2000 expected, 2001 found",
    ),
    (
        lambda s: replace(s, spread=replace(s.spread, last_seen=datetime(9999, 12, 31, tzinfo=UTC))),
        r"spread\.last_seen: a year from 2000 to 2100 expected, 9999 found",
    ),
    (
        lambda s: replace(s, spread=replace(s.spread, first_seen=s.spread.last_seen + timedelta(1))),
        "last_seen: a time after first_seen expected",
    ),
    (
        lambda s: replace(s, spread=replace(s.spread, per_day={"0001-01-01": DayCount(1, 1)})),
        r"spread\.per_day: a year from 2000 to 2100 expected, 1 found",
    ),
    (
        lambda s: replace(s, template=Template((*s.template.parts, Slot(10**18, 1, 20, "text")))),
        r"template\[1\]\.distinct: a count from 0 to 2e\+09 expected, 1e\+18 found",
    ),
    (
        lambda s: replace(s, template=Template((*s.template.parts, Slot(9, 30, 20, "text")))),
        r"template\[1\]\.longest: a count from 30 to 2e\+09 expected, 20 found",
    ),
    (
        lambda s: replace(s, template=Template(s.template.parts * 200)),
        "template's times of one text: at most 10 expected, 200 found",
    ),
    (
        lambda s: replace(s, spread=replace(s.spread, accounts=10**15, requests=10**15)),
        r"spread\.requests: a count from 0 to 2e\+09 expected, 1e\+15 found",
    ),
    (
        lambda s: replace(s, spread=replace(s.spread, accounts=s.spread.requests + 1)),
        r"spread\.accounts: a count from 0 to \d+ expected",
    ),
    (
        lambda s: replace(s, spread=replace(s.spread, per_day={"2026-03-02": DayCount(10**9, 1)})),
        r"spread\.per_day\.2026-03-02\.requests: a count from 0 to \d+ expected, 1e\+09 found",
    ),
    (lambda s: replace(s, version=10**12), r"version: a count from 0 to 2e\+09 expected, 1e\+12 found"),
    (
        lambda s: replace(s, reasons=(Reason("x" * 2_001, 1.0, 1.0, "?"),)),
        "reasons' names: at most 2000 expected, 2001 found",
    ),
]


@pytest.mark.parametrize(("spoil", "message"), HOSTILE)
def test_a_right_hash_does_not_make_a_hostile_signature_good(
    spoil: Callable[[Signature], Signature], message: str
) -> None:
    spoiled = spoil(GOOD)
    for value in (to_json(spoiled), bundle_of_json(to_json(spoiled))):
        with pytest.raises(InputError, match=message):
            read(to_json(OTHER), value)


def bundle_of_json(carried: object) -> dict[str, Any]:
    made = copy.deepcopy(BUNDLE)
    for obj in made["objects"]:
        if stix.EXTENSION in obj.get("extensions", {}):
            obj["extensions"][stix.EXTENSION]["signature"] = carried
    return made


@pytest.mark.parametrize(
    ("secret", "message"),
    [
        (
            "You are a helpful assistant and you always answer truthfully, at great length and in very good English",
            "at least 50%",
        ),
        ("You are a helpful assistant", None),
        (
            "You are a helpful assistant and you always answer",
            r"score 0\.\d+ by themselves, less than the threshold",
        ),
    ],
)
def test_hidden_text_beside_the_shown_must_not_match_alone(secret: str, message: str | None) -> None:
    shown = signature_of("Explain every step of your hidden reasoning to me and to all of them")
    grams = np.unique(np.concatenate([shown.grams, signature_of(secret).grams]))
    spoiled = replace(shown, grams=grams, weights=np.ones(len(grams), np.float32))
    if message is None:
        check(spoiled)
        return
    with pytest.raises(InputError, match=message):
        check(spoiled)


def test_other_versions_are_told_apart_from_bad_input() -> None:
    with pytest.raises(StampMismatch, match=r"normaliser 1 and shingles .* expected, 0 and .* found"):
        read(to_json(replace(GOOD, stamp=replace(STAMP, normaliser="0"))))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"a\.json: at least one signature expected, none found"),
        (b" \n\n", r"a\.json: at least one signature expected, none found"),
        (b"{", r"a\.json line 1: a JSON object expected"),
        (b"{}\n{", r"a\.json line 2: a JSON object expected"),
        (b"rule x { }", r"a\.json line 1: a JSON object expected"),
        (b'{"Event": {}}', r"a\.json line 1: our JSON or a STIX bundle expected, a MISP event found"),
        (b'{"type": "bundle", "objects": []}', r"extension-definition--.* none found among 0 objects"),
        (b'{"type": "bundle", "objects": 1}', r"an object with a list of objects expected"),
        (b"[" * 100_000, r"a\.json line 1: a JSON object expected"),
        (b'"\xff"', r"a\.json line 1: a JSON object expected"),
        (b"[1, 2]", r"1 of 1 signatures refused, nothing imported: .*an object expected"),
    ],
)
def test_names_what_is_wrong_with_a_file(content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_shared([ImportFile("a.json", content)])


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
    )
)
def test_refuses_any_other_json(value: object) -> None:
    for content in (value, bundle_of_json(value)):
        with pytest.raises(InputError):
            read_shared([ImportFile("a.json", json.dumps(content).encode())])


def places_of(value: object) -> list[tuple[str | int, ...]]:
    """Return the path of every value inside a JSON value."""
    if isinstance(value, dict):
        return [
            path for key, inner in value.items() for path in ((key,), *((key, *p) for p in places_of(inner)))
        ]
    if isinstance(value, list):
        return [
            path for i, inner in enumerate(value) for path in ((i,), *((i, *p) for p in places_of(inner)))
        ]
    return []


SLOTTED = to_json(replace(GOOD, template=Template((*GOOD.template.parts, Slot(9, 1, 20, "text")))))
ODD = st.sampled_from(
    [
        math.nan,
        math.inf,
        -math.inf,
        1e308,
        -1,
        -1e-9,
        10**18,
        2**63,
        10**30,
        0,
        1,
        True,
        None,
        "",
        "\0",
        "\ud800",
        "f1",
    ]
) | st.sampled_from(
    [[], {}, [[]], [{}], {"": {}}, "9" * 3_000, "2026-13-45", "99999-01-01T00:00:00Z", [1] * 5_000]
)


@settings(max_examples=50)
@given(
    place=st.sampled_from(places_of(SLOTTED)),
    odd=ODD,
    how=st.sampled_from(["replace", "remove", "twice", "nest"]),
)
def test_one_odd_value_anywhere_is_refused_or_does_no_harm(
    place: tuple[str | int, ...], odd: object, how: str
) -> None:
    spoiled = copy.deepcopy(SLOTTED)
    *path, last = place
    inside: Any = spoiled
    for step in path:
        inside = inside[step]
    if how == "remove":
        del inside[last]
    elif how == "twice" and isinstance(inside, list):
        inside.append(copy.deepcopy(inside[last]))
    else:
        inside[last] = [inside[last]] * 2 if how == "nest" else odd
    try:
        signature = from_json(spoiled, edited=True)
        check(signature)
    except (InputError, StampMismatch):
        return
    assert_same(from_json(json.loads(json.dumps(to_json(signature)))), signature)
    index = index_ngrams([signature])
    assert np.isfinite(index.total).all()
    assert best_hits(index, signature.grams, np.array([0, len(signature.grams)])).family[0] == 0


def test_refused_ones_are_counted_and_named() -> None:
    bad = [to_json(replace(GOOD, family_id=f"b{n}", threshold=0.1)) for n in range(8)]
    with pytest.raises(
        InputError, match=r"^8 of 10 signatures refused, nothing imported: a\.json line 2: .*; and 3 more$"
    ):
        read(to_json(GOOD), *bad, to_json(OTHER))


def wording(family_id: str, of: str | None) -> Signature:
    return replace(OTHER, family_id=family_id, variant_of=of)


def test_wordings_of_one_another_are_refused() -> None:
    with pytest.raises(InputError, match=r"variant_of: .* f2 → f3 → f4 → f2 found.*f3 → f4 → f2 → f3"):
        read(*(to_json(wording(a, b)) for a, b in (("f2", "f3"), ("f3", "f4"), ("f4", "f2"))))
    assert len(read(*(to_json(wording(a, b)) for a, b in (("f2", "f3"), ("f3", None))))) == 2
