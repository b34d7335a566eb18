from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.small_traffic import done, failed, objects, row, written

from fingerprint.domain.errors import InputError, NotFound, StampMismatch
from fingerprint.domain.settings import Home
from fingerprint.domain.signature_json import to_json
from fingerprint.embedding.embedder import Embedder
from fingerprint.hunting.hunter import HIT_SCHEMA, Hunter
from fingerprint.jobs.hunt import HuntOptions, hunt, preview, read_target, stored_target
from fingerprint.text.normalise import compose, normalise
from fingerprint.traffic.reader import read_traffic

TEXT_ONLY = HuntOptions(by_meaning=False)


@pytest.fixture(scope="module")
def looked_up(worked: Path, traffic: tuple[Path, Path]) -> list[dict[str, object]]:
    out = worked.parent / "matches.jsonl"
    done("lookup", *traffic, "--home", worked, "--output", out, "--explain", "--quiet")
    return [json.loads(line) for line in out.read_text().splitlines()]


def families(home: Path) -> list[str]:
    return [str(f["family_id"]) for f in objects("families", "--home", home, "--format", "jsonl")]


def test_hits_are_the_matches_of_a_lookup(
    worked: Path, traffic: tuple[Path, Path], looked_up: list[dict[str, object]], tmp_path: Path
) -> None:
    for family in families(worked):
        out = tmp_path / "hits.parquet"
        report = hunt(stored_target(Home(worked), family), traffic, output=out)
        hits = pq.read_table(out)
        assert hits.schema.names == HIT_SCHEMA.names
        found = {h["request_id"]: h for h in hits.to_pylist()}
        for m in looked_up:
            if m["family_id"] == family:
                assert found[m["request_id"]]["score"] == pytest.approx(m["score"], abs=1e-6)
                assert found[m["request_id"]]["coverage"] == m["coverage"]
            elif m["request_id"] in found:  # a lookup prefers another family, which this one alone has not
                assert m["candidate_id"] not in (None, family)
        assert report.hits == hits.num_rows == sum(day.requests for day in report.per_day.values())
        assert report.hits > 100
        assert list(report.per_day) == ["2026-03-02", "2026-03-03"]
        assert report.accounts == 12
        assert sum(a.requests for a in report.top) <= report.hits


def test_every_prompt_that_the_familys_own_matcher_matches_is_found(
    worked: Path, traffic: tuple[Path, Path]
) -> None:
    embedder = Embedder.load()
    target = stored_target(Home(worked), families(worked)[0])
    low = replace(
        target,
        signatures=tuple(
            replace(s, threshold=0.02, similarity=0.2, typical_similarity=0.1) for s in target.signatures
        ),
    )
    for chosen in (target, low):
        hunter = Hunter(chosen, embedder)
        for batch in read_traffic([traffic[1]], rejects=None):
            texts = normalise(compose(batch.column("system"), batch.column("prompt")))
            full = hunter._matcher.find(texts, batch.column("account_id"))
            hits = hunter.find(batch)
            assert (
                hits["request_id"].to_pylist()
                == batch.column("request_id").filter(pa.array(full.matched)).to_pylist()
            )
            np.testing.assert_allclose(hits["score"].to_numpy(), full.score[full.matched], atol=1e-6)
    assert hits.num_rows > 60  # the low threshold lets meaning alone match


def test_a_file_is_hunted_without_a_home(
    worked: Path, traffic: tuple[Path, Path], tmp_path: Path, family: str
) -> None:
    file = tmp_path / "shared.json"
    file.write_text(done("families", "show", family, "--home", worked, "--json"))
    alone = json.loads(done("hunt", file, *traffic, "--json", "--quiet"))
    assert alone["family_id"] == family
    assert alone["ingest"]["accepted"] == 840
    assert alone["hits"] >= 120
    lines = done("hunt", file, traffic[0], "--output", "-", "--text-only").splitlines()
    assert set(json.loads(lines[0])) == {"request_id", "account_id", "timestamp", "score", "coverage"}
    assert not any("reviewer" in line or "intermediate" in line for line in lines)


def test_an_edited_file_is_taken_only_if_said_so(
    worked: Path, traffic: tuple[Path, Path], tmp_path: Path, family: str
) -> None:
    target = stored_target(Home(worked), family)
    changed = to_json(target.signatures[0]) | {"threshold": 0.999}
    file = tmp_path / "edited.json"
    file.write_text(json.dumps(changed))
    assert "it was changed" in failed(3, "hunt", file, traffic[0])
    assert json.loads(done("hunt", file, traffic[0], "--edited", "--json", "--quiet"))["hits"] <= 60
    del changed["content_hash"]
    file.write_text(json.dumps(changed))
    assert read_target(file, edited=True).signatures[0].threshold == 0.999


def test_another_threshold_and_its_preview(worked: Path, traffic: tuple[Path, Path], family: str) -> None:
    home = Home(worked)
    before = stored_target(home, family)
    edited = replace(before.signatures[0], threshold=0.999999)
    after = stored_target(home, family, edited=edited)
    found = preview(before, after, traffic, TEXT_ONLY)
    assert found.gained.num_rows == 0
    assert found.lost.num_rows == found.before.hits - found.after.hits > 0
    assert found.before.complete
    told = json.loads(
        done(
            "hunt",
            family,
            *traffic,
            "--home",
            worked,
            "--threshold",
            0.999999,
            "--text-only",
            "--json",
            "--quiet",
        )
    )
    assert told["hits"] == found.after.hits


def test_a_preview_ends_in_time(worked: Path, traffic: tuple[Path, Path], family: str) -> None:
    target = stored_target(Home(worked), family)
    assert not preview(target, target, traffic, TEXT_ONLY, seconds=0.0).after.complete


def test_no_hit_at_all(worked: Path, tmp_path: Path, family: str) -> None:
    file = written(tmp_path / "other.jsonl", [row(1, "what is the capital of france"), row(2, "")])
    told = json.loads(done("hunt", family, file, "--home", worked, "--json", "--quiet"))
    assert (told["hits"], told["accounts"], told["per_day"], told["first_seen"]) == (0, 0, {}, None)
    assert told["ingest"]["rejected"] == 1
    assert "0 of family" in done("hunt", family, file, "--home", worked, "--top", 0)


def test_what_cannot_be_hunted(worked: Path, traffic: tuple[Path, Path], tmp_path: Path, family: str) -> None:
    with pytest.raises(NotFound, match="no family fffff in"):
        stored_target(Home(worked), "fffff")
    assert "no such file of a signature" in failed(3, "hunt", tmp_path / "none.json", traffic[0])
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(InputError, match="a signature as JSON expected"):
        read_target(tmp_path / "bad.json")
    target = stored_target(Home(worked), family)
    other = replace(target.signatures[0].stamp, normaliser="0")
    with pytest.raises(StampMismatch, match="normaliser='0'"):
        Hunter(replace(target, signatures=(replace(target.signatures[0], stamp=other),)), Embedder.load())
    two = tmp_path / "two.jsonl"
    both = [to_json(target.signatures[0]), to_json(replace(target.signatures[0], family_id="f000000000000"))]
    two.write_text("\n".join(map(json.dumps, both)))
    with pytest.raises(InputError, match="of one family expected, of 2 found"):
        read_target(two)


def test_text_alone_needs_no_model_of_the_signatures(
    worked: Path, traffic: tuple[Path, Path], family: str
) -> None:
    target = stored_target(Home(worked), family)
    foreign = replace(target.signatures[0].stamp, model="another", revision="x", dimension=3)
    one = replace(target.signatures[0], stamp=foreign, prototypes=np.zeros((0, 3), np.float32))
    changed = replace(target, signatures=(one,))
    with pytest.raises(StampMismatch, match="another"):
        Hunter(changed, Embedder.load())
    assert hunt(changed, [traffic[1]], TEXT_ONLY).hits >= 60


def test_parquet_is_read_by_the_columns_that_count(
    worked: Path, traffic: tuple[Path, Path], tmp_path: Path, family: str
) -> None:
    batches = list(read_traffic([traffic[0]], rejects=None))
    pq.write_table(pa.Table.from_batches(batches), tmp_path / "t.parquet")
    target = stored_target(Home(worked), family)
    a, b = (hunt(target, [file], TEXT_ONLY) for file in (traffic[0], tmp_path / "t.parquet"))
    assert (a.hits, a.per_day, a.top) == (b.hits, b.per_day, b.top)


def test_strict_writes_no_hits_and_no_matches_of_odd_traffic(worked: Path, tmp_path: Path) -> None:
    odd = written(tmp_path / "odd.jsonl", [row(n, f"a prompt, number {n}", "key-1", n) for n in range(220)])
    span = {
        "id": "s",
        "traceId": "t",
        "startTime": "2026-03-02T10:00:00Z",
        "type": "SPAN",
        "input": "no request",
    }
    usual = written(tmp_path / "usual.jsonl", [*(row(n, f"number {n}", f"a{n}", n) for n in range(20)), span])
    for command in (("lookup",), ("hunt", families(worked)[0])):
        out = tmp_path / f"{command[0]}.jsonl"
        shared = ("--home", worked, "--output", out, "--quiet", "--strict")
        assert "one account sent 100% of the requests" in failed(8, *command, odd, *shared)
        assert not out.exists()
        (report,) = objects(*command, usual, *shared, "--json")
        assert [warning["kind"] for warning in report["ingest"]["warnings"]] == ["rows_left_out"]
        assert out.exists()
