from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.crafted import Sent, batch_of, words
from support.new_wordings import passers_by

from fingerprint.discovery.discover import Discovery, discover
from fingerprint.discovery.frames import add_frames, find_small
from fingerprint.domain.settings import Settings

SETTINGS = Settings()
DAY = 86_400


def in_frames(
    random: np.random.Generator,
    *,
    frames: int,
    prompts: int,
    questions: list[str] | None = None,
    pool: int = 0,
) -> list[Sent]:
    """So many prompts of each of some frames; questions: what all are filled with; pool: accounts, 0 = one each."""
    out = []
    for frame in range(frames):
        text = words(random, 30)
        for n in range(prompts):
            question = questions[n % len(questions)] if questions else words(random, 12)
            account = f"pool{(frame * prompts + n) % pool}" if pool else f"stranger{frame}-{n}"
            out.append(Sent(f"{text}: {question}", account, float(random.uniform(0, DAY))))
    return out


def questions(random: np.random.Generator, count: int) -> list[str]:
    return [f"how many {words(random, 10)} are there?" for _ in range(count)]


def night(sent: list[Sent], settings: Settings = SETTINGS) -> Discovery:
    batch = batch_of(sent)
    found = discover(batch, [], settings, lambda stage: None)
    return add_frames(batch, found, find_small(batch, found, settings), settings)


def labels(found: Discovery, frames: int, prompts: int) -> list[set[int]]:
    return [set(found.label[prompts * f : prompts * (f + 1)].tolist()) for f in range(frames)]


def test_small_frames_of_the_same_questions_are_families() -> None:
    random = np.random.default_rng(0)
    asked = questions(random, 6)
    found = night([*in_frames(random, frames=4, prompts=6, questions=asked), *passers_by(random, 300)])
    own = labels(found, 4, 6)
    assert all(len(label) == 1 for label in own)
    assert len(set.union(*own)) == 4
    assert -1 not in set.union(*own)
    assert (found.label[24:] == -1).all()
    assert found.families.support.tolist() == [6, 6, 6, 6]
    assert found.behaviour.accounts.tolist() == [6, 6, 6, 6]
    assert (found.coverage[:24] > 0.6).all()


def test_small_templates_of_one_pool_are_families() -> None:
    random = np.random.default_rng(1)
    found = night([*in_frames(random, frames=4, prompts=6, pool=6), *passers_by(random, 4_000)])
    assert -1 not in set.union(*labels(found, 4, 6))


@pytest.mark.parametrize("prompts", [5, 7])
def test_a_small_template_that_strangers_send_is_none(prompts: int) -> None:
    random = np.random.default_rng(2)
    found = night([*in_frames(random, frames=4, prompts=prompts), *passers_by(random, 300)])
    assert not len(found.families)


def test_a_frame_joins_a_family_that_is_there_already() -> None:
    random = np.random.default_rng(3)
    asked = questions(random, 12)
    large = in_frames(random, frames=1, prompts=12, questions=asked, pool=5)
    small = in_frames(random, frames=1, prompts=6, questions=asked[:6])
    found = night([*large, *small, *passers_by(random, 300)])
    assert found.families.support.tolist() == [12, 6]
    assert found.families.known.tolist() == [-1, -1]


def test_all_together_must_be_as_many_as_a_family_needs() -> None:
    random = np.random.default_rng(4)
    asked = questions(random, 6)
    sent = [*in_frames(random, frames=2, prompts=6, questions=asked), *passers_by(random, 300)]
    assert len(night(sent).families) == 2
    assert not len(night(sent, Settings(min_requests=13)).families)


def test_nothing_is_looked_for_where_a_frame_would_be_a_family() -> None:
    random = np.random.default_rng(5)
    asked = questions(random, 4)
    sent = in_frames(random, frames=3, prompts=4, questions=asked)
    assert night(sent, Settings(min_requests=4)).families.support.tolist() == [4, 4, 4]
    assert not len(night([]).families)


def test_prompts_that_got_a_family_meanwhile_are_in_no_frame() -> None:
    random = np.random.default_rng(6)
    large = in_frames(random, frames=1, prompts=12, pool=5)
    frames = in_frames(random, frames=4, prompts=6, questions=questions(random, 6))
    batch = batch_of([*large, *frames, *passers_by(random, 300)])
    found = discover(batch, [], SETTINGS, lambda stage: None)
    small = find_small(batch, found, SETTINGS)
    assert len(add_frames(batch, found, small, SETTINGS).families) == 5
    label = found.label.copy()
    label[12:15] = 0
    since = replace(found, label=label)
    later = add_frames(batch, since, small, SETTINGS)
    assert len(later.families) == 4  # half of a frame is none
    assert later.label[12:15].tolist() == [0, 0, 0]


def without_second(found: Discovery) -> Discovery:
    """The same discovery as if nothing had proved its second family."""
    label = np.where(found.label == 1, -1, found.label).astype(np.int32)
    return replace(found, families=found.families.take(np.array([0])), label=label)


@pytest.mark.parametrize(("pool", "larger", "families"), [(6, 1, 2), (0, 1, 1), (6, 4, 1)])
def test_what_has_enough_prompts_but_no_proof_stays_in_company_of_like_size(
    pool: int, larger: int, families: int
) -> None:
    random = np.random.default_rng(7)
    sent = [
        *in_frames(random, frames=1, prompts=12 * larger, pool=pool),
        *in_frames(random, frames=1, prompts=12, pool=pool),
    ]
    if not pool:
        sent = [replace(s, account=f"stranger{n}") for n, s in enumerate(sent)]
    batch = batch_of([*sent, *passers_by(random, 4_000)])
    found = discover(batch, [], SETTINGS, lambda stage: None)
    assert len(found.families) == 2
    one = without_second(found)
    assert len(add_frames(batch, one, find_small(batch, one, SETTINGS), SETTINGS).families) == families
