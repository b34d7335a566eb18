from __future__ import annotations

import json
import os
import pty
import re
import select
import sys

import pytest
from support.until import WAIT_S

from fingerprint.cli.output.progress import Bars, JsonLog, Lines, Progress, amount, duration, reporter


def job(progress: Progress) -> None:
    with progress:
        progress("read", 0, None)
        progress("read", 500_000, 2_000_000)
        progress._began -= 2
        progress("read", 1_000_000, 2_000_000)
        progress("read", 1, 1)
        progress("cluster", 0, None)
        progress("cluster", 1, 1)


def test_a_line_for_each_stage(capsys: pytest.CaptureFixture[str]) -> None:
    job(Lines())
    read, cluster = capsys.readouterr().err.splitlines()
    assert read.split()[0] == "read"
    assert "1,000,000 rows, " in read
    assert re.fullmatch(r"cluster +\d+\.\d s", cluster)


def failing(progress: Progress) -> None:
    with progress:
        progress("read", 0, None)
        raise ValueError("broken")


def test_a_stage_that_fails_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="broken"):
        failing(Lines())
    assert capsys.readouterr().err.rstrip().endswith("not finished")


def test_json_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    job(JsonLog())
    logs = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(log["event"], log["stage"]) for log in logs] == [
        ("stage_started", "read"),
        ("stage_finished", "read"),
        ("stage_started", "cluster"),
        ("stage_finished", "cluster"),
    ]
    assert logs[1]["done"] == 1_000_000
    assert logs[1]["level"] == "info"
    assert logs[1]["time"].endswith("Z")


def test_bars_with_rates_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    leader, follower = pty.openpty()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with os.fdopen(follower, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        progress = reporter()
        assert isinstance(progress, Bars)
        with progress:
            progress("read", 0, None)
            progress._began -= 2
            progress("read", 1_000_000, 2_000_000)
            shown = b""
            while b" left" not in shown:  # it draws of itself, ten times a second
                assert select.select([leader], [], [], WAIT_S)[0]
                shown += os.read(leader, 100_000)
    os.close(leader)
    assert b"1,000,000 rows" in shown
    assert b"rows/s" in shown


def test_what_is_chosen() -> None:
    assert type(reporter(quiet=True)) is Progress
    assert type(reporter(json=True)) is JsonLog
    assert type(reporter()) is Lines


def test_amounts_and_durations() -> None:
    assert [amount(n, "hunt") for n in (12, 1_234, 5_600_000, 7.8e9)] == [
        "12 B",
        "1.2 kB",
        "5.6 MB",
        "7.8 GB",
    ]
    assert amount(12, "read") == "12 rows"
    assert amount(1_234.4, "claim 2") == "1,234 prompts"
    assert amount(12_345) == "12,345"
    assert [duration(s) for s in (3.6, 65, 3_700)] == ["4 s", "1:05 min", "1:01 h"]
