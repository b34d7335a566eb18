"""What honest people send beside a pool has no weight in the pool's signature."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from support.bare_signatures import signature
from support.crafted import Sent, batch_of, words
from support.new_wordings import passers_by

from fingerprint.discovery.discover import Discovery, discover
from fingerprint.discovery.layers import peel
from fingerprint.domain.settings import Settings
from fingerprint.domain.signature import Signature, public_share
from fingerprint.matching.ngram_index import best_hits, index_ngrams
from fingerprint.signatures import calibrate
from fingerprint.signatures.public_text import known_public
from fingerprint.text.ngrams import shingle
from fingerprint.text.normalise import normalise
from fingerprint.text.tokenise import tokens

DAY = 86_400
LICENCE = words(np.random.default_rng(50), 60)
TASK = words(np.random.default_rng(51), 20)


def found_in(random: np.random.Generator, *, strangers: int) -> tuple[Discovery, list[Signature]]:
    """What a day holds: a pool of 12 that sends the licence and its task, and so many others who send the licence."""
    bursts = random.uniform(0, DAY, 6)
    pool = [
        Sent(f"{LICENCE} {words(random, 15)} {TASK}", f"pool{n % 12}", float(bursts[n % 6] + n))
        for n in range(60)
    ]
    others = [
        Sent(f"{LICENCE} {words(random, 20)}", f"user{n % strangers}", float(random.uniform(0, DAY)))
        for n in range(2 * strangers)
    ]
    batch = batch_of([*pool, *others, *passers_by(random, 200)])
    found = peel(batch, discover(batch, [], Settings(), lambda stage: None), [], Settings())
    weights = calibrate.weights(found, batch.senders())
    thresholds = calibrate.thresholds(found, weights, 1e-3)
    made = []
    for f in range(len(found.families)):
        row = slice(weights.indptr[f], weights.indptr[f + 1])
        grams = found.shared.hashes[weights.indices[row]].tolist()
        held = dict(zip(grams, weights.data[row].tolist(), strict=True))
        made.append(signature(held, f"f{f}", threshold=float(thresholds[f])))
    return found, made


def grams(text: str) -> np.ndarray:
    read = tokens(normalise(pa.array([text], pa.large_string())))
    return shingle(read.hashes, read.section, read.row_offsets).hashes


def test_a_licence_that_others_send_too_is_in_the_signature_without_weight() -> None:
    random = np.random.default_rng(0)
    found, signatures = found_in(random, strangers=60)
    family = signatures[int(found.label[0])]
    weight = dict(zip(family.grams.tolist(), family.weights.tolist(), strict=True))
    licence = [weight[g] for g in grams(LICENCE).tolist() if g in weight]
    task = [weight[g] for g in grams(f"{words(random, 3)} {TASK}").tolist() if g in weight]
    assert not any(licence)
    assert min(task) > 0.5
    assert public_share(family) == pytest.approx(len(licence) / len(weight), abs=0.05)


def test_the_next_days_users_of_the_licence_do_not_match_the_campaign() -> None:
    random = np.random.default_rng(1)
    found, signatures = found_in(random, strangers=60)
    number = int(found.label[0])
    index = index_ngrams([replace(signatures[number], flagged=True)])
    prompts = [f"{LICENCE} {words(random, 30)}" for _ in range(50)]
    prompts += [f"{words(random, 30)} {TASK}", f"{LICENCE} {words(random, 30)} {TASK}"]
    held = [grams(p) for p in prompts]
    offsets = np.concatenate([[0], np.cumsum([len(g) for g in held])]).astype(np.int64)
    hits = best_hits(index, np.concatenate(held), offsets)
    matched = hits.score >= index.threshold[0]
    assert matched.tolist() == [False] * 50 + [True] * 2


def test_a_text_that_a_few_others_quote_keeps_its_weight() -> None:
    found, signatures = found_in(np.random.default_rng(2), strangers=4)
    assert public_share(signatures[int(found.label[0])]) == 0


def test_what_a_later_night_finds_public_counts_no_more_unless_hardly_anything_is_left() -> None:
    old = signature(dict.fromkeys(range(1, 31), 1.0))
    fresh = signature({g: 0.0 if g <= 15 else 0.8 for g in range(1, 31)})
    assert known_public(old, fresh).tolist() == [0.0] * 15 + [1.0] * 15
    bare = signature({g: 0.0 if g <= 25 else 0.8 for g in range(1, 31)})
    assert known_public(old, bare).tolist() == [1.0] * 30
    assert calibrate.stricter(old, fresh).weights.tolist() == known_public(old, fresh).tolist()
