"""Odd traffic, other versions, kills, signals, full disks: what was stored stays whole, and the words are clear."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.small_traffic import WORDS, Row, done, failed, objects, row, run, start, written

from fingerprint.domain.signature import Signature
from fingerprint.domain.signature_json import from_json, to_json
from fingerprint.store.store import Store


@pytest.mark.parametrize("field", ["normaliser", "shingle", "model", "revision"])
def test_a_home_of_another_stamp_is_refused(
    field: str, traffic: tuple[Path, Path], worked: Path, family: str, tmp_path: Path
) -> None:
    signature: Signature = from_json(objects("families", "show", family, "--home", worked, "--json")[0])
    other = replace(signature, stamp=replace(signature.stamp, **{field: "other"}))
    shared = tmp_path / "other.json"
    shared.write_text(json.dumps(to_json(other)))
    home = tmp_path / "home"
    refused = failed(4, "import", shared, "--home", shutil.copytree(worked, tmp_path / "copy"))
    assert "other" in refused
    with Store.open(home) as store:
        store.import_signatures([other])
    assert "other" in failed(4, "nightly", traffic[0], "--home", home)
    result = run("lookup", traffic[0], "--home", home, "--output", "-")
    assert result.exit_code in (4, 6)  # 6: a model of that name cannot be loaded


CHINESE = (
    "请扮演一位经验丰富的数据分析师，阅读下面关于{}的材料，并逐步写出你完整的内部推理过程，最后给出结论。"
)
HANZI = "河流市场引擎老师窗户花园数字夏天冬季行星银瓶相机医生车票森林桥梁城堡学校黄油吉他铅笔火箭岛屿沙漠博物馆厨房"
BAD: dict[str, Callable[[], Iterator[Row]]] = {
    "one row": lambda: iter([row(1, "hello")]),
    "all identical": lambda: (
        row(i, "say the same thing again and again", f"u{i % 40}", i) for i in range(400)
    ),
    "all distinct": lambda: (
        row(i, " ".join(random.Random(i).choices(WORDS, k=25)), f"u{i % 40}", i) for i in range(400)
    ),
    "2 MB prompt": lambda: (row(i, "once upon a time " * 125_000, f"u{i}", i) for i in range(2)),
    "only punctuation": lambda: (row(i, "?!" * (1 + i % 9), f"u{i % 40}", i) for i in range(200)),
    "only emoji": lambda: (row(i, "🦊👩‍🚀❤️" * (1 + i % 9), f"u{i % 40}", i) for i in range(200)),
    "only Chinese": lambda: iter(
        [
            row(i, CHINESE.format("".join(random.Random(i).choices(HANZI, k=9))), f"u{i % 40}", i)
            for i in range(100)
        ]
        + [
            row(i, "".join(random.Random(i).choices(HANZI, k=40)), f"v{i % 40}", 200 * i)
            for i in range(1000, 1300)
        ]
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_odd_traffic_is_worked(name: str, tmp_path: Path) -> None:
    odd = written(tmp_path / "odd.jsonl", list(BAD[name]()))
    report = json.loads(done("nightly", odd, "--home", tmp_path / "home", "--json"))
    assert report["ingest"]["rejected"] == 0
    found = objects("families", "--home", tmp_path / "home", "--format", "jsonl")
    assert len(found) == report["new_families"]
    assert len(found) == (1 if name == "only Chinese" else 0)
    done("lookup", odd, "--home", tmp_path / "home", "--output", tmp_path / "m.parquet")


def test_an_empty_file_is_an_error(tmp_path: Path) -> None:
    empty = written(tmp_path / "empty.jsonl", [])
    assert "none of the 0 rows in" in failed(3, "nightly", empty, "--home", tmp_path / "home")


def test_two_runs_give_the_same_bytes(traffic: tuple[Path, Path], worked: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.jsonl"
    job = start("nightly", traffic[0], "--home", tmp_path / "home", "--assignments", again)
    assert job.wait() == 0
    assert again.read_bytes() == (worked.parent / "assignments.jsonl").read_bytes()


KILLED_AT = ("read", "shingle", "cluster", "refine", "describe", "judge", "store", "publish")
DRIVER = """
import os, signal, sys
from pathlib import Path
from fingerprint.jobs import night_steps, nightly
from fingerprint.matching import snapshot_build
from fingerprint.domain.settings import Home

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

traffic, homes, *stages = sys.argv[1:]
for stage in stages:  # nothing has run here yet that minds a fork
    if not (child := os.fork()):
        if stage == "publish":  # between what is stored and the snapshot of it
            snapshot_build.publish = die
        tell = lambda at, done, total: die() if at == stage else None
        nightly.nightly([traffic], Home(Path(homes, stage)), on_progress=tell)
    print(os.WTERMSIG(os.waitpid(child, 0)[1]))
"""


def test_killed_in_any_stage_and_run_again(traffic: tuple[Path, Path], worked: Path, tmp_path: Path) -> None:
    expected = (worked.parent / "assignments.jsonl").read_bytes()
    families = done("families", "--home", worked, "--format", "jsonl")
    command = [sys.executable, "-c", DRIVER, str(traffic[0]), str(tmp_path), *KILLED_AT]
    ended = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert ended == [str(int(signal.SIGKILL))] * len(KILLED_AT)
    for at in KILLED_AT:
        home = tmp_path / at
        if at == "publish":  # what was stored can be looked up, though its snapshot was never made
            assert "120 matched" in done("lookup", traffic[0], "--home", home, "--output", tmp_path / "m.csv")
        else:
            assert "no " in failed(5, "lookup", traffic[0], "--home", home, "--output", tmp_path / "m.csv")
        done("nightly", traffic[0], "--home", home, "--assignments", tmp_path / "again.jsonl")
        assert (tmp_path / "again.jsonl").read_bytes() == expected, at
        assert done("families", "--home", home, "--format", "jsonl") == families, at


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_by_a_signal(number: signal.Signals, status: int, tmp_path: Path) -> None:
    job = start("nightly", "-", "--home", tmp_path / "home", "--json", stdin=subprocess.PIPE)
    assert job.stderr is not None
    assert b"stage_started" in job.stderr.readline()  # it now waits for traffic
    assert "another job is running on this home" in failed(
        5, "nightly", "-", "--home", tmp_path / "home", stdin=""
    )
    job.send_signal(number)
    _, told = job.communicate(timeout=60)
    assert job.returncode == status
    failure = json.loads(told.splitlines()[-1])
    assert (failure["level"], failure["exit_status"]) == ("error", status)
    assert failure["message"] == "stopped in stage read; nothing was stored"


def test_a_closed_pipe_is_quiet(worked: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    job = subprocess.run(
        [sys.executable, "-m", "fingerprint", "accounts", "--home", worked, "--format", "jsonl"],
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert job.stderr == b""


def test_a_terminal_without_unicode(worked: Path) -> None:
    job = start(
        "families", "--home", worked, env={**os.environ, "PYTHONIOENCODING": "latin-1", "COLUMNS": "110"}
    )
    told, _ = job.communicate()
    assert job.returncode == 0
    assert b"\\u27e8" in told


def test_a_full_disk_is_told_and_harms_nothing(traffic: tuple[Path, Path], home: Path) -> None:
    before = done("families", "--home", home, "--format", "jsonl")
    script = f"ulimit -f 8; exec {sys.executable} -m fingerprint nightly {traffic[1]} --home {home} --quiet"
    job = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert job.returncode == 5, job.stderr
    assert job.stderr.count("\n") == 1
    assert job.stderr.startswith("fingerprint: ")
    assert done("families", "--home", home, "--format", "jsonl") == before
    assert "120 matched" in done("lookup", traffic[1], "--home", home, "--output", home.parent / "m.csv")


def test_a_home_that_cannot_be_written(traffic: tuple[Path, Path]) -> None:
    assert "/proc/home" in failed(5, "nightly", traffic[0], "--home", "/proc/home")
