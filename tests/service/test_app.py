"""The lookup API end to end, in process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.service_client import Running, running
from support.small_traffic import TEMPLATES, done, objects
from support.until import until

from fingerprint.store.store import Store

PROMPT = TEMPLATES[0].format("river market engine teacher window garden")
CHAT = {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": PROMPT}]}
BLOCKS = {
    "system": [{"type": "text", "text": "Be brief."}],
    "messages": [{"role": "user", "content": [{"type": "text", "text": PROMPT}]}],
}


@pytest.fixture(scope="module")
def served(worked: Path) -> Iterator[Running]:
    """A service whose home is only read, without keys."""
    with running(worked) as service:
        yield service


@pytest.fixture
def own(home: Path) -> Iterator[Running]:
    """A service with a home of its own."""
    with running(home) as service:
        yield service


def ask(service: Running, body: object, **more: object) -> dict[str, object]:
    got = service.client.post("/v1/lookup", json=body, **more)  # type: ignore[arg-type]
    assert got.status_code == 200, got.text
    answer: dict[str, object] = got.json()
    return answer


def test_shapes_of_requests_give_one_answer(served: Running, family: str) -> None:
    plain = ask(served, {"prompt": PROMPT, "system": "Be brief.", "account_id": "pool1"})
    assert plain["match"] is True
    assert plain["known_sender"] is True
    assert plain["family_id"] in {
        f["family_id"] for f in objects("families", "--home", served.home, "--format", "jsonl")
    }
    assert plain["decision"] == "observe"
    for body in (CHAT, BLOCKS, {"instructions": "Be brief.", "input": PROMPT}):
        assert ask(served, {**body, "account_id": "pool1"}) == plain


def test_nothing_in_common_is_no_match(served: Running) -> None:
    answer = ask(served, {"prompt": "what is the capital of france"})
    assert answer["match"] is False
    assert answer["family_id"] is None
    assert answer["known_sender"] is None


def test_an_explanation_on_request(served: Running) -> None:
    answer = ask(served, {"prompt": PROMPT, "explain": True})
    explained = answer.pop("explanation")
    assert explained["segments"][0]["coverage"] == 1.0  # type: ignore[index]
    assert "river market engine teacher window garden" in explained["slots"]  # type: ignore[index]
    assert answer == ask(served, {"prompt": PROMPT})


def test_answers_are_those_of_the_command_line(
    served: Running, traffic: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    done("lookup", traffic[1], "--home", served.home, "--output", out, "--explain", "--quiet")
    expected = [json.loads(line) for line in out.read_text().splitlines()]
    rows = [json.loads(line) for line in traffic[1].read_text().splitlines()]
    bodies = [{"prompt": r["prompt"], "account_id": r["account_id"]} for r in rows]
    got = served.client.post("/v1/lookup/batch", json={"requests": bodies}).json()
    single = [ask(served, body) for body in bodies[:40]]
    assert got["results"][:40] == single
    for answer, row in zip(got["results"], expected, strict=True):
        assert answer["family_id"] == row["family_id"]
        assert answer["candidate_id"] == row["candidate_id"]
        first = {"family_id": answer["family_id"], "score": answer["score"]}
        assert row.pop("families") == [first, *answer["also"]][not answer["match"] :]
        if row["candidate_id"] is not None:
            shown = set(row) - {"request_id"}
            assert {name: answer[name] for name in shown} == {name: row[name] for name in shown}


def test_a_batch_is_answered_in_order_and_bounded(served: Running) -> None:
    got = served.client.post("/v1/lookup/batch", json={"requests": [{"prompt": "hi"}, {"prompt": PROMPT}]})
    assert [r["match"] for r in got.json()["results"]] == [False, True]
    assert got.headers["x-snapshot-id"] == got.json()["snapshot_id"]
    too_many = served.client.post("/v1/lookup/batch", json={"requests": [{"prompt": "hi"}] * 1001})
    assert too_many.status_code == 413
    assert served.client.post("/v1/lookup/batch", json={"requests": []}).status_code == 422


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"{", 400),
        (b'{"prompt": "\xff"}', 400),
        (b"[]", 422),
        (b'{"prompt": 7}', 422),
        (b'{"messages": [{"role": "assistant", "content": ""}]}', 422),
        (b'{"prompt": "' + b"x" * (16 << 20) + b'"}', 413),
        (b'{"prompt": ""}', 422),
        (b'{"foo": 1}', 422),
        (b'{"prompt": "x", "explain": 1}', 422),
        (b'{"prompt": "x", "account_id": ["a"]}', 422),
        (b"[" * 5000, 400),
        (b'{"prompt": "x", "a": [' + b"[]," * 300_000 + b"1]}", 413),
    ],
)
def test_what_cannot_be_read_is_a_problem(served: Running, sent: bytes, status: int) -> None:
    got = served.client.post("/v1/lookup", content=sent, headers={"content-type": "application/json"})
    assert got.status_code == status
    assert got.headers["content-type"] == "application/problem+json"
    assert got.json()["status"] == status
    assert "xxxx" not in got.text


def test_why_a_body_cannot_be_looked_up_is_told(served: Running) -> None:
    got = served.client.post("/v1/lookup", json={"messages": []}).json()
    assert (got["kind"], got["errors"]) == (
        "no_text",
        [{"at": [], "expected": "no text: neither user nor system text found"}],
    )
    got = served.client.post("/v1/lookup/batch", json={"requests": [{"prompt": "x"}, {"foo": "y"}]})
    assert got.status_code == 422
    assert got.json()["errors"][0]["at"] == ["requests", "1"]


def test_bodies_with_oddities_are_read(served: Running) -> None:
    plain = ask(served, {"prompt": PROMPT, "account_id": "pool1"})
    text = json.dumps(PROMPT)[1:-1]
    for body in (
        f'{{"prompt": "{text}", "user": "pool1", "o": NaN}}',
        f'{{"prompt": "{text} \\ud83d", "user": "pool1"}}',
        f'{{"prompt": "{text}", "user": "pool1", "deep": {"[" * 3000}{"]" * 3000}}}',
        f'\ufeff{{"prompt": "{text}", "user": "pool1"}}',
    ):
        got = served.client.post(
            "/v1/lookup", content=body.encode(), headers={"content-type": "application/json"}
        )
        assert got.json() == plain


def test_a_large_body_is_answered_as_a_small_one(served: Running) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 3_000_000}}
    blocks = [image, {"type": "text", "text": PROMPT}]
    small = ask(served, {"prompt": PROMPT})
    large = ask(served, {"messages": [{"role": "user", "content": blocks}]})
    assert large["family_id"] == small["family_id"]
    explained = ask(served, {"messages": [{"role": "user", "content": blocks}], "explain": True})
    assert explained.pop("explanation")
    assert explained == large


def test_other_types_of_body_are_refused(served: Running) -> None:
    got = served.client.post("/v1/lookup", content=b"prompt=x", headers={"content-type": "text/plain"})
    assert got.status_code == 415


def test_a_passed_deadline_is_an_early_503(served: Running) -> None:
    got = served.client.post("/v1/lookup", json={"prompt": PROMPT}, headers={"x-request-timeout-ms": "0"})
    assert got.status_code == 503
    assert got.headers["retry-after"] == "1"


def test_a_full_queue_is_an_early_503(worked: Path) -> None:
    with running(worked, max_waiting=0) as service:
        service.service.engine._large = 1
        got = service.client.post("/v1/lookup", json={"prompt": PROMPT})
        assert got.status_code == 503
        assert got.headers["retry-after"] == "1"
        assert 'fingerprint_shed_total{why="queue"}' in service.client.get("/metrics").text


def test_probes_and_metrics(served: Running) -> None:
    assert served.client.get("/livez").status_code == 200
    assert served.client.get("/readyz").status_code == 200
    ask(served, {"prompt": PROMPT})
    text = served.client.get("/metrics").text
    serving = served.service.live.serving
    assert serving is not None
    assert f'fingerprint_snapshot_info{{snapshot="{serving.snapshot_id}"}} 1.0' in text
    for name in (
        'fingerprint_lookups_total{found="match",label="none"}',
        'fingerprint_http_requests_total{method="POST",route="/v1/lookup",status="200"}',
        'fingerprint_http_request_seconds_bucket{le="0.01",route="/v1/lookup"}',
        'fingerprint_decisions_total{decision="observe",gateway="api"}',
        "fingerprint_snapshot_age_seconds ",
        "fingerprint_database_up 1.0",
    ):
        assert name in text


def test_a_home_without_a_night_is_alive_but_not_ready(tmp_path: Path) -> None:
    with running(tmp_path / "new") as service:
        assert service.client.get("/livez").status_code == 200
        assert service.client.get("/readyz").status_code == 503
        assert service.client.post("/v1/lookup", json={"prompt": "x"}).status_code == 503


def test_security_headers_stand_on_every_answer(served: Running) -> None:
    for path in ("/livez", "/login", "/nothing"):
        headers = served.client.get(path).headers
        assert "script-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"


def test_pages_of_families_are_those_of_the_list(served: Running) -> None:
    whole = [f["family_id"] for f in objects("families", "--home", served.home, "--format", "jsonl")]
    found, token = [], None
    while True:
        query = {"page_size": 1, **({"page_token": token} if token else {})}
        page = served.client.get("/v1/families", params=query).json()
        found += [family["family_id"] for family in page["items"]]
        token = page["next"]
        if token is None:
            break
    assert found == whole
    assert served.client.get("/v1/families", params={"page_token": "nonsense"}).status_code == 400
    assert served.client.get("/v1/families", params={"label": "none"}).json()["items"]
    assert served.client.get("/v1/families", params={"label": "benign"}).json()["items"] == []


def test_a_family_a_campaign_and_an_account(served: Running, family: str) -> None:
    shown = served.client.get(f"/v1/families/{family}")
    assert shown.headers["etag"] == '"0"'
    assert shown.json()["events"][0]["kind"] == "born"
    assert shown.json()["reasons"]
    signature = served.client.get(f"/v1/families/{family}/signature").json()
    assert signature == objects("families", "show", family, "--home", served.home, "--json")[0]
    campaigns = served.client.get("/v1/campaigns").json()["items"]
    for campaign in campaigns:
        assert served.client.get(f"/v1/campaigns/{campaign['campaign_id']}").json() == campaign
    account = served.client.get("/v1/accounts/pool1").json()
    assert family in account["families"]
    for path in ("families/none", "campaigns/none", "accounts/none"):
        got = served.client.get(f"/v1/{path}")
        assert got.status_code == 404
        assert str(served.home) not in got.text


@pytest.fixture
def seldom(home: Path) -> Iterator[Running]:
    """One that looks for what others changed only every hour."""
    with running(home, refresh_ms=3_600_000) as service:
        yield service


def test_a_label_reaches_lookups_at_once(seldom: Running, family: str) -> None:
    label = seldom.key("label", "read")
    url = f"/v1/families/{family}/labels"
    prompts = [t.format("river market engine teacher window garden") for t in TEMPLATES]
    ours = seldom.key("lookup", name="gateway")

    def labels() -> set[object]:
        answers = [ask(seldom, {"prompt": p}, headers=ours) for p in prompts]
        return {a["label"] for a in answers if a["family_id"] == family}

    got = seldom.client.post(
        url, json={"label": "campaign", "campaign": "outline-7"}, headers={**label, "if-match": '"0"'}
    )
    assert got.status_code == 201, got.text
    assert got.json()["by"] == "ann"
    until(lambda: labels() == {"campaign"})
    etag = got.headers["etag"]
    taken_back = seldom.client.post(url, json={"label": None}, headers={**label, "if-match": etag})
    assert taken_back.status_code == 201
    until(lambda: labels() == {None})


def test_a_misspelt_label_is_refused_unless_it_is_meant(own: Running, family: str) -> None:
    key = {**own.key("label"), "if-match": "*"}
    url = f"/v1/families/{family}/labels"
    refused = own.client.post(url, json={"label": "campain"}, headers=key)
    assert refused.status_code == 422
    assert "did you mean 'campaign'?" in refused.json()["detail"]
    kept = own.client.post(url, json={"label": "campain", "as_written": True}, headers=key)
    assert (kept.status_code, kept.json()["label"]) == (201, "campain")


def test_two_analysts_do_not_overwrite_each_other(own: Running, family: str) -> None:
    ann, bob = own.key("label", "read"), own.key("label", "read", name="bob")
    url = f"/v1/families/{family}/labels"
    read = own.client.get(f"/v1/families/{family}", headers=ann).headers["etag"]
    first = own.client.post(url, json={"label": "campaign"}, headers={**bob, "if-match": read})
    second = own.client.post(url, json={"label": "benign"}, headers={**ann, "if-match": read})
    assert (first.status_code, second.status_code) == (201, 412)
    assert own.client.post(url, json={"label": "benign"}, headers=ann).status_code == 428
    assert own.client.post(url, json={"label": "benign"}, headers={**ann, "if-match": "*"}).status_code == 201
    assert [w["by"] for w in own.client.get(url, headers=ann).json()] == ["bob", "ann"]
    audit = own.client.get(
        "/v1/audit", params={"subject": family}, headers=own.key("admin", name="root")
    ).json()["items"]
    assert [(line["actor"], line["detail"]["label"]) for line in audit] == [
        ("ann", "benign"),
        ("bob", "campaign"),
    ]


def test_a_new_snapshot_is_taken_up_and_the_command_line_reads_it(own: Running, family: str) -> None:
    before = own.service.live.serving
    assert before is not None
    done("label", family, "campaign", "--home", own.home)
    until(lambda: own.service.live.serving.snapshot_id != before.snapshot_id)  # type: ignore[union-attr]
    assert ask(own, {"prompt": PROMPT})["snapshot_id"] != before.snapshot_id


def test_a_label_over_http_is_published_for_those_without_a_database(own: Running, family: str) -> None:
    label = own.key("label")
    got = own.client.post(
        f"/v1/families/{family}/labels", json={"label": "benign"}, headers={**label, "if-match": "*"}
    )
    assert got.status_code == 201

    def published() -> str:
        current = (own.home / "current").read_text().strip()
        return (own.home / "snapshots" / current / "manifest.json").read_text()

    until(lambda: '"label": "benign"' in published())


def test_the_database_away_stops_no_lookup(own: Running) -> None:
    assert own.service.live.serving is not None
    (own.home / "fingerprint.db").rename(own.home / "away.db")
    own.service._store = None
    for suffix in ("-wal", "-shm"):
        (own.home / f"fingerprint.db{suffix}").unlink(missing_ok=True)
    (own.home / "fingerprint.db").mkdir()
    own.service.refresh()
    assert not own.service.database_up
    assert ask(own, {"prompt": PROMPT})["match"] is True
    assert own.client.get("/readyz").status_code == 200
    got = own.client.get("/v1/families")
    assert got.status_code == 503
    assert got.headers["content-type"] == "application/problem+json"
    (own.home / "fingerprint.db").rmdir()
    (own.home / "away.db").rename(own.home / "fingerprint.db")
    own.service.refresh()
    assert own.service.database_up


def test_last_use_of_a_key_is_kept(own: Running) -> None:
    key = own.key("lookup")
    ask(own, {"prompt": PROMPT}, headers=key)
    own.service.refresh()
    with Store.open(own.home) as store:
        assert store.access.all_keys()[0].row.last_used is not None
