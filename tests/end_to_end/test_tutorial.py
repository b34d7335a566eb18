"""Every command of docs/tutorial.md runs, in its order, and prints what the page shows, numbers and ids apart."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.servers import free_port

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "tutorial.md").read_text()
STEPS = re.findall(r"^```sh\n(.*?)^```\n(?:\n```\n(.*?)^```\n)?", PAGE, re.MULTILINE | re.DOTALL)
"""What is typed, and what is shown below it, if anything."""

END_OF_STEP = "=== end of step ==="


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What each step prints, where the page's reader stands: in a checkout, with the program on the path."""
    folder = tmp_path_factory.mktemp("tutorial")
    for name in ("data", "deploy"):
        (folder / name).symlink_to(ROOT / name)
    programs = folder / "bin"
    programs.mkdir()
    (programs / "fingerprint").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m fingerprint "$@"\n')
    (programs / "fingerprint").chmod(0o755)
    script = "set -euo pipefail\n" + "".join(f"{typed}echo '{END_OF_STEP}'\n" for typed, _ in STEPS)
    environment = os.environ | {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "110",
    }
    bash = subprocess.Popen(
        ["bash", "-c", script.replace("8765", str(free_port()))],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = bash.communicate(timeout=1200)
    finally:
        if bash.poll() is None:
            os.killpg(bash.pid, signal.SIGKILL)
    assert bash.returncode == 0, output[-3000:]
    return output.split(END_OF_STEP)[:-1]


def test_every_command_runs(printed: list[str]) -> None:
    assert len(printed) == len(STEPS)
    typed = "\n".join(step for step, _ in STEPS)
    for command in ("nightly", "report", "lookup", "serve", "families show", "label"):
        assert f"fingerprint {command}" in typed


@pytest.mark.parametrize("number", [n for n, (_, shown) in enumerate(STEPS) if shown])
def test_it_prints_what_is_shown(printed: list[str], number: int) -> None:
    lines = {shape(line) for line in printed[number].splitlines()}
    shown = [line for line in STEPS[number][1].splitlines() if line.strip() not in ("", "…")]
    assert [line for line in shown if shape(line) not in lines] == [], printed[number]


def test_a_confirmed_campaign_is_blocked(printed: list[str]) -> None:
    answers = re.findall(r'"decision":"(\w+)"', "".join(printed))
    assert answers == ["observe", "observe", "block"]


def shape(line: str) -> str:
    """Return a line without its numbers and ids."""
    return re.sub(r"\s+", " ", re.sub(r"\b[cf]?[0-9a-f]{10,16}\b|[\d.,]*\d", "#", line)).strip()
