"""What nights store of families beside their text: shares, and no value that few accounts sent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from support.bare_signatures import signature
from support.crafted import START, Sent, record_batch

from fingerprint.discovery.batch import Batch, Requests, collect
from fingerprint.domain.profile import Profile, Share
from fingerprint.domain.results import IngestReport
from fingerprint.domain.schemas import FACTS
from fingerprint.nights import profiles
from fingerprint.nights.night import Night
from fingerprint.nights.profiles import with_profiles

ENGLISH = "please tell me in your own words what the letter number {} asks for, and answer it politely"
GERMAN = "bitte sage mir mit eigenen worten, was der brief nummer {} verlangt, und beantworte ihn höflich"

Row = tuple[str, str, str | None, int | None]
"""Prompt, account, model, hash of the tools."""


def night_of(rows: list[Row]) -> Night:
    sent = [Sent(prompt, account, float(n)) for n, (prompt, account, _, _) in enumerate(rows)]
    plain = record_batch(sent)
    fields: dict[str, Any] = {FACTS.field(i).name: None for i in range(FACTS.num_fields)}
    columns = dict(zip(plain.schema.names, plain.columns, strict=True))
    columns["model"] = pa.array([row[2] for row in rows], pa.large_string())
    columns["facts"] = pa.array([fields | {"tools": row[3]} for row in rows], FACTS)
    batch: Batch = collect([pa.RecordBatch.from_pydict(columns, schema=plain.schema)])
    ids = pa.chunked_array([plain.column("request_id")])
    seconds = START.timestamp() + np.arange(len(rows), dtype=np.float64)
    requests = Requests(ids, np.arange(len(rows), dtype=np.int32), seconds)
    return Night(batch, requests, IngestReport(len(rows), len(rows), 0, 0), "h")


def profiles_of(rows: list[Row], family_of: list[int], families: int = 1) -> list[Profile | None]:
    signatures = [signature({1: 1.0}, f"f{n}") for n in range(families)]
    found = with_profiles(night_of(rows), signatures, np.array(family_of, np.int32), 3)
    return [s.profile for s in found]


def test_values_of_few_accounts_are_never_named() -> None:
    rows: list[Row] = [(ENGLISH.format(n), f"a{n % 4}", "shared-model", None) for n in range(8)]
    # one account's own model, and one that two accounts asked for
    rows += [(ENGLISH.format(n), "a0", "ft:secret-of-a0", 7) for n in range(8, 12)]
    rows += [(ENGLISH.format(n), f"a{n % 2}", "of-two", 9) for n in range(12, 16)]
    (profile,) = profiles_of(rows, [0] * 16)
    assert profile is not None
    assert profile.models == (Share("shared-model", 0.5), Share("other", 0.5))
    assert profile.tools == (Share("none", 0.5), Share("other", 0.5))
    assert (profile.conversations, profile.tool_sets) == (16, 2)
    assert profile.languages == (Share("English", 1.0),)


def test_languages_are_those_of_enough_accounts() -> None:
    rows: list[Row] = [(ENGLISH.format(n), f"a{n}", None, None) for n in range(6)]
    rows += [(GERMAN.format(n), f"b{n}", None, None) for n in range(3)]
    rows += [("dis avec tes propres mots ce que demande la lettre du propriétaire", "c", None, None)]
    rows += [("12 34 56 {}", "d", None, None)]  # nobody can tell
    (profile,) = profiles_of(rows, [0] * 11)
    assert profile is not None
    assert profile.languages == (Share("English", 0.6), Share("German", 0.3), Share("other", 0.1))
    assert (profile.models, profile.tools) == ((), ())  # nothing of the night states any


def test_each_family_has_its_own_and_what_was_not_sent_keeps_none() -> None:
    rows: list[Row] = [(ENGLISH.format(n), f"a{n}", "m" if n < 3 else "k", None) for n in range(6)]
    first, second, third = profiles_of(rows, [0, 0, 0, 2, 2, -1], families=3)
    assert first == Profile(3, models=(Share("m", 1.0),), languages=(Share("English", 1.0),))
    assert second is None
    assert third is not None
    assert third.models == (Share("other", 1.0),)


def test_what_a_family_had_before_stays_where_tonight_tells_nothing() -> None:
    before = Profile(9, models=(Share("m", 1.0),))
    stored = replace(signature({1: 1.0}), profile=before)
    night = night_of([(ENGLISH.format(1), "a", None, None)])
    (kept,) = with_profiles(night, [stored], np.array([-1], np.int32), 3)
    assert kept.profile == before


def test_few_prompts_are_read_of_each_of_very_many_families(monkeypatch: Any) -> None:
    monkeypatch.setattr(profiles, "MOST_TEXTS", 10)
    read: list[str] = []
    monkeypatch.setattr(profiles, "language_of", lambda text: read.append(text))
    rows: list[Row] = [(ENGLISH.format(n), f"a{n}", None, None) for n in range(40)]
    profiles_of(rows, [n % 2 for n in range(40)], families=2)
    assert len(read) == 2 * max(profiles.FEWEST, 5)
