from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from support.small_traffic import (
    TEMPLATES,
    WORDS,
    Row,
    done,
    failed,
    night_rows,
    objects,
    row,
    run,
    start,
    written,
)

from fingerprint.domain.errors import InputError
from fingerprint.domain.settings import Home
from fingerprint.jobs import first_use
from fingerprint.jobs.watch import Watch, WatchFiles, WatchOptions, watch
from fingerprint.jobs.watch_state import EventLog, WatchState
from fingerprint.traffic.feeds import Chunk, File

OFTEN = WatchOptions(every_minutes=60, growth=0)


def events(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("stream") / "day.jsonl", night_rows(0, each=80, honest=900))


@pytest.fixture(scope="module")
def undisturbed(stream: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    folder = tmp_path_factory.mktemp("undisturbed")
    watch(File(stream), Home(folder / "home"), WatchFiles("s", folder / "state", folder / "events"), OFTEN)
    return events(folder / "events")


def test_campaigns_are_raised_while_the_day_runs(stream: Path, undisturbed: list[Row]) -> None:
    raised = [e for e in undisturbed if e["event"] == "raised"]
    assert len(raised) == len(TEMPLATES)
    sent = [json.loads(line) for line in stream.read_text().splitlines()]
    prompts = {r["request_id"]: str(r["prompt"]) for r in sent}
    for number, event in enumerate(raised):
        # a campaign's requests of a few minutes, from hour 3 and hour 6 on
        assert str(event["at"]) < f"2026-03-02T{3 * (number + 1):02}:59"
        assert {prompts[i][:20] for i in event["examples"]} == {TEMPLATES[number][:20]}  # type: ignore[attr-defined]
        assert event["accounts"] == 12
    flagged = [e for e in undisturbed if e["event"] == "flagged"]
    assert {e["family_id"] for e in flagged} == {e["family_id"] for e in raised}
    fillings = [word for word in WORDS if not any(word in template for template in TEMPLATES)]
    told = json.dumps([e["template"] for e in undisturbed])
    assert not any(word in told for word in fillings)


def watched(stream: Path, folder: Path) -> list[str]:
    """Return the words of a command that watches a stream and keeps all it has to in a folder."""
    kept = ("--home", folder / "home", "--state", folder / "state", "--events", folder / "events")
    return ["watch", *map(str, (stream, *kept, "--every-minutes", 60, "--growth", 0))]


DRIVER = """
import json, os, signal, sys
from fingerprint.cli.main import cli
from fingerprint.jobs import watch_state

tell, save = watch_state.EventLog.__call__, watch_state.save

def told(log, event):
    tell(log, event)
    os.kill(os.getpid(), signal.SIGKILL)

def saved(state, *where):
    save(state, *where)
    if state.told_bytes:
        os.kill(os.getpid(), signal.SIGKILL)

for command, moment in json.loads(sys.argv[1]):  # nothing has run here yet that minds a fork
    if not (child := os.fork()):
        if moment == "told":
            watch_state.EventLog.__call__ = told
        else:
            watch_state.save = saved
        cli(command)
    print(os.WTERMSIG(os.waitpid(child, 0)[1]))
"""


def test_a_watch_that_is_killed_tells_each_event_once(
    stream: Path, undisturbed: list[Row], tmp_path: Path
) -> None:
    # when the first campaign is told, hours of the stream before the second, and when that was noted
    moments = {moment: watched(stream, tmp_path / moment) for moment in ("told", "saved")}
    for moment in moments:
        (tmp_path / moment).mkdir()
    commands = json.dumps([(command, moment) for moment, command in moments.items()])
    job = subprocess.run([sys.executable, "-c", DRIVER, commands], check=True, capture_output=True, text=True)
    assert job.stdout.split() == [str(int(signal.SIGKILL))] * len(moments), job.stderr
    for moment, command in moments.items():
        before = events(tmp_path / moment / "events")
        assert 0 < len(before) < len(undisturbed)
        again = run(*command)
        assert again.exit_code == 0, again.output
        assert "rows read" in again.stderr
        assert events(tmp_path / moment / "events") == undisturbed, moment


def test_events_told_after_the_state_was_saved_are_told_again(
    stream: Path, undisturbed: list[Row], tmp_path: Path
) -> None:
    place = WatchFiles("s", tmp_path / "state", tmp_path / "events")
    watch(File(stream), Home(tmp_path / "home"), place, OFTEN)
    whole = place.events.read_bytes() if place.events else b""
    with (tmp_path / "events").open("ab") as file:
        file.write(b'{"event": "raised", "half a line')
    watch(File(stream), Home(tmp_path / "home"), place, OFTEN)  # nothing new
    assert (tmp_path / "events").read_bytes() == whole
    assert len(events(tmp_path / "events")) == len(undisturbed)
    with pytest.raises(InputError, match="this is the state of s, not of other"):
        watch(File(stream), Home(tmp_path / "home"), WatchFiles("other", tmp_path / "state"), OFTEN)
    (tmp_path / "state").write_text("{}")
    with pytest.raises(InputError, match="not the state of a watch"):
        watch(File(stream), Home(tmp_path / "home"), place, OFTEN)


def test_families_of_the_home_are_told_at_once_and_leave_the_window(
    worked: Path, traffic: tuple[Path, Path]
) -> None:
    told: list[dict[str, object]] = []
    watching = Watch(Home(worked), OFTEN, WatchState(), told.append)
    chunks = list(File(traffic[1]).chunks({}, {}))
    for chunk in chunks:
        watching.take(chunk)
    known = {e["family_id"] for e in told}
    assert [e["event"] for e in told] == ["active"] * len(known)
    assert known <= {f["family_id"] for f in objects("families", "--home", worked, "--format", "jsonl")}
    held = watching.window_size
    assert 300 <= held <= 310  # honest ones
    for chunk in chunks:
        watching.take(chunk)
    assert len(told) == len(known)
    assert watching.window_size == held  # requests that came again


def test_the_window_is_bounded(stream: Path, tmp_path: Path) -> None:
    options = WatchOptions(every_minutes=30, least_rows=10, growth=0, window_hours=2, window_rows=60)
    told: list[dict[str, object]] = []
    watching = Watch(Home(tmp_path), options, WatchState(), told.append)
    sizes = []
    for line in stream.read_bytes().splitlines(keepends=True):
        place = {"bytes": watching.state.seen.get("bytes", 0)}
        end = {"bytes": place["bytes"] + len(line)}
        watching.take(Chunk(line, place, end))
        if watching._due():
            watching._evict()
            watching._fresh, watching.state.last_round = 0, watching.state.latest
            times = [h.rows.column("timestamp")[0].as_py() for h in watching._window]
            assert (max(times) - min(times)).total_seconds() <= 7200
            sizes.append(watching.window_size)
    assert max(sizes) == 60


def test_a_full_window_is_looked_through_less_often(stream: Path, tmp_path: Path) -> None:
    options = WatchOptions(every_minutes=1, least_rows=10, growth=0.5)
    watching = Watch(Home(tmp_path), options, WatchState(), lambda event: None)
    sizes = []
    for number, line in enumerate(stream.read_bytes().splitlines(keepends=True)):
        watching.take(Chunk(line, {"bytes": number}, {"bytes": number + 1}))
        if watching._due():
            sizes.append(watching.window_size)
            watching._fresh, watching.state.last_round = 0, watching.state.latest
    assert len(sizes) > 4
    assert all(later >= 1.5 * earlier for earlier, later in pairwise(sizes))


def test_a_flagged_family_is_stored_and_matched(stream: Path, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    options = WatchOptions(every_minutes=60, growth=0, store=True)
    state = watch(File(stream), home, WatchFiles("s", None, tmp_path / "events"), options)
    flagged = {str(e["family_id"]) for e in events(tmp_path / "events") if e["event"] == "flagged"}
    assert flagged == set(state.flagged)
    assert flagged
    assert not state.raised.keys() & flagged
    stored = {f["family_id"] for f in objects("families", "--home", home.path, "--format", "jsonl")}
    assert flagged <= stored
    match = json.loads(done("try", TEMPLATES[0].format("some other words"), "--home", home.path, "--json"))
    assert match["family_id"] in flagged


def test_stdin_and_its_faults(tmp_path: Path) -> None:
    rows = [row(n, f"hello number {n}", seconds=n) for n in range(5)]
    lines = "".join(json.dumps(r) + "\n" for r in rows) + "not json\n"
    process = start("watch", "-", "--home", tmp_path / "home", stdin=-1)
    out, err = process.communicate(lines.encode(), timeout=120)
    assert (process.returncode, out) == (0, b"")
    assert b"6 rows read, 1 rejected; 0 families flagged" in err
    assert "--events needs --state" in failed(2, "watch", "-", "--home", tmp_path, "--events", tmp_path / "e")
    (tmp_path / "k").write_text("sasl.password hunter2\n")
    said = failed(3, "watch", "kafka://h:1/t", "--home", tmp_path, "--kafka-config", tmp_path / "k")
    assert "line 1: NAME=VALUE expected" in said
    assert "hunter2" not in said


def test_kernels_are_compiled_and_shown_before_a_stream_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, ...]] = []

    def compile_for(on_progress: Callable[[str, int, int], None], *jobs: str) -> None:
        asked.append(jobs)
        on_progress("compile", 300, 300)

    monkeypatch.setattr(first_use, "compile_for", compile_for)
    result = run("watch", "-", "--home", tmp_path / "home", stdin="")
    assert asked == [("night", "lookup")]
    assert result.stdout == ""  # events only
    first, last = result.stderr.splitlines()
    assert first.startswith("compile ")
    assert "300 kernels" in first
    assert last == "0 rows read, 0 rejected; 0 families flagged"


def test_an_events_file_that_lost_some(tmp_path: Path) -> None:
    (tmp_path / "events").write_bytes(b"1\n")
    with pytest.raises(InputError, match="at least 9 bytes of events expected, 2 found"):
        EventLog(tmp_path / "events", WatchState(told_bytes=9))


@pytest.mark.parametrize("hours", [None, 0])
def test_a_watch_counts_conversations_as_a_night_does(tmp_path: Path, hours: int | None) -> None:
    rows = [r for r in night_rows(0, each=40, honest=200) if str(r["account_id"]).startswith("pool")]
    chats = [
        message
        for number, r in enumerate(rows)
        for message in (
            r,
            {
                **r,
                "request_id": f"again{number}",
                "prompt": f"{r['prompt']}\nplease go on from there {number}",
            },
        )
    ]
    extra = [] if hours is None else ["--conversation-hours", hours]
    file = written(tmp_path / "chats.jsonl", chats)
    told = done(
        "watch", file, "--home", tmp_path / "home", "--every-minutes", 600, "--every-rows", 5000, *extra
    )
    raised = [e for e in map(json.loads, told.splitlines()) if e["event"] == "raised"]
    assert raised
    for event in raised:
        assert (event["conversations"] < event["requests"]) is (hours is None)
