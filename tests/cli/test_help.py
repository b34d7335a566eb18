"""What `--help` says of every command, how quick it is, and completion in the shell."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from support.small_traffic import done

from fingerprint.cli.main import cli


@pytest.mark.alone
def test_help_is_quick_and_loads_nothing_heavy() -> None:
    took = []
    for _ in range(3):
        began = _seconds_of_children()
        subprocess.run([sys.executable, "-m", "fingerprint", "--help"], check=True, capture_output=True)
        took.append(_seconds_of_children() - began)
    assert min(took) <= 0.5
    ask = "import sys, fingerprint.cli; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", ask], check=True, capture_output=True, text=True
    ).stdout.split()
    roots = {name.partition(".")[0] for name in loaded}
    assert roots.isdisjoint(
        ("torch", "numba", "numpy", "pyarrow", "sqlalchemy", "faiss", "sentence_transformers", "rich")
    )


def _seconds_of_children() -> float:
    """Return the processor's time of child processes that ended, which a busy machine hardly changes."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _commands(group: click.Group = cli, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of every command and sub-command."""
    for name, command in group.commands.items():
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from _commands(command, (*path, name))


COMMANDS = list(_commands())


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_has_an_example_and_says_what_comes_out(command: tuple[str, ...]) -> None:
    text = done(*command, "--help")
    examples = text.partition("Example:\n")[2].partition("\n\n")[0]
    assert "fingerprint " + " ".join(command) in examples
    assert "output" in text.partition("Options:\n")[0].lower()


def test_help_explains_output_completion_and_exit_statuses() -> None:
    text = done("--help")
    assert all(words in text for words in ("--format table|jsonl", "completion bash", "130"))
    assert done("--version").startswith("fingerprint, version ")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_that_prints_results_takes_format_and_json(command: tuple[str, ...]) -> None:
    text = done(*command, "--help")
    both = ("--format [table|jsonl]" in text, "Short for --format jsonl" in text)
    special = {("watch",), ("serve",), ("keys",), ("db",), ("feed",), ("export",), ("demo",), ("completion",)}
    assert both == ((False, False) if command in special else (True, True))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_one_line_that_click_answers(shell: str) -> None:
    assert f"_FINGERPRINT_COMPLETE={shell}_source fingerprint" in done("completion", shell)
    words = {"COMP_WORDS": "fingerprint fam", "COMP_CWORD": "1", "_FINGERPRINT_COMPLETE": "bash_complete"}
    program = [sys.executable, "-m", "fingerprint"]
    answer = subprocess.run(program, env={**os.environ, **words}, capture_output=True, text=True, check=True)
    assert answer.stdout == "plain,families\n"


def test_simulate_help_knows_all_presets_and_evasions() -> None:
    from fingerprint.simulate import EVASIONS, PRESETS

    told = done("simulate", "--help")
    assert [name for name in (*EVASIONS, *PRESETS) if name not in told] == []
