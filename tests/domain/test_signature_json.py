from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.same_signatures import assert_same

from fingerprint.domain.errors import InputError
from fingerprint.domain.signature import DayCount, Reason, Segment, Signature, Slot, Spread, Stamp, Template
from fingerprint.domain.signature_json import from_json, to_json

SHARE = st.floats(0, 1)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
COUNT = st.integers(0, 2**63 - 1)
# a UTC offset must not carry the first and last days out of the calendar
TIMES = st.datetimes(
    datetime(2, 1, 1),
    datetime(9998, 1, 1),
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-7, minutes=-30))]),
)
SEGMENTS = st.builds(Segment, st.text(), st.sampled_from(["system", "user", "either"]), SHARE, SHARE)
SLOTS = st.builds(Slot, COUNT, COUNT, COUNT, st.sampled_from(["text", "number", "code", "language"]))


@st.composite
def signatures(draw: st.DrawFn) -> Signature:
    dimension = draw(st.integers(1, 5))
    grams = np.array(sorted(draw(st.sets(st.integers(0, 2**64 - 1), max_size=8))), dtype=np.uint64)
    floats = st.floats(width=32, allow_nan=False, allow_infinity=False)
    days = st.dates().map(lambda day: day.isoformat())
    return Signature(
        family_id=draw(st.text()),
        kind=draw(st.sampled_from(["template", "reworded", "topical"])),
        template=Template(tuple(draw(st.lists(SEGMENTS | SLOTS, max_size=4)))),
        grams=grams,
        weights=draw(hnp.arrays(np.float32, len(grams), elements=floats)),
        prototypes=draw(hnp.arrays(np.float32, (draw(st.integers(0, 3)), dimension), elements=floats)),
        threshold=draw(SHARE),
        spread=Spread(
            draw(COUNT),
            draw(COUNT),
            draw(TIMES),
            draw(TIMES),
            draw(st.dictionaries(days, st.builds(DayCount, COUNT, COUNT), max_size=3)),
        ),
        stamp=Stamp(draw(st.text()), draw(st.text()), draw(st.text()), draw(st.text()), dimension),
        version=draw(st.integers(1, 2**63 - 1)),
        score=draw(FINITE),
        flagged=draw(st.booleans()),
        reasons=tuple(draw(st.lists(st.builds(Reason, st.text(), FINITE, FINITE, st.text()), max_size=3))),
        label=draw(st.none() | st.text()),
        campaign_id=draw(st.none() | st.text()),
    )


@given(signatures())
def test_round_trip_is_exact(signature: Signature) -> None:
    assert_same(from_json(orjson.loads(orjson.dumps(to_json(signature)))), signature)
    assert_same(from_json(json.loads(json.dumps(to_json(signature)))), signature)


EXAMPLE = Signature(
    family_id="f1",
    kind="template",
    template=Template(
        (
            Segment("Rate this:", "user", 0.0, 1.0),
            Slot(40, 3, 90, "text"),
            Slot(200, 1, 9, "code", sampled=True),
        )
    ),
    grams=np.array([3, 2**63], dtype=np.uint64),
    weights=np.array([0.5, 1.25], dtype=np.float32),
    prototypes=np.array([[0.6, 0.8]], dtype=np.float32),
    threshold=0.5,
    spread=Spread(
        accounts=4,
        requests=40,
        first_seen=datetime(2026, 3, 1, 22, tzinfo=UTC),
        last_seen=datetime(2026, 3, 2, 1, tzinfo=UTC),
        per_day={
            "2026-03-01": DayCount(requests=30, accounts=4),
            "2026-03-02": DayCount(requests=10, accounts=2),
        },
    ),
    stamp=Stamp("n1", "s1", "static", "ab12", 2),
    reasons=(Reason("spread", 4.0, 0.7, "4 accounts sent it"),),
)


def test_a_person_can_read_it() -> None:
    obj = to_json(EXAMPLE)
    assert obj["template"][0] == {
        "type": "segment",
        "text": "Rate this:",
        "place": "user",
        "position": 0.0,
        "coverage": 1.0,
    }
    assert obj["template"][1]["type"] == "slot"
    assert obj["grams"] == ["0000000000000003", "8000000000000000"]
    assert obj["spread"]["first_seen"] == "2026-03-01T22:00:00+00:00"
    assert obj["prototypes"] == {"dtype": "<f4", "shape": [1, 2], "base64": "mpkZP83MTD8="}


def test_another_tools_rewriting_of_numbers_is_no_change() -> None:
    obj = to_json(EXAMPLE)
    obj["template"][0]["position"] = 0  # was 0.0
    obj["spread"]["first_seen"] = "2026-03-02T00:00:00+02:00"
    assert_same(from_json(dict(reversed(obj.items()))), EXAMPLE)


def _set(*path: str | int, to: object) -> Callable[[Any], None]:
    def change(obj: Any) -> None:
        for step in path[:-1]:
            obj = obj[step]
        obj[path[-1]] = to

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_set("format", to="stix"), r"signature\.format: 'fingerprint-signature' expected, 'stix' found"),
        (_set("format_version", to=3), r"signature\.format_version: 2 expected, 3 found"),
        (_set("format_version", to=True), r"signature\.format_version: 2 expected, True found"),
        (lambda obj: obj.pop("threshold"), r"signature: field 'threshold' expected, .*content_hash found"),
        (_set("notes", to="?"), r"signature: no other fields expected, notes found"),
        (
            _set("kind", to="typical"),
            r"signature\.kind: template or reworded or topical expected, 'typical' found",
        ),
        (_set("flagged", to=1), r"signature\.flagged: true or false expected, 1 found"),
        (_set("threshold", to=1.5), r"signature\.threshold: a number from 0 to 1 expected, 1\.5 found"),
        (_set("score", to=float("nan")), r"signature\.score: a finite number expected, nan found"),
        (_set("score", to="0.5"), r"signature\.score: a finite number expected, '0\.5' found"),
        (_set("label", to=7), r"signature\.label: a string of Unicode text expected, 7 found"),
        (_set("family_id", to="\ud800"), r"signature\.family_id: a string of Unicode text expected"),
        (_set("version", to=0), r"signature\.version: a whole number from 1 to \d+ expected, 0 found"),
        (_set("template", to={}), r"signature\.template: a list expected, \{\} found"),
        (_set("template", 0, to="Rate"), r"signature\.template\[0\]: an object expected, 'Rate' found"),
        (
            _set("template", 1, "type", to="gap"),
            r"template\[1\]\.type: segment or slot expected, 'gap' found",
        ),
        (
            _set("template", 1, "distinct", to=-1),
            r"template\[1\]\.distinct: a whole number from 0 .* -1 found",
        ),
        (
            _set("reasons", 0, "words", to=None),
            r"reasons\[0\]\.words: a string of Unicode text expected, None found",
        ),
        (
            _set("spread", "first_seen", to="2026-03-01T22:00:00"),
            r"first_seen: an ISO 8601 time with its zone",
        ),
        (
            _set("spread", "per_day", "tuesday", to={}),
            r"per_day\.tuesday: an ISO date expected, 'tuesday' found",
        ),
        (_set("stamp", "dimension", to=3), r"prototypes\.shape: \['any', 3\] expected, \[1, 2\] found"),
        (_set("grams", 0, to="3"), r"grams\[0\]: 16 hex digits expected, '3' found"),
        (
            _set("grams", 1, to="0" * 16),
            r"grams\[1\]: a gram above 0000000000000003, .* '0000000000000000' found",
        ),
        (_set("grams", to=["0" * 16]), r"weights\.shape: \[1\] expected, \[2\] found"),
        (_set("weights", "dtype", to="<f8"), r"weights\.dtype: '<f4' expected, '<f8' found"),
        (
            _set("weights", "base64", to="AAAAAA=="),
            r"weights\.base64: 8 bytes expected by the shape, 4 found",
        ),
        (_set("weights", "base64", to="?"), r"weights\.base64: base64 expected, '\?' found"),
        (
            _set("weights", "base64", to="AADAfwAAwH8="),
            r"weights: finite floats expected, NaN or infinity found",
        ),
        (
            _set("label", to="benign"),
            r"content_hash: sha256:[0-9a-f]{64} expected of this content, sha256:.* changed",
        ),
    ],
)
def test_refuses(change: Callable[[Any], None], message: str) -> None:
    obj = to_json(EXAMPLE)
    change(obj)
    with pytest.raises(InputError, match=message):
        from_json(obj)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
    )
)
def test_refuses_any_other_json(obj: object) -> None:
    with pytest.raises(InputError):
        from_json(obj)
    with pytest.raises(InputError):
        from_json(to_json(EXAMPLE) | {"template": obj, "content_hash": obj})


def test_writes_no_nan_and_no_time_without_zone() -> None:
    with pytest.raises(ValueError, match="finite floats expected"):
        to_json(replace(EXAMPLE, weights=np.array([np.nan, 1], dtype=np.float32)))
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json(replace(EXAMPLE, score=float("inf")))
    with pytest.raises(ValueError, match="a time with its zone expected, 2026-03-01T00:00:00 found"):
        to_json(replace(EXAMPLE, spread=replace(EXAMPLE.spread, last_seen=datetime(2026, 3, 1))))
