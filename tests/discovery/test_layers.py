from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.bare_signatures import signature
from support.crafted import Sent, batch_of, words
from support.new_wordings import passers_by

from fingerprint.discovery.batch import Batch
from fingerprint.discovery.discover import Discovery, discover
from fingerprint.discovery.layers import peel
from fingerprint.domain.settings import Settings
from fingerprint.domain.signature import Signature

SETTINGS = Settings()
SYSTEM = words(np.random.default_rng(100), 80)
TASK = words(np.random.default_rng(101), 30)
DAY = 86_400


def people(random: np.random.Generator, count: int, *, accounts: int) -> list[Sent]:
    """So many honest requests to a public agent, all with its system prompt."""
    return [
        Sent(words(random, 20), f"user{n % accounts}", float(random.uniform(0, DAY)), SYSTEM)
        for n in range(count)
    ]


def pool(
    random: np.random.Generator, count: int, *, accounts: int = 10, system: str | None = SYSTEM
) -> list[Sent]:
    """So many requests of one template, at any time of the day, as if the agent had sent them."""
    return [
        Sent(f"{words(random, 10)} {TASK}", f"pool{n % accounts}", float(random.uniform(0, DAY)), system)
        for n in range(count)
    ]


def peeled(sent: list[Sent], stored: list[Signature] | None = None) -> tuple[Batch, Discovery]:
    batch = batch_of(sent)
    found = discover(batch, stored or [], SETTINGS, lambda stage: None)
    return batch, peel(batch, found, stored or [], SETTINGS)


def one_label(discovery: Discovery, rows: slice) -> int:
    (label,) = set(discovery.label[rows].tolist())
    return int(label)


def test_a_carrier_that_carries_nothing_is_left_as_it_is() -> None:
    random = np.random.default_rng(20)
    _, found = peeled([*people(random, 200, accounts=90), *passers_by(random, 200)])
    assert len(found.families) == 1
    assert one_label(found, slice(200)) == 0


def test_a_pools_templates_inside_an_agents_system_prompt_count_together() -> None:
    random = np.random.default_rng(20)
    other = words(random, 30)
    sent = pool(random, 60)
    mixed = [
        replace(s, prompt=s.prompt.replace(TASK, other)) if n % 20 < 10 else s for n, s in enumerate(sent)
    ]
    _, found = peeled([*mixed, *people(random, 200, accounts=90), *passers_by(random, 200)])
    labels = found.label[:60].reshape(3, 2, 10)
    one, two, carrier = set(labels[:, 0].ravel()), set(labels[:, 1].ravel()), set(found.label[60:260])
    assert [len(one), len(two), len(carrier)] == [1, 1, 1]
    assert len(one | two | carrier) == 3


def test_what_a_pool_sends_inside_an_agents_system_prompt_is_a_family_of_its_own() -> None:
    random = np.random.default_rng(0)
    _, found = peeled([*pool(random, 40), *people(random, 200, accounts=90), *passers_by(random, 200)])
    marker, carrier = one_label(found, slice(0, 40)), one_label(found, slice(40, 240))
    assert marker != carrier
    assert min(marker, carrier) >= 0
    assert (found.label[240:] == -1).all()
    assert found.behaviour.requests[[marker, carrier]].tolist() == [40, 200]
    assert (found.coverage[:240] > 0.6).all()


def test_the_same_template_outside_of_the_agent_is_of_that_family_too() -> None:
    random = np.random.default_rng(1)
    _, found = peeled(
        [
            *pool(random, 40),
            *pool(random, 4, system=None),
            *people(random, 200, accounts=90),
            *passers_by(random, 200),
        ]
    )
    assert one_label(found, slice(0, 44)) not in {-1, one_label(found, slice(44, 244))}


def test_a_template_found_outside_wins_inside() -> None:
    random = np.random.default_rng(2)
    _, found = peeled(
        [
            *pool(random, 40),
            *pool(random, 40, system=None),
            *people(random, 200, accounts=90),
            *passers_by(random, 200),
        ]
    )
    assert one_label(found, slice(0, 80)) not in {-1, one_label(found, slice(80, 280))}


def test_text_that_an_agents_users_send_once_each_stays_the_agents() -> None:
    """A version of the agent, say: long, in part of the requests, of people who do not come back."""
    random = np.random.default_rng(3)
    version = [replace(s, prompt=f"{TASK} {s.prompt}") for s in people(random, 30, accounts=30)]
    _, found = peeled([*version, *people(random, 200, accounts=90), *passers_by(random, 200)])
    assert one_label(found, slice(0, 230)) >= 0


def in_bursts(random: np.random.Generator, sent: list[Sent]) -> list[Sent]:
    """The same at six moments of the day."""
    moments = random.uniform(0, DAY, 6)
    return [replace(s, second=float(random.choice(moments) + random.uniform(0, 120))) for s in sent]


@pytest.mark.parametrize("together", [True, False])
def test_a_text_of_few_words_inside_an_agent_needs_that_its_senders_act_together(together: bool) -> None:
    random = np.random.default_rng(21)
    short = words(random, 10)
    sent = [replace(s, prompt=s.prompt.replace(TASK, short)) for s in pool(random, 60)]
    sent = in_bursts(random, sent) if together else sent
    _, found = peeled([*sent, *people(random, 200, accounts=90), *passers_by(random, 200)])
    assert (one_label(found, slice(0, 60)) != one_label(found, slice(60, 260))) == together


@pytest.mark.parametrize("together", [True, False])
def test_accounts_that_act_together_in_it_may_send_other_things_inside_the_agent(together: bool) -> None:
    random = np.random.default_rng(22)
    sent = in_bursts(random, pool(random, 40)) if together else pool(random, 40)
    beside = [
        Sent(words(random, 20), f"pool{n % 10}", float(random.uniform(0, DAY)), SYSTEM) for n in range(60)
    ]
    _, found = peeled([*sent, *beside, *people(random, 200, accounts=90), *passers_by(random, 200)])
    carrier = one_label(found, slice(40, 300))
    assert (one_label(found, slice(0, 40)) != carrier) == together


def test_a_document_that_some_ask_about_among_others_stays_the_applications() -> None:
    random = np.random.default_rng(4)
    asked = people(random, 240, accounts=60)
    about = [
        replace(s, prompt=f"{TASK} {s.prompt}") if n % 60 < 10 and n % 120 < 60 else s
        for n, s in enumerate(asked)
    ]
    _, found = peeled([*about, *passers_by(random, 200)])
    assert one_label(found, slice(0, 240)) >= 0


@pytest.mark.parametrize(
    ("label", "flagged", "won"),
    [("campaign", False, True), (None, True, True), ("benign", True, False), (None, False, False)],
)
def test_a_stored_campaigns_template_goes_before_a_carrier(
    label: str | None, flagged: bool, won: bool
) -> None:
    random = np.random.default_rng(5)
    _, found = peeled([*pool(random, 40), *people(random, 200, accounts=90), *passers_by(random, 200)])
    marker = one_label(found, slice(0, 40))
    core = found.families.core
    grams = found.shared.hashes[core.indices[core.indptr[marker] : core.indptr[marker + 1]]]
    stored = replace(signature({int(g): 1.0 for g in grams}), label=label, flagged=flagged)
    few = [replace(s, account=f"new{n}") for n, s in enumerate(pool(random, 3))]
    _, after = peeled([*few, *people(random, 200, accounts=90), *passers_by(random, 200)], [stored])
    assert [after.families.known[f] >= 0 for f in after.label[:3]] == [won] * 3


@pytest.mark.parametrize("flagged", [False, True])
def test_the_next_night_keeps_a_marker_as_it_was(flagged: bool) -> None:
    """All of its prompts hold the carrier, too, which does not become its text."""
    random = np.random.default_rng(7)
    _, found = peeled([*pool(random, 40), *people(random, 200, accounts=90), *passers_by(random, 200)])
    stored = [
        replace(signature({int(g): 1.0 for g in grams_of(found, f)}, f"f{f}"), flagged=flagged)
        for f in sorted({one_label(found, slice(0, 40)), one_label(found, slice(40, 240))})
    ]
    for number in range(3):
        later = [*pool(random, 30), *people(random, 200, accounts=90), *passers_by(random, 200)]
        _, after = peeled(later, stored)
        marker, carrier = one_label(after, slice(0, 30)), one_label(after, slice(30, 230))
        assert {int(k) for k in after.families.known[[marker, carrier]]} == {0, 1}, number
        assert len(grams_of(after, marker)) < len(grams_of(after, carrier))


def test_a_stored_template_that_grows_takes_in_what_its_pool_added() -> None:
    random = np.random.default_rng(8)
    _, found = peeled([*pool(random, 40, system=None), *passers_by(random, 200)])
    before = grams_of(found, one_label(found, slice(0, 40)))
    more = words(random, 20)
    grown = [replace(s, prompt=f"{s.prompt} {more}") for s in pool(random, 40, system=None)]
    _, after = peeled([*grown, *passers_by(random, 200)], [signature({int(g): 1.0 for g in before})])
    family = one_label(after, slice(0, 40))
    assert after.families.known[family] == 0
    # all but the n-gram of its end
    assert len(set(before) - set(grams_of(after, family))) <= 1
    assert len(grams_of(after, family)) >= len(before) + 20


def grams_of(found: Discovery, family: int) -> list[int]:
    return found.shared.hashes[found.families.core[family].indices].tolist()


def test_without_a_carrier_nothing_changes() -> None:
    random = np.random.default_rng(6)
    batch = batch_of([*pool(random, 40, system=None), *passers_by(random, 200)])
    found = discover(batch, [], SETTINGS, lambda stage: None)
    assert peel(batch, found, [], SETTINGS) is found
