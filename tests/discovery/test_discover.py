from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse
from support.bare_signatures import signature
from support.bursts import LONG, in_bursts
from support.crafted import Sent, background, batch_of, words
from support.new_wordings import passers_by

from fingerprint.discovery.discover import Discovery, discover
from fingerprint.discovery.families import Families
from fingerprint.discovery.proof import CLOSED_POOL_P, is_akin, is_proven
from fingerprint.domain.settings import Settings
from fingerprint.evidence.coactivity import behaviour

SHORT = "rewrite this without any hedging words"
PHRASE = "thank you very much in advance for"


def found(sent: Sequence[Sent], **settings: float) -> Discovery:
    return discover(batch_of(sent), [], replace(Settings(), **settings), lambda stage: None)


def by_anybody(random: np.random.Generator, prompts: Sequence[str]) -> list[Sent]:
    return [Sent(p, f"b{random.integers(300)}", float(random.uniform(0, 86_400))) for p in prompts]


def families_of(discovery: Discovery, rows: slice) -> Counter[int]:
    return Counter(discovery.label[rows].tolist())


def consistent(discovery: Discovery) -> None:
    f, n = len(discovery.families), len(discovery.label)
    assert discovery.families.members.shape == (f, n)
    assert discovery.coverage.shape == (n,)
    assert len(discovery.behaviour.p_value) == f
    for family in range(f):
        assert (
            discovery.families.members[family].indices.tolist()
            == np.flatnonzero(discovery.label == family).tolist()
        )
        grams = discovery.families.core[family].indices
        assert (np.diff(grams) > 0).all()
    assert ((discovery.coverage > 0) == (discovery.label >= 0)).all()
    assert (discovery.coverage <= 1).all()


@pytest.mark.parametrize(
    "slot", ["{:06d}", "https://data.example/{:x}", "2026-03-02 04:{:02.0f}", "attachment://image/{:016x}"]
)
def test_a_template_of_which_only_what_is_masked_varies(slot: str) -> None:
    random = np.random.default_rng(3)
    values = random.integers(100_000, 999_999, 60).tolist()
    filled = [slot.format(v % 60 if "04:" in slot else v) for v in values]
    prompts = [
        f"solve item {v} of the sealed exam and write down every step of it before the answer" for v in filled
    ]
    discovery = found(in_bursts(random, prompts) + background(random, 400, accounts=300))
    consistent(discovery)
    assert len(discovery.families) == 1
    distinct = len(set(filled))
    assert families_of(discovery, slice(0, distinct)) == {0: distinct}
    assert families_of(discovery, slice(distinct, None)) == {-1: 400}


@pytest.mark.parametrize("place", ["{0} {1}", "{1} {0}", "{1} {0} {1}"])
def test_a_fixed_instruction_around_a_long_body(place: str) -> None:
    random = np.random.default_rng(0)
    injected = [place.format(SHORT, words(random, 150)) for _ in range(60)]
    discovery = found(in_bursts(random, injected) + background(random, 400, accounts=300))
    consistent(discovery)
    assert len(discovery.families) == 1
    assert families_of(discovery, slice(0, 60)) == {0: 60}
    assert families_of(discovery, slice(60, None)) == {-1: 400}


def test_a_short_phrase_of_anybody_is_no_family() -> None:
    random = np.random.default_rng(1)
    polite = [f"{words(random, 20)} {PHRASE} {words(random, 3)}" for _ in range(80)]
    discovery = found(by_anybody(random, polite) + background(random, 800, accounts=300))
    assert len(discovery.families) == 0


def by_a_pool_at_any_time(random: np.random.Generator, prompts: Sequence[str], accounts: int) -> list[Sent]:
    return [
        Sent(p, f"pool{n % accounts}", float(random.uniform(0, 86_400)))
        for n, p in enumerate(random.permutation(np.array(prompts, dtype=object)).tolist())
    ]


def test_a_short_template_that_a_pool_comes_back_to_is_a_family() -> None:
    random = np.random.default_rng(11)
    prompts = [f"solve this twice by independent routes and compare: {words(random, 12)}" for _ in range(33)]
    discovery = found([*by_a_pool_at_any_time(random, prompts, 12), *passers_by(random, 400)])
    assert discovery.label[:33].tolist() == [0] * 33
    assert (discovery.label[33:] == -1).all()


def test_a_short_template_that_each_sends_once_is_none() -> None:
    random = np.random.default_rng(12)
    prompts = [f"solve this twice by independent routes and compare: {words(random, 12)}" for _ in range(33)]
    discovery = found([*by_a_pool_at_any_time(random, prompts, 33), *passers_by(random, 400)])
    assert (discovery.label == -1).all()


def test_one_sentence_under_a_long_payload_that_a_pool_comes_back_to_is_a_family() -> None:
    random = np.random.default_rng(13)
    prompts = [
        f"set an exam of thirty questions on this reader, hardest last. {words(random, 1500)}"
        for _ in range(24)
    ]
    discovery = found([*by_a_pool_at_any_time(random, prompts, 9), *passers_by(random, 400)])
    assert discovery.label[:24].tolist() == [0] * 24


def test_two_templates_of_one_pool_are_two_families() -> None:
    random = np.random.default_rng(2)
    sent = in_bursts(random, [f"{LONG} {words(random, 9)}" for _ in range(40)])
    sent += in_bursts(random, [f"{words(random, 30)} {SHORT}" for _ in range(40)])
    discovery = found(sent + background(random, 300))
    consistent(discovery)
    assert len(discovery.families) == 2
    assert len(families_of(discovery, slice(0, 40))) == len(families_of(discovery, slice(40, 80))) == 1


@pytest.mark.parametrize(
    "template",
    [LONG, SHORT],
)
def test_a_payload_that_others_send_too_does_not_steal_members(template: str) -> None:
    random = np.random.default_rng(3)
    article = words(random, 200)
    campaign = [f"{template} {article if n % 12 == 0 else words(random, 200)} {n}" for n in range(60)]
    readers = [f"{words(random, 8)} {article} {words(random, 8)}" for _ in range(30)]
    sent = in_bursts(random, campaign) + by_anybody(random, readers) + background(random, 400, accounts=300)
    discovery = found(sent)
    consistent(discovery)
    ((family, count),) = families_of(discovery, slice(0, 60)).most_common(1)
    assert family >= 0
    assert count == 60
    assert family not in families_of(discovery, slice(60, None))


def test_strangers_long_texts_are_no_members_for_the_set_phrases_in_them() -> None:
    random = np.random.default_rng(6)
    phrases = [words(random, 5) for _ in range(8)]

    def essay(share: float) -> str:
        parts = [phrase for phrase in phrases if random.random() < share]
        return " ".join(f"{words(random, 30)} {part}" for part in ["", *random.permutation(parts).tolist()])

    campaign = [f"{SHORT} {essay(0.9)}" for _ in range(60)]
    strangers = [essay(0.4) for _ in range(300)]
    discovery = found([*in_bursts(random, campaign), *by_anybody(random, strangers)])
    consistent(discovery)
    assert families_of(discovery, slice(0, 60)) == {0: 60}
    assert families_of(discovery, slice(60, None)) == {-1: 300}


@pytest.mark.parametrize("prompts", [36, 14])
def test_a_sentence_that_one_accounts_job_sends_too_takes_no_prompts(prompts: int) -> None:
    random = np.random.default_rng(2)
    sentence = words(random, 14)
    grown = [f"{LONG} {sentence if n < 6 else ''} {words(random, 9)}" for n in range(40)]
    pool = [Sent(p, f"pool{n % 10}", float(random.uniform(0, 86_400))) for n, p in enumerate(grown)]
    pool[:6] = [replace(sent, second=100.0 + n) for n, sent in enumerate(pool[:6])]
    # the job runs while these accounts send
    job = [Sent(f"{sentence} {words(random, 12)}", "job", 100.0 + n / 4) for n in range(prompts)]
    discovery = found([*pool, *job, *background(random, 400, accounts=300)])
    consistent(discovery)
    assert families_of(discovery, slice(0, 40)) == {0: 40}
    assert families_of(discovery, slice(40, 40 + prompts)) == {-1: prompts}


def test_repeated_slot_values_do_not_split_a_template() -> None:
    random = np.random.default_rng(4)
    topics = [words(random, 6) for _ in range(5)]
    prompts = [f"{LONG} about {topics[n % 5]} {words(random, 12)}" for n in range(75)]
    discovery = found(in_bursts(random, prompts) + background(random, 200))
    assert families_of(discovery, slice(0, 75)) == {0: 75}


def test_one_accounts_template_is_no_family() -> None:
    random = np.random.default_rng(5)
    sent = [Sent(f"{LONG} {words(random, 9)}", "batchjob", float(n)) for n in range(100)]
    assert len(found(sent + background(random, 100)).families) == 0


def test_fewest_prompts_and_accounts() -> None:
    random = np.random.default_rng(6)
    sent = in_bursts(random, [f"{LONG} {words(random, 9)}" for _ in range(10)], pool=4)
    others = background(random, 200)
    assert len(found(sent + others).families) == 1
    assert len(found(sent + others, min_requests=11).families) == 0
    assert len(found(sent + others, min_accounts=5).families) == 0


def test_a_stored_family_goes_on() -> None:
    random = np.random.default_rng(7)
    first = found(
        in_bursts(random, [f"{LONG} {words(random, 9)}" for _ in range(40)]) + background(random, 200)
    )
    grams = first.shared.hashes[first.families.core[0].indices]
    old = [signature({1: 1.0}, "other"), signature(dict.fromkeys(grams.tolist(), 1.0), "old")]
    for count in (2, 40):
        sent = in_bursts(random, [f"{LONG} {words(random, 9)}" for _ in range(count)]) + background(
            random, 200
        )
        again = discover(batch_of(sent), old, Settings(), lambda stage: None)
        place = again.families.known.tolist().index(1)
        assert families_of(again, slice(0, count)) == {place: count}
        assert again.families.known.tolist().count(1) == 1


def test_the_same_batch_gives_the_same_families() -> None:
    random = np.random.default_rng(8)
    sent = in_bursts(random, [f"{LONG} {words(random, 9)}" for _ in range(40)]) + background(random, 300)
    one, two = found(sent), found(sent)
    assert (one.label == two.label).all()
    assert (one.families.core != two.families.core).nnz == 0


@pytest.mark.parametrize("prompts", [[], ["one"], [""], ["", "  ", "\n"], ["same"] * 30])
def test_nothing_to_find(prompts: list[str]) -> None:
    discovery = found([Sent(p, f"a{n}", float(n)) for n, p in enumerate(prompts)])
    consistent(discovery)
    assert len(discovery.families) == 0
    assert (discovery.label == -1).all()


def test_stages_are_told_in_their_order() -> None:
    told: list[str] = []
    discover(batch_of([Sent("one")]), [], Settings(), told.append)
    assert told == ["shingle", "cluster", "refine"]


def test_a_small_template_of_a_pool_that_acts_together_is_a_family() -> None:
    random = np.random.default_rng(8)
    large = in_bursts(random, [f"{LONG} {words(random, 20)}" for _ in range(60)])
    texts = [f"{words(random, 20)} {SHORT}" for _ in range(9)]
    honest = background(random, 600, accounts=400)
    by_pool = [Sent(t, f"pool{n}", float(random.uniform(0, 86_400))) for n, t in enumerate(texts)]
    by_others = [Sent(t, f"b{31 * n}", float(random.uniform(0, 86_400))) for n, t in enumerate(texts)]
    small = slice(660, 669)
    taken = families_of(found([*honest, *large, *by_pool]), small)
    assert len(taken) == 1
    assert -1 not in taken
    assert families_of(found([*honest, *large, *by_others]), small) == {-1: 9}


@pytest.mark.parametrize(("fewest", "expected"), [(2, [True, True]), (3, [True, False])])
def test_kin_from_fewer_accounts_than_k_is_no_family(fewest: int, expected: list[bool]) -> None:
    """30 prompts by a pool of 15 in a burst, 8 by two of them, and 40,000 by others."""
    others = 40_000
    account = np.concatenate([np.arange(30) % 15, np.arange(8) % 2, 15 + np.arange(others)]).astype(np.int32)
    second = np.concatenate(
        [np.linspace(0, 60, 30), np.linspace(0, 86_400, 8), np.linspace(0, 86_400, others)]
    )
    n = len(account)
    row = np.repeat([0, 1], [30, 8])
    members = sparse.csr_matrix((np.ones(38, np.float32), (row, np.arange(38))), shape=(2, n))
    senders = sparse.csr_matrix((np.ones(n, np.float32), (np.arange(n), account)))
    families = Families(sparse.csr_matrix(np.ones((2, 3), np.float32)), members, np.full(2, -1, np.int32))
    act = behaviour(members, account, second)
    assert is_akin(families, act, senders, Settings(min_accounts=fewest)).tolist() == expected


@pytest.mark.parametrize(("askers", "expected"), [(850, False), (500, True)])
@pytest.mark.parametrize("outlined", [False, True])
def test_habits_of_many_people_are_significant_but_no_pool(
    askers: int, expected: bool, outlined: bool
) -> None:
    """2,000 requests of one question by some of 1,000 accounts that send as much; chance gives 865 of them."""
    random = np.random.default_rng(9)
    account = np.concatenate([random.integers(0, askers, 2_000), np.arange(20_000) % 1_000]).astype(np.int32)
    second = random.uniform(0, 12 * 86_400, len(account))
    members = sparse.csr_matrix(
        (np.ones(2_000, np.float32), (np.zeros(2_000, int), np.arange(2_000))), shape=(1, len(account))
    )
    families = Families(sparse.csr_matrix(np.ones((1, 20), np.float32)), members, np.full(1, -1, np.int32))
    act = behaviour(members, account, second)
    assert act.p_pool[0] < CLOSED_POOL_P
    assert is_proven(families, act, np.array([outlined]), Settings()).tolist() == [expected]
