"""What a night ends with: names of what is new, a message to a webhook, and an exit status of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.receiver import receiving
from support.small_traffic import done, failed, run


def test_new_flags_are_named_and_end_with_a_status_of_their_own(
    traffic: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("FINGERPRINT_NOTIFY_SECRET", "s3cret")
    with receiving() as got:
        result = run("nightly", traffic[0], "--home", home, "--exit-new", "--notify", got.url)
    assert result.exit_code == 9
    assert "newly flagged: 2 new families of 1 campaign, 1 of them new" in result.stdout
    [message] = got.messages
    assert message["event"] == "night"
    assert (message["newly_flagged"], message["accounts"]) == (2, 12)
    [campaign] = message["campaigns"]
    assert campaign["name"] in message["text"]
    assert campaign["name"] in result.stdout
    assert not any(word in got.bodies[0].decode() for word in ("reviewer", "intermediate", "passage"))
    assert got.headers[0]["x-fingerprint-signature"].startswith("v1=")
    again = run("nightly", traffic[1], "--home", home, "--exit-new")
    assert again.exit_code == 0
    assert "newly flagged" not in again.stdout


def test_a_receiver_that_fails_never_fails_the_night(
    traffic: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fingerprint.jobs.notify.WAITS_S", ())
    with receiving((500, {})) as got:
        result = run("nightly", traffic[0], "--home", tmp_path / "home", "--notify", got.url, "--quiet")
    assert result.exit_code == 0
    assert "was not told: status 500" in result.stderr
    assert "secret-path" not in result.stderr


def test_a_wrong_address_is_told_before_anything_is_read(tmp_path: Path) -> None:
    words = failed(2, "nightly", "-", "--home", tmp_path / "home", "--notify", "http://hooks.example/x")
    assert "https:// expected" in words
    assert not (tmp_path / "home").exists()
    assert "--exit-new" in done("nightly", "--help")
