from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.bursts import LONG, in_bursts
from support.crafted import background, batch_of, words
from support.night_families import families_of

from fingerprint.assessment.assess import EarlierNights, Meanings, assess, meanings, observations
from fingerprint.assessment.features import PRIOR, SCORE_FEATURES, Feature, Features
from fingerprint.assessment.flagging import flag_threshold
from fingerprint.base.types import Embed
from fingerprint.discovery.batch import Batch
from fingerprint.discovery.discover import discover
from fingerprint.domain.settings import Settings
from fingerprint.domain.signature import Reason, Signature
from fingerprint.embedding.embedder import Embedder, stamp_of
from fingerprint.evidence.intents import catalogue
from fingerprint.evidence.null_models import Trait
from fingerprint.evidence.observations import Observations
from fingerprint.nights.night import fill_batch
from fingerprint.signatures.rewordings import NightFamilies
from fingerprint.store.store import ACCOUNT_TOTALS_SCHEMA, FAMILY_ACCOUNTS_SCHEMA

NO_NIGHTS = EarlierNights(FAMILY_ACCOUNTS_SCHEMA.empty_table(), ACCOUNT_TOTALS_SCHEMA.empty_table())

HONEST = (
    "please translate the sentence that stands below into plain french and keep the names in it as they are"
)


@pytest.fixture(scope="module")
def night() -> tuple[Batch, NightFamilies]:
    """A pool of fifteen accounts sends one template in bursts, forty people with subjects of their own another one at any time."""
    random = np.random.default_rng(0)
    sent = in_bursts(random, [f"{LONG} {words(random, 9)}" for _ in range(60)])
    subject: dict[str, str] = {}
    sent += [
        replace(s, prompt=f"{HONEST} {subject.setdefault(s.account, words(random, 4))} {words(random, 2)}")
        for s in background(random, 80, accounts=40)
    ]
    batch, settings = batch_of([*sent, *background(random, 300)]), Settings()
    embedder = Embedder.load("static")
    embed: Embed = embedder.encode
    found = discover(batch, [], settings, lambda _stage: None)
    return batch, families_of(batch, found, [], embed, stamp_of(embedder), settings)


def about(batch: Batch, families: NightFamilies) -> Meanings:
    return meanings(batch, families, batch.texts_of, batch.sizes, catalogue(), Embedder.load("static").encode)


def scored(
    night: tuple[Batch, NightFamilies],
    stored: tuple[Signature, ...] = (),
    features: Features = SCORE_FEATURES,
) -> list[Signature]:
    """The pool's family, and the people's."""
    batch, described = night
    signatures = assess(
        batch, described, fill_batch(*night)[0], about(*night), NO_NIGHTS, stored, features, precision=0.95
    )
    pool = described.label[batch.prompt[0]], described.label[batch.prompt[60]]
    return [signatures[f] for f in pool]


def test_a_pool_that_acts_together_is_flagged_and_people_are_not(night: tuple[Batch, NightFamilies]) -> None:
    pool, people = scored(night)
    assert pool.flagged
    assert pool.score >= flag_threshold(0.95) > people.score
    assert {r.name for r in pool.reasons} >= {PRIOR, "synchrony", "pool"}
    assert pool.score == pytest.approx(1 / (1 + np.exp(-sum(r.contribution for r in pool.reasons))))


def test_a_label_of_a_stored_family_moves_the_weights_of_all(night: tuple[Batch, NightFamilies]) -> None:
    pool, _ = scored(night)
    labelled = replace(pool, family_id="another", label="benign")
    assert scored(night, (labelled,))[0].score < pool.score


def test_families_without_requests_tonight_keep_their_scores(night: tuple[Batch, NightFamilies]) -> None:
    batch, described = night
    silent = replace(
        described.signatures[0], family_id="silent", score=0.7, reasons=(Reason("few", 1, 1, ""),)
    )
    act = described.behaviour
    with_silent = replace(
        described,
        signatures=(*described.signatures, silent),
        behaviour=type(act)(*(np.append(getattr(act, name), 0) for name in act.__slots__)),
    )
    signatures = assess(
        batch,
        with_silent,
        fill_batch(batch, with_silent)[0],
        about(batch, with_silent),
        NO_NIGHTS,
        (),
        precision=0.95,
    )
    assert signatures[-1] == silent


def busiest_share(data: Observations) -> Trait:
    """Share of a family's requests that its busiest account sent."""
    busiest = data.pool.max(axis=1).toarray().ravel()
    return Trait(busiest / data.requests, 1 / data.accounts, np.ones(data.families))


BUSIEST = Feature(
    "busiest",
    busiest_share,
    "{value} of it is of one account; {expected} if even",
    weight=0.25,
    cap=1.0,
    is_test=False,
)


def test_a_new_statistic_is_a_function_and_a_row(night: tuple[Batch, NightFamilies]) -> None:
    """What CONTRIBUTING says of a new statistic: nothing else has to know of it."""
    before, (pool, people) = scored(night), scored(night, features=(*SCORE_FEATURES, BUSIEST))
    (reason,) = (r for r in pool.reasons if r.name == "busiest")
    assert (reason.value, reason.contribution) == (1.0, 0.25)
    assert reason.words == "0.067 of it is of one account; 0.067 if even"
    assert "busiest" in {r.name for r in people.reasons}
    # all other reasons are as they were
    assert [r for r in pool.reasons if r.name != "busiest"] == list(before[0].reasons)
    # and families that were scored and labelled before it came do not mind
    labelled = replace(before[0], family_id="another", label="campaign")
    (again,) = (
        r for r in scored(night, (labelled,), (*SCORE_FEATURES, BUSIEST))[0].reasons if r.name == "busiest"
    )
    assert again.contribution == pytest.approx(0.25, abs=1e-6)


def test_observations_are_the_nights(night: tuple[Batch, NightFamilies]) -> None:
    batch, described = night
    data = observations(batch, described, fill_batch(*night)[0], about(*night), NO_NIGHTS)
    assert data.requests.tolist() == described.behaviour.requests.tolist()
    assert data.accounts.tolist() == described.behaviour.accounts.tolist()
    assert data.volume.sum() == len(batch)
    assert data.shares_text.all()
