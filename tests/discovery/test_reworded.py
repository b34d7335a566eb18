from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from support.crafted import Sent, batch_of, words
from support.new_wordings import (
    OTHER_THINGS,
    THINGS,
    asked_once,
    passers_by,
    reworded_prompts,
    sent_by_a_pool,
)
from support.night_families import families_of

from fingerprint.discovery.batch import Batch
from fingerprint.discovery.discover import discover
from fingerprint.discovery.reworded import Reworded, beside_text, compared, reworded
from fingerprint.discovery.sentence_groups import EDGE, Prose, read_prose, read_sentences
from fingerprint.domain.schemas import SYSTEM_END
from fingerprint.domain.settings import Settings
from fingerprint.domain.signature import Signature
from fingerprint.embedding.embedder import Embedder, stamp_of
from fingerprint.signatures.rewordings import NightFamilies
from fingerprint.text.sentences import is_prose

SETTINGS = Settings()


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder.load("static")


def prose_of(batch: Batch) -> Prose:
    return read_prose(batch.texts_of, np.arange(batch.distinct))


def found(sent: list[Sent], embedder: Embedder, stored: list[Signature] | None = None) -> Reworded:
    batch = batch_of(sent)
    said = read_sentences(prose_of(batch), embedder.encode)
    return reworded(batch, compared(said, stored or [], SETTINGS), SETTINGS)


def night(sent: list[Sent], embedder: Embedder) -> NightFamilies:
    batch = batch_of(sent)
    discovery = discover(batch, (), SETTINGS, lambda stage: None)
    return families_of(batch, discovery, (), embedder.encode, stamp_of(embedder), SETTINGS)


def test_a_template_worded_anew_in_every_request_is_a_family_of_its_pool(embedder: Embedder) -> None:
    random = np.random.default_rng(0)
    families = found([*sent_by_a_pool(random, 60), *passers_by(random, 400)], embedder)
    assert families.known.tolist() == [-1]
    own = families.prompts[families.label == 0]
    assert (own < 60).all()
    assert len(own) >= 57


def once_each(random: np.random.Generator, things: Sequence[Sequence[str]], *, first: int) -> list[Sent]:
    """Two prompts of what these things say by each of a dozen accounts, which send no more of it."""
    out = []
    for n in range(16):
        said = [wordings[(n + k) % len(wordings)] for k, wordings in enumerate(things)]
        text = ". ".join([*said, words(random, 12)])
        out.append(Sent(text, f"pool{first + n}", float(random.uniform(0, 86_400))))
    return out


@pytest.mark.parametrize(("first", "families"), [(0, 1), (100, 0)])
def test_wordings_far_apart_are_one_template_of_the_pool_that_sends_both(
    embedder: Embedder, first: int, families: int
) -> None:
    random = np.random.default_rng(11)
    some, others = once_each(random, THINGS[:2], first=0), once_each(random, OTHER_THINGS, first=first)
    result = found([*some, *others, *passers_by(random, 2_000)], embedder)
    assert len(result.known) == families
    assert (result.label[:32] == families - 1).mean() > 0.9


def test_a_template_with_ids_scattered_between_its_words_is_a_family(embedder: Embedder) -> None:
    random = np.random.default_rng(12)

    def scattered(text: str) -> str:
        ids = random.integers(10**9, 10**10, len(text))
        noise = [random.choice([f" [{n}]", f" ref {n}", f" (id {n})", "", "", ""]) for n in ids]
        return " ".join(f"{word}{extra}" for word, extra in zip(text.split(), noise, strict=False))

    text = ". ".join(wordings[0] for wordings in THINGS)
    pool = [
        Sent(scattered(f"{text}. {words(random, 12)}"), f"pool{n % 12}", float(random.uniform(0, 86_400)))
        for n in range(60)
    ]
    result = night([*pool, *passers_by(random, 400)], embedder)
    (signature,) = result.signatures
    assert signature.kind == "reworded"
    assert (result.label[:60] == 0).mean() > 0.95
    assert (result.label[60:] < 0).all()
    assert THINGS[0][0] in str(signature.template)
    assert "ref" not in str(signature.template)


def test_what_people_ask_once_is_no_family_however_alike(embedder: Embedder) -> None:
    random = np.random.default_rng(1)
    families = found([*asked_once(random, 120), *passers_by(random, 400)], embedder)
    assert not len(families.known)
    assert (families.label == -1).all()


def test_one_account_that_comes_back_is_no_pool(embedder: Embedder) -> None:
    random = np.random.default_rng(2)
    busy = [Sent(prompt, "busy", 900.0 * n) for n, prompt in enumerate(reworded_prompts(random, 40))]
    families = found([*busy, *asked_once(random, 20), *passers_by(random, 400)], embedder)
    assert not len(families.known)


def test_people_who_ask_the_same_are_not_of_the_pool_that_sends_one_thing_of_it(embedder: Embedder) -> None:
    random = np.random.default_rng(3)
    single = [Sent(THINGS[0][n], f"cook{n}", 500.0 * n) for n in range(8)]
    families = found([*sent_by_a_pool(random, 60), *single, *passers_by(random, 400)], embedder)
    assert (families.label[60:68] == -1).all()


def test_wordings_that_come_back_make_no_families_of_their_own(embedder: Embedder) -> None:
    """Each of the wordings is sent by several accounts, as text that they share."""
    random = np.random.default_rng(9)
    sent = [*sent_by_a_pool(random, 90), *passers_by(random, 600)]
    families = night(sent, embedder)
    (only,) = families.signatures
    assert only.kind == "reworded"
    assert (families.label[:90] == 0).mean() > 0.95


def test_a_short_text_that_all_share_stays_a_text(embedder: Embedder) -> None:
    random = np.random.default_rng(10)
    text = ". ".join(wordings[0] for wordings in THINGS[:2])
    sent = [
        Sent(f"{text}. {words(random, 12)}", f"pool{n % 10}", float(random.uniform(0, 86_400)))
        for n in range(40)
    ]
    families = night([*sent, *passers_by(random, 400)], embedder)
    assert [s.kind for s in families.signatures] == ["template"]
    assert (families.label[:40] == 0).all()


def test_two_runs_give_the_same(embedder: Embedder) -> None:
    random = np.random.default_rng(4)
    sent = [*sent_by_a_pool(random, 60), *passers_by(random, 300)]
    one, two = found(sent, embedder), found(sent, embedder)
    assert one.label.tolist() == two.label.tolist()
    for said, again in zip(one.wordings[0], two.wordings[0], strict=True):
        assert said.texts.to_pylist() == again.texts.to_pylist()


def test_a_stored_family_takes_its_prompts_however_few(embedder: Embedder) -> None:
    random = np.random.default_rng(5)
    (stored,) = night([*sent_by_a_pool(random, 60), *passers_by(random, 400)], embedder).signatures
    assert stored.kind == "reworded"
    few = [Sent(p, f"new{n}", 100.0 * n) for n, p in enumerate(reworded_prompts(random, 4))]
    families = found([*few, *passers_by(random, 400)], embedder, [stored])
    assert families.known.tolist() == [0]
    assert families.label.tolist()[:4] == [0, 0, 0, 0]
    assert (families.label[4:] == -1).all()


def test_only_what_enough_accounts_sent_is_shown(embedder: Embedder) -> None:
    random = np.random.default_rng(6)
    sent = sent_by_a_pool(random, 60)
    (signature,) = night([*sent, *passers_by(random, 400)], embedder).signatures
    assert signature.template.segments
    assert not len(signature.grams)
    for segment in signature.template.segments:
        assert len({s.account for s in sent if segment.text in s.prompt}) >= SETTINGS.min_accounts


def test_words_that_no_three_accounts_share_are_not_shown(embedder: Embedder) -> None:
    random = np.random.default_rng(7)
    sent = [
        Sent(f"my card is number {n * 7919} of {'abcdefghij'[n % 10]}orn. {s.prompt}", s.account, s.second)
        for n, s in enumerate(sent_by_a_pool(random, 60))
    ]
    (signature,) = night([*sent, *passers_by(random, 400)], embedder).signatures
    assert "7919" not in str(signature.template)


def test_sentences_are_read_from_both_ends_and_each_counts_once(embedder: Embedder) -> None:
    lines = [f"we all look at the old house {chr(97 + n) * 3}" for n in range(26)]
    batch = batch_of([Sent(". ".join([*lines, lines[-1]]), "a"), Sent("no prose", "b")])
    said = read_sentences(prose_of(batch), embedder.encode)
    assert said.prompts.tolist() == [0]
    assert said.texts.to_pylist() == [*lines[:EDGE], *lines[-EDGE + 1 :]]
    assert said.held.toarray().tolist() == [[1.0] * (2 * EDGE - 1)]
    assert (np.diff(said.position) > 0).all()


def test_sentences_of_licences_are_not_read(embedder: Embedder) -> None:
    licence = "You may not use this file except in compliance with the License"
    batch = batch_of([Sent(f"{licence}. we all look at the old house", f"a{n}") for n in range(3)])
    said = read_sentences(prose_of(batch), embedder.encode)
    assert said.texts.to_pylist() == ["we all look at the old house"]


@pytest.mark.parametrize("rules", [EDGE - 1, EDGE, 60, 200])
def test_behind_a_long_system_prompt_the_first_sentences_are_read(rules: int, embedder: Embedder) -> None:
    system = ". ".join(f"every rule of this old house is kept {chr(97 + n % 26) * 3}" for n in range(rules))
    lines = [f"we all look at the old house {chr(97 + n) * 3}" for n in range(26)]
    batch = batch_of([Sent(f"{system}{SYSTEM_END}{'. '.join(lines)}", "a")])
    said = read_sentences(prose_of(batch), embedder.encode).texts.to_pylist()
    assert said[: min(rules, EDGE)] == system.split(". ")[:EDGE]
    head = 1 if rules < EDGE else EDGE
    assert said[min(rules, EDGE) :] == [*lines[:head], *lines[-EDGE:]]


@pytest.mark.parametrize("count", [0, 1, 4])
def test_hardly_any_prompts(count: int, embedder: Embedder) -> None:
    sent = [Sent(p, "a") for p in reworded_prompts(np.random.default_rng(8), count)]
    assert not len(found(sent, embedder).known)


@pytest.mark.parametrize(
    ("text", "prose"),
    [
        ("explain to me how this works", True),
        ("erkläre mir, wie das geht", True),
        ("请为下面的任务编写一页练习册", True),
        ("too few words", False),
        ("operations_by_label = {x: y[0] for x, y in zip(a1, b2)} # 17", False),
        ("10.0.0.1 - - [12:01:55] 200 5123 12 ms 17 of 9", False),
    ],
)
def test_prose(text: str, prose: bool) -> None:
    assert is_prose(pa.array([text], pa.large_string())).tolist() == [prose]


def test_what_only_a_small_familys_own_prompts_show_is_one_of_its_things(embedder: Embedder) -> None:
    """Of sixteen prompts too few word the chef's complaints nearly alike for these to be dense among all sentences."""
    random = np.random.default_rng(0)
    pool = sent_by_a_pool(random, 16)
    complaints = ". ".join(["the head chef grumbles about three steps", THINGS[0][0], words(random, 12)])
    (things,) = found([*pool, *passers_by(random, 400)], embedder).wordings
    assert any("head chef" in text for said in things[1:] for text in said.texts.to_pylist())
    of_anybody = [Sent(complaints, f"chef{n}", 900.0 * n) for n in range(2)]
    texts = [f"{THINGS[1][n % 8]}. {words(random, 12)}" for n in range(40)]
    of_anybody += [Sent(text, f"person{n}", 900.0 * n) for n, text in enumerate(texts)]
    (things,) = found([*pool, *of_anybody, *passers_by(random, 400)], embedder).wordings
    assert not any("head chef" in said.texts[0].as_py() for said in things)


def test_a_family_whose_prompts_are_divided_among_several_texts_is_none() -> None:
    # both texts have more prompts elsewhere, and neither has most of the family's
    text = np.repeat([0, 1, 0, 1], [12, 10, 20, 20]).astype(np.int32)
    families = Reworded(np.arange(22), np.zeros(22, np.int32), np.array([-1]), ((),))
    settled = beside_text(families, text)
    assert (settled.label == -1).all()
    assert len(settled.known) == len(settled.wordings) == 0
