from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from support.small_traffic import TEMPLATES, done

from fingerprint.casework.actions import Actions
from fingerprint.domain.errors import InputError, SnapshotError
from fingerprint.domain.reading import ROLES
from fingerprint.domain.results import Match
from fingerprint.domain.rows import FamilyFacts
from fingerprint.domain.schemas import TURN_END
from fingerprint.domain.settings import Home
from fingerprint.matching.live import Live, LookupRequest, answers, read_request
from fingerprint.matching.snapshot import open_snapshot
from fingerprint.matching.snapshot_build import with_facts
from fingerprint.signatures.match_score import PREFERRED
from fingerprint.store.store import Store
from fingerprint.traffic.bodies import Body

PROMPT = TEMPLATES[0].format("river market engine teacher window garden")


def found(live: Live) -> Match:
    assert live.serving is not None
    return answers(live.serving.matcher, [LookupRequest(PROMPT, account="pool1")])[0]


def test_one_by_one_and_together_are_the_same(worked: Path) -> None:
    live = Live(Home(worked))
    live.refresh(None)
    assert live.serving is not None
    matcher = live.serving.matcher
    asked = [
        LookupRequest(t.format("a b c d e f"), account=a) for t in TEMPLATES for a in (None, "pool1", "new")
    ]
    asked += [LookupRequest(""), LookupRequest("nothing of the kind"), LookupRequest("x", system=PROMPT)]
    together = answers(matcher, asked)
    assert together == [answers(matcher, [one])[0] for one in asked]
    for one, match in zip(asked, together, strict=True):
        assert matcher.one(one.prompt, one.system, one.account) == match
        explained = matcher.one(one.prompt, one.system, one.account, explained=True)
        assert replace(explained, segments=(), slots=()) == match


def test_words_of_people_are_laid_over_the_snapshot_and_taken_off_again(home: Path) -> None:
    live = Live(Home(home))
    with Store.open(home) as store:
        assert live.refresh(store)
        assert not live.refresh(store)
        before = found(live)
        assert before.family_id is not None
        assert before.label is None
        Actions(store.database).set_label(before.family_id, "campaign", by="ann", campaign="outline")
        assert live.is_behind(store) is False
        assert live.refresh(store)
        assert live.is_behind(store)
        after = found(live)
        assert (after.label, after.campaign_id) == ("campaign", "outline")
        assert replace(after, label=None, campaign_id=before.campaign_id) == before
        Actions(store.database).set_label(before.family_id, None, by="ann")
        assert live.refresh(store)
        assert found(live) == before


def test_the_overlay_is_what_a_new_snapshot_says(home: Path) -> None:
    live = Live(Home(home))
    with Store.open(home) as store:
        live.refresh(store)
        family = found(live).family_id
        assert family is not None
        Actions(store.database).set_label(family, "benign", by="ann")
        live.refresh(store)
        overlaid = found(live)
        assert live.serving is not None
        first = live.serving.snapshot_id
        done("publish", "--if-behind", "--home", home)
        assert live.refresh(store)
        assert live.serving.snapshot_id != first
        assert not live.is_behind(store)
        assert found(live) == overlaid
        again = live.serving.snapshot_id
        done("publish", "--if-behind", "--home", home)
        assert not live.refresh(store)
        assert live.serving.snapshot_id == again


def test_facts_decide_owner_label_threshold_and_preference(worked: Path) -> None:
    snapshot = open_snapshot(worked)
    first, second = (row["own_id"] for row in snapshot.meta["families"][:2])
    facts = [
        FamilyFacts(first, None, "campaign", "c1", 0.5, False, 0.7),
        FamilyFacts(second, first, None, None, 0.2, False, 0.6),
    ]
    over = with_facts(snapshot, facts)
    rows = over.meta["families"]
    assert [(r["family_id"], r["label"], r["campaign_id"]) for r in rows[:2]] == [
        (first, "campaign", "c1")
    ] * 2
    assert over.arrays["threshold"][:2].tolist() == [0.7, 0.6]
    assert over.arrays["prior"][:2].tolist() == [PREFERRED, PREFERRED]
    assert over.arrays["campaign"][:2].tolist() == [True, True]
    assert all(threshold > 1 for threshold in over.arrays["threshold"][2:])
    assert snapshot.meta["families"][1]["family_id"] == second
    # a kernel is compiled anew for arrays that may be written
    assert not any(array.flags.writeable for array in (*snapshot.arrays.values(), *over.arrays.values()))


def test_a_damaged_snapshot_leaves_the_last_one_in_use(home: Path) -> None:
    live = Live(Home(home))
    live.refresh(None)
    before = live.serving
    assert before is not None
    folder = home / "snapshots"
    shutil.copytree(folder / before.snapshot_id, folder / "00000009-000000000000")
    (home / "current").write_text("00000009-000000000000\n")
    with pytest.raises(SnapshotError, match="damaged"):
        live.refresh(None)
    assert live.serving is before
    assert found(live).family_id is not None


def test_a_snapshot_that_is_gone_leaves_the_last_one_in_use(home: Path) -> None:
    live = Live(Home(home))
    live.refresh(None)
    before = live.serving
    (home / "current").write_text("00000009-000000000000\n")
    assert not live.refresh(None)
    assert not live.on_disk()
    assert live.serving is before
    assert found(live).family_id is not None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"prompt": "a", "system": "s"}, LookupRequest("a", "s", "x")),
        ({"prompt": "a\x1eb"}, LookupRequest("a b", None, "x")),
        (
            {
                "messages": [
                    {"role": "user", "content": "a"},
                    {"role": "assistant", "content": "no"},
                    {"role": "user", "content": "b"},
                ]
            },
            LookupRequest(f"a{TURN_END}b", None, "x"),
        ),
        ({"system": [{"type": "text", "text": "s"}], "messages": []}, LookupRequest("", "s", "x")),
        ({"prompt": "a", "account_id": 7}, LookupRequest("a", None, "x")),
    ],
)
def test_requests_are_read_as_logs_are(body: dict[str, object], expected: LookupRequest) -> None:
    assert read_request(Body(body), "x") == expected


def test_others_turns_are_held_by_their_text_and_not_by_their_meaning(home: Path) -> None:
    live = Live(Home(home))
    with Store.open(home) as store:
        live.refresh(store)
    assert live.serving is not None

    def asked(*turns: tuple[str, str]) -> Match:
        messages = [{"role": role, "content": text} for role, text in turns]
        request = read_request(Body({"messages": messages}), None, frozenset(ROLES))
        match = answers(live.serving.matcher, [request])[0]  # type: ignore[union-attr]
        one = live.serving.matcher.one(request.prompt, request.system, said=request.said)  # type: ignore[union-attr]
        assert one == match
        return match

    turn = ("user", "How do I prune a pear tree?")
    assert asked(("assistant", PROMPT), turn).family_id == asked(("user", PROMPT)).family_id is not None
    near = ("assistant", "Cut it in winter. " * 9)
    plain, beside = asked(turn), asked(turn, near)
    assert (plain.similarity, plain.score) == (beside.similarity, beside.score)
    long = ("assistant", " ".join(f"Cut branch {n} in winter." for n in range(4000)))
    assert asked(turn, long).similarity == plain.similarity
    assert asked(turn, long, ("tool", PROMPT)).family_id is not None


@pytest.mark.parametrize(
    ("body", "account"),
    [
        ({"user": "u-1"}, "u-1"),
        ({"account_id": 7}, "7"),
        ({"metadata": {"user_id": "u-2"}}, "u-2"),
        ({}, None),
    ],
)
def test_the_sender_is_named_as_in_logs(body: dict[str, object], account: str | None) -> None:
    messages = [{"role": "user", "content": "a"}]
    assert read_request(Body({**body, "messages": messages})) == LookupRequest("a", None, account)


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(InputError, match="expected"):
        read_request(Body({"messages": [{"role": "user", "content": 7}]}))
    with pytest.raises(InputError, match="no text"):
        read_request(Body({}))


def test_a_home_of_a_newer_night_is_followed(home: Path, traffic: tuple[Path, Path]) -> None:
    live = Live(Home(home))
    with Store.open(home) as store:
        live.refresh(store)
        done("nightly", traffic[1], "--home", home, "--quiet")
        assert live.refresh(store)
        assert live.serving is not None
        night = json.loads(done("nights", "--home", home, "--format", "jsonl").splitlines()[-1])["batch_id"]
        assert live.serving.matcher.snapshot.meta["night"] == night
        assert not live.is_behind(store)
