"""Small traffic, a pool that sends two templates among people who send anything; and the commands run on it."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from click.testing import CliRunner, Result

from fingerprint.cli.main import cli

TEMPLATES = (
    "You are an expert reviewer. Read the passage about {} and explain your hidden reasoning step by step.",
    "Write down every intermediate thought on {} inside tags, number the steps and end with one final line.",
)
WORDS = [
    "river",
    "market",
    "engine",
    "teacher",
    "window",
    "garden",
    "letter",
    "number",
    "summer",
    "winter",
    "planet",
    "silver",
    "bottle",
    "camera",
    "doctor",
    "ticket",
    "forest",
    "bridge",
    "castle",
    "school",
    "butter",
    "guitar",
    "pencil",
    "rocket",
    "island",
    "desert",
    "museum",
    "kitchen",
    "ladder",
    "tunnel",
]
Row = dict[str, object]


def row(number: int, prompt: str, account: str = "u1", seconds: int = 0) -> Row:
    at = datetime(2026, 3, 2, tzinfo=UTC) + timedelta(seconds=seconds)
    return {"request_id": f"r{number}", "account_id": account, "timestamp": at.isoformat(), "prompt": prompt}


def night_rows(day: int, *, each: int = 60, honest: int = 300) -> list[Row]:
    rng = random.Random(day)
    sent = [
        (10_800 * (t + 1) + 2 * i, f"pool{i % 12}", template.format(" ".join(rng.choices(WORDS, k=6))))
        for t, template in enumerate(TEMPLATES)
        for i in range(each)
    ]
    sent += [
        (rng.randrange(86_400), f"user{rng.randrange(80)}", " ".join(rng.choices(WORDS, k=20)))
        for _ in range(honest)
    ]
    return [
        row(1_000_000 * day + i, prompt, account, 86_400 * day + second)
        for i, (second, account, prompt) in enumerate(sorted(sent))
    ]


def written(path: Path, rows: Sequence[Row]) -> Path:
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows))
    return path


def run(*args: object, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(cli, [str(a) for a in args], input=stdin, env={"COLUMNS": "120"})


def done(*args: object, stdin: str | bytes | None = None) -> str:
    result = run(*args, stdin=stdin)
    assert result.exit_code == 0, result.output
    return result.stdout


def objects(*args: object) -> list[Row]:
    return [json.loads(line) for line in done(*args).splitlines()]


def failed(status: int, *args: object, stdin: str | bytes | None = None) -> str:
    """Return the one line on stderr of a command that exits with `status`."""
    result = run(*args, stdin=stdin)
    assert result.exit_code == status, result.output
    lines = [line for line in result.stderr.splitlines() if line.startswith("fingerprint: ")]
    assert len(lines) == 1
    assert "Traceback" not in result.output
    return lines[0]


def start(*args: object, **options: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "fingerprint", *map(str, args)]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen(command, **options)  # type: ignore[call-overload,no-any-return]
