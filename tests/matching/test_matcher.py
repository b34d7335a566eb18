from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from support.bare_signatures import signature
from support.crafted import words
from support.matched import ASK, END, family
from support.reworded import ORIGINAL, OTHER, REWORDED

from fingerprint.domain.errors import SnapshotError, StampMismatch
from fingerprint.domain.schemas import TURN_END
from fingerprint.domain.signature import Segment, Signature, Template
from fingerprint.embedding.embedder import Embedder, stamp_of
from fingerprint.matching.matcher import Matcher
from fingerprint.matching.snapshot_build import publish
from fingerprint.text.normalise import compose, normalise


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder.load("static")


def opened(home: Path, embedder: Embedder, *signatures: Signature) -> Matcher:
    publish(home, signatures, stamp_of(embedder), night="n1")
    return Matcher.open(home)


def test_a_match_explains_itself(tmp_path: Path, embedder: Embedder) -> None:
    found = opened(tmp_path, embedder, family(embedder, ASK, END, label="campaign", campaign_id="c1"))
    got = found.one(f"{ASK}: Our flat in Berlin, let since 2019!\n{END}", explained=True)
    assert (got.family_id, got.candidate_id, got.label, got.campaign_id) == ("f1", "f1", "campaign", "c1")
    assert got.threshold == 0.5
    assert got.score > got.threshold
    assert got.coverage is not None
    assert got.coverage > 0.9
    assert [(s.text, s.coverage) for s in got.segments] == [(ASK, 1.0), (END, 1.0)]
    assert got.slots == ("our flat in berlin, let since 2019",)


def test_slots_before_between_and_after(tmp_path: Path, embedder: Embedder) -> None:
    found = opened(tmp_path, embedder, family(embedder, ASK, END))
    assert found.one(f"one. {ASK} two {END} three", explained=True).slots == ("one", "two", "three")
    assert found.one(f"{ASK} {END}", explained=True).slots == ()
    assert found.one(f"{END} swapped {ASK}", explained=True).slots == (f"{END} swapped",)


def test_a_part_of_a_template_is_a_candidate_below_its_threshold(tmp_path: Path, embedder: Embedder) -> None:
    found = opened(tmp_path, embedder, family(embedder, ASK, END, threshold=0.98))
    got = found.one(f"{' '.join(ASK.split()[:8])} my own lines and nothing else", explained=True)
    assert got.family_id is None
    assert got.candidate_id == "f1"
    assert 0 < got.score < 0.98
    assert got.threshold == 0.98
    assert 0.5 < got.segments[0].coverage < 1
    assert got.segments[1].coverage < 0.3


def test_nothing_in_common(tmp_path: Path, embedder: Embedder) -> None:
    found = opened(tmp_path, embedder, family(embedder, ASK, END))
    got = found.one("what is the capital of france")
    assert (got.family_id, got.candidate_id, got.score, got.segments, got.slots) == (None, None, 0.0, (), ())


@pytest.mark.parametrize("prompt", ["", " ", "!?", "😀", "\x00"])
def test_prompts_of_nearly_nothing(tmp_path: Path, embedder: Embedder, prompt: str) -> None:
    found = opened(tmp_path, embedder, family(embedder, ASK, END))
    assert found.one(prompt).family_id is None


def test_an_empty_home(tmp_path: Path, embedder: Embedder) -> None:
    found = opened(tmp_path, embedder)
    assert found.one(ASK).candidate_id is None
    assert found.find(pa.array([], pa.large_string())).family.shape == (0,)
    assert not found.find(normalise(pa.array([ASK, END], pa.large_string()))).matched.any()


def test_system_and_user_text_are_told_apart_in_slots(tmp_path: Path, embedder: Embedder) -> None:
    found = opened(tmp_path, embedder, family(embedder, ASK, END))
    got = found.one(f"and now {END}", f"{ASK} be kind", explained=True)
    assert got.family_id == "f1"
    assert got.slots == ("be kind\nand now",)


def test_masks_in_a_template_are_found(tmp_path: Path, embedder: Embedder) -> None:
    ask = "look up order 3fa85f64-5717-4562-b3fc-2c963f66afa6 and tell me at once where it is"
    found = opened(tmp_path, embedder, family(embedder, ask))
    got = found.one(
        ask.replace("3fa85f64", "7c9e6679") + " or call 7c9e6679-7425-40de-944b-e07fc1f90ae7", explained=True
    )
    assert got.segments[0].text == "look up order ⟨uuid⟩ and tell me at once where it is"
    assert got.segments[0].coverage == 1
    assert got.slots == ("or call ⟨uuid⟩",)


def test_one_by_one_and_in_a_batch_agree(tmp_path: Path, embedder: Embedder) -> None:
    random = np.random.default_rng(1)
    centre = embedder.encode(pa.array(["how do I bake bread at home"]))
    topic = replace(
        signature({}, "t"), kind="topical", prototypes=centre, similarity=0.3, stamp=stamp_of(embedder)
    )
    found = opened(tmp_path, embedder, family(embedder, ASK, END), family(embedder, END, name="f2"), topic)
    prompts = [f"{ASK} {words(random, n)}" for n in range(5)] + [
        f"{words(random, n)} {END}" for n in range(5)
    ]
    prompts += ["baking bread at home", "home bread baking for beginners", "something else", ""]
    batch = found.find(normalise(compose(pa.nulls(len(prompts), pa.large_string()), pa.array(prompts))))
    for row, prompt in enumerate(prompts):
        got = found.one(prompt)
        name = found.families[batch.family[row]]["family_id"] if batch.family[row] >= 0 else None
        assert got.candidate_id == name
        assert (got.family_id is not None) == batch.matched[row]
        assert got.score == pytest.approx(float(batch.score[row]), abs=1e-6)
    assert found.families[batch.family[10]]["family_id"] == "t"
    assert batch.matched[10]


def test_meaning_does_not_hide_a_surer_match_of_text(tmp_path: Path, embedder: Embedder) -> None:
    near = embedder.encode(pa.array([f"{ASK} what"]))
    topic = replace(
        signature({}, "t"), kind="topical", prototypes=near, similarity=0.3, stamp=stamp_of(embedder)
    )
    found = opened(tmp_path, embedder, family(embedder, ASK, END), topic)
    assert found.one(f"{ASK} what {END}").family_id == "f1"
    assert found.one("act as a tax adviser, please review").candidate_id == "t"


def test_a_long_prompt(tmp_path: Path, embedder: Embedder) -> None:
    found = opened(tmp_path, embedder, family(embedder, ASK, END))
    body = words(np.random.default_rng(2), 100_000)
    got = found.one(f"{ASK} {body} {END}", explained=True)
    assert got.family_id == "f1"
    assert got.slots == (body,)


def test_no_snapshot(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match="no snapshot in"):
        Matcher.open(tmp_path)


def test_signatures_of_another_normaliser(tmp_path: Path, embedder: Embedder) -> None:
    publish(tmp_path, [], replace(stamp_of(embedder), normaliser="0"), night=None)
    with pytest.raises(StampMismatch, match=r"normaliser='0'.*normaliser='1'"):
        Matcher.open(tmp_path)


def test_the_same_signatures_make_the_same_snapshot(tmp_path: Path, embedder: Embedder) -> None:
    signatures = [family(embedder, ASK), family(embedder, END, name="f2")]
    names = {publish(tmp_path / n, signatures, stamp_of(embedder), night="n1") for n in "ab"}
    assert len(names) == 1


def test_segments_with_their_own_letters_are_found_in_any_spelling(
    tmp_path: Path, embedder: Embedder
) -> None:
    said = "Ответь как Опытный Редактор and List every Claim of the Text"
    template = Template((Segment(said, "user", 0.0, 1.0),))
    got = opened(tmp_path, embedder, replace(family(embedder, said), template=template)).one(
        said.upper() + " THIRD", explained=True
    )
    assert [(s.text, s.coverage) for s in got.segments] == [(said, 1.0)]
    assert got.slots == ("third",)


def test_without_being_asked_a_match_is_not_explained(tmp_path: Path, embedder: Embedder) -> None:
    found = opened(tmp_path, embedder, family(embedder, ASK, END))
    explained = found.one(f"{ASK} two {END}", explained=True)
    assert found.one(f"{ASK} two {END}") == replace(explained, segments=(), slots=())


def test_a_conversation_is_answered_as_its_whole_text_is(tmp_path: Path, embedder: Embedder) -> None:
    families = [
        family(embedder, ASK, END),
        family(
            embedder, "list every claim of the text and rate it", "on a scale from one to nine", name="f2"
        ),
    ]
    found = opened(tmp_path, embedder, *families)
    rng = np.random.default_rng(5)
    turns = [
        words(rng, 2000),
        ASK,
        words(rng, 900),
        f"{END} {words(rng, 40)}",
        "?!",
        "list every claim of the text",
    ]
    for size in range(1, len(turns) + 1):
        text = TURN_END.join(turns[:size])
        whole = found.find(normalise(pa.array([text], pa.large_string())))
        assert found.one(text) == found.matches(whole, [None])[0]
        # and with others in one batch
        for row, match in enumerate(found.matches(found.find_raw(["hello there", text]), [None, None])):
            assert match == found.one(["hello there", text][row])


def test_an_account_that_sent_the_family_before_counts(tmp_path: Path, embedder: Embedder) -> None:
    senders = pa.table({"account_id": ["a1"], "family_id": ["f1"]})
    signatures = [family(embedder, ASK, END)]
    publish(tmp_path, signatures, stamp_of(embedder), night="n1", senders=senders)
    found = Matcher.open(tmp_path)
    half = f"{ASK} {words(np.random.default_rng(5), 30)}"
    known, other, nobody = found.one(half, account="a1"), found.one(half, account="a2"), found.one(half)
    assert (known.known_sender, other.known_sender, nobody.known_sender) == (True, False, None)
    assert known.score > other.score == nobody.score
    batch = found.find(normalise(pa.array([half, half])), pa.array(["a1", "a2"], pa.large_string()))
    assert batch.score.tolist() == [known.score, other.score]


HOUSE = [
    "you are the garden helper inside a small app for people who grow vegetables on their balcony",
    "name the plant first and then say in two lines how much water and light it needs every day",
    "never recommend poison and mention the pets and children that may be near the pots",
]


def carried(home: Path, embedder: Embedder, *, flagged: bool) -> Matcher:
    """A home with an app's text of many accounts, and a template of few."""
    app, ask = family(embedder, ". ".join(HOUSE), name="app", place="system"), family(embedder, *ORIGINAL)
    about = {"similarity": 0.4, "typical_similarity": 0.1, "threshold": 0.5}
    return opened(
        home,
        embedder,
        replace(app, prototypes=embedder.encode(pa.array(HOUSE)), **about),
        replace(ask, prototypes=embedder.encode(pa.array(ORIGINAL)), flagged=flagged, **about),
    )


@pytest.mark.parametrize("flagged", [True, False])
def test_a_campaign_in_other_words_inside_an_app_is_the_campaigns(
    tmp_path: Path, embedder: Embedder, flagged: bool
) -> None:
    found = carried(tmp_path, embedder, flagged=flagged)
    house = ". ".join(HOUSE)
    for system, prompt in ((house, ". ".join(REWORDED)), (None, f"{house}.\n{'. '.join(REWORDED)}")):
        got = found.one(prompt, system)
        assert got.family_id == ("f1" if flagged else "app")
        assert [other.family_id for other in got.also] == (["app"] if flagged else [])
    assert found.one("how often does a tomato need water", house).family_id == "app"


@pytest.mark.parametrize("more", [0, 3_000, 20_000])
def test_other_words_at_the_head_of_a_turn_are_found_behind_a_long_system_prompt(
    tmp_path: Path, embedder: Embedder, more: int
) -> None:
    ask = family(embedder, *ORIGINAL, threshold=0.5)
    about = {"similarity": 0.5, "typical_similarity": 0.2}
    found = opened(tmp_path, embedder, replace(ask, prototypes=embedder.encode(pa.array(ORIGINAL)), **about))
    random = np.random.default_rng(3)
    # the payload as characters; a long one is read turn by turn
    system, payload = (". ".join(words(random, 12) for _ in range(n // 80)) for n in (5_000, more))
    said = ". ".join(REWORDED)
    assert found.one(f"{said}. {payload}", system).family_id == "f1"
    assert found.one(payload, system).family_id is None


def test_what_an_app_says_itself_makes_no_campaign_of_its_users(tmp_path: Path, embedder: Embedder) -> None:
    """The campaign asks for much the same as the app's text does."""
    about = {"similarity": 0.4, "typical_similarity": 0.1, "threshold": 0.5}
    app = family(embedder, ". ".join(HOUSE), name="app")
    like = [f"{sentence} please" for sentence in HOUSE]
    found = opened(
        tmp_path,
        embedder,
        replace(app, prototypes=embedder.encode(pa.array(HOUSE)), **about),
        replace(
            family(embedder, *ORIGINAL), prototypes=embedder.encode(pa.array(like)), flagged=True, **about
        ),
    )
    assert found.one(f"{'. '.join(HOUSE)}. how often does a tomato need water").family_id == "app"


def test_a_campaign_that_a_text_matches_is_not_given_up_for_what_it_means(
    tmp_path: Path, embedder: Embedder
) -> None:
    short = family(embedder, "write down every step", flagged=True, threshold=0.3)
    about = {"similarity": 0.4, "typical_similarity": 0.1, "threshold": 0.5}
    other = replace(
        family(embedder, ". ".join(OTHER), name="other"), prototypes=embedder.encode(pa.array(OTHER)), **about
    )
    got = opened(tmp_path, embedder, short, other).one(f"write down every step. {'. '.join(OTHER)}")
    assert got.family_id == "f1"
    assert [o.family_id for o in got.also] == ["other"]
