"""A licence that only a campaign sends tonight is no part of its family, whoever sends it later."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from support.bare_signatures import signature
from support.crafted import Sent, batch_of, words
from support.new_wordings import passers_by

from fingerprint.discovery.discover import Discovery, discover
from fingerprint.domain.settings import Settings
from fingerprint.domain.signature import Signature
from fingerprint.matching.ngram_index import best_hits, index_ngrams
from fingerprint.text.ngrams import shingle
from fingerprint.text.normalise import normalise
from fingerprint.text.tokenise import tokens

DAY = 86_400
LICENCE = """Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software."""
TASK = words(np.random.default_rng(71), 15)
POOL, USERS = 60, 40


def night(random: np.random.Generator, *, users: int, stored: list[Signature]) -> Discovery:
    """Discover a day of the campaign, the first POOL prompts, and so many honest users of the licence."""
    bursts = random.uniform(0, DAY, 6)
    sent = [
        Sent(f"{LICENCE} {words(random, 15)} {TASK}", f"pool{n % 12}", float(bursts[n % 6] + n))
        for n in range(POOL)
    ]
    sent += [
        Sent(f"{LICENCE} {words(random, 20)}", f"user{n}", float(random.uniform(0, DAY)))
        for n in range(users)
    ]
    batch = batch_of([*sent, *passers_by(random, 200)])
    return discover(batch, stored, Settings(), lambda stage: None)


def grams(text: str) -> np.ndarray:
    read = tokens(normalise(pa.array([text], pa.large_string())))
    return shingle(read.hashes, read.section, read.row_offsets).hashes


def stored_family(found: Discovery) -> Signature:
    core = found.shared.hashes[found.families.core[int(found.label[0])].indices]
    return signature(dict.fromkeys(core.tolist(), 1.0), "f0", threshold=0.6)


def test_users_of_a_licence_that_only_a_campaign_sent_do_not_match_it() -> None:
    random = np.random.default_rng(0)
    found = night(random, users=0, stored=[])
    assert (found.label[:POOL] == found.label[0]).all()
    assert found.label[0] >= 0
    index = index_ngrams([stored_family(found)])
    prompts = [f"{LICENCE} {words(random, 30)}" for _ in range(USERS)]
    prompts += [f"{words(random, 30)} {TASK}", f"{LICENCE} {words(random, 30)} {TASK}"]
    held = [grams(p) for p in prompts]
    offsets = np.concatenate([[0], np.cumsum([len(g) for g in held])]).astype(np.int64)
    hits = best_hits(index, np.concatenate(held), offsets)
    assert (hits.score >= 0.6).tolist() == [False] * USERS + [True] * 2


def test_a_few_users_on_the_same_night_and_on_the_next_do_not_join_the_campaign() -> None:
    random = np.random.default_rng(1)
    first = night(random, users=USERS, stored=[])
    assert (first.label[POOL : POOL + USERS] < 0).all()
    second = night(random, users=USERS, stored=[stored_family(first)])
    assert second.families.known[second.label[:POOL]].tolist() == [0] * POOL
    assert (second.label[POOL : POOL + USERS] < 0).all()


def test_a_family_that_was_stored_with_a_licence_is_recognised_without_it() -> None:
    random = np.random.default_rng(2)
    core = np.unique(np.concatenate([grams(LICENCE), grams(f"a {TASK} b")]))
    older = signature(dict.fromkeys(core.tolist(), 1.0), "f0", threshold=0.6)
    found = night(random, users=USERS, stored=[older])
    assert found.families.known[found.label[:POOL]].tolist() == [0] * POOL
    assert (found.label[POOL : POOL + USERS] < 0).all()


def test_what_holds_nothing_but_a_licence_is_no_family() -> None:
    random = np.random.default_rng(3)
    sent = [Sent(f"{LICENCE} {words(random, 9)}", f"pool{n % 9}", float(n)) for n in range(POOL)]
    found = discover(batch_of([*sent, *passers_by(random, 100)]), [], Settings(), lambda stage: None)
    assert (found.label[:POOL] < 0).all()
    older = signature(dict.fromkeys(np.unique(grams(LICENCE)).tolist(), 1.0), "f0", threshold=0.6)
    found = discover(batch_of([*sent, *passers_by(random, 100)]), [older], Settings(), lambda stage: None)
    assert (found.label[:POOL] < 0).all()
