"""The commands on small traffic: what they print, write and store, and how they refuse."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from support.small_traffic import done, failed, night_rows, objects, row, run, written

from fingerprint.domain.signature import Segment, Slot, Template
from fingerprint.domain.signature_json import from_json, to_json
from fingerprint.store.lock import HomeLock


def test_chain(traffic: tuple[Path, Path], home: Path, tmp_path: Path) -> None:
    families = objects("families", "--home", home, "--flagged", "--format", "jsonl")
    assert len(families) == 2
    assert {"family_id", "score", "flagged", "accounts", "requests", "template", "label"} <= families[
        0
    ].keys()
    assert all(f["accounts"] == 12 and f["requests"] == 60 for f in families)
    first, second = (str(f["family_id"]) for f in families)
    assert "reviewer" in f"{families[0]['template']} {families[1]['template']}"

    shared = tmp_path / "shared.jsonl"
    shared.write_text(
        "".join(done("families", "show", name, "--home", home, "--json") for name in (first, second))
    )
    elsewhere = tmp_path / "elsewhere"
    assert done("import", shared, "--home", elsewhere) == "2 new families, 0 already known\n"
    assert done("import", shared, "--home", elsewhere) == "0 new families, 2 already known\n"
    label = done(
        "label",
        first,
        "campaign",
        "--campaign",
        "c-1",
        "--by",
        "ana",
        "--reason",
        "seen",
        "--home",
        elsewhere,
    )
    assert label == f"{first}: labelled campaign by ana, campaign c-1\n"

    matches = tmp_path / "matches.jsonl"
    assert "120 matched" in done("lookup", traffic[1], "--home", elsewhere, "--output", matches)
    rows = [json.loads(line) for line in matches.read_text().splitlines()]
    assert [r["request_id"] for r in rows] == [r["request_id"] for r in night_rows(1)]
    columns = ["request_id", "family_id", "candidate_id", "score", "label", "campaign_id", "families"]
    assert list(rows[0]) == columns
    assert all(
        [f["family_id"] for f in r["families"]][:1] == [r["family_id"]][: bool(r["family_id"])] for r in rows
    )
    labelled = [r for r in rows if r["label"] == "campaign"]
    assert len(labelled) == 60
    assert {r["campaign_id"] for r in labelled} == {"c-1"}

    campaigns = objects("campaigns", "--home", elsewhere, "--format", "jsonl")
    assert [c["families"] for c in campaigns if c["campaign_id"] == "c-1"] == [[first]]
    page = done("families", "show", first, "--home", elsewhere)
    assert "campaign c-1: seen" in page
    assert (
        done("label", first, "--undo", "--by", "bo", "--home", elsewhere)
        == f"{first}: label withdrawn by bo\n"
    )
    assert not [f for f in objects("families", "--home", elsewhere, "--format", "jsonl") if f["label"]]


def test_second_night_continues_the_families(traffic: tuple[Path, Path], home: Path, tmp_path: Path) -> None:
    before = {f["family_id"] for f in objects("families", "--home", home, "--format", "jsonl")}
    result = run("nightly", traffic[1], "--home", home, "--json")
    report = json.loads(result.stdout)
    assert (report["ingest"]["rows_read"], report["new_families"], report["families"]) == (420, 0, 2)
    logs = [json.loads(line) for line in result.stderr.splitlines()]
    assert all({"time", "level", "event"} <= log.keys() for log in logs)
    assert next(log["stage"] for log in logs if log["event"] == "stage_finished") == "read"
    families = objects("families", "--home", home, "--format", "jsonl")
    assert {f["family_id"] for f in families} == before
    assert all(f["requests"] == 120 for f in families)
    assert len(objects("nights", "--home", home, "--format", "jsonl")) == 2
    assert "420" in done("nights", "--home", home)


def test_summary_adds_up(tmp_path: Path, home: Path) -> None:
    rows = [
        *night_rows(1, each=20, honest=30),
        row(7, "again"),
        row(7, "again"),
        {"request_id": "no account"},
    ]
    bad = written(tmp_path / "bad.jsonl", rows)
    told = done("nightly", bad, "--home", home)
    assert "73 read = 71 accepted + 1 rejected + 1 duplicate" in told
    assert "1 missing_account_id; listed in" in told
    assert done("nightly", bad, "--home", home, "--quiet") == ""


def test_too_many_rejects_stores_nothing(tmp_path: Path) -> None:
    bad = written(tmp_path / "bad.jsonl", [row(1, "fine"), {"request_id": "no account"}])
    assert "at most 0 allowed" in failed(3, "nightly", bad, "--home", tmp_path / "home", "--max-rejects", 0)
    assert objects("nights", "--home", tmp_path / "home", "--format", "jsonl") == []


def test_mapping_and_stdin(tmp_path: Path) -> None:
    log = json.dumps({"n": 1, "who": {"id": "u"}, "at": "2026-03-02T00:00:00Z", "said": "hello there"})
    maps = [f"--map={m}" for m in ("request_id=n", "account_id=who.id", "timestamp=at", "prompt=said")]
    told = done("nightly", "-", "--home", tmp_path / "home", *maps, stdin=log)
    assert "1 read = 1 accepted" in told
    assert "FIELD=JSON.PATH expected" in failed(
        2, "nightly", "-", "--home", tmp_path, "--map", "prompt", stdin=log
    )


def test_lookup_writes_what_is_asked_for(traffic: tuple[Path, Path], worked: Path, tmp_path: Path) -> None:
    result = run("lookup", traffic[1], "--home", worked, "--output", "-", "--explain")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(rows) == 420
    assert {"threshold", "coverage", "similarity"} <= rows[0].keys()
    assert "120 matched" in result.stderr
    done("lookup", traffic[1], "--home", worked, "--output", tmp_path / "m.csv")
    assert len((tmp_path / "m.csv").read_text().splitlines()) == 421
    assert "--json" in failed(2, "lookup", traffic[1], "--home", worked, "--output", "-", "--json")
    assert ".jsonl" in failed(2, "lookup", traffic[1], "--home", worked, "--output", tmp_path / "m.txt")


def test_try_explains(worked: Path, family: str) -> None:
    signature = from_json(objects("families", "show", family, "--home", worked, "--json")[0])
    words = str(signature.template).replace("⟨…⟩", "silver bottle")
    told = done("try", words, "--home", worked)
    assert f"match: family {family}" in told
    assert "100%" in told
    assert "silver bottle" in told
    assert done("try", "-", "--home", worked, stdin="nothing of the kind").startswith("no match")
    [match] = objects("try", words, "--home", worked, "--json")
    assert match["family_id"] == family


def test_attackers_text_does_not_steer_the_terminal(worked: Path, family: str, tmp_path: Path) -> None:
    evil = "x \x1b]0;owned\x07\x1b[31m [bold red]markup[/] \u202egnp :smile:\nnext\x9b2J"
    signature = from_json(objects("families", "show", family, "--home", worked, "--json")[0])
    parts = (Slot(3, 1, 9, "text"), Segment(evil, "user", 0.5, 1.0), *signature.template.parts)
    changed = replace(signature, family_id="evil", template=Template(parts))
    shared = tmp_path / "evil.json"
    shared.write_text(json.dumps(to_json(changed)))
    home = tmp_path / "elsewhere"
    done("import", shared, "--home", home)
    done(
        "label", "evil", "campaign\x1b[2J", "--reason", evil, "--campaign", evil, "--by", evil, "--home", home
    )
    told = done("families", "--home", home) + done("campaigns", "--home", home)
    told += done("families", "show", "evil", "--home", home) + done("try", evil, "--home", home)
    told += done("families", "show", "evil", "--home", home, "--json")
    told += done("families", "--home", home, "--format", "jsonl")
    told += failed(7, "families", "show", evil, "--home", home)
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(told)
    assert "[bold red]markup[/]" in told
    assert ":smile:" in told


def test_errors_have_a_line_and_a_status(traffic: tuple[Path, Path], worked: Path, tmp_path: Path) -> None:
    day, fresh = traffic[0], tmp_path / "fresh"
    assert "missing.jsonl" in failed(3, "nightly", tmp_path / "missing.jsonl", "--home", fresh)
    assert "no-such-model" in failed(
        6, "nightly", day, "--home", fresh, "--model", tmp_path / "no-such-model"
    )
    assert "this is a file" in failed(5, "nightly", day, "--home", day)
    assert "fingerprint nightly TRAFFIC --home" in failed(5, "families", "--home", tmp_path / "nowhere")
    assert "fingerprint nightly TRAFFIC --home" in failed(
        5, "lookup", day, "--home", tmp_path, "--output", "-"
    )
    assert "nobody" in failed(7, "families", "show", "nobody", "--home", worked)
    assert "nobody" in failed(7, "label", "nobody", "benign", "--home", worked)
    assert "FINGERPRINT_HOME" in failed(2, "families")
    assert "fingerprint nightly --help" in failed(2, "nightly", day, "--hom", fresh)
    assert "No such command" in failed(2, "night")
    assert "or --undo" in failed(2, "label", "f1", "--home", worked)
    assert "not both" in failed(2, "label", "f1", "benign", "--undo", "--home", worked)
    assert "mysql" in failed(2, "families", "--home", worked, "--database", "mysql://x/y")


def test_a_call_that_cannot_succeed_makes_no_home(traffic: tuple[Path, Path], tmp_path: Path) -> None:
    day, home = traffic[0], tmp_path / "fresh"
    failed(3, "nightly", tmp_path / "missing.jsonl", "--home", home)
    failed(6, "nightly", day, "--home", home, "--model", "no-such-model")
    failed(6, "nightly", day, "--home", home, "--device", "no-such-device")
    failed(2, "nightly", day, "--home", home, "--engine", "ray", "--device", "cpu")
    failed(2, "nightly", day, "--home", home, "--assignments", tmp_path / "families.txt")
    assert not home.exists()


def test_errors_are_log_entries_where_logs_are_json(tmp_path: Path) -> None:
    result = run("nightly", tmp_path / "missing.jsonl", "--home", tmp_path / "home", "--json")
    logs = [json.loads(line) for line in result.stderr.splitlines()]
    assert (logs[-1]["event"], logs[-1]["exit_status"], result.exit_code) == ("failed", 3, 3)
    assert "missing.jsonl" in logs[-1]["message"]
    assert result.stdout == ""


def test_a_label_is_kept_while_another_job_has_the_home(home: Path, family: str) -> None:
    with HomeLock(home):
        told = done("label", family, "benign", "--home", home)
    assert "lookups see it when the job" in told
    assert (
        objects("families", "--home", home, "--label", "benign", "--format", "jsonl")[0]["family_id"]
        == family
    )


def test_simulate(tmp_path: Path) -> None:
    out, truth = tmp_path / "t.jsonl.gz", tmp_path / "truth.parquet"
    told = done("simulate", out, "--truth", truth, "--rows", 2000, "--days", 2, "--evasion", "nonce:0.9")
    assert told == f"2,000 requests in 2 days, written to {out}, {truth}\n"
    assert truth.exists()
    report = json.loads(done("nightly", out, "--home", tmp_path / "home", "--json"))
    assert report["ingest"]["accepted"] == 2000
    assert "nonse" in failed(2, "simulate", out, "--evasion", "nonse")
    assert "'hard'" in failed(2, "simulate", out, "--evasion", "nonce:hard")


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_postgresql(store_url: str, traffic: tuple[Path, Path], worked: Path, tmp_path: Path) -> None:
    at = ("--home", tmp_path / "home", "--database", store_url)
    done("nightly", traffic[0], *at)
    assert done("families", *at, "--format", "jsonl") == done(
        "families", "--home", worked, "--format", "jsonl"
    )
    assert "120 matched" in done("lookup", traffic[1], *at, "--output", tmp_path / "m.csv")
    assert not (tmp_path / "home" / "fingerprint.db").exists()


def test_a_home_stands_in_the_environment(worked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINGERPRINT_HOME", str(worked))
    assert len(objects("families", "--format", "jsonl")) == 2


def test_traceback_only_when_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINGERPRINT_DEBUG", "1")
    result = run("nightly", tmp_path / "missing.jsonl", "--home", tmp_path / "home")
    assert "Traceback" in result.stderr
