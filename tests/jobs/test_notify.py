"""Messages to a webhook: signed, tried again, told when given up, and sent nowhere else."""

from __future__ import annotations

import hashlib
import hmac
import socket
import threading
import time
from datetime import UTC, datetime

import pytest
from support.receiver import receiving

from fingerprint.domain.errors import UsageError
from fingerprint.jobs.notices import Notices
from fingerprint.jobs.notify import LONGEST_WAIT_S, WAITS_S, Webhook, watch_message

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
EVENT = {
    "event": "flagged",
    "at": AT,
    "family_id": "f0123456789ab",
    "score": 0.97,
    "flagged": True,
    "requests": 1200,
    "conversations": 900,
    "accounts": 31,
    "first_seen": AT,
    "last_seen": AT,
    "template": "Rate the answer ⟨…⟩",
    "reasons": ["sent by 31 accounts"],
    "examples": ["r1", "r2"],
}


def test_a_message_is_signed_with_the_time_of_sending() -> None:
    with receiving() as got:
        assert Webhook(got.url, "s3cret").post({"text": "4 families · ⟨…⟩"}) is None
    [headers], [body] = got.headers, got.bodies
    at = headers["x-fingerprint-timestamp"]
    assert abs(time.time() - int(at)) < 60
    expected = hmac.new(b"s3cret", f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    assert headers["x-fingerprint-signature"] == f"v1={expected}"
    assert headers["content-type"] == "application/json"
    assert got.messages == [{"text": "4 families · ⟨…⟩"}]
    assert got.paths == ["/hooks/T0/secret-path"]


def test_without_a_secret_nothing_is_signed() -> None:
    with receiving() as got:
        assert Webhook(got.url).post({"text": "x"}) is None
    assert not any(name.startswith("x-fingerprint") for name in got.headers[0])


def test_a_busy_receiver_is_asked_again_as_late_as_it_says() -> None:
    waited: list[float] = []
    answers = [(503, {}), (429, {"retry-after": "7"}), (500, {"retry-after": "9999"}), (200, {})]
    with receiving(*answers) as got:
        assert Webhook(got.url).post({"text": "x"}, sleep=waited.append) is None
    assert len(got.bodies) == 4
    assert waited == [WAITS_S[0], 7.0, LONGEST_WAIT_S]


def test_what_was_given_up_is_told_without_the_secret_in_the_url() -> None:
    waited: list[float] = []
    with receiving((502, {})) as got:
        trouble = Webhook(got.url).post({"text": "x"}, sleep=waited.append)
        host = got.url.partition("/hooks")[0]
        assert trouble == f"{host} was not told: status 502"
        assert waited == list(WAITS_S)
    refused = Webhook(got.url).post({"text": "x"}, sleep=waited.append)
    assert refused is not None
    assert refused.startswith(f"{host} was not told: ConnectError")
    assert "secret-path" not in trouble + refused


def test_what_will_never_be_taken_is_not_sent_again() -> None:
    waited: list[float] = []
    with receiving((400, {})) as got:
        assert "status 400" in str(Webhook(got.url).post({"text": "x"}, sleep=waited.append))
    assert (waited, len(got.bodies)) == ([], 1)


def test_no_redirect_is_followed() -> None:
    with receiving() as other, receiving((307, {"location": other.url})) as got:
        assert "status 307" in str(Webhook(got.url, "s3cret").post({"text": "x"}))
        assert (len(got.bodies), other.bodies) == (1, [])


def test_plain_http_goes_to_this_machine_only() -> None:
    for url in ("http://127.0.0.1:9/x", "http://[::1]:9/x", "http://localhost/x", "https://hooks.example/x"):
        assert Webhook(url).url == url
    with pytest.raises(UsageError, match=r"http://hooks\.example found; --notify-plain-http allows it"):
        Webhook("http://user:pass@hooks.example/T0/secret")
    assert Webhook("http://hooks.example/x", plain_http=True).name == "http://hooks.example"
    for url in ("ftp://hooks.example/x", "hooks.example/secret", "https:///x"):
        with pytest.raises(UsageError, match="an https:// URL expected"):
            Webhook(url)


def test_a_watchs_message_has_no_text_and_no_examples() -> None:
    message = watch_message(EVENT)
    assert message["text"] == (
        "fingerprint, watching: family f0123456789ab was flagged, 1,200 requests from 31 accounts"
    )
    assert message["at"] == "2026-03-02T12:00:00+00:00"
    assert not {"template", "reasons", "examples"} & message.keys()


def test_a_watch_tells_of_flagged_families_only() -> None:
    told: list[str] = []
    with receiving() as got, Notices(Webhook(got.url), told.append) as notices:
        notices({**EVENT, "event": "raised"})
        notices(EVENT)
        notices({**EVENT, "family_id": "f2"})
    assert [m["family_id"] for m in got.messages] == ["f0123456789ab", "f2"]
    assert told == []


def test_a_receiver_that_never_answers_does_not_hold_up_a_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fingerprint.jobs.notices.LAST_WAIT_S", 0.2)
    monkeypatch.setattr("fingerprint.jobs.notices.MOST_WAITING", 2)
    monkeypatch.setattr("fingerprint.jobs.notify.TIMEOUT_S", 20.0)
    told: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/x"
        with Notices(Webhook(url), told.append) as notices:
            for number in range(20):
                notices({**EVENT, "family_id": f"f{number}"})
        assert notices._thread.is_alive(), "it waits for the first answer, and the watch has ended"
    assert any("wait" in words for words in told)
    assert "too slow" in told[-1]
    assert threading.active_count() < 50
